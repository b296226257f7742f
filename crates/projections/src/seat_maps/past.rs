//! Shows that are not in memory: folded from their streams when somebody reads them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use marquee_domain::Event;
use marquee_domain::ids::ShowId;
use marquee_domain::show::ShowEvent;
use marquee_event_store::{EventStore, ReadError, Recorded, StreamName};
use tokio::sync::Semaphore;

use super::board::Board;

/// Shows that are kept once they were folded. The next read of one reads only what is new in its stream.
const KEPT: usize = 32;
/// Shows that are folded at once; other readers wait.
const AT_ONCE: usize = 2;
/// Events of one read.
const PAGE: usize = 500;

type Slot = Arc<tokio::sync::Mutex<Folded>>;

/// A show as far as its stream was read.
#[derive(Default)]
struct Folded {
    board: Option<Arc<Board>>,
    /// The revision to read on from.
    next: u64,
    /// An event could not be applied: as in memory, the show stays as it was before it.
    parked: bool,
}

/// Folds shows on demand.
pub(super) struct Past {
    store: Arc<dyn EventStore>,
    /// The latest read last.
    kept: Mutex<VecDeque<(ShowId, Slot)>>,
    permits: Semaphore,
}

impl Past {
    pub fn new(store: Arc<dyn EventStore>) -> Self {
        Self { store, kept: Mutex::default(), permits: Semaphore::new(AT_ONCE) }
    }

    /// The show as its stream has it now; `None` where it was never scheduled.
    pub async fn board(&self, show: &ShowId) -> Result<Option<Arc<Board>>, ReadError> {
        let slot = self.slot(show);
        let mut folded = slot.lock().await;
        let permit = self.permits.acquire().await;
        let _permit = permit.map_err(|error| ReadError::Unavailable(error.to_string()))?;
        folded.read_on(&*self.store, show).await?;
        if folded.board.is_none() {
            self.kept().retain(|(known, _)| known != show);
        }
        Ok(folded.board.clone())
    }

    /// Whoever reads the same show at the same time shares the work. What was not read for longest is forgotten.
    fn slot(&self, show: &ShowId) -> Slot {
        let mut kept = self.kept();
        let at = kept.iter().position(|(known, _)| known == show);
        let entry = at.and_then(|at| kept.remove(at)).unwrap_or_else(|| (show.clone(), Slot::default()));
        let slot = Arc::clone(&entry.1);
        kept.push_back(entry);
        if kept.len() > KEPT {
            kept.pop_front();
        }
        slot
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<(ShowId, Slot)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Folded {
    /// Cancel-safe: a page is folded as a whole.
    async fn read_on(&mut self, store: &dyn EventStore, show: &ShowId) -> Result<(), ReadError> {
        let stream = StreamName::show(show);
        while !self.parked {
            let page = store.read_stream(stream.clone(), self.next, PAGE).await?;
            if page.is_empty() {
                break;
            }
            self.next += page.len() as u64;
            self.parked = !page.iter().all(|recorded| self.fold(show, recorded));
        }
        Ok(())
    }

    /// Applies one event; whether it could be.
    fn fold(&mut self, show: &ShowId, recorded: &Recorded) -> bool {
        let Ok(Event::Show(event)) = recorded.event() else { return false };
        match (&self.board, event) {
            (Some(board), event) => board.apply(event, recorded.position).is_ok(),
            (None, ShowEvent::Scheduled(scheduled)) if scheduled.show.show_id == *show => {
                self.board = Some(Arc::new(Board::new(scheduled.show.clone(), recorded.position)));
                true
            }
            (None, _) => false,
        }
    }
}
