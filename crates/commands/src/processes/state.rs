//! How far the processes are, on disk. Losing it costs a replay of the log, nothing else.

use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use marquee_domain::ids::ShowId;
use marquee_event_store::Position;
use rusqlite::{Connection, OptionalExtension, params};

use crate::processes::ProcessesError;
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

    /// Keeps a checkpoint together with the timers that were set on the way to it, and forgets those that fired.
    pub(super) async fn save(
        &self,
        process: &'static str,
        checkpoint: Position,
        set: Vec<Timer>,
        fired: Vec<Timer>,
    ) -> Result<(), ProcessesError> {
        let connection = Arc::clone(&self.connection);
        let saved = tokio::task::spawn_blocking(move || {
            let mut connection = connection.lock().map_err(|_| poisoned())?;
            let transaction = connection.transaction()?;
            {
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
                let position = i64::try_from(checkpoint.0).unwrap_or(i64::MAX);
                transaction.execute(
                    "INSERT INTO checkpoints(process, position) VALUES (?1, ?2)
                     ON CONFLICT(process) DO UPDATE SET position = excluded.position",
                    params![process, position],
                )?;
            }
            transaction.commit()?;
            Ok(())
        });
        saved.await.map_err(|error| ProcessesError::Stopped(error.to_string()))?
    }
}

fn poisoned() -> ProcessesError {
    ProcessesError::Stopped("another thread failed while it held the state".into())
}
