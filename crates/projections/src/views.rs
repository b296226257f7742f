//! All views, opened together.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use marquee_event_store::{EventStore, Position};
use tokio_util::sync::CancellationToken;

use crate::browse::Browse;
use crate::catalogue::Catalogue;
use crate::fingerprint::Fingerprint;
use crate::seat_inventory::Bookings;
use crate::seat_maps::SeatMaps;
use crate::status::{Behind, ProjectionStatus};

/// Where views keep their files.
#[derive(Debug, Clone)]
pub struct ViewsConfig {
    /// The directory; made where it is missing. All that is in it can be made again from the log.
    pub dir: PathBuf,
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

/// Why a rebuild did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// No projection has this name.
    #[error("no projection is called {0}")]
    UnknownProjection(String),
    /// One is under way.
    #[error("the projection is being rebuilt already")]
    AlreadyRebuilding,
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
    /// Bookings, in SQLite.
    pub bookings: Bookings,
    inner: Arc<()>,
}

impl Views {
    /// Opens every view and starts its projector. Returns at once: they catch up in the background.
    pub async fn open(
        config: ViewsConfig,
        store: Arc<dyn EventStore>,
        shutdown: CancellationToken,
    ) -> Result<Self, ViewsError> {
        let _ = (config, store, shutdown);
        Err(ViewsError::Closed)
    }

    /// Waits until a view holds every event up to `min`.
    pub async fn wait_for(&self, view: View, min: Position, timeout: Duration) -> Result<(), Behind> {
        let _ = (view, timeout);
        Err(Behind { reached: min, wanted: min })
    }

    /// The position up to which a view holds every event.
    pub fn position(&self, view: View) -> Position {
        let _ = view;
        Position(0)
    }

    /// Every projection as an operator sees it.
    pub fn status(&self) -> Vec<ProjectionStatus> {
        vec![]
    }

    /// Whether every view has caught up once since it was opened.
    pub fn ready(&self) -> bool {
        false
    }

    /// Starts to make a view again, from position 0, beside the one that serves reads; they are swapped once the new
    /// one has caught up.
    pub async fn rebuild(&self, name: &str) -> Result<(), RebuildError> {
        Err(RebuildError::UnknownProjection(name.into()))
    }

    /// What a view holds, as a hash of its content in canonical form, at its present position.
    pub async fn fingerprint(&self, name: &str) -> Result<Fingerprint, ViewsError> {
        Err(ViewsError::UnknownProjection(name.into()))
    }

    /// Returns once every projector has stopped and every file is closed, after the shutdown was asked for.
    pub async fn closed(&self) {}
}
