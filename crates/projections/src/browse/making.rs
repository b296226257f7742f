//! Keeps the facts and the index up with the log.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use marquee_event_store::{Position, Recorded};
use tokio::time::Instant;

use super::index::SearchIndex;
use super::{Browse, Shared};
use crate::catalogue::{Catalogue, Facts, Known, Searchable, concerns};
use crate::fingerprint::{Canonical, Fingerprint};
use crate::generation::Generations;
use crate::programme::Programme;
use crate::projector::{Blueprint, Parking, Poison, Projector};
use crate::snapshot::{self, Header, Keeper, Unusable};
use crate::status::ParkedStream;
use crate::views::{View, ViewsError};

const NAME: &str = "browse";
/// The records of a snapshot: a [`Saved`] fact each.
const FORMAT: &str = "browse.2";

/// How long to wait before an index that was lost is made again.
const RETRY_INDEX: Duration = Duration::from_secs(5);

const INDEX_LOST: &str = "marquee_search_index_lost_total";

/// Opens the view and makes it again.
pub(crate) struct BrowseBlueprint {
    generations: Generations,
    snapshots: Generations,
    shared: Arc<Shared>,
}

impl BrowseBlueprint {
    pub fn new(dir: PathBuf) -> Self {
        metrics::counter!(INDEX_LOST).increment(0);
        let facts = Arc::new(ArcSwap::from_pointee(Facts::default()));
        let shared = Arc::new(Shared { facts, search: ArcSwapOption::empty() });
        let snapshots = Generations::new(dir.clone(), NAME, ".snapshot");
        Self { generations: Generations::new(dir, NAME, ""), snapshots, shared }
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
            snapshots: self.snapshots.clone(),
            shared,
            facts: Arc::new(Facts::default()),
            programme: Programme::default(),
            index,
            retry_index: Instant::now() + RETRY_INDEX,
            serving: false,
            kept: Position(0),
            checkpoint: Position(0),
            parking: Parking::default(),
            keeper: Keeper::new(NAME),
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
        if let Err(unusable) = making.load() {
            snapshot::say_unusable(NAME, &unusable);
        }
        making.serve()?;
        self.generations.keep_only(generation)?;
        self.snapshots.keep_only(generation)?;
        Ok(Box::new(making))
    }

    fn build(&self, generation: u64) -> Result<Box<dyn Projector>, ViewsError> {
        self.generations.remove(generation);
        self.snapshots.remove(generation);
        Ok(Box::new(self.begin(generation)))
    }
}

/// One making: the facts in memory, with a snapshot of them, and an index on disk that remembers how far it has come. The
/// index is never behind the snapshot, lest it miss what is not read again.
struct Making {
    generation: u64,
    generations: Generations,
    snapshots: Generations,
    shared: Arc<Shared>,
    facts: Arc<Facts>,
    programme: Programme,
    index: Option<SearchIndex>,
    /// When an index that was lost is made again.
    retry_index: Instant,
    serving: bool,
    /// How far the snapshot had come when it was opened.
    kept: Position,
    checkpoint: Position,
    parking: Parking,
    keeper: Keeper,
}

impl Making {
    fn load(&mut self) -> Result<(), Unusable> {
        let path = self.snapshots.path(self.generation);
        let (header, facts) = snapshot::load(&path, FORMAT, self.generation)?;
        for fact in facts {
            self.facts.restore(fact);
        }
        self.programme = Programme::at(header.times);
        for card in &self.facts.shows {
            self.programme.add(card.key(), card.show.end_time);
        }
        (self.checkpoint, self.kept) = (header.position, header.position);
        self.parking = Parking::from_rows(header.parked);
        // An index that was lost, and begun anew.
        if self.index.as_ref().is_some_and(|index| index.committed < self.checkpoint) {
            self.index = None;
            if let Err(error) = self.make_index() {
                self.lose_index(&error);
            }
        }
        Ok(())
    }

