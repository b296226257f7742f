//! Wiring: the log, what writes it, what reads it.

use std::net::SocketAddr;
use std::sync::Arc;

use marquee_api::{ApiConfig, App, JwtConfig, Outbound};
use marquee_commands::{Commands, CommandsConfig, Contacts, Processes, ProcessesConfig, SandboxGateway};
use marquee_event_store::clock::{Clock, SystemClock};
use marquee_event_store::door::Door;
use marquee_event_store::embedded::DataDir;
use marquee_event_store::lease::{Leases, OwnerOfTheLog};
use marquee_projections::{ReadModel, SourceError, Views, ViewsConfig};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::Failure;
use crate::config::ServeConfig;
use crate::log::Log;
use crate::secrets;
use crate::vault::SharedVault;

/// Everything but the socket.
pub struct Engine {
    /// The HTTP edge.
    pub app: App,
    /// The write side.
    pub commands: Commands,
    /// The read side.
    pub views: Views,
    /// The log.
    pub log: Log,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where KurrentDB's clients come in, if they do.
    pub door: Option<SocketAddr>,
    at_the_door: Option<JoinHandle<()>>,
    processes: Processes,
    outbound: Outbound,
    stop: CancellationToken,
}

impl Engine {
    /// Opens the log, then starts what reads it and what writes it.
    pub async fn start(
        config: &ServeConfig,
        dir: &DataDir,
        listen: SocketAddr,
        own_origin: &str,
        metrics: PrometheusHandle,
    ) -> Result<Self, Failure> {
        let data_dir = &config.common.data_dir;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let log = Log::open(&config.common.log, dir, Arc::clone(&clock)).await?;
        if let (Log::Embedded(store), Some(door)) = (&log, &config.door)
            && door.writable
        {
            store.let_others_append();
        }
        let (store, state_dir) = (log.store(), config.common.log.state_dir(data_dir));
        let stop = CancellationToken::new();

        if let ReadModel::Postgres(database) = &config.common.read_model {
            match database.claim(&*store).await {
                Ok(_) => {}
                Err(another @ SourceError::Another { .. }) => return Err(another.into()),
                // Booking goes on without it. Whoever connects later looks again, and stops the node where it is another's.
                Err(error) => tracing::warn!(%error, "the read model cannot be looked into yet"),
            }
        }
        let views =
            ViewsConfig { dir: state_dir.join("views"), read_model: config.common.read_model.clone() };
        let views = Views::open(views, Arc::clone(&store), stop.clone()).await?;
        let sandbox = match (&config.sandbox_secret, config.demo) {
            (Some(secret), _) => Some(SandboxGateway::new(secret, own_origin)),
            (None, true) => Some(SandboxGateway::new(&secrets::sandbox(data_dir)?, own_origin)),
            (None, false) => None,
        };
        let gateways = config.gateways.open(sandbox, &clock)?;
        let mut contacts = Contacts::open(data_dir, &secrets::contacts_key(data_dir)?)?;
        if let ReadModel::Postgres(database) = &config.common.read_model {
            contacts = contacts.with_vault(Arc::new(SharedVault::new(database, &store)));
        }
        let rules = CommandsConfig {
            seat_lock_ttl: config.seat_lock_ttl,
            hoarding: config.hoarding,
            refund_patience: config.refund_patience,
            doors_open: config.doors_open,
            refunds_per_second: config.refunds_per_second,
            ..CommandsConfig::default()
        };
        let commands = Commands::new(rules, Arc::clone(&store), Arc::clone(&clock), gateways, contacts);
        let leases: Arc<dyn Leases> = match &config.common.read_model {
            ReadModel::Embedded => Arc::new(OwnerOfTheLog),
            ReadModel::Postgres(database) => database.leases(Arc::clone(&store)),
        };
        let notifications = config.notifications.start(
            &state_dir,
            &commands,
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&leases),
            stop.clone(),
        )?;
        let outbound = config.messages.start(
            &state_dir,
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&leases),
            notifications,
            stop.clone(),
        )?;
        let processes = Processes::start(&ProcessesConfig { dir: state_dir }, &commands, leases, &stop)?;

        let jwt = JwtConfig {
            secret: secrets::jwt(&config.common)?,
            issuer: config.common.jwt_issuer.clone(),
            audience: config.common.jwt_audience.clone(),
        };
        let mut return_origins = config.return_origins.clone();
        return_origins.push(own_origin.to_owned());
        let api = ApiConfig {
            return_origins,
            listen,
            rate_limit: config.rate_limit,
            jwt,
            ticket_keys: secrets::ticket_keys(data_dir)?,
        };
        let app = App::new(
            api,
            commands.clone(),
            views.clone(),
            outbound.clone(),
            Arc::clone(&store),
            Arc::clone(&clock),
            metrics,
        )?;
        let (mut door, mut at_the_door) = (None, None);
        if let Some(config) = config.door {
            let opened = Door::bind(config, store, Arc::clone(&clock), stop.clone()).await?;
            tracing::info!(listen = %opened.listen(), writable = config.writable, "KurrentDB's clients come in here");
            door = Some(opened.listen());
            at_the_door = Some(tokio::spawn(async move {
                if let Err(error) = opened.serve().await {
                    tracing::error!(%error, "the door for KurrentDB's clients has closed");
                }
            }));
        }
        Ok(Self { app, commands, views, log, clock, door, at_the_door, processes, outbound, stop })
    }

    /// Stops everything in order: nobody writes, then nobody reads, then the log is closed.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Some(serving) = self.at_the_door
            && let Err(error) = serving.await
        {
            tracing::error!(%error, "the door for KurrentDB's clients did not close");
        }
        self.processes.stopped().await;
        self.outbound.publisher.stopped().await;
        self.outbound.notifications.stopped().await;
        self.views.closed().await;
        self.log.close().await;
    }
}
