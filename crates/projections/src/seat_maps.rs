//! The seat map of every show, in memory.

use bytes::Bytes;
use jiff::Timestamp;
use marquee_domain::ids::{SeatId, ShowId};
use marquee_event_store::Position;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// A seat map, ready to send.
#[derive(Debug, Clone)]
pub struct RenderedSeatMap {
    /// The JSON of `GET /shows/{showId}/seats`.
    pub body: Bytes,
    /// The position of the last event that changed the show.
    pub position: Position,
}

/// How full a show is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AvailabilityStatus {
    /// More than a fifth of the seats is free.
    Available,
    /// At most a fifth of the seats is free.
    FastFilling,
    /// No seat is free.
    SoldOut,
}

/// How full a show is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Availability {
    /// Seats that can be booked now.
    pub available_seats: u32,
    /// All seats.
    pub total: u32,
    /// In a word.
    pub status: AvailabilityStatus,
}

/// Whether a seat can be booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatStatus {
    /// It can.
    Available,
    /// A booking holds it until a deadline.
    Locked {
        /// The seat is free from this instant on.
        until: Timestamp,
    },
    /// It is paid for.
    Sold,
}

/// Every seat of a show at an instant, as the hall sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatSnapshot {
    /// The position of the last event that changed the show.
    pub position: Position,
    /// The seats, row after row.
    pub seats: Vec<(SeatId, SeatStatus)>,
    /// When the first lock in it ends, which changes the map with no event.
    pub next_expiry: Option<Timestamp>,
}

/// Reads seat maps. Cheap to clone.
#[derive(Clone)]
pub struct SeatMaps {}

impl SeatMaps {
    /// The seat map as it is served; `None` where there is no such show.
    pub fn rendered(&self, show: &ShowId, now: Timestamp) -> Option<RenderedSeatMap> {
        let _ = (show, now);
        None
    }

    /// How full a show is; `None` where there is no such show.
    pub fn availability(&self, show: &ShowId, now: Timestamp) -> Option<Availability> {
        let _ = (show, now);
        None
    }

    /// Every seat of a show; `None` where there is no such show.
    pub fn seats(&self, show: &ShowId, now: Timestamp) -> Option<SeatSnapshot> {
        let _ = (show, now);
        None
    }

    /// Tells when a show's seats change: the latest position alone, so that a slow reader costs nothing. `None` where
    /// there is no such show.
    pub fn subscribe(&self, show: &ShowId) -> Option<watch::Receiver<Position>> {
        let _ = show;
        None
    }

    /// Whether there is such a show.
    pub fn exists(&self, show: &ShowId) -> bool {
        let _ = show;
        false
    }
}
