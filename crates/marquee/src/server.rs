//! `marquee serve`: from the first lock to the last byte drained.

use std::time::Duration;

use marquee_event_store::embedded::DataDir;
use marquee_projections::ReadModel;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cli::Failure;
use crate::config::ServeConfig;
use crate::engine::Engine;
use crate::server_file::ServerFile;
use crate::{demo, logging, secrets};

const METRICS_UPKEEP: Duration = Duration::from_secs(5);
/// Seconds, from a cached read to a request that waits for a slow disk.
const BUCKETS: [f64; 11] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Runs the platform until it is told to stop, or its log fails.
pub async fn run(config: &ServeConfig) -> Result<(), Failure> {
    logging::begin(config.log_json);
    let metrics = metrics()?;
    let dir = DataDir::lock(&config.common.data_dir)?;
    let listener =
        TcpListener::bind(config.listen).await.map_err(|error| format!("{}: {error}", config.listen))?;
    let listen = listener.local_addr()?;
    let own_origin = config.public_url.clone().unwrap_or_else(|| format!("http://{listen}"));

    let engine = Engine::start(config, &dir, listen, &own_origin, metrics).await?;
    if config.demo {
        demo::load(&engine.commands, engine.clock.now()).await?;
    }
    let _announced =
        ServerFile { listen, door: engine.door, pid: std::process::id() }.write(&config.common.data_dir)?;
    tracing::info!(%listen, data_dir = %config.common.data_dir.display(), "Marquee is open");

    let stop = CancellationToken::new();
    let serving = tokio::spawn(marquee_api::serve(listener, engine.app.clone(), stop.clone()));
    if config.demo {
        println!(
            "{}",
            demo::walk_through(
                &own_origin,
                &secrets::jwt(&config.common)?,
                &config.common,
                engine.clock.now()
            )
        );
    }
    let failure = tokio::select! {
        () = asked_to_stop()? => None,
        reason = engine.log.failed() => Some(format!("the log failed, and nothing more is written: {reason}")),
        reason = refused(&config.common.read_model) => Some(reason),
    };
    tracing::info!("closing: answering what is under way");
    stop.cancel();
    serving.await??;
    engine.stop().await;
    match failure {
        None => Ok(()),
        Some(reason) => Err(reason.into()),
    }
}

/// A database that did not answer at the start may turn out later to be another log's.
async fn refused(read_model: &ReadModel) -> String {
    match read_model {
        ReadModel::Embedded => std::future::pending().await,
        ReadModel::Postgres(database) => database.refused().await,
    }
}

fn asked_to_stop() -> Result<impl Future<Output = ()>, std::io::Error> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn metrics() -> Result<PrometheusHandle, Failure> {
    let builder =
        PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)?;
    let handle = builder.install_recorder()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(METRICS_UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}
