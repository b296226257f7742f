//! Keeps the facts and the index up with the log.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use marquee_event_store::{Position, Recorded};
use tokio::time::Instant;

use super::index::SearchIndex;
use super::{Browse, Shared};
use crate::catalogue::{Catalogue, Facts, Searchable, concerns};
use crate::fingerprint::{Canonical, Fingerprint};
use crate::generation::Generations;
use crate::projector::{Blueprint, Parking, Poison, Projector};
use crate::status::ParkedStream;
use crate::views::{View, ViewsError};

const NAME: &str = "browse";

/// How long to wait before an index that was lost is made again.
const RETRY_INDEX: Duration = Duration::from_secs(5);

const INDEX_LOST: &str = "marquee_search_index_lost_total";

/// Opens the view and makes it again.
pub(crate) struct BrowseBlueprint {
    generations: Generations,
    shared: Arc<Shared>,
}

impl BrowseBlueprint {
    pub fn new(dir: PathBuf) -> Self {
        metrics::counter!(INDEX_LOST).increment(0);
        let facts = Arc::new(ArcSwap::from_pointee(Facts::default()));
        let shared = Arc::new(Shared { facts, search: ArcSwapOption::empty() });
        Self { generations: Generations::new(dir, NAME, ""), shared }
    }

    /// Searches whichever making serves reads.
    pub fn browse(&self) -> Browse {
        Browse { shared: Arc::clone(&self.shared) }
    }

    /// Reads the facts of whichever making serves reads.
    pub fn catalogue(&self) -> Catalogue {
        Catalogue { facts: Arc::clone(&self.shared.facts) }
    }

    fn begin(&self, generation: u64) -> Making {
        let (generations, shared) = (self.generations.clone(), Arc::clone(&self.shared));
        let index = SearchIndex::open_or_begin(&generations.path(generation));
        let index = index
            .inspect_err(|error| tracing::error!(%error, "there is no search index; facts are scanned"))
            .ok();
        Making {
            generation,
            generations,
            shared,
            facts: Arc::new(Facts::default()),
            index,
            retry_index: Instant::now() + RETRY_INDEX,
            serving: false,
            checkpoint: Position(0),
            parking: Parking::default(),
        }
    }
}

impl Blueprint for BrowseBlueprint {
    fn name(&self) -> &'static str {
        NAME
    }

    fn views(&self) -> &'static [View] {
        &[View::Browse, View::Catalogue]
    }

    fn open(&self) -> Result<Box<dyn Projector>, ViewsError> {
        let generation = match self.generations.current() {
            Some(current) => current,
            None => self.generations.unused()?,
        };
        let mut making = self.begin(generation);
        making.promote()?;
        self.generations.keep_only(generation)?;
        Ok(Box::new(making))
    }

    fn build(&self, generation: u64) -> Result<Box<dyn Projector>, ViewsError> {
        self.generations.remove(generation);
        Ok(Box::new(self.begin(generation)))
    }
}

/// One making: the facts in memory, read from position 0 at each start, and an index on disk that remembers how far it
/// has come.
struct Making {
    generation: u64,
    generations: Generations,
    shared: Arc<Shared>,
    facts: Arc<Facts>,
    index: Option<SearchIndex>,
    /// When an index that was lost is made again.
    retry_index: Instant,
    serving: bool,
    checkpoint: Position,
    parking: Parking,
}

impl Making {
    fn apply_one(&mut self, recorded: &Recorded) -> Result<Searchable, Poison> {
        self.facts.apply(&recorded.stream, recorded.event()?)
    }

    /// Goes on without an index; readers scan the facts until there is one again.
    fn lose_index(&mut self, error: &ViewsError) {
        tracing::error!(%error, "the search index is lost; facts are scanned until it is made again");
        metrics::counter!(INDEX_LOST).increment(1);
        if self.serving {
            self.shared.search.store(None);
        }
        self.index = None;
        self.retry_index = Instant::now() + RETRY_INDEX;
    }

    fn make_index(&mut self) -> Result<(), ViewsError> {
        let mut index = SearchIndex::begin(&self.generations.path(self.generation))?;
        index.put_all(&self.facts)?;
        index.commit(self.checkpoint)?;
        if self.serving {
            self.shared.search.store(Some(Arc::clone(&index.search)));
        }
        self.index = Some(index);
        Ok(())
    }

    fn commit(&mut self) {
        let committed =
            self.index.as_mut().filter(|index| index.is_dirty()).map(|index| index.commit(self.checkpoint));
        if let Some(Err(error)) = committed {
            self.lose_index(&error);
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

    fn kept(&self) -> Position {
        self.index.as_ref().map_or(Position(0), |index| index.committed)
    }

    fn visible(&self, view: View) -> Position {
        match (&self.index, view) {
            (Some(index), View::Browse) if index.is_dirty() => index.committed.min(self.checkpoint),
            (_, View::Browse | View::Catalogue | View::SeatMaps | View::Bookings) => self.checkpoint,
        }
    }

    fn parked(&self) -> Vec<ParkedStream> {
        self.parking.rows()
    }

    fn apply(&mut self, page: &[Arc<Recorded>], next: Position) -> Result<(), ViewsError> {
        for recorded in page.iter().filter(|recorded| concerns(recorded)) {
            if self.parking.holds(&recorded.stream) {
                continue;
            }
            let changed = match self.apply_one(recorded) {
                Ok(changed) => changed,
                Err(poison) => {
                    self.parking.park(NAME, recorded, &poison);
                    continue;
                }
            };
            let index = self.index.as_mut().filter(|index| index.committed < recorded.position);
            if let Some(Err(error)) = index.map(|index| index.put(&self.facts, &changed)) {
                self.lose_index(&error);
            }
        }
        self.checkpoint = next;
        Ok(())
    }

    fn settle(&mut self) -> Result<Option<Duration>, ViewsError> {
        let now = Instant::now();
        let settled = match &mut self.index {
            Some(index) => index.settle(self.checkpoint),
            None if now < self.retry_index => return Ok(Some(self.retry_index - now)),
            None => self.make_index().map(|()| None),
        };
        settled.or_else(|error| {
            self.lose_index(&error);
            Ok(Some(RETRY_INDEX))
        })
    }

    fn fingerprint(&mut self) -> Result<Fingerprint, ViewsError> {
        self.commit();
        let mut canonical = Canonical::new();
        let corrupt = |error: serde_json::Error| ViewsError::Corrupt(error.to_string());
        self.facts.content(&mut canonical).map_err(corrupt)?;
        canonical.record(&self.parking.rows()).map_err(corrupt)?;
        if let Some(index) = &self.index {
            index.content(&mut canonical)?;
        }
        Ok(canonical.finish(self.checkpoint))
    }

    fn promote(&mut self) -> Result<(), ViewsError> {
        self.commit();
        if self.generations.current() != Some(self.generation) {
            self.generations.point_to(self.generation)?;
        }
        self.shared.search.store(self.index.as_ref().map(|index| Arc::clone(&index.search)));
        self.shared.facts.store(Arc::clone(&self.facts));
        self.serving = true;
        Ok(())
    }

    fn retire(self: Box<Self>) {
        let Self { generation, generations, index, .. } = *self;
        if let Some(index) = index {
            index.close();
        }
        generations.remove(generation);
    }
}
