//! How far the processes are, on disk. Losing it costs a replay of the log, nothing else.

use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use marquee_domain::ids::{BookingId, OfferCode, RefundId, ShowId};
use marquee_event_store::{Position, StreamName};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::processes::ProcessesError;
use crate::processes::questions::{Question, Standing};
use crate::processes::redemptions::{ClaimId, Due};
use crate::processes::timers::{Timer, TimerKind};

#[derive(Clone)]
pub(super) struct ProcessState {
    connection: Arc<Mutex<Connection>>,
}

impl ProcessState {
    pub(super) fn open(dir: &Path) -> Result<Self, ProcessesError> {
        let connection = Connection::open(dir.join("processes.sqlite"))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS checkpoints(process TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS timers(
               due INTEGER NOT NULL, kind TEXT NOT NULL, show TEXT NOT NULL, PRIMARY KEY(due, kind, show)
             ) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS claims(
               booking TEXT NOT NULL, code TEXT NOT NULL, kind TEXT NOT NULL, due INTEGER NOT NULL, PRIMARY KEY(booking, code)
             ) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS questions(
               kind TEXT NOT NULL, stream TEXT NOT NULL, id TEXT NOT NULL, since INTEGER NOT NULL, due INTEGER NOT NULL,
               alerted INTEGER NOT NULL, PRIMARY KEY(kind, stream, id)
             ) WITHOUT ROWID;",
        )?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// How far a process was. One that is ahead of the log was kept of another log, or of this one before an older copy
    /// was put back: it is not believed.
    pub(super) fn checkpoint(&self, process: &str, head: Position) -> Result<Position, ProcessesError> {
        let connection = self.connection.lock().map_err(|_| poisoned())?;
        let position = connection
            .query_row("SELECT position FROM checkpoints WHERE process = ?1", [process], |row| {
                row.get::<_, i64>(0)
            })
            .optional()?;
        let kept = Position(position.and_then(|position| u64::try_from(position).ok()).unwrap_or_default());
        if kept <= head {
            return Ok(kept);
        }
        tracing::error!(process, checkpoint = %kept, log = %head, "the checkpoint is ahead of the log; the log is read anew");
        Ok(Position(0))
    }

    pub(super) fn timers(&self) -> Result<Vec<Timer>, ProcessesError> {
        let connection = self.connection.lock().map_err(|_| poisoned())?;
        let mut rows = connection.prepare("SELECT due, kind, show FROM timers")?;
        let rows = rows.query_map([], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        })?;
        let mut timers = Vec::new();
        for row in rows {
            let (due, kind, show) = row?;
            let due = Timestamp::from_millisecond(due).unwrap_or(Timestamp::UNIX_EPOCH);
            if let Some(kind) = TimerKind::parse(&kind) {
                timers.push(Timer { due, kind, show: ShowId::new(show) });
            }
        }
        Ok(timers)
    }

