//! Keeps the boards up with the log, and a snapshot of them on disk.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use marquee_domain::Event;
use marquee_domain::ids::ShowId;
use marquee_domain::show::ShowEvent;
use marquee_event_store::{EventStore, Position, Recorded};

use super::board::Board;
use super::past::Past;
use super::seats::{SavedBoard, Seats};
use super::{Boards, SeatMaps, Shared};
use crate::fingerprint::{Canonical, Fingerprint};
use crate::generation::Generations;
use crate::programme::Programme;
use crate::projector::{Blueprint, Parking, Poison, Projector};
use crate::snapshot::{self, Header, Keeper, Unusable};
use crate::status::ParkedStream;
use crate::views::{View, ViewsError};

const NAME: &str = "seat-maps";
/// The records of a snapshot: a [`SavedBoard`] each.
const FORMAT: &str = "seat-maps.2";

/// Opens the view and makes it again.
pub(crate) struct SeatMapsBlueprint {
    snapshots: Generations,
    shared: Arc<Shared>,
}

impl SeatMapsBlueprint {
    pub fn new(dir: PathBuf, store: Arc<dyn EventStore>) -> Self {
        let (boards, watchers) = (ArcSwap::default(), DashMap::new());
        let shared = Arc::new(Shared { boards, past: Past::new(store), watchers });
        Self { snapshots: Generations::new(dir, NAME, ".snapshot"), shared }
    }

    /// Reads from whichever making serves reads.
    pub fn reader(&self) -> SeatMaps {
        SeatMaps { shared: Arc::clone(&self.shared) }
    }

    fn begin(&self, generation: u64) -> Making {
        Making {
            generation,
            snapshots: self.snapshots.clone(),
            shared: Arc::clone(&self.shared),
            boards: Arc::default(),
            programme: Programme::default(),
            serving: false,
            kept: Position(0),
            checkpoint: Position(0),
            parking: Parking::default(),
            keeper: Keeper::new(NAME),
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
        let generation = match self.snapshots.current() {
            Some(current) => current,
            None => self.snapshots.unused()?,
        };
        let mut making = self.begin(generation);
        if let Err(unusable) = making.load() {
            snapshot::say_unusable(NAME, &unusable);
            making = self.begin(generation);
        }
        making.serve()?;
        self.snapshots.keep_only(generation)?;
        Ok(Box::new(making))
    }

    fn build(&self, generation: u64) -> Result<Box<dyn Projector>, ViewsError> {
        self.snapshots.remove(generation);
        Ok(Box::new(self.begin(generation)))
    }
}

/// One making of all seat maps.
struct Making {
    generation: u64,
    snapshots: Generations,
    shared: Arc<Shared>,
    boards: Arc<Boards>,
    programme: Programme,
    serving: bool,
    kept: Position,
    checkpoint: Position,
    parking: Parking,
    keeper: Keeper,
}

impl Making {
    fn load(&mut self) -> Result<(), Unusable> {
        let (header, boards) =
            snapshot::load::<SavedBoard>(&self.snapshots.path(self.generation), FORMAT, self.generation)?;
        self.programme = Programme::at(header.times);
        for saved in boards {
            let show = saved.show_id().clone();
            let board = Board::restore(saved)
                .ok_or_else(|| Unusable::Corrupt(format!("show {show} has no such seat")))?;
            self.programme.add(&show, board.end_time());
            self.boards.insert(show, Arc::new(board));
        }
        (self.checkpoint, self.kept) = (header.position, header.position);
        self.parking = Parking::from_rows(header.parked);
        Ok(())
    }

