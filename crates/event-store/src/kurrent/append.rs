//! Appends, under an exact expected revision and with ids that stay through every retry.
//!
//! With both, the server itself answers a repeated append like the first. Where it sees a conflict instead, the stream is read at the
//! revisions in question and the ids decide. So an append may be tried over a call that is open, which is fast and knows success
//! alone (`sessions`), and then by a call of its own.

use std::time::{Duration, Instant};

use kurrentdb::{AppendToStreamOptions, CurrentRevision, Error, EventData, StreamState};

use super::Shared;
use super::connector::Lease;
use super::events::Outgoing;
use super::failure::Failure;
use super::sessions::{self, Tried};
use crate::port::{AppendError, Appended, Expected, Position, ReadError};
use crate::stream::StreamName;

/// Most payload in one append, in bytes: the oldest supported server's limit, less what surrounds it.
const MAX_APPEND: usize = 1024 * 1024;
/// Longest that an append may take. Past it the outcome is unknown.
const APPEND: Duration = Duration::from_secs(5);
/// What the client says where the server names no position.
const NO_POSITION: u64 = u64::MAX;
/// How often another leader is turned to.
const MAX_TRIES: usize = 5;
const NEW_LEADER: Duration = Duration::from_millis(200);

impl Shared {
    pub(super) async fn append(
        &self,
        stream: StreamName,
        expected: Expected,
        events: Vec<Outgoing>,
    ) -> Result<Appended, AppendError> {
        if events.is_empty() {
            return self.append_nothing(&stream, expected).await;
        }
        if events.iter().map(Outgoing::size).sum::<usize>() > MAX_APPEND {
            return Err(AppendError::TooLarge);
        }
        if StreamName::parse(stream.as_str()).is_none() {
            return Err(AppendError::Unavailable(format!(
                "{stream} is of no known category, so no node would read it"
            )));
        }
        self.clock_rule.allows(&*self.clock).map_err(AppendError::Unavailable)?;
        let (mut tries, mut sent, count) = (0, false, events.len() as u64);
        let began = Instant::now();
        let outcome = loop {
            let outcome = self.append_once(&stream, expected, &events, &mut sent).await;
            tries += 1;
            match outcome {
                Ok(outcome) => break outcome,
                Err(Failure::NotLeader) if tries < MAX_TRIES => tokio::time::sleep(NEW_LEADER).await,
                Err(Failure::TooLarge) => break Err(AppendError::TooLarge),
                Err(failure) => break Err(AppendError::Unavailable(failure.to_string())),
            }
        };
        match &outcome {
            Ok(_) => {
                self.meters.seconds.record(began.elapsed());
                self.meters.events.increment(count);
            }
            Err(AppendError::Conflict { .. }) => self.meters.conflicts.increment(1),
            Err(AppendError::TooLarge | AppendError::Unavailable(_)) => self.meters.failures.increment(1),
        }
        outcome
    }

    async fn append_once(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: &[Outgoing],
        sent: &mut bool,
    ) -> Result<Result<Appended, AppendError>, Failure> {
        let lease = self
            .connector
            .get()
            .await
            .ok_or_else(|| Failure::Broken("there is no connection to KurrentDB".into()))?;
        let data = events.iter().cloned().map(Outgoing::into_data).collect::<Result<Vec<_>, _>>();
        let data = data.map_err(|error| Failure::Refused(error.to_string()))?;
        let state = match expected {
            Expected::NoStream => StreamState::NoStream,
            Expected::Revision(revision) => StreamState::StreamRevision(revision),
        };
        let (head, began) = (*self.head.borrow(), self.clock.now());
        let small = events.iter().map(Outgoing::size).sum::<usize>() <= sessions::MAX_SIZE;
        match write(&lease, small, stream, state, data, sent).await {
            Ok(Written { commit, repeated }) => {
                let revision = expected.next() + events.len() as u64 - 1;
                let mut position = Position(commit);
                // An append that was there already may be answered with another event's position, or with none. It is known to be
                // new where it was never sent before and lies after all that was known to be there.
                if repeated || position <= head || commit == NO_POSITION {
                    position = self.position_of(stream, revision).await?;
                } else if let Some(last) = events.last() {
                    self.clock_rule.appended(last.id, began);
                }
                self.advance(position);
                Ok(Ok(Appended { revision, position }))
            }
            Err(Error::WrongExpectedVersion { current, .. }) => {
                self.judge(stream, expected, events, &current).await.map(|there| {
                    let current = match current {
                        CurrentRevision::Current(current) => Some(current),
                        CurrentRevision::NoStream => None,
                    };
                    there.ok_or(AppendError::Conflict { current })
                })
            }
            Err(error) => {
                let failure = Failure::of(&error);
                if matches!(failure, Failure::Broken(_)) {
                    self.connector.broken(&lease);
                }
                Err(failure)
            }
        }
    }

