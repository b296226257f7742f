//! What the runtime asks of a view.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use marquee_event_store::{Position, Recorded, StreamName};

use crate::fingerprint::Fingerprint;
use crate::status::ParkedStream;
use crate::views::{View, ViewsError};

/// One making of a view: what its events left behind, and how far it has read.
pub(crate) trait Projector: Send + 'static {
    /// Which making it is.
    fn generation(&self) -> u64;

    /// Where to read on from.
    fn checkpoint(&self) -> Position;

    /// How far it had come when it was opened; 0 where it keeps nothing on disk.
    fn kept(&self) -> Position {
        Position(0)
    }

    /// How far a reader sees. Less than the checkpoint where changes are yet to be committed.
    fn visible(&self, view: View) -> Position;

    /// The streams that it has stopped reading.
    fn parked(&self) -> Vec<ParkedStream>;

    /// Applies events and moves the checkpoint to `next`: both or neither. A fact that cannot be applied parks its
    /// stream and is no error; an error means that nothing was applied and that the same page may be tried again.
    fn apply(&mut self, page: &[Arc<Recorded>], next: Position) -> Result<(), ViewsError>;

    /// Does what was put off, where it is time to. Answers when to ask again; `None` where nothing is left to do.
    fn settle(&mut self) -> Result<Option<Duration>, ViewsError> {
        Ok(None)
    }

    /// Hashes what it holds.
    fn fingerprint(&mut self) -> Result<Fingerprint, ViewsError>;

    /// Makes this the making that serves reads, for good. Reads go over to it at once.
    fn promote(&mut self) -> Result<(), ViewsError>;

    /// Writes down what the next start would else read from the log again. The server is shutting down.
    fn close(&mut self) {}

    /// Deletes what it keeps on disk.
    fn retire(self: Box<Self>);
}

/// How a view is opened and made again.
pub(crate) trait Blueprint: Send + Sync + 'static {
    /// The projection's name.
    fn name(&self) -> &'static str;

    /// The views that it feeds; the slowest first.
    fn views(&self) -> &'static [View];

    /// Opens the making that serves reads; makes an empty one where there is none that can be used.
    fn open(&self) -> Result<Box<dyn Projector>, ViewsError>;

    /// Begins an empty making beside the one that serves reads.
    fn build(&self, generation: u64) -> Result<Box<dyn Projector>, ViewsError>;
}

/// Why an event cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Poison {
    /// Its bytes are not an event that this release knows.
    #[error(transparent)]
    Unreadable(#[from] marquee_event_store::codec::DecodeError),
    /// An event of another aggregate lies in the stream.
    #[error("does not belong into a stream of this kind")]
    WrongStream,
    /// A show's stream does not begin by scheduling it.
    #[error("the show was never scheduled")]
    UnknownShow,
    /// What is added is there.
    #[error("is there already")]
    AlreadyThere,
    /// What is changed is not there.
    #[error("there is nothing to change")]
    NothingToChange,
    /// The show has no such seat.
    #[error("the show has no seat {0}")]
    UnknownSeat(String),
    /// No event began the booking.
    #[error("booking {0} was never begun")]
    UnknownBooking(String),
    /// The booking belongs to another show.
    #[error("booking {0} belongs to another show")]
    ForeignBooking(String),
    /// The booking is in a state that the event cannot follow.
    #[error("booking {booking} is {status}: nothing of this kind can follow")]
    BadTransition {
        /// The booking.
        booking: String,
        /// Its state.
        status: &'static str,
    },
    /// The seat belongs to another live booking: the second lock has held.
    #[error("seat {seat} belongs to live booking {holder}")]
    DoubleBooking {
        /// The seat.
        seat: String,
        /// Whose it is.
        holder: String,
    },
    /// The database takes what the event holds for a value that it cannot store.
    #[error("cannot be stored: {0}")]
    Refused(String),
}

/// The streams that a making has stopped reading.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parking(BTreeMap<StreamName, ParkedStream>);

impl Parking {
    pub fn from_rows(rows: impl IntoIterator<Item = ParkedStream>) -> Self {
        Self(rows.into_iter().map(|row| (row.stream.clone(), row)).collect())
    }

    pub fn holds(&self, stream: &StreamName) -> bool {
        !self.0.is_empty() && self.0.contains_key(stream)
    }

    /// Parks the stream of an event, and says so aloud.
    pub fn park(&mut self, projection: &'static str, event: &Recorded, poison: &Poison) -> &ParkedStream {
        tracing::error!(
            projection, stream = %event.stream, position = %event.position, event = %event.stored_name, %poison,
            "an event cannot be applied: its stream is parked",
        );
        if matches!(poison, Poison::DoubleBooking { .. }) {
            metrics::counter!("marquee_double_booking_prevented_total", "projection" => projection)
                .increment(1);
        }
        let parked = ParkedStream {
            stream: event.stream.clone(),
            position: event.position,
            error: poison.to_string(),
        };
        self.0.entry(event.stream.clone()).or_insert(parked)
    }

    pub fn rows(&self) -> Vec<ParkedStream> {
        self.0.values().cloned().collect()
    }
}