    fn apply_one(&mut self, show: &ShowId, recorded: &Recorded) -> Result<(), Poison> {
        let event = match recorded.event()? {
            Event::Show(event) => event,
            Event::Payment(_)
            | Event::City(_)
            | Event::Movie(_)
            | Event::Partner(_)
            | Event::Theatre(_)
            | Event::Schedule(_)
            | Event::Offer(_)
            | Event::Policy(_)
            | Event::Redemption(_)
            | Event::Customer(_) => return Err(Poison::WrongStream),
        };
        let board = self.boards.get(show).map(|board| Arc::clone(&board));
        match (board, event) {
            // A stream that did not begin well is parked: this show was in memory, and was let go.
            (None, _) if recorded.revision > 0 => Ok(()),
            (Some(board), ShowEvent::Changed(_)) => {
                let end = board.end_time();
                board.apply(event, recorded.position)?;
                self.programme.moved(show, end, board.end_time());
                Ok(())
            }
            (Some(board), event) => board.apply(event, recorded.position),
            (None, ShowEvent::Scheduled(scheduled)) if scheduled.show.show_id != *show => {
                Err(Poison::WrongStream)
            }
            (None, ShowEvent::Scheduled(scheduled)) => {
                let board = Board::new(scheduled.show.clone(), recorded.position);
                self.programme.add(show, board.end_time());
                self.boards.insert(show.clone(), Arc::new(board));
                Ok(())
            }
            (
                None,
                ShowEvent::Changed(_)
                | ShowEvent::Cancelled(_)
                | ShowEvent::SeatsBlocked(_)
                | ShowEvent::SeatsReleased(_)
                | ShowEvent::SeatsLocked(_)
                | ShowEvent::PaymentPending(_)
                | ShowEvent::Confirmed(_)
                | ShowEvent::Failed(_)
                | ShowEvent::Expired(_)
                | ShowEvent::LockExtended(_)
                | ShowEvent::BookingCancelled(_)
                | ShowEvent::SeatsCancelled(_)
                | ShowEvent::Completed(_)
                | ShowEvent::TicketRedeemed(_),
            ) => Err(Poison::UnknownShow),
        }
    }

    /// All of it at this position, for the price of a pointer a show.
    fn capture(&self) -> (Header, Vec<Arc<Seats>>) {
        let header = Header {
            format: FORMAT.into(),
            generation: self.generation,
            position: self.checkpoint,
            times: self.programme.times(),
            parked: self.parking.rows(),
        };
        (header, self.boards.iter().map(|board| board.capture()).collect())
    }

    fn write_now(&mut self) -> std::io::Result<()> {
        let (header, boards) = self.capture();
        let path = self.snapshots.path(self.generation);
        self.keeper.write_now(&path, &header, boards.iter().map(|board| board.saved()))
    }

    /// Readers go over to this making.
    fn serve(&mut self) -> Result<(), ViewsError> {
        if self.snapshots.current() != Some(self.generation) {
            self.snapshots.point_to(self.generation)?;
        }
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
}

impl Projector for Making {
    fn generation(&self) -> u64 {
        self.generation
    }

    fn checkpoint(&self) -> Position {
        self.checkpoint
    }

    fn kept(&self) -> Position {
        self.kept
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
            self.programme.reach(recorded.time);
            while let Some(over) = self.programme.let_go() {
                self.boards.remove(&over);
            }
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
        self.keeper.count(page.len());
        for (show, position) in &changed {
            self.shared.tell(show, *position);
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<Option<Duration>, ViewsError> {
        let wait = self.keeper.due();
        if wait == Some(Duration::ZERO) {
            let paused = std::time::Instant::now();
            let (header, boards) = self.capture();
            let path = self.snapshots.path(self.generation);
            self.shared.watchers.retain(|_, watcher| !watcher.is_closed());
            self.keeper.begin(paused, &path, header, boards.into_iter().map(|board| board.saved()));
            return Ok(None);
        }
        Ok(wait)
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
        // What was made again must not be undone by a snapshot of what was before.
        self.write_now()?;
        self.serve()
    }

    fn close(&mut self) {
        self.keeper.finish();
        if self.keeper.is_behind()
            && let Err(error) = self.write_now()
        {
            tracing::warn!(projection = NAME, %error, "a view's snapshot cannot be written");
        }
    }

    fn retire(self: Box<Self>) {
        let Self { generation, snapshots, keeper, .. } = *self;
        drop(keeper);
        snapshots.remove(generation);
    }
}
