//! Wiring: the log, what writes it, what reads it.

use std::sync::Arc;

use marquee_api::{ApiConfig, App, JwtConfig};
use marquee_commands::{Commands, CommandsConfig, Contacts, Processes, ProcessesConfig, SandboxGateway};
use marquee_event_store::EventStore;
use marquee_event_store::clock::{Clock, SystemClock};
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::lease::{Leases, OwnerOfTheLog};
use marquee_projections::{ReadModel, Views, ViewsConfig};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::Failure;
use crate::config::ServeConfig;
use crate::secrets;

/// Everything but the socket.
pub struct Engine {
    /// The HTTP edge.
    pub app: App,
    /// The write side.
    pub commands: Commands,
    /// The read side.
    pub views: Views,
    /// The log.
    pub store: Arc<EmbeddedStore>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    processes: Processes,
    stop: CancellationToken,
}

impl Engine {
    /// Opens the log, then starts what reads it and what writes it.
    pub async fn start(
        config: &ServeConfig,
        dir: &DataDir,
        own_origin: &str,
        metrics: PrometheusHandle,
    ) -> Result<Self, Failure> {
        let data_dir = &config.common.data_dir;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Arc::new(EmbeddedStore::open(dir)?);
        let log: Arc<dyn EventStore> = store.clone();
        let stop = CancellationToken::new();

        let views = ViewsConfig { dir: data_dir.join("views"), read_model: config.common.read_model.clone() };
        let views = Views::open(views, Arc::clone(&log), stop.clone()).await?;
        let sandbox = match (&config.sandbox_secret, config.demo) {
            (Some(secret), _) => Some(SandboxGateway::new(secret, own_origin)),
            (None, true) => Some(SandboxGateway::new(&secrets::sandbox(data_dir)?, own_origin)),
            (None, false) => None,
        };
        let contacts = Contacts::open(data_dir, &secrets::contacts_key(data_dir)?)?;
        let rules = CommandsConfig {
            seat_lock_ttl: config.seat_lock_ttl,
            live_locks_per_user: config.live_locks_per_user,
            ..CommandsConfig::default()
        };
        let commands = Commands::new(rules, Arc::clone(&log), Arc::clone(&clock), sandbox, contacts);
        let leases: Arc<dyn Leases> = match &config.common.read_model {
            ReadModel::Embedded => Arc::new(OwnerOfTheLog),
            ReadModel::Postgres(database) => database.leases(),
        };
        let processes =
            Processes::start(&ProcessesConfig { dir: data_dir.clone() }, &commands, leases, &stop)?;

        let jwt = JwtConfig {
            secret: secrets::jwt(&config.common)?,
            issuer: config.common.jwt_issuer.clone(),
            audience: config.common.jwt_audience.clone(),
        };
        let mut return_origins = config.return_origins.clone();
        return_origins.push(own_origin.to_owned());
        let api = ApiConfig {
            return_origins,
            own_origin: own_origin.to_owned(),
            rate_limit: config.rate_limit,
            jwt,
            ticket_key: secrets::ticket_key(data_dir)?,
        };
        let app = App::new(api, commands.clone(), views.clone(), log, Arc::clone(&clock), metrics)?;
        Ok(Self { app, commands, views, store, clock, processes, stop })
    }

    /// Stops everything in order: nobody writes, then nobody reads, then the log is closed.
    pub async fn stop(self) {
        self.stop.cancel();
        self.processes.stopped().await;
        self.views.closed().await;
        self.store.close().await;
    }
}
