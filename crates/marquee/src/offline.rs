//! The log and the views without a server, for the command line.

use std::sync::Arc;
use std::time::Duration;

use marquee_event_store::EventStore;
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_projections::{Views, ViewsConfig};
use tokio_util::sync::CancellationToken;

use crate::cli::Failure;
use crate::config::Common;

const POLL: Duration = Duration::from_millis(20);

/// The log, held.
pub struct OfflineLog {
    /// The log.
    pub store: Arc<EmbeddedStore>,
    _dir: DataDir,
}

/// The log and its views, held and caught up.
pub struct Offline {
    /// The views.
    pub views: Views,
    log: OfflineLog,
    stop: CancellationToken,
}

impl Offline {
    /// Opens the log alone.
    pub fn open_log(common: &Common) -> Result<OfflineLog, Failure> {
        let dir = DataDir::lock(&common.data_dir)?;
        let store = Arc::new(EmbeddedStore::open(&dir)?);
        Ok(OfflineLog { store, _dir: dir })
    }

    /// Opens the log and the views, and lets these catch up.
    pub async fn open(common: &Common) -> Result<Self, Failure> {
        let log = Self::open_log(common)?;
        let stop = CancellationToken::new();
        let config =
            ViewsConfig { dir: common.data_dir.join("views"), read_model: common.read_model.clone() };
        let store: Arc<dyn EventStore> = log.store.clone();
        let views = Views::open(config, store, stop.clone()).await?;
        while !views.ready() {
            tokio::time::sleep(POLL).await;
        }
        Ok(Self { views, log, stop })
    }

    /// Lets go of everything.
    pub async fn close(self) {
        self.stop.cancel();
        self.views.closed().await;
        self.log.store.close().await;
    }
}
