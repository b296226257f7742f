//! The queue of notifications: what is to be delivered, and what became of it.
//!
//! A file of its own, apart from the log and the views. It is no view: what was delivered is known here alone. It holds
//! customers' opaque ids and nothing of how to reach them. The checkpoint in the log is kept together with what was found
//! up to there, so that an event is looked at once.

mod rows;
mod schema;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use marquee_domain::customer::Channel;
use marquee_event_store::Position;
use rusqlite::{Connection, OptionalExtension, params};

use self::rows::{COLUMNS, entry};
pub(crate) use self::rows::{Due, New};
pub use self::rows::{Entry, OutboxText, Query, Status};
use crate::trigger::Trigger;

/// Why the queue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Its file is out.
    #[error("the queue of notifications is out: {0}")]
    Storage(#[from] rusqlite::Error),
    /// Its file is of another release.
    #[error("the queue of notifications has tables of version {0}")]
    OtherTables(i64),
    /// What it holds is not what was put there.
    #[error("the queue of notifications holds what cannot be read: {0}")]
    Malformed(String),
    /// A thread failed while it held the file.
    #[error("the queue of notifications is out: a thread failed while it held it")]
    Poisoned,
}

/// Why a notification is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReplayable {
    /// There is none of that id.
    #[error("there is no such notification")]
    Unknown,
    /// It was delivered, or is not to be.
    #[error("the notification is {}", .0.as_str())]
    Settled(Status),
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The provider took it.
    Sent,
    /// It is tried again.
    Retry { due: Timestamp, reason: String },
    /// It is not tried again unless somebody says so.
    Dead { reason: String },
    /// It is not to be delivered.
    Suppressed { reason: &'static str },
}

/// How the queue stands.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Depth {
    pub pending: u64,
    pub dead: u64,
    /// When the event of the oldest pending one happened, in milliseconds.
    pub oldest: Option<i64>,
}

/// The queue. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Queue(Arc<Mutex<Connection>>);

impl Queue {
    /// Opens `notifications.sqlite` in a directory. A new one begins at the end of the log: what customers were told before
    /// is not known, and nobody is told twice.
    pub fn open(dir: &Path, head: Position) -> Result<Self, QueueError> {
        Ok(Self(Arc::new(Mutex::new(schema::open(&dir.join("notifications.sqlite"), head)?))))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, QueueError>) -> Result<T, QueueError> {
        work(&mut *self.0.lock().map_err(|_| QueueError::Poisoned)?)
    }

    /// Up to where the log was looked at.
    pub fn checkpoint(&self) -> Result<Position, QueueError> {
        self.with(|db| {
            let position: i64 = db.query_row("SELECT position FROM checkpoint", [], |row| row.get(0))?;
            Ok(Position(position.cast_unsigned()))
        })
    }

    /// Keeps what was found, together with how far it was looked for. What is known by its id is not put there twice.
    pub fn put(&self, new: &[New], checkpoint: Position) -> Result<(), QueueError> {
        self.with(|db| {
            let transaction = db.transaction()?;
            {
                let mut insert = transaction.prepare_cached(
                    "INSERT OR IGNORE INTO notifications \
                     (id, event_id, position, time, booking, user, kind, channel, status, attempts, due, at, reason, facts) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10, ?10, ?11, ?12)",
                )?;
                for New { trigger, channel, suppressed, now } in new {
                    let Trigger { kind, event_id, position, time, user, facts, .. } = trigger;
                    let status = if suppressed.is_some() { Status::Suppressed } else { Status::Pending };
                    let stored = serde_json::to_string(facts).map_err(|error| QueueError::Malformed(error.to_string()))?;
                    insert.execute(params![
                        trigger.id(*channel),
                        event_id.as_bytes(),
                        position.0.cast_signed(),
                        time.as_millisecond(),
                        facts.booking_id.as_str(),
                        user.as_str(),
                        kind.as_str(),
                        channel.as_str(),
                        status.as_str(),
                        now.as_millisecond(),
                        suppressed,
                        stored,
                    ])?;
                }
            }
            transaction.execute("UPDATE checkpoint SET position = ?1", [checkpoint.0.cast_signed()])?;
            transaction.commit()?;
            Ok(())
        })
    }

