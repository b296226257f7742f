//! What Marquee does unasked: writes down deadlines, settles what a crash left open, pays back, asks gateways.
//!
//! On several nodes they have one lease: who has it acts, the others follow and stand by. What they do is safe to do twice,
//! so while nobody can say who has the lease, each acts.
//!
//! Each process follows the log from its checkpoint and decides from the target's own fold, so that doing a thing twice
//! is doing it once. Correctness never waits for them.

mod erasures;
mod money;
mod pace;
mod questions;
mod redemptions;
mod state;
mod timers;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use marquee_event_store::lease::{Leases, keep};
use marquee_event_store::{Metadata, Page, Position, Recorded};
use smol_str::SmolStr;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Commands;
use crate::processes::erasures::ErasureProcess;
use crate::processes::money::MoneyProcess;
use crate::processes::questions::QuestionProcess;
use crate::processes::redemptions::RedemptionProcess;
use crate::processes::state::ProcessState;
use crate::processes::timers::TimerProcess;

/// Events that a process takes at once.
const PAGE: usize = 4_096;
/// The lease of all processes.
const LEASE: &str = "processes";
/// How long a standby remembers what the node that has the lease has most likely done.
const STANDBY_MEMORY: Duration = Duration::from_hours(1);
/// Targets that a process works on at once.
const CONCURRENCY: usize = 16;

/// Where processes keep how far they are.
#[derive(Debug, Clone)]
pub struct ProcessesConfig {
    /// The folder of their state file.
    pub dir: PathBuf,
}

/// Why the processes do not start.
#[derive(Debug, thiserror::Error)]
pub enum ProcessesError {
    /// Their state file is out.
    #[error("the state of the processes is out: {0}")]
    Storage(#[from] rusqlite::Error),
    /// A thread of theirs ended.
    #[error("a process stopped: {0}")]
    Stopped(String),
}

/// The running processes.
#[derive(Debug)]
pub struct Processes {
    tasks: TaskTracker,
}

impl Processes {
    /// Starts them. They stop soon after `shutdown`.
    pub fn start(
        config: &ProcessesConfig,
        commands: &Commands,
        leases: Arc<dyn Leases>,
        shutdown: &CancellationToken,
    ) -> Result<Self, ProcessesError> {
        let state = ProcessState::open(&config.dir)?;
        let tasks = TaskTracker::new();
        let (tenancy, keeping) = keep(leases, LEASE, shutdown.clone());
        let timers = TimerProcess::new(commands.clone(), state.clone(), tenancy.clone())?;
        let redemptions = RedemptionProcess::new(commands.clone(), state.clone(), tenancy.clone())?;
        let questions = QuestionProcess::new(commands.clone(), state.clone(), tenancy.clone())?;
        let erasures = ErasureProcess::new(commands.clone(), state.clone())?;
        let money = MoneyProcess::new(commands.clone(), state, tenancy)?;
        tasks.spawn(keeping);
        tasks.spawn(until(shutdown.clone(), timers.run()));
        tasks.spawn(until(shutdown.clone(), money.run()));
        tasks.spawn(until(shutdown.clone(), redemptions.run()));
        tasks.spawn(until(shutdown.clone(), questions.run()));
        tasks.spawn(until(shutdown.clone(), erasures.run()));
        tasks.close();
        Ok(Self { tasks })
    }

    /// Waits until they have stopped.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }
}

async fn until(shutdown: CancellationToken, process: impl Future<Output = ()>) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = process => {}
    }
}

/// What a process does in the name of the event that made it act.
fn in_the_name_of(process: &str, cause: &Recorded) -> Arc<Metadata> {
    Arc::new(Metadata {
        actor: SmolStr::from(format!("process:{process}")),
        correlation_id: cause.metadata.correlation_id.clone(),
        causation_id: Some(cause.id),
    })
}

/// The next events; waits at most `patience`. Empty where there are none, or the log cannot be read just now.
async fn next_page(follower: &mut marquee_event_store::Follower, process: &str, patience: Duration) -> Page {
    match tokio::time::timeout(patience, follower.next_page(PAGE)).await {
        Ok(Ok(page)) => page,
        Ok(Err(error)) => {
            tracing::warn!(process, %error, "the log cannot be read; trying again");
            tokio::time::sleep(patience).await;
            Page { events: vec![], next: follower.position() }
        }
        Err(_nothing_new) => Page { events: vec![], next: follower.position() },
    }
}

fn note_position(process: &'static str, position: Position) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    metrics::gauge!("marquee_process_position", "process" => process).set(position.0 as f64);
}
