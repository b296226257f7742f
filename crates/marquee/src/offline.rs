//! The log and the views without a server, for the command line.

use std::sync::Arc;
use std::time::Duration;

use marquee_event_store::clock::SystemClock;
use marquee_event_store::embedded::DataDir;
use marquee_projections::{Views, ViewsConfig};
use tokio_util::sync::CancellationToken;

use crate::cli::Failure;
use crate::config::Common;
use crate::log::Log;

const POLL: Duration = Duration::from_millis(20);

/// The log, held.
pub struct OfflineLog {
    /// The log.
    pub log: Log,
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
    pub async fn open_log(common: &Common) -> Result<OfflineLog, Failure> {
        let dir = DataDir::lock(&common.data_dir)?;
        let log = Log::open(&common.log, &dir, Arc::new(SystemClock)).await?;
        Ok(OfflineLog { log, _dir: dir })
    }

    /// Opens the log and the views, and lets these catch up.
    pub async fn open(common: &Common) -> Result<Self, Failure> {
        let log = Self::open_log(common).await?;
        let stop = CancellationToken::new();
        let dir = common.log.state_dir(&common.data_dir).join("views");
        let config = ViewsConfig { dir, read_model: common.read_model.clone() };
        let views = Views::open(config, log.log.store(), stop.clone()).await?;
        while !views.ready() {
            tokio::time::sleep(POLL).await;
        }
        Ok(Self { views, log, stop })
    }

    /// Lets go of everything.
    pub async fn close(self) {
        self.stop.cancel();
        self.views.closed().await;
        self.log.log.close().await;
    }
}