    /// Whether an append that conflicts is there already, whole and in its place.
    async fn judge(
        &self,
        stream: &StreamName,
        expected: Expected,
        events: &[Outgoing],
        current: &CurrentRevision,
    ) -> Result<Option<Appended>, Failure> {
        let last = expected.next() + events.len() as u64 - 1;
        if !matches!(current, CurrentRevision::Current(current) if *current >= last) {
            return Ok(None);
        }
        let there = self.read_stream(stream, expected.next(), events.len()).await.map_err(unread)?;
        let same = there.len() == events.len()
            && there.iter().zip(events).all(|(there, event)| there.id == event.id);
        Ok(there
            .last()
            .filter(|_| same)
            .map(|event| Appended { revision: event.revision, position: event.position }))
    }

    async fn position_of(&self, stream: &StreamName, revision: u64) -> Result<Position, Failure> {
        let events = self.read_stream(stream, revision, 1).await.map_err(unread)?;
        let missing = || Failure::Broken(format!("{stream} has no event {revision}, which was appended"));
        events.first().map(|event| event.position).ok_or_else(missing)
    }

    async fn append_nothing(&self, stream: &StreamName, expected: Expected) -> Result<Appended, AppendError> {
        let end = self.read_stream_back(stream, None, 1).await;
        let end = end.map_err(|ReadError::Unavailable(reason)| AppendError::Unavailable(reason))?;
        match (end.first(), expected) {
            (None, Expected::NoStream) => Ok(Appended { revision: 0, position: Position(0) }),
            (Some(last), Expected::Revision(revision)) if last.revision == revision => {
                Ok(Appended { revision, position: last.position })
            }
            (last, _) => Err(AppendError::Conflict { current: last.map(|last| last.revision) }),
        }
    }
}

/// What the server says of an append.
struct Written {
    /// Where the last event is, or [`NO_POSITION`].
    commit: u64,
    /// Whether it had been sent before, so that it may have been there already.
    repeated: bool,
}

/// `sent` says whether these events have been sent before, and then that they have been sent.
async fn write(
    lease: &Lease,
    small: bool,
    stream: &StreamName,
    expected: StreamState,
    events: Vec<EventData>,
    sent: &mut bool,
) -> Result<Written, Error> {
    let began = Instant::now();
    if small {
        let repeated = *sent;
        match lease.sessions.append(&lease.client, stream, expected, &events).await {
            Tried::Written(written) => {
                let commit = written.current_position().map_or(NO_POSITION, |position| position.commit);
                return Ok(Written { commit, repeated });
            }
            Tried::Sent => *sent = true,
            Tried::NotSent => {}
        }
    }
    let repeated = std::mem::replace(sent, true);
    let left = APPEND.saturating_sub(began.elapsed());
    let options = AppendToStreamOptions::default().stream_state(expected).deadline(left);
    let answer = lease.client.append_to_stream(stream.as_str(), &options, events);
    match tokio::time::timeout(left, answer).await {
        Ok(answer) => answer.map(|written| Written { commit: written.position.commit, repeated }),
        Err(_) => Err(Error::DeadlineExceeded),
    }
}

fn unread(error: ReadError) -> Failure {
    match error {
        ReadError::Unavailable(reason) => Failure::Broken(reason),
    }
}
