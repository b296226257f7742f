//! The load generator: what a Marquee on this machine serves, beside what a handler without an engine and a log without
//! a server do in the same run; and whether the log agrees with all that clients were told.

mod bare;
mod catalogue;
mod client;
mod error;
mod ledger;
mod log_ceiling;
mod machine;
mod measure;
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "the suites that share it need more of it, and fail by panicking"
)]
#[path = "../../support/nats.rs"]
mod nats;
mod options;
mod process;
mod production;
mod report;
mod scenario;
mod seats;
mod token;
mod wire;
mod world;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::error::LoadError;
use crate::log_ceiling::Ceiling;
use crate::options::Options;
use crate::process::Server;

/// Measures Marquee beside its ceilings, and checks its log against what clients were told.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    child: Option<Child>,
    #[command(flatten)]
    options: Options,
}

/// The children of a run, which are this program too.
#[derive(Subcommand)]
enum Child {
    /// Serves the bare handler until it is stopped
    #[command(hide = true)]
    Bare {
        /// Where to write the address
        #[arg(long)]
        announce: PathBuf,
    },
    /// Serves KurrentDB's protocol on an empty log until it is stopped
    #[command(hide = true)]
    Door {
        #[arg(long)]
        dir: PathBuf,
        /// Where to write the address
        #[arg(long)]
        announce: PathBuf,
    },
    /// Measures the log alone
    #[command(hide = true)]
    Log {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        appenders: usize,
        #[arg(long)]
        streams: usize,
        #[arg(long)]
        seconds: u64,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { child, options } = Cli::parse();
    let done = match child {
        None => measure(&options).await,
        Some(Child::Bare { announce }) => bare::serve(&announce).await.map(|()| true),
        Some(Child::Door { dir, announce }) => production::serve_door(&dir, &announce).await.map(|()| true),
        Some(Child::Log { dir, appenders, streams, seconds }) => log(&dir, appenders, streams, seconds).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("marquee-load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs everything. `false` where the log and the clients disagree.
async fn measure(options: &Options) -> Result<bool, LoadError> {
    let parent = options.work_dir.clone().unwrap_or_else(std::env::temp_dir);
    let marquee = std::fs::canonicalize(&options.marquee)
        .map_err(LoadError::io(options.marquee.display().to_string()))?;
    let options = &Options { marquee, ..options.clone() };
    let scratch = || tempfile::tempdir_in(&parent).map_err(LoadError::io(parent.display().to_string()));

    let mut ceilings = Vec::new();
    if !options.marquee_only {
        for appenders in [options.clients(), options.wide()] {
            ceilings.push(log_child(options, appenders, scratch()?.path()).await?);
        }
    }
    let bare_dir = scratch()?;
    let bare = Server::bare(bare_dir.path()).await?;
    let mut outcomes = Vec::new();
    for (scenario, kept) in options.scenario.plan() {
        outcomes.push(scenario::run(options, scenario, kept, &bare, scratch()?.path()).await?);
    }
    bare.stop().await?;

    let report = report::render(options, &ceilings, &outcomes)?;
    println!("{report}");
    if let Some(path) = &options.markdown {
        std::fs::write(path, &report).map_err(LoadError::io(path.display().to_string()))?;
    }
    Ok(outcomes.iter().all(|outcome| outcome.violations.is_empty()))
}

/// Measures the log in a process of its own, as everything else is.
async fn log_child(options: &Options, appenders: usize, dir: &Path) -> Result<Ceiling, LoadError> {
    let program = std::env::current_exe().map_err(LoadError::io("finding this program"))?;
    let mut command = std::process::Command::new(program);
    command.args(["log", "--appenders", &appenders.to_string(), "--streams", &options.shows().to_string()]);
    command.args(["--seconds", &options.seconds.to_string(), "--dir"]).arg(dir);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .map_err(|error| LoadError::Child(error.to_string()))?
        .map_err(LoadError::io("measuring the log"))?;
    if !output.status.success() {
        return Err(LoadError::Log(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(LoadError::shape("the log's figures"))
}

async fn log(dir: &Path, appenders: usize, streams: usize, seconds: u64) -> Result<bool, LoadError> {
    let ceiling = log_ceiling::measure(dir, appenders, streams, Duration::from_secs(seconds)).await?;
    println!("{}", serde_json::to_string(&ceiling).map_err(LoadError::shape("the log's figures"))?);
    Ok(true)
}
