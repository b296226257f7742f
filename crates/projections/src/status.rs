//! What an operator sees of a projection.

use std::time::Duration;

use marquee_event_store::{Position, StreamName};
use serde::{Deserialize, Serialize};

/// What a projection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProjectionState {
    /// It reads what happened before it was opened.
    CatchingUp,
    /// It follows the log.
    Live,
    /// A new generation is built beside the one that serves reads.
    Rebuilding,
    /// It follows the log, but for the streams that hold what it cannot apply. Somebody must look.
    Parked,
    /// The server that keeps it does not answer. What it holds cannot be read.
    Unavailable,
}

impl ProjectionState {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CatchingUp => "CATCHING_UP",
            Self::Live => "LIVE",
            Self::Rebuilding => "REBUILDING",
            Self::Parked => "PARKED",
            Self::Unavailable => "UNAVAILABLE",
        }
    }
}

/// A stream that a projection has stopped reading, since one of its events cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedStream {
    /// The stream.
    pub stream: StreamName,
    /// The position of the event.
    pub position: Position,
    /// What is wrong with it.
    pub error: String,
}

/// A projection as an operator sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectionStatus {
    /// Its name, such as `seat-inventory`.
    pub name: &'static str,
    /// What it is doing.
    pub status: ProjectionState,
    /// Which making of the view serves reads; grows with every rebuild.
    pub generation: u64,
    /// The view holds every event up to here.
    pub checkpoint: Position,
    /// How far the log is ahead, in positions.
    pub lag: u64,
    /// How fast it reads while it catches up or is rebuilt.
    pub events_per_second: Option<f64>,
    /// How long that will still take at this pace.
    pub eta_seconds: Option<u64>,
    /// The streams that are parked.
    pub parked: Vec<ParkedStream>,
    /// What it needs and does not have.
    pub outage: Option<Outage>,
}

/// Something that a view needs does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// What it is, such as `postgres`.
    pub dependency: &'static str,
    /// What was answered last, for the operator.
    pub reason: String,
    /// For how long.
    pub lasted: Duration,
}

/// A view did not reach a position within the time that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the view is at {reached}, behind {wanted}")]
pub struct Behind {
    /// Where the view is.
    pub reached: Position,
    /// Where it should have been.
    pub wanted: Position,
}
