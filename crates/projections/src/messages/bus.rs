//! The port: what carries messages to the outside. Every adapter passes [`super::conformance`].

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use marquee_event_store::{Position, StreamName};
use uuid::Uuid;

/// Which event a message tells of, and where that lies in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The event; repeats are told by it.
    pub event_id: Uuid,
    /// Its place in the log.
    pub position: Position,
    /// Its stream.
    pub stream: StreamName,
    /// Its place in the stream.
    pub revision: u64,
}

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The event that it tells of.
    pub origin: Origin,
    /// When that happened.
    pub time: Timestamp,
    /// The subject, such as `marquee.booking.confirmed`.
    pub subject: &'static str,
    /// The message as JSON.
    pub body: Bytes,
}

/// Why a bus did not take messages, or may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// It is out, or its answer was lost: ask where it stands, and go on from there.
    #[error("the message bus is out: {0}")]
    Unavailable(String),
    /// It is not where this publisher last saw it: another publishes, or it was wiped. Ask where it stands.
    #[error("the message bus is not where it was: {0}")]
    Moved(String),
}

/// Carries messages to the outside, in order, at least once.
///
/// - A bus knows where it stands: its last message is the cursor, so that a bus which lost messages is one that stands
///   further back.
/// - An answered [`MessageBus::publish`] is durable. A failed one may have stored any first part of its messages, never
///   one without those before it.
/// - A message that the bus holds is not stored again under the same event id, as far back as the bus remembers.
/// - Who has not seen the bus's last message (by [`MessageBus::last`] or by publishing it) stores nothing after it.
pub trait MessageBus: Send + Sync + 'static {
    /// Its name, as operators see it.
    fn name(&self) -> &'static str;

    /// How long it holds a message: older events need not be published to a bus that is empty.
    fn keeps(&self) -> Duration;

    /// Connects where that is needed, and tells the last message that it holds; `None` where it holds none.
    fn last(&self) -> BoxFuture<'_, Result<Option<Origin>, BusError>>;

    /// Stores messages, which are in log order, after those that it holds.
    fn publish(&self, messages: Vec<Outgoing>) -> BoxFuture<'_, Result<(), BusError>>;

    /// The bus was filled from another log, or from this one before an older copy of it was put back: positions in it
    /// mean nothing. It is filled anew.
    fn begin_again(&self) -> BoxFuture<'_, Result<(), BusError>>;
}