    fn apply_one(&mut self, recorded: &Recorded) -> Result<Searchable, Poison> {
        let show = recorded.stream.as_show();
        let end = |facts: &Facts| Some(facts.shows.get(show.as_ref()?)?.show.end_time);
        let before = end(&self.facts);
        let changed = self.facts.apply(recorded)?;
        match (&show, before, end(&self.facts)) {
            (Some(show), None, Some(end)) => self.programme.add(show, end),
            (Some(show), Some(before), Some(end)) if before != end => self.programme.moved(show, before, end),
            _ => {}
        }
        Ok(changed)
    }

    /// Puts into the index what changed, unless it has it.
    fn put(&mut self, changed: &Searchable, at: Position) {
        let index = self.index.as_mut().filter(|index| index.committed < at);
        if let Some(Err(error)) = index.map(|index| index.put(&self.facts, changed)) {
            self.lose_index(&error);
        }
    }

    /// All facts at this position; the index is there, too.
    fn capture(&mut self) -> (Header, Vec<Known>) {
        let behind = self.index.as_mut().filter(|index| index.committed < self.checkpoint);
        if let Some(Err(error)) = behind.map(|index| index.commit(self.checkpoint)) {
            self.lose_index(&error);
        }
        let header = Header {
            format: FORMAT.into(),
            generation: self.generation,
            position: self.checkpoint,
            times: self.programme.times(),
            parked: self.parking.rows(),
        };
        (header, self.facts.capture())
    }

    fn write_now(&mut self) -> std::io::Result<()> {
        let (header, facts) = self.capture();
        let path = self.snapshots.path(self.generation);
        self.keeper.write_now(&path, &header, facts.iter().map(Known::saved))
    }

    /// Writes the facts down where it is time to; else answers how long that is yet.
    fn keep(&mut self) -> Option<Duration> {
        let wait = self.keeper.due();
        if wait == Some(Duration::ZERO) {
            let paused = std::time::Instant::now();
            let (header, facts) = self.capture();
            let path = self.snapshots.path(self.generation);
            self.keeper.begin(paused, &path, header, facts.into_iter().map(|fact| fact.saved()));
            return None;
        }
        wait
    }

    /// Readers go over to this making.
    fn serve(&mut self) -> Result<(), ViewsError> {
        if self.generations.current() != Some(self.generation) {
            self.generations.point_to(self.generation)?;
        }
        self.shared.search.store(self.index.as_ref().map(|index| Arc::clone(&index.search)));
        self.shared.facts.store(Arc::clone(&self.facts));
        self.serving = true;
        Ok(())
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
        self.index.as_ref().map_or(Position(0), |index| index.committed).max(self.kept)
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
        for recorded in page {
            self.programme.reach(recorded.time);
            while let Some(over) = self.programme.let_go() {
                self.facts.let_go(&over);
            }
            if !concerns(recorded) || self.parking.holds(&recorded.stream) {
                continue;
            }
            let changed = match self.apply_one(recorded) {
                Ok(changed) => changed,
                Err(poison) => {
                    self.parking.park(NAME, recorded, &poison);
                    continue;
                }
            };
            self.put(&changed, recorded.position);
        }
        self.checkpoint = next;
        self.keeper.count(page.len());
        Ok(())
    }

    fn settle(&mut self) -> Result<Option<Duration>, ViewsError> {
        let now = Instant::now();
        let settled = match &mut self.index {
            Some(index) => index.settle(self.checkpoint),
            None if now < self.retry_index => Ok(Some(self.retry_index - now)),
            None => self.make_index().map(|()| None),
        };
        let settled = settled.unwrap_or_else(|error| {
            self.lose_index(&error);
            Some(RETRY_INDEX)
        });
        Ok([settled, self.keep()].into_iter().flatten().min())
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
        let Self { generation, generations, snapshots, index, keeper, .. } = *self;
        drop(keeper);
        snapshots.remove(generation);
        if let Some(index) = index {
            index.close();
        }
        generations.remove(generation);
    }
}
