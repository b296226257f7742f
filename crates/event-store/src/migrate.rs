//! Copying a log to KurrentDB, event by event, and proving the copy.
//!
//! Every append is under its exact expected revision and with the ids that the events have, so whatever is repeated after an
//! interruption is written once. The order of the log is kept in each stream, in each show with its payments, and between shows and
//! everything else; shows among each other need none, and are copied side by side.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use marquee_domain::ids::ShowId;
use tokio::time::Instant;

use crate::envelope::Recorded;
use crate::kurrent::KurrentStore;
use crate::port::{AppendError, EventStore, Expected, Position, ReadError, TypeFilter};
use crate::stream::StreamName;

/// Events read at once.
const WINDOW: usize = 2_000;
/// Shows copied side by side.
const SIDE_BY_SIDE: usize = 32;
/// Most events, and most payload in bytes, of one append.
const MAX_EVENTS: usize = 200;
const MAX_BYTES: usize = 512 * 1024;
/// Longest that the server may be away before the copy is given up. It can be begun again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a log was not copied, or the copy is not the log.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// KurrentDB is away, or refuses. What is copied stays; begin again.
    #[error("KurrentDB takes no more: {0}")]
    Refused(String),
    /// The stream is there with other events.
    #[error("the stream {0} on KurrentDB has events of another log")]
    Foreign(StreamName),
    /// An event differs from what it was.
    #[error("the event {revision} of {stream} on KurrentDB {what}")]
    Differs {
        /// Its stream.
        stream: StreamName,
        /// Its place there.
        revision: u64,
        /// How.
        what: &'static str,
    },
    /// Events are missing.
    #[error("{there} of {here} events are on KurrentDB")]
    Missing {
        /// Events in the copy.
        there: u64,
        /// Events in the log.
        here: u64,
    },
}

/// A log that is copied. Nobody else may append to either while it is.
pub struct Migration {
    source: Arc<dyn EventStore>,
    target: KurrentStore,
    /// The next revision of each stream over there.
    ends: Mutex<HashMap<StreamName, u64>>,
}

impl Migration {
    /// Copies `source` to `target`.
    pub fn new(source: Arc<dyn EventStore>, target: KurrentStore) -> Self {
        Self { source, target, ends: Mutex::default() }
    }

    /// Copies what is not there yet. Tells how far it is in the log.
    pub async fn copy(&self, mut told: impl FnMut(Position)) -> Result<(), MigrateError> {
        let (head, mut next) = (*self.source.head().borrow(), Position(0));
        while next < head {
            let page = self.source.read_all(next, WINDOW, TypeFilter::All).await?;
            let of_shows = |event: &Arc<Recorded>| show_of(&event.stream).is_some();
            for stretch in page.events.chunk_by(|one, other| of_shows(one) == of_shows(other)) {
                self.copy_stretch(stretch).await?;
            }
            next = page.next;
            told(next);
        }
        Ok(())
    }

    /// Copies events that are all of shows, side by side by show; or none of them, one after the other.
    async fn copy_stretch(&self, stretch: &[Arc<Recorded>]) -> Result<(), MigrateError> {
        let mut lanes: HashMap<Option<ShowId>, Vec<Arc<Recorded>>> = HashMap::new();
        for event in stretch {
            lanes.entry(show_of(&event.stream)).or_default().push(Arc::clone(event));
        }
        let copied = stream::iter(lanes.into_values().map(|lane| self.copy_lane(lane)));
        copied.buffer_unordered(SIDE_BY_SIDE).try_collect().await
    }

    async fn copy_lane(&self, lane: Vec<Arc<Recorded>>) -> Result<(), MigrateError> {
        for run in lane.chunk_by(|one, next| one.stream == next.stream) {
            let Some(first) = run.first() else { continue };
            let end = self.end_of(&first.stream).await?;
            let missing: Vec<_> = run.iter().filter(|event| event.revision >= end).cloned().collect();
            for part in parts(&missing) {
                self.append(part).await?;
            }
        }
        Ok(())
    }

