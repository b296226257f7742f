//! The tables of the queue.

use std::path::Path;
use std::time::Duration;

use marquee_event_store::Position;
use rusqlite::Connection;

use super::QueueError;

const VERSION: i64 = 1;
const TABLES: &str = "
    CREATE TABLE checkpoint(position INTEGER NOT NULL);
    CREATE TABLE notifications(
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        event_id BLOB NOT NULL,
        position INTEGER NOT NULL,
        time INTEGER NOT NULL,
        booking TEXT NOT NULL,
        user TEXT NOT NULL,
        kind TEXT NOT NULL,
        channel TEXT NOT NULL,
        status TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        due INTEGER NOT NULL,
        at INTEGER NOT NULL,
        reason TEXT,
        facts TEXT NOT NULL,
        subject TEXT,
        text TEXT
    );
    CREATE INDEX due ON notifications(channel, due) WHERE status = 'PENDING';
    CREATE INDEX of_booking ON notifications(booking, seq);
    CREATE INDEX of_status ON notifications(status, seq);
    CREATE INDEX settled ON notifications(at) WHERE status <> 'PENDING';
";

/// Opens the file; makes it where it is missing, with the log's end as its checkpoint. A checkpoint ahead of the log was kept
/// before an older copy of the log was put back: what comes next is new.
pub(super) fn open(path: &Path, head: Position) -> Result<Connection, QueueError> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(5))?;
    // What was sent must not be forgotten: it would be sent again.
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")?;
    let head = head.0.cast_signed();
    let empty: bool =
        db.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    if empty {
        let transaction = db.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.execute("INSERT INTO checkpoint(position) VALUES (?1)", [head])?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
        return Ok(db);
    }
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != VERSION {
        return Err(QueueError::OtherTables(version));
    }
    if db.execute("UPDATE checkpoint SET position = ?1 WHERE position > ?1", [head])? > 0 {
        tracing::error!(
            log = head,
            "the queue of notifications was ahead of the log: it goes on from the log's end"
        );
    }
    Ok(db)
}