    pub(super) fn claims(&self) -> Result<Vec<(ClaimId, Due)>, ProcessesError> {
        let connection = self.connection.lock().map_err(|_| poisoned())?;
        let mut rows = connection.prepare("SELECT booking, code, kind, due FROM claims")?;
        let rows = rows.query_map([], |row| {
            let (booking, code) = (row.get::<_, String>(0)?, row.get::<_, String>(1)?);
            let claim = ClaimId { booking: BookingId::new(booking), code: OfferCode::new(code) };
            let due = Timestamp::from_millisecond(row.get(3)?).unwrap_or(Timestamp::UNIX_EPOCH);
            Ok(match row.get::<_, String>(2)?.as_str() {
                "held" => (claim, Due::Held),
                "check" => (claim, Due::Check(due)),
                _ => (claim, Due::Release),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Keeps a checkpoint together with what became of the claims on the way to it; `None` where one is over.
    pub(super) async fn save_claims(
        &self,
        process: &'static str,
        checkpoint: Position,
        changes: Vec<(ClaimId, Option<Due>)>,
    ) -> Result<(), ProcessesError> {
        self.transaction(move |transaction| {
            for (ClaimId { booking, code }, due) in changes {
                let (kind, due) = match due {
                    None => {
                        transaction
                            .prepare_cached("DELETE FROM claims WHERE booking = ?1 AND code = ?2")?
                            .execute(params![booking.as_str(), code.as_str()])?;
                        continue;
                    }
                    Some(Due::Held) => ("held", 0),
                    Some(Due::Check(due)) => ("check", due.as_millisecond()),
                    Some(Due::Release) => ("release", 0),
                };
                transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO claims(booking, code, kind, due) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![booking.as_str(), code.as_str(), kind, due])?;
            }
            keep(transaction, process, checkpoint)
        })
        .await
    }

    pub(super) fn questions(&self) -> Result<Vec<(Question, Standing)>, ProcessesError> {
        let connection = self.connection.lock().map_err(|_| poisoned())?;
        let mut rows = connection.prepare("SELECT kind, stream, id, since, due, alerted FROM questions")?;
        let rows = rows.query_map([], |row| {
            let (stream, id) = (row.get::<_, String>(1)?, row.get::<_, String>(2)?);
            let question = match row.get::<_, String>(0)?.as_str() {
                "refund" => Question::Refund(StreamName::new(stream), RefundId::new(id)),
                _ => Question::Payment(BookingId::new(id)),
            };
            let time = |millis| Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
            let (since, due) = (time(row.get(3)?), time(row.get(4)?));
            Ok((question, Standing { since, due, alerted: row.get(5)? }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Keeps a checkpoint together with what became of the questions on the way to it; `None` where one is answered.
    pub(super) async fn save_questions(
        &self,
        process: &'static str,
        checkpoint: Position,
        changes: Vec<(Question, Option<Standing>)>,
    ) -> Result<(), ProcessesError> {
        self.transaction(move |transaction| {
            for (question, standing) in changes {
                let (kind, stream, id) = match &question {
                    Question::Payment(booking) => ("payment", "", booking.as_str()),
                    Question::Refund(stream, refund) => ("refund", stream.as_str(), refund.as_str()),
                };
                let Some(Standing { since, due, alerted }) = standing else {
                    transaction
                        .prepare_cached("DELETE FROM questions WHERE kind = ?1 AND stream = ?2 AND id = ?3")?
                        .execute(params![kind, stream, id])?;
                    continue;
                };
                transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO questions(kind, stream, id, since, due, alerted)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    )?
                    .execute(params![
                        kind,
                        stream,
                        id,
                        since.as_millisecond(),
                        due.as_millisecond(),
                        alerted
                    ])?;
            }
            keep(transaction, process, checkpoint)
        })
        .await
    }

    async fn transaction(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<(), ProcessesError> {
        let connection = Arc::clone(&self.connection);
        let saved = tokio::task::spawn_blocking(move || {
            let mut connection = connection.lock().map_err(|_| poisoned())?;
            let transaction = connection.transaction()?;
            work(&transaction)?;
            transaction.commit()?;
            Ok(())
        });
        saved.await.map_err(|error| ProcessesError::Stopped(error.to_string()))?
    }

    /// Keeps a checkpoint together with the timers that were set on the way to it, and forgets those that fired.
    pub(super) async fn save(
        &self,
        process: &'static str,
        checkpoint: Position,
        set: Vec<Timer>,
        fired: Vec<Timer>,
    ) -> Result<(), ProcessesError> {
        self.transaction(move |transaction| {
            let mut insert = transaction
                .prepare_cached("INSERT OR IGNORE INTO timers(due, kind, show) VALUES (?1, ?2, ?3)")?;
            for timer in set {
                insert.execute(params![
                    timer.due.as_millisecond(),
                    timer.kind.as_str(),
                    timer.show.as_str()
                ])?;
            }
            let mut delete = transaction
                .prepare_cached("DELETE FROM timers WHERE due = ?1 AND kind = ?2 AND show = ?3")?;
            for timer in fired {
                delete.execute(params![
                    timer.due.as_millisecond(),
                    timer.kind.as_str(),
                    timer.show.as_str()
                ])?;
            }
            keep(transaction, process, checkpoint)
        })
        .await
    }
}

fn keep(transaction: &Transaction<'_>, process: &str, checkpoint: Position) -> rusqlite::Result<()> {
    let position = i64::try_from(checkpoint.0).unwrap_or(i64::MAX);
    transaction.execute(
        "INSERT INTO checkpoints(process, position) VALUES (?1, ?2)
         ON CONFLICT(process) DO UPDATE SET position = excluded.position",
        params![process, position],
    )?;
    Ok(())
}

fn poisoned() -> ProcessesError {
    ProcessesError::Stopped("another thread failed while it held the state".into())
}