    /// What is due in a channel, what has been due for longest first.
    pub fn due(&self, channel: Channel, now: Timestamp, limit: u32) -> Result<Vec<Due>, QueueError> {
        self.with(|db| {
            let mut select = db.prepare_cached(
                "SELECT id, time, user, kind, attempts, facts FROM notifications \
                 WHERE channel = ?1 AND status = 'PENDING' AND due <= ?2 ORDER BY due, seq LIMIT ?3",
            )?;
            let found =
                select.query_map(params![channel.as_str(), now.as_millisecond(), limit], rows::due)?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    /// Keeps what became of a delivery. One that was settled meanwhile stays so.
    pub fn settle(&self, id: &str, outcome: &Outcome, now: Timestamp) -> Result<(), QueueError> {
        let (status, due, reason, attempt) = match outcome {
            Outcome::Sent => (Status::Sent, now, None, 1),
            Outcome::Retry { due, reason } => (Status::Pending, *due, Some(reason.as_str()), 1),
            Outcome::Dead { reason } => (Status::Dead, now, Some(reason.as_str()), 1),
            Outcome::Suppressed { reason } => (Status::Suppressed, now, Some(*reason), 0),
        };
        self.with(|db| {
            db.prepare_cached(
                "UPDATE notifications SET status = ?2, due = ?3, reason = ?4, attempts = attempts + ?5, at = ?6 \
                 WHERE id = ?1 AND status = 'PENDING'",
            )?
            .execute(params![id, status.as_str(), due.as_millisecond(), reason, attempt, now.as_millisecond()])?;
            Ok(())
        })
    }

    /// Keeps a text in the local outbox.
    pub fn keep_text(&self, id: &str, text: &OutboxText) -> Result<(), QueueError> {
        self.with(|db| {
            db.prepare_cached("UPDATE notifications SET subject = ?2, text = ?3 WHERE id = ?1")?
                .execute(params![id, text.subject, text.text])?;
            Ok(())
        })
    }

    /// Has a dead letter tried again from now on, as if for the first time.
    pub fn replay(&self, id: &str, now: Timestamp) -> Result<Result<Entry, NotReplayable>, QueueError> {
        self.with(|db| {
            let transaction = db.transaction()?;
            let select = format!("SELECT {COLUMNS} FROM notifications WHERE id = ?1");
            let Some(found) = transaction.query_row(&select, [id], entry).optional()? else {
                return Ok(Err(NotReplayable::Unknown));
            };
            match found.status {
                Status::Dead | Status::Pending => {}
                settled @ (Status::Sent | Status::Suppressed) => return Ok(Err(NotReplayable::Settled(settled))),
            }
            transaction.execute(
                "UPDATE notifications SET status = 'PENDING', attempts = 0, due = ?2, at = ?2, reason = NULL WHERE id = ?1",
                params![id, now.as_millisecond()],
            )?;
            let replayed = transaction.query_row(&select, [id], entry)?;
            transaction.commit()?;
            Ok(Ok(replayed))
        })
    }

    /// Notifications, the newest first, before a place in that order.
    pub fn list(&self, query: &Query) -> Result<Vec<Entry>, QueueError> {
        self.with(|db| {
            let mut select = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM notifications \
                 WHERE (?1 IS NULL OR booking = ?1) AND (?2 IS NULL OR status = ?2) AND seq < ?3 ORDER BY seq DESC LIMIT ?4"
            ))?;
            let before = query.before.unwrap_or(i64::MAX);
            let status = query.status.map(Status::as_str);
            let found = select.query_map(params![query.booking, status, before, query.limit], entry)?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    /// How many wait, how many are dead, and since when the oldest waits.
    pub fn depth(&self) -> Result<Depth, QueueError> {
        let unsigned = |count: i64| count.cast_unsigned();
        self.with(|db| {
            let mut select = db.prepare_cached(
                "SELECT (SELECT count(*) FROM notifications WHERE status = 'PENDING'), \
                 (SELECT count(*) FROM notifications WHERE status = 'DEAD'), \
                 (SELECT time FROM notifications WHERE status = 'PENDING' ORDER BY seq LIMIT 1)",
            )?;
            let depth = select.query_row([], |row| {
                Ok(Depth { pending: unsigned(row.get(0)?), dead: unsigned(row.get(1)?), oldest: row.get(2)? })
            })?;
            Ok(depth)
        })
    }

    /// Forgets some of what was settled before an instant; how many. The log is never looked at again before the checkpoint, so that nothing of it
    /// comes back.
    pub fn sweep(&self, before: Timestamp) -> Result<usize, QueueError> {
        self.with(|db| {
            let delete = "DELETE FROM notifications WHERE seq IN (SELECT seq FROM notifications \
                          WHERE status <> 'PENDING' AND at < ?1 LIMIT 500)";
            Ok(db.execute(delete, [before.as_millisecond()])?)
        })
    }
}
