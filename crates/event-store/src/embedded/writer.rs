//! The one writer: all that waits goes into one transaction, and nobody is answered before it is durable.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot, watch};

use super::checkpoint::Checkpoints;
use super::schema;
use super::session::{Outcome, Prepared, Session};
use super::tail::Tail;
use crate::envelope::Recorded;
use crate::port::{AppendError, Position};

/// Most appends in one commit.
const MAX_GROUP: usize = 1_024;

/// What the writer is asked for.
pub(super) enum Message {
    /// Append, then answer.
    Append(Prepared, oneshot::Sender<Outcome>),
    /// Finish what came before, then stop, then answer.
    Close(oneshot::Sender<()>),
}

/// What the writer shares with the store.
pub(super) struct Shared {
    pub tail: Tail,
    pub head: watch::Sender<Position>,
    pub fatal: watch::Sender<Option<String>>,
}

impl Shared {
    /// Stops the store for good: after a failed write or sync nobody knows what the disk holds, and trying again could
    /// make a lost write look durable.
    pub fn fail_stop(&self, reason: &str) {
        tracing::error!(reason, "the event log has failed; no further append is taken");
        self.fatal.send_if_modified(|fatal| {
            let first = fatal.is_none();
            fatal.get_or_insert_with(|| reason.to_owned());
            first
        });
    }
}

/// What is counted. Handles are looked up once.
struct Meters {
    seconds: metrics::Histogram,
    group: metrics::Histogram,
    events: metrics::Counter,
    conflicts: metrics::Counter,
    failures: metrics::Counter,
}

impl Meters {
    fn new() -> Self {
        use metrics::Unit;
        metrics::describe_histogram!(
            "marquee_log_append_seconds",
            Unit::Seconds,
            "time to write and sync a group of appends"
        );
        metrics::describe_histogram!("marquee_log_group_size", Unit::Count, "appends in one commit");
        metrics::describe_counter!("marquee_log_events_total", Unit::Count, "events made durable");
        metrics::describe_counter!(
            "marquee_log_conflicts_total",
            Unit::Count,
            "appends that were not at the end of their stream"
        );
        metrics::describe_counter!(
            "marquee_log_failures_total",
            Unit::Count,
            "groups of appends that the file refused"
        );
        Self {
            seconds: metrics::histogram!("marquee_log_append_seconds"),
            group: metrics::histogram!("marquee_log_group_size"),
            events: metrics::counter!("marquee_log_events_total"),
            conflicts: metrics::counter!("marquee_log_conflicts_total"),
            failures: metrics::counter!("marquee_log_failures_total"),
        }
    }
}

/// How a group failed.
enum Failure {
    /// Nothing was written, and nothing is in doubt: the disk is full, or another process holds the file for a moment.
    Refused(String),
    /// Nobody knows what was written.
    Unknown(String),
}

/// The writer's thread.
pub(super) struct Writer {
    pub conn: Connection,
    pub file: PathBuf,
    pub shared: Arc<Shared>,
    pub messages: mpsc::Receiver<Message>,
}

impl Writer {
    /// Runs until every store is dropped or one asks to close.
    pub fn run(self) {
        let Self { conn, file, shared, mut messages } = self;
        let _told = ToldWhenLost(&shared);
        let checkpoints = Checkpoints::start(&file, &shared);
        let head = *shared.head.borrow();
        let mut closers = Vec::new();
        match Session::new(&conn, head) {
            Ok(session) => {
                let groups = Groups { conn: &conn, session, shared: &shared, meters: Meters::new() };
                groups.serve(&mut messages, &checkpoints, &mut closers);
            }
            Err(error) => {
                shared.fail_stop(&error.to_string());
                refuse_all(&mut messages, &shared, &mut closers);
            }
        }
        checkpoints.stop();
        if shared.fatal.borrow().is_none()
            && let Err(error) = schema::checkpoint(&conn, "TRUNCATE")
        {
            // All is in the WAL, which the next start reads.
            tracing::warn!(%error, "the log was closed with its write-ahead log in place");
        }
        drop(conn);
        for closer in closers {
            let _ = closer.send(());
        }
    }
}

/// A defect that ends the writer must end the process too, not leave it refusing for ever.
struct ToldWhenLost<'a>(&'a Shared);

impl Drop for ToldWhenLost<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail_stop("the writer of the event log is lost");
        }
    }
}

