//! The file of the queue.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use marquee_event_store::{Position, StreamName};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{QueueError, Queued, Retention};
use crate::messages::bus::{Origin, Outgoing};

/// The version of these tables. A file of another version is made again from the log.
const VERSION: i64 = 1;

/// A position is one event, and an event is one message at most: the key that tells repeats.
const TABLES: &str = "
    CREATE TABLE messages (
        position INTEGER PRIMARY KEY,
        event_id BLOB NOT NULL,
        stream TEXT NOT NULL,
        revision INTEGER NOT NULL,
        time INTEGER NOT NULL,
        subject TEXT NOT NULL,
        body BLOB NOT NULL
    );
";

/// Messages that are deleted in one go, and how many may be too many before that is done.
const SWEEP: u32 = 1_024;

/// The file, for its one writer.
pub(super) struct QueueFile {
    db: Connection,
    retention: Retention,
    /// The position of the last message as this writer last saw it, 0 for none; `None` before it has looked.
    seen: Option<i64>,
    held: u64,
    swept_to: i64,
}

impl QueueFile {
    pub fn open(path: &Path, retention: Retention) -> Result<Self, QueueError> {
        let mut db = Connection::open(path)?;
        db.busy_timeout(Duration::from_secs(5))?;
        db.pragma_update(None, "journal_mode", "wal")?;
        db.pragma_update(None, "synchronous", "normal")?;
        let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let empty: bool =
            db.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
        if empty {
            let transaction = db.transaction()?;
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.commit()?;
        } else if found != VERSION {
            return Err(QueueError::OtherTables(found));
        }
        let held = db.query_row("SELECT count(*) FROM messages", [], |row| unsigned(row, 0))?;
        Ok(Self { db, retention, seen: None, held, swept_to: i64::MIN })
    }

    pub fn last(&mut self) -> Result<Option<Origin>, QueueError> {
        let last = self
            .db
            .query_row(
                "SELECT position, event_id, stream, revision FROM messages ORDER BY position DESC LIMIT 1",
                [],
                origin,
            )
            .optional()?;
        self.seen = Some(last.as_ref().map_or(0, |last| last.position.0.cast_signed()));
        Ok(last)
    }

    pub fn publish(&mut self, messages: &[Outgoing]) -> Result<(), QueueError> {
        let Some(newest) = messages.last() else { return Ok(()) };
        let transaction = self.db.transaction()?;
        let last: i64 = transaction
            .prepare_cached("SELECT coalesce(max(position), 0) FROM messages")?
            .query_row([], |row| row.get(0))?;
        if self.seen != Some(last) {
            return Err(QueueError::Moved);
        }
        let mut added = 0;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT OR IGNORE INTO messages (position, event_id, stream, revision, time, subject, body) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            for message in messages {
                let origin = &message.origin;
                added += insert.execute(params![
                    origin.position.0.cast_signed(),
                    origin.event_id.as_bytes(),
                    origin.stream.as_str(),
                    origin.revision.cast_signed(),
                    message.time.as_millisecond(),
                    message.subject,
                    &message.body[..],
                ])?;
            }
        }
        transaction.commit()?;
        self.seen = Some(last.max(newest.origin.position.0.cast_signed()));
        self.held += added as u64;
        self.sweep(newest.time.as_millisecond())
    }

    pub fn clear(&mut self) -> Result<(), QueueError> {
        self.db.execute("DELETE FROM messages", [])?;
        (self.seen, self.held) = (Some(0), 0);
        Ok(())
    }

    /// Deletes what the queue need not hold, by the time of its newest message: a replayed past is not swept as it comes.
    fn sweep(&mut self, newest: i64) -> Result<(), QueueError> {
        let age = i64::try_from(self.retention.age.as_millis()).unwrap_or(i64::MAX);
        let oldest = newest.saturating_sub(age);
        let full = self.held > self.retention.messages + u64::from(SWEEP);
        // A minute's worth at a time: most batches have nothing to delete.
        if !full && oldest < self.swept_to.saturating_add(60_000) {
            return Ok(());
        }
        let too_many = i64::try_from(self.held.saturating_sub(self.retention.messages)).unwrap_or(i64::MAX);
        let deleted = self.db.execute(
            "DELETE FROM messages WHERE position IN (\
               SELECT position FROM messages ORDER BY position LIMIT ?1) \
             OR (time < ?2 AND position IN (SELECT position FROM messages ORDER BY position LIMIT ?3))",
            params![too_many, oldest, SWEEP],
        )?;
        self.held = self.held.saturating_sub(deleted as u64);
        if deleted < SWEEP as usize {
            self.swept_to = oldest;
        }
        Ok(())
    }
}

/// A connection that only reads, beside the writer.
pub(super) fn open_reader(path: &Path) -> Result<Connection, QueueError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.pragma_update(None, "query_only", true)?;
    Ok(db)
}

pub(super) fn read(db: &Connection, after: Position, limit: usize) -> Result<Vec<Queued>, QueueError> {
    let mut statement = db.prepare_cached(
        "SELECT position, event_id, subject, body FROM messages WHERE position > ?1 ORDER BY position LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = i64::try_from(after.0).unwrap_or(i64::MAX);
    let queued = statement.query_map([after, limit], |row| {
        Ok(Queued {
            position: Position(unsigned(row, 0)?),
            event_id: id(row, 1)?,
            subject: row.get(2)?,
            body: Bytes::from(row.get::<_, Vec<u8>>(3)?),
        })
    })?;
    Ok(queued.collect::<Result<_, _>>()?)
}

/// Deletes the file and what `SQLite` keeps beside it.
pub(super) fn remove(path: &Path) -> Result<(), QueueError> {
    for suffix in ["-wal", "-shm", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn origin(row: &Row<'_>) -> rusqlite::Result<Origin> {
    Ok(Origin {
        position: Position(unsigned(row, 0)?),
        event_id: id(row, 1)?,
        stream: StreamName::new(row.get::<_, String>(2)?),
        revision: unsigned(row, 3)?,
    })
}

fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get::<_, [u8; 16]>(column).map(Uuid::from_bytes)
}

/// `SQLite` has signed numbers alone.
fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}
