//! `marquee migrate`: the embedded log to KurrentDB, event by event, then proven.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use marquee_event_store::EventStore;
use marquee_event_store::clock::SystemClock;
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::kurrent::{KurrentStore, Seeds};
use marquee_event_store::migrate::Migration;

use crate::cli::Failure;
use crate::config::CommonArgs;
use crate::log::LogChoice;

const PATIENCE: Duration = Duration::from_secs(30);

/// Copies the data directory's log to KurrentDB, then compares every event. No server may hold the directory, and nobody may append
/// over there meanwhile. What was interrupted is begun again with the same command, and goes on where it was.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Where to, such as `kurrentdb://host:2113`; a URL with a password comes by `MARQUEE_MIGRATE_TO`.
    #[arg(long)]
    to: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

impl MigrateArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let common = self.common.load()?;
        if !matches!(common.log, LogChoice::Embedded) {
            return Err("only the embedded log is migrated, and --event-store names another".into());
        }
        let seeds = target(self.to)?;
        if !common.data_dir.join("log.sqlite").exists() {
            return Err(format!("there is no log in {}", common.data_dir.display()).into());
        }
        let dir = DataDir::lock(&common.data_dir)?;
        let source = EmbeddedStore::open(&dir)?;
        let target = KurrentStore::open(seeds.clone(), Arc::new(SystemClock), PATIENCE).await?;
        let head = source.head().borrow().0;
        let migration = Migration::new(Arc::new(source.clone()), target.clone());

        let bar = progress(head, "copying")?;
        migration.copy(|position| bar.set_position(position.0)).await?;
        bar.finish_and_clear();
        let bar = progress(head, "comparing")?;
        let count = migration.verify(|compared| bar.set_position(compared)).await?;
        bar.finish_and_clear();
        target.close();
        source.close().await;
        println!("{count} events are on KurrentDB ({seeds}), and every one is what it was.");
        println!(
            "Start the server with MARQUEE_EVENT_STORE set to it; the log in the data directory is kept as it is."
        );
        Ok(())
    }
}

fn target(flag: Option<String>) -> Result<Seeds, Failure> {
    const VARIABLE: &str = "MARQUEE_MIGRATE_TO";
    let url = match flag {
        Some(url) if Seeds::has_password(&url) => {
            return Err(format!("a password comes by {VARIABLE} alone, which fewer can read").into());
        }
        Some(url) => url,
        None => std::env::var(VARIABLE).map_err(|_| format!("give --to, or {VARIABLE}"))?,
    };
    Ok(Seeds::parse(&url)?)
}

/// Shown on a terminal alone.
fn progress(events: u64, doing: &'static str) -> Result<ProgressBar, Failure> {
    let style =
        ProgressStyle::with_template("{msg:>9} {wide_bar} {human_pos}/{human_len} {per_sec}, {eta} left")?;
    Ok(ProgressBar::new(events).with_style(style).with_message(doing))
}
