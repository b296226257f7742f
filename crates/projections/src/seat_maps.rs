//! The seat map of every show that is not over, in memory; of the others, from their streams.

mod board;
mod making;
mod past;
mod seats;
mod template;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use dashmap::DashMap;
use jiff::Timestamp;
use marquee_domain::ids::{SeatId, ShowId};
use marquee_domain::show::ShowDetails;
use marquee_event_store::{Position, ReadError};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use tokio::sync::watch;

use board::Board;
pub(crate) use making::SeatMapsBlueprint;
use past::Past;

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
    /// The house keeps it.
    Blocked,
}

/// Every seat of a show at an instant, as the hall sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatSnapshot {
    /// The position of the last event that changed the show.
    pub position: Position,
    /// The seats, row after row.
    pub seats: Vec<(SeatId, SeatStatus)>,
    /// The IANA time zone of the show's city.
    pub timezone: SmolStr,
    /// When the first lock in it ends, which changes the map with no event.
    pub next_expiry: Option<Timestamp>,
}

/// A show and whether it was called off.
#[derive(Debug, Clone, PartialEq)]
pub struct ShowFacts {
    /// Its facts.
    pub details: Arc<ShowDetails>,
    /// Whether it was called off.
    pub cancelled: bool,
}

type Boards = DashMap<ShowId, Arc<Board>>;

/// What readers and every making share.
struct Shared {
    /// The making that serves reads.
    boards: ArcSwap<Boards>,
    /// The shows that it let go of.
    past: Past,
    /// Who follows a show. They stay through a rebuild.
    watchers: DashMap<ShowId, watch::Sender<Position>>,
}

impl Shared {
    fn tell(&self, show: &ShowId, position: Position) {
        if let Some(watcher) = self.watchers.get(show) {
            watcher.send_replace(position);
        }
        self.watchers.remove_if(show, |_, watcher| watcher.is_closed());
    }
}

/// Reads seat maps. Cheap to clone.
///
/// A show that is over is folded from its stream, as is one that the view has not heard of yet: that read fails only where
/// the log cannot be read.
#[derive(Clone)]
pub struct SeatMaps {
    shared: Arc<Shared>,
}

impl SeatMaps {
    /// The seat map as it is served; `None` where there is no such show.
    pub async fn rendered(
        &self,
        show: &ShowId,
        now: Timestamp,
    ) -> Result<Option<RenderedSeatMap>, ReadError> {
        Ok(self.board(show).await?.map(|board| board.rendered(now)))
    }

    /// A show's facts; `None` where there is no such show.
    pub async fn show(&self, show: &ShowId) -> Result<Option<ShowFacts>, ReadError> {
        Ok(self.board(show).await?.map(|board| board.facts()))
    }

    /// How full a show is; `None` where there is no such show.
    pub async fn availability(
        &self,
        show: &ShowId,
        now: Timestamp,
    ) -> Result<Option<Availability>, ReadError> {
        Ok(self.board(show).await?.map(|board| board.availability(now)))
    }

    /// Every seat of a show; `None` where there is no such show.
    pub async fn seats(&self, show: &ShowId, now: Timestamp) -> Result<Option<SeatSnapshot>, ReadError> {
        Ok(self.board(show).await?.map(|board| board.snapshot(now)))
    }

    /// Tells when a show's seats change: the latest position alone, so that a slow reader costs nothing. `None` where
    /// there is no such show.
    pub async fn subscribe(&self, show: &ShowId) -> Result<Option<watch::Receiver<Position>>, ReadError> {
        let Some(board) = self.board(show).await? else { return Ok(None) };
        let watcher =
            self.shared.watchers.entry(show.clone()).or_insert_with(|| watch::Sender::new(Position(0)));
        let receiver = watcher.subscribe();
        watcher.send_if_modified(|shown| {
            *shown = board.position();
            false
        });
        Ok(Some(receiver))
    }

    /// Whether a show is in memory; its stream is read where it is not.
    pub fn keeps(&self, show: &ShowId) -> bool {
        self.shared.boards.load().contains_key(show)
    }

    async fn board(&self, show: &ShowId) -> Result<Option<Arc<Board>>, ReadError> {
        let kept = self.shared.boards.load().get(show).map(|board| Arc::clone(&board));
        match kept {
            Some(board) => Ok(Some(board)),
            None => self.shared.past.board(show).await,
        }
    }
}
