//! All views, opened together.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use marquee_event_store::{EventStore, Position};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::browse::{self, Browse};
use crate::catalogue::Catalogue;
use crate::fingerprint::Fingerprint;
use crate::postgres::Postgres;
use crate::projector::Blueprint;
use crate::runtime::{Lane, Projection};
use crate::seat_inventory::{self, Bookings, PostgresInventory};
use crate::seat_maps::{self, SeatMaps};
use crate::status::{Behind, Outage, ProjectionStatus};

/// Where views are kept.
#[derive(Debug, Clone)]
pub struct ViewsConfig {
    /// The directory; made where it is missing. All that is in it can be made again from the log.
    pub dir: PathBuf,
    /// Where bookings are kept to be queried.
    pub read_model: ReadModel,
}

/// Where bookings are kept to be queried.
#[derive(Debug, Clone, Default)]
pub enum ReadModel {
    /// In a file of this node.
    #[default]
    Embedded,
    /// In a PostgreSQL database that nodes share.
    Postgres(Postgres),
}

/// What a reader may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum View {
    /// Seat maps and availability.
    SeatMaps,
    /// Cities, films, theatres and shows by their id.
    Catalogue,
    /// What can be found by city, date and text.
    Browse,
    /// Bookings and who sits where.
    Bookings,
}

/// Why a view cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum ViewsError {
    /// The directory or a pointer in it cannot be used.
    #[error("the views' directory cannot be used: {0}")]
    Io(#[from] std::io::Error),
    /// The file of a view cannot be used.
    #[error("the view's file cannot be used: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The search index cannot be used.
    #[error("the search index cannot be used: {0}")]
    Index(#[from] tantivy::TantivyError),
    /// The server that keeps the view does not answer, or not as it should.
    #[error("the view's database is out: {0}")]
    Unavailable(String),
    /// What is stored in a view is not what this release writes. A rebuild mends it.
    #[error("the view holds what cannot be read: {0}")]
    Corrupt(String),
    /// No projection has this name.
    #[error("no projection is called {0}")]
    UnknownProjection(String),
    /// No page gave this cursor.
    #[error("the cursor is not one of ours")]
    InvalidCursor,
    /// The views are shutting down.
    #[error("the views are closed")]
    Closed,
}

impl From<sqlx::Error> for ViewsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Why a rebuild did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// No projection has this name.
    #[error("no projection is called {0}")]
    UnknownProjection(String),
    /// One is under way.
    #[error("the projection is being rebuilt already")]
    AlreadyRebuilding,
    /// The server that keeps the view does not answer.
    #[error("the view's database is out: {0}")]
    Unavailable(String),
}

/// All views. Cheap to clone.
#[derive(Clone)]
pub struct Views {
    /// Seat maps, in memory.
    pub seat_maps: SeatMaps,
    /// Cities, films, theatres and shows, in memory.
    pub catalogue: Catalogue,
    /// Search by city, date and text.
    pub browse: Browse,
    /// Bookings, in `SQLite` or PostgreSQL.
    pub bookings: Bookings,
    inner: Arc<Inner>,
}

struct Inner {
    lanes: Vec<Arc<dyn Projection>>,
    stopping: CancellationToken,
    /// Nobody reads any more: the projectors stop.
    _unread: DropGuard,
    threads: TaskTracker,
}

impl Views {
    /// Opens every view and starts its projector. Returns at once: they catch up in the background.
    pub async fn open(
        config: ViewsConfig,
        store: Arc<dyn EventStore>,
        shutdown: CancellationToken,
    ) -> Result<Self, ViewsError> {
        let opening = tokio::task::spawn_blocking(move || Self::start(&config, &store, &shutdown));
        opening.await.map_err(|_| ViewsError::Closed)?
    }