struct Groups<'c> {
    conn: &'c Connection,
    session: Session<'c>,
    shared: &'c Shared,
    meters: Meters,
}

impl Groups<'_> {
    fn serve(
        mut self,
        messages: &mut mpsc::Receiver<Message>,
        checkpoints: &Checkpoints,
        closers: &mut Vec<oneshot::Sender<()>>,
    ) {
        let mut waiting = Vec::with_capacity(MAX_GROUP);
        while messages.blocking_recv_many(&mut waiting, MAX_GROUP) > 0 {
            let mut group = Vec::with_capacity(waiting.len());
            for message in waiting.drain(..) {
                match message {
                    Message::Append(append, answer) => group.push((append, answer)),
                    Message::Close(closer) => {
                        messages.close();
                        closers.push(closer);
                    }
                }
            }
            if !group.is_empty() {
                self.commit(group);
                checkpoints.after_commit(self.conn, self.shared);
            }
            if self.shared.fatal.borrow().is_some() {
                return refuse_all(messages, self.shared, closers);
            }
        }
    }

    fn commit(&mut self, group: Vec<(Prepared, oneshot::Sender<Outcome>)>) {
        let started = Instant::now();
        let mut written = Vec::with_capacity(group.iter().map(|(append, _)| append.len()).sum());
        let (appends, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let committed = self.session.head();
        match self.transact(appends, &mut written) {
            Ok(outcomes) => {
                self.meters.seconds.record(started.elapsed());
                #[expect(clippy::cast_precision_loss, reason = "a group is small")]
                self.meters.group.record(answers.len() as f64);
                self.meters.events.increment(written.len() as u64);
                if !written.is_empty() {
                    // The tail before the head: whoever is woken by the head finds the events there.
                    self.shared.tail.publish(&written);
                    self.shared.head.send_replace(self.session.head());
                }
                for (outcome, answer) in outcomes.into_iter().zip(answers) {
                    if matches!(outcome, Err(AppendError::Conflict { .. })) {
                        self.meters.conflicts.increment(1);
                    }
                    let _ = answer.send(outcome);
                }
            }
            Err(failure) => {
                self.meters.failures.increment(1);
                let reason = match failure {
                    Failure::Refused(reason) => {
                        tracing::warn!(reason, "a group of appends was refused");
                        self.session.rolled_back(committed);
                        reason
                    }
                    Failure::Unknown(reason) => {
                        self.shared.fail_stop(&reason);
                        reason
                    }
                };
                for answer in answers {
                    let _ = answer.send(Err(AppendError::Unavailable(reason.clone())));
                }
            }
        }
    }

    fn transact(
        &mut self,
        appends: Vec<Prepared>,
        written: &mut Vec<Arc<Recorded>>,
    ) -> Result<Vec<Outcome>, Failure> {
        self.conn.execute_batch("BEGIN IMMEDIATE").map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => Failure::Refused(error.to_string()),
            _ => self.roll_back(&error),
        })?;
        let mut outcomes = Vec::with_capacity(appends.len());
        for append in appends {
            match self.session.append(append, written) {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => return Err(self.roll_back(&error)),
            }
        }
        match self.conn.execute_batch("COMMIT") {
            Ok(()) => Ok(outcomes),
            Err(error) => Err(self.roll_back(&error)),
        }
    }

    /// A full disk leaves no commit mark behind, so the group is surely not there once it is rolled back. Of any other
    /// failure nothing is sure.
    fn roll_back(&self, error: &rusqlite::Error) -> Failure {
        let reason = error.to_string();
        if error.sqlite_error_code() != Some(ErrorCode::DiskFull) {
            return Failure::Unknown(reason);
        }
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            return Failure::Unknown(format!("{reason}; then {error}"));
        }
        Failure::Refused(reason)
    }
}

/// Answers all that still comes, until nobody is left to ask.
fn refuse_all(
    messages: &mut mpsc::Receiver<Message>,
    shared: &Shared,
    closers: &mut Vec<oneshot::Sender<()>>,
) {
    let reason = shared.fatal.borrow().clone().unwrap_or_default();
    while let Some(message) = messages.blocking_recv() {
        match message {
            Message::Append(_, answer) => {
                let _ = answer.send(Err(AppendError::Unavailable(reason.clone())));
            }
            Message::Close(closer) => {
                messages.close();
                closers.push(closer);
            }
        }
    }
}
