//! The seat map of every show, in memory.

mod board;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use dashmap::DashMap;
use jiff::Timestamp;
use marquee_domain::Event;
use marquee_domain::ids::{SeatId, ShowId};
use marquee_domain::show::ShowEvent;
use marquee_event_store::{Position, Recorded};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::fingerprint::{Canonical, Fingerprint};
use crate::projector::{Blueprint, Parking, Poison, Projector};
use crate::status::ParkedStream;
use crate::views::{View, ViewsError};
use board::Board;

const NAME: &str = "seat-maps";

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

type Boards = DashMap<ShowId, Arc<Board>>;

/// What readers and every making share.
#[derive(Default)]
struct Shared {
    /// The making that serves reads.
    boards: ArcSwap<Boards>,
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
#[derive(Clone)]
pub struct SeatMaps {
    shared: Arc<Shared>,
}

impl SeatMaps {
    /// The seat map as it is served; `None` where there is no such show.
    pub fn rendered(&self, show: &ShowId, now: Timestamp) -> Option<RenderedSeatMap> {
        Some(self.board(show)?.rendered(now))
    }

    /// How full a show is; `None` where there is no such show.
    pub fn availability(&self, show: &ShowId, now: Timestamp) -> Option<Availability> {
        Some(self.board(show)?.availability(now))
    }

    /// Every seat of a show; `None` where there is no such show.
    pub fn seats(&self, show: &ShowId, now: Timestamp) -> Option<SeatSnapshot> {
        Some(self.board(show)?.snapshot(now))
    }

    /// Tells when a show's seats change: the latest position alone, so that a slow reader costs nothing. `None` where
    /// there is no such show.
    pub fn subscribe(&self, show: &ShowId) -> Option<watch::Receiver<Position>> {
        let board = self.board(show)?;
        let watcher =
            self.shared.watchers.entry(show.clone()).or_insert_with(|| watch::Sender::new(Position(0)));
        let receiver = watcher.subscribe();
        watcher.send_if_modified(|shown| {
            *shown = board.position();
            false
        });
        Some(receiver)
    }

    /// Whether there is such a show.
    pub fn exists(&self, show: &ShowId) -> bool {
        self.shared.boards.load().contains_key(show)
    }

    fn board(&self, show: &ShowId) -> Option<Arc<Board>> {
        self.shared.boards.load().get(show).map(|board| Arc::clone(&board))
    }
}

/// Opens the view and makes it again.
#[derive(Default)]
pub(crate) struct SeatMapsBlueprint {
    shared: Arc<Shared>,
}

impl SeatMapsBlueprint {
    /// Reads from whichever making serves reads.
    pub fn reader(&self) -> SeatMaps {
        SeatMaps { shared: Arc::clone(&self.shared) }
    }

    fn begin(&self, generation: u64) -> Making {
        let (shared, boards) = (Arc::clone(&self.shared), Arc::default());
        Making {
            generation,
            shared,
            boards,
            serving: false,
            checkpoint: Position(0),
            parking: Parking::default(),
        }
    }
}

impl Blueprint for SeatMapsBlueprint {
    fn name(&self) -> &'static str {
        NAME
    }

    fn views(&self) -> &'static [View] {
        &[View::SeatMaps]
    }

    fn open(&self) -> Result<Box<dyn Projector>, ViewsError> {
        let mut making = self.begin(1);
        making.promote()?;
        Ok(Box::new(making))
    }

    fn build(&self, generation: u64) -> Result<Box<dyn Projector>, ViewsError> {
        Ok(Box::new(self.begin(generation)))
    }
}

/// One making of all seat maps.
struct Making {
    generation: u64,
    shared: Arc<Shared>,
    boards: Arc<Boards>,
    serving: bool,
    checkpoint: Position,
    parking: Parking,
}

impl Making {
    fn apply_one(&self, show: &ShowId, recorded: &Recorded) -> Result<(), Poison> {
        let event = match recorded.event()? {
            Event::Show(event) => event,
            Event::Payment(_)
            | Event::City(_)
            | Event::Movie(_)
            | Event::Partner(_)
            | Event::Theatre(_)
            | Event::Schedule(_) => return Err(Poison::WrongStream),
        };
        let board = self.boards.get(show).map(|board| Arc::clone(&board));
        match (board, event) {
            (Some(board), event) => board.apply(event, recorded.position),
            (None, ShowEvent::Scheduled(scheduled)) if scheduled.show.show_id != *show => {
                Err(Poison::WrongStream)
            }
            (None, ShowEvent::Scheduled(scheduled)) => {
                let board = Board::new(scheduled.show.clone(), recorded.position);
                self.boards.insert(show.clone(), Arc::new(board));
                Ok(())
            }
            (
                None,
                ShowEvent::Changed(_)
                | ShowEvent::Cancelled(_)
                | ShowEvent::SeatsLocked(_)
                | ShowEvent::PaymentPending(_)
                | ShowEvent::Confirmed(_)
                | ShowEvent::Failed(_)
                | ShowEvent::Expired(_)
                | ShowEvent::BookingCancelled(_)
                | ShowEvent::Completed(_),
            ) => Err(Poison::UnknownShow),
        }
    }
}

impl Projector for Making {
    fn generation(&self) -> u64 {
        self.generation
    }

    fn checkpoint(&self) -> Position {
        self.checkpoint
    }

    fn visible(&self, _view: View) -> Position {
        self.checkpoint
    }

    fn parked(&self) -> Vec<ParkedStream> {
        self.parking.rows()
    }

    fn apply(&mut self, page: &[Arc<Recorded>], next: Position) -> Result<(), ViewsError> {
        let watched = self.serving && !self.shared.watchers.is_empty();
        let mut changed = BTreeMap::new();
        for recorded in page {
            let Some(show) = recorded.stream.as_show() else { continue };
            if self.parking.holds(&recorded.stream) {
                continue;
            }
            match self.apply_one(&show, recorded) {
                Ok(()) if watched => drop(changed.insert(show, recorded.position)),
                Ok(()) => {}
                Err(poison) => drop(self.parking.park(NAME, recorded, &poison).stream.clone()),
            }
        }
        self.checkpoint = next;
        for (show, position) in &changed {
            self.shared.tell(show, *position);
        }
        Ok(())
    }

    fn fingerprint(&mut self) -> Result<Fingerprint, ViewsError> {
        let mut boards: Vec<_> =
            self.boards.iter().map(|board| (board.key().clone(), Arc::clone(&board))).collect();
        boards.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let mut canonical = Canonical::new();
        let corrupt = |error: serde_json::Error| ViewsError::Corrupt(error.to_string());
        for (show, board) in boards {
            canonical.record(&(show, board.content())).map_err(corrupt)?;
        }
        canonical.record(&self.parking.rows()).map_err(corrupt)?;
        Ok(canonical.finish(self.checkpoint))
    }

    fn promote(&mut self) -> Result<(), ViewsError> {
        self.shared.boards.store(Arc::clone(&self.boards));
        self.serving = true;
        let watched: Vec<ShowId> = self.shared.watchers.iter().map(|watcher| watcher.key().clone()).collect();
        for show in watched {
            let position = self.boards.get(&show).map(|board| board.position());
            if let Some(position) = position {
                self.shared.tell(&show, position);
            }
        }
        Ok(())
    }

    fn retire(self: Box<Self>) {}
}