    fn start(
        config: &ViewsConfig,
        store: &Arc<dyn EventStore>,
        shutdown: &CancellationToken,
    ) -> Result<Self, ViewsError> {
        std::fs::create_dir_all(&config.dir)?;
        let (threads, shutdown) = (TaskTracker::new(), shutdown.child_token());
        let start = |blueprint: Arc<dyn Blueprint>| {
            Lane::start(blueprint, Arc::clone(store), shutdown.clone(), threads.clone())
        };
        let maps = Arc::new(seat_maps::SeatMapsBlueprint::new(config.dir.clone(), Arc::clone(store)));
        let browsing = Arc::new(browse::BrowseBlueprint::new(config.dir.clone()));
        let seat_maps = maps.reader();
        let (catalogue, browse) = (browsing.catalogue(), browsing.browse());
        let (bookings, inventory): (Bookings, Arc<dyn Projection>) = match &config.read_model {
            ReadModel::Embedded => {
                let inventory = Arc::new(seat_inventory::SeatInventory::new(config.dir.clone()));
                (inventory.bookings(), start(inventory)?)
            }
            ReadModel::Postgres(database) => {
                let inventory = PostgresInventory::start(database, Arc::clone(store), &shutdown, &threads)?;
                (inventory.bookings(), inventory)
            }
        };
        let lanes: Vec<Arc<dyn Projection>> = vec![inventory, start(maps)?, start(browsing)?];
        threads.close();
        let inner =
            Arc::new(Inner { lanes, stopping: shutdown.clone(), _unread: shutdown.drop_guard(), threads });
        Ok(Self { seat_maps, catalogue, browse, bookings, inner })
    }

    /// Waits until a view holds every event up to `min`.
    pub async fn wait_for(&self, view: View, min: Position, timeout: Duration) -> Result<(), Behind> {
        let Some(mut watch) = self.watch(view) else { return Ok(()) };
        let reached = tokio::time::timeout(timeout, watch.wait_for(|visible| *visible >= min)).await;
        if matches!(reached, Ok(Ok(_))) {
            return Ok(());
        }
        Err(Behind { reached: self.position(view), wanted: min })
    }

    /// The position up to which a view holds every event.
    pub fn position(&self, view: View) -> Position {
        self.watch(view).map_or_else(Position::default, |watch| *watch.borrow())
    }

    /// Whether the server that keeps a view does not answer.
    pub fn is_out(&self, view: View) -> bool {
        self.inner.lanes.iter().any(|lane| lane.watch(view).is_some() && lane.status().outage.is_some())
    }

    /// Every projection as an operator sees it.
    pub fn status(&self) -> Vec<ProjectionStatus> {
        self.inner.lanes.iter().map(|lane| lane.status()).collect()
    }

    /// Whether every view that can has caught up once since it was opened. One whose server is out does not count: bookings
    /// are made without it.
    pub fn ready(&self) -> bool {
        self.inner.lanes.iter().all(|lane| lane.caught_up() || lane.status().outage.is_some())
    }

    /// What the views need and do not have.
    pub fn outages(&self) -> Vec<Outage> {
        self.inner.lanes.iter().filter_map(|lane| lane.status().outage).collect()
    }

    /// Starts to make a view again, from position 0, beside the one that serves reads; they are swapped once the new
    /// one has caught up.
    pub async fn rebuild(&self, name: &str) -> Result<(), RebuildError> {
        let lane = self.lane(name).ok_or_else(|| RebuildError::UnknownProjection(name.into()))?;
        Arc::clone(lane).rebuild().await
    }

    /// What a view holds, as a hash of its content in canonical form, at its present position.
    pub async fn fingerprint(&self, name: &str) -> Result<Fingerprint, ViewsError> {
        let lane = self.lane(name).ok_or_else(|| ViewsError::UnknownProjection(name.into()))?;
        lane.fingerprint().await
    }

    /// Returns once every projector has stopped and every file is closed, after the shutdown was asked for.
    pub async fn closed(&self) {
        self.inner.stopping.cancelled().await;
        self.inner.threads.wait().await;
    }

    fn lane(&self, name: &str) -> Option<&Arc<dyn Projection>> {
        self.inner.lanes.iter().find(|lane| lane.name() == name)
    }

    fn watch(&self, view: View) -> Option<watch::Receiver<Position>> {
        self.inner.lanes.iter().find_map(|lane| lane.watch(view))
    }
}