    /// The next revision of a stream over there; asked of the server once.
    async fn end_of(&self, stream: &StreamName) -> Result<u64, MigrateError> {
        let known = self.ends.lock().unwrap_or_else(PoisonError::into_inner).get(stream).copied();
        if let Some(end) = known {
            return Ok(end);
        }
        let last = self.target.read_stream_back(stream.clone(), None, 1).await?;
        let end = last.first().map_or(0, |event| event.revision + 1);
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).insert(stream.clone(), end);
        Ok(end)
    }

    async fn append(&self, events: &[Arc<Recorded>]) -> Result<(), MigrateError> {
        let Some(first) = events.first() else { return Ok(()) };
        let (began, mut pause) = (Instant::now(), Duration::from_millis(100));
        let appended = loop {
            match self.target.copy(first.stream.clone(), Expected::after(first.revision), events).await {
                Ok(appended) => break appended,
                Err(AppendError::Conflict { .. }) => return Err(MigrateError::Foreign(first.stream.clone())),
                // Whatever became of it, the same append again finds out.
                Err(AppendError::Unavailable(_)) if began.elapsed() < PATIENCE => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(2));
                }
                Err(error @ (AppendError::Unavailable(_) | AppendError::TooLarge)) => {
                    return Err(MigrateError::Refused(error.to_string()));
                }
            }
        };
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.insert(first.stream.clone(), appended.revision + 1);
        Ok(())
    }

    /// Reads the whole copy and compares every event with the log; then none may be missing. Tells how many have been compared.
    pub async fn verify(&self, mut told: impl FnMut(u64)) -> Result<u64, MigrateError> {
        let (head, mut next, mut there) = (*self.target.head().borrow(), Position(0), 0);
        while next < head {
            let page = self.target.read_all(next, WINDOW, TypeFilter::All).await?;
            let mut streams: HashMap<&StreamName, Vec<&Recorded>> = HashMap::new();
            for event in &page.events {
                streams.entry(&event.stream).or_default().push(event);
            }
            for (stream, copies) in streams {
                let Some(first) = copies.first() else { continue };
                let originals = self.source.read_stream(stream.clone(), first.revision, copies.len()).await?;
                compare(&copies, &originals)?;
            }
            there += page.events.len() as u64;
            next = page.next;
            told(there);
        }
        let here = self.count().await?;
        if there == here { Ok(here) } else { Err(MigrateError::Missing { there, here }) }
    }

    async fn count(&self) -> Result<u64, MigrateError> {
        let (head, mut next, mut count) = (*self.source.head().borrow(), Position(0), 0);
        while next < head {
            let page = self.source.read_all(next, WINDOW, TypeFilter::All).await?;
            count += page.events.len() as u64;
            next = page.next;
        }
        Ok(count)
    }
}

/// The show that a stream belongs to: its own, or that of the booking which is paid.
fn show_of(stream: &StreamName) -> Option<ShowId> {
    stream.as_show().or_else(|| stream.as_payment()?.show())
}

/// Events of one stream in parts that one append takes.
fn parts(events: &[Arc<Recorded>]) -> impl Iterator<Item = &[Arc<Recorded>]> {
    let mut rest = events;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |event: &&Arc<Recorded>| {
            bytes += event.data.len();
            bytes <= MAX_BYTES
        };
        // One event that is larger than a part is a part of its own.
        let count = rest.iter().take(MAX_EVENTS).take_while(fits).count().max(1).min(rest.len());
        let (part, after) = rest.split_at(count);
        rest = after;
        (!part.is_empty()).then_some(part)
    })
}

fn compare(copies: &[&Recorded], originals: &[Arc<Recorded>]) -> Result<(), MigrateError> {
    for (n, copy) in copies.iter().enumerate() {
        let differs = |what| {
            let (stream, revision) = (copy.stream.clone(), copy.revision);
            Err(MigrateError::Differs { stream, revision, what })
        };
        let Some(original) = originals.get(n) else { return differs("is not in this log") };
        if copy.revision != original.revision {
            return differs("is not where it was");
        }
        if copy.id != original.id {
            return differs("is another");
        }
        if copy.stored_name != original.stored_name || copy.data != original.data {
            return differs("says something else");
        }
        if copy.time != original.time || copy.metadata != original.metadata {
            return differs("has another envelope");
        }
    }
    Ok(())
}
