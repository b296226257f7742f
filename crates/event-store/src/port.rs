//! The port: what Marquee asks of a log. Every adapter passes [`crate::conformance`].

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use marquee_domain::Event;
use tokio::sync::watch;
use uuid::Uuid;

use crate::envelope::{Metadata, Recorded};
use crate::stream::StreamName;

/// A place in the whole log. Grows with every event; 0 is before the first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub u64);

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a writer believes of a stream when it appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It has no events.
    NoStream,
    /// Its last event has this revision (the first event has 0).
    Revision(u64),
}

impl Expected {
    /// The revision that the first appended event gets.
    pub fn next(self) -> u64 {
        match self {
            Self::NoStream => 0,
            Self::Revision(last) => last + 1,
        }
    }

    /// What to expect of a stream of which `count` events have been read.
    pub fn after(count: u64) -> Self {
        count.checked_sub(1).map_or(Self::NoStream, Self::Revision)
    }
}

/// An event to append. Its id is chosen once and kept through every retry of the same append.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Unique; a retry under the same expected revision is told by it.
    pub id: Uuid,
    /// When it was decided: the stream's time, which never runs backwards.
    pub time: Timestamp,
    /// What happened.
    pub event: Event,
    /// Who and why.
    pub metadata: Arc<Metadata>,
}

/// An append, durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Revision of the last event appended.
    pub revision: u64,
    /// Position of the last event appended.
    pub position: Position,
}

/// Why an append did not happen, or may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The stream is not where the writer believed. Nothing was written: read what is new and decide again.
    #[error("the stream is not at the expected revision")]
    Conflict {
        /// The revision of its last event; `None` where it has none.
        current: Option<u64>,
    },
    /// The append is larger than the store takes. Nothing was written.
    #[error("the append is too large")]
    TooLarge,
    /// The store failed. The outcome is unknown: the events may yet be there. Never compensate.
    #[error("the event store is unavailable: {0}")]
    Unavailable(String),
}

/// Why a read failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The store failed; try again.
    #[error("the event store is unavailable: {0}")]
    Unavailable(String),
}

/// Which events a reader of the whole log wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TypeFilter {
    /// All.
    #[default]
    All,
    /// Those whose stored name begins so, such as `booking.`; an exact name is a prefix of itself.
    Prefix(String),
}

impl TypeFilter {
    /// Whether an event of this stored name is wanted.
    pub fn matches(&self, stored_name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => stored_name.starts_with(prefix.as_str()),
        }
    }
}

/// Events in log order, and how far the log was read for them.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The events that were wanted.
    pub events: Vec<Arc<Recorded>>,
    /// Read on from here: the last position looked at, wanted or not.
    pub next: Position,
}

/// A store that cannot be reached, or must not be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Since when.
    pub since: Timestamp,
    /// What is wrong.
    pub reason: String,
}

/// A log of events: streams under optimistic concurrency, and all of them in one order.
///
/// - An append is atomic, and durable before it is answered.
/// - **Re-append**: an append whose every id already sits at `expected + 1 …` in this order succeeds again with the
///   original's answer. Anything else that is not at the expected revision is a [`AppendError::Conflict`]. Ids are
///   compared nowhere else.
/// - Revisions run 0, 1, 2 … in each stream; positions only grow; what was read never changes.
pub trait EventStore: Send + Sync + 'static {
    /// Appends events to one stream, all or none. Appending nothing is refused by the types of callers, not here: it
    /// answers the current end of the stream or a conflict.
    fn append(
        &self,
        stream: StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'_, Result<Appended, AppendError>>;

    /// Reads a stream forwards from a revision (inclusive), at most `limit` events. Empty where there are none.
    fn read_stream(
        &self,
        stream: StreamName,
        from: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Arc<Recorded>>, ReadError>>;

    /// Reads a stream backwards from a revision (inclusive), or from its end, at most `limit` events, newest first. Empty where
    /// there are none.
    fn read_stream_back(
        &self,
        stream: StreamName,
        from: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Arc<Recorded>>, ReadError>>;

    /// Reads the whole log forwards after a position (exclusive), at most `limit` events that pass the filter.
    fn read_all(
        &self,
        after: Position,
        limit: usize,
        filter: TypeFilter,
    ) -> BoxFuture<'_, Result<Page, ReadError>>;

    /// Reads the whole log backwards before a position (exclusive), or from its end, at most `limit` events that pass the
    /// filter, newest first. `next` is the position to read on before, and 0 once the first event was looked at.
    fn read_all_back(
        &self,
        before: Option<Position>,
        limit: usize,
        filter: TypeFilter,
    ) -> BoxFuture<'_, Result<Page, ReadError>>;

    /// The position of the last durable event, as it moves. Followers wait on this and then read.
    fn head(&self) -> watch::Receiver<Position>;

    /// Whether other processes append here too. A fold from memory proves nothing then: a refusal holds only once the end of
    /// the stream has been read.
    fn shared(&self) -> bool {
        false
    }

    /// Whether positions count events without a gap, so that the place of each event of an append follows from its last.
    fn counts_events(&self) -> bool {
        true
    }

    /// What is wrong with the store, where something is.
    fn outage(&self) -> Option<Outage> {
        None
    }
}

/// Reads the whole log from a position and then follows it live.
pub struct Follower {
    store: Arc<dyn EventStore>,
    head: watch::Receiver<Position>,
    next: Position,
}

impl Follower {
    /// Follows from after `after`.
    pub fn new(store: Arc<dyn EventStore>, after: Position) -> Self {
        let head = store.head();
        Self { store, head, next: after }
    }

    /// The position up to which events have been handed out.
    pub fn position(&self) -> Position {
        self.next
    }

    /// The position of the last durable event.
    pub fn head(&self) -> Position {
        *self.head.borrow()
    }

    /// Waits until there is something new, then returns up to `limit` events. Never returns an empty page.
    /// Cancel-safe.
    pub async fn next_page(&mut self, limit: usize) -> Result<Page, ReadError> {
        loop {
            let next = self.next;
            if self.head.wait_for(|head| *head > next).await.is_err() {
                return Err(ReadError::Unavailable("the event store has closed".into()));
            }
            let page = self.store.read_all(next, limit, TypeFilter::All).await?;
            self.next = page.next.max(next);
            if !page.events.is_empty() {
                return Ok(page);
            }
        }
    }
}
