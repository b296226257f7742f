//! Messages to the outside: what happened, for those who notify, keep relations and count.
//!
//! Architecture invariant: the log is the truth and a bus never is. What a bus has lost is published again from the
//! log; a message is the same whenever it is told.

mod bus;
pub mod conformance;
mod embedded;
mod fold;
mod message;
mod nats;
mod publisher;
mod schema;
mod translate;

use std::sync::Arc;
use std::time::Duration;

use marquee_event_store::EventStore;
use marquee_event_store::clock::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::bus::{BusError, MessageBus, Origin, Outgoing};
pub use self::embedded::{EmbeddedBus, Queued, Retention};
pub use self::message::*;
pub use self::nats::{InvalidNatsUrl, NatsBus, NatsConfig, NatsCredentials, STREAM};
pub use self::publisher::MessagesStatus;
use self::publisher::{Publisher, Shown};
pub use self::translate::Translator;

/// How long the end waits for a commit of the queue that is under way.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// The publisher at work. Cheap to clone.
#[derive(Clone)]
pub struct Messages {
    bus: &'static str,
    shown: Arc<Shown>,
    threads: TaskTracker,
}

impl Messages {
    /// Starts to put the log's messages on a bus, on a thread of its own. It stops soon after the shutdown.
    ///
    /// `chosen` says whether this node is the one that publishes, now and as it changes: of several nodes one does at a
    /// time. Where two ever do, the bus refuses the one that is behind, and nothing is stored twice or out of order.
    pub fn start(
        store: Arc<dyn EventStore>,
        bus: Arc<dyn MessageBus>,
        clock: Arc<dyn Clock>,
        chosen: watch::Receiver<bool>,
        shutdown: CancellationToken,
    ) -> std::io::Result<Self> {
        let messages = Self { bus: bus.name(), shown: Arc::default(), threads: TaskTracker::new() };
        let publisher = Publisher { store, bus, clock, chosen, shown: Arc::clone(&messages.shown) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let running = messages.threads.token();
        std::thread::Builder::new().name("messages".into()).spawn(move || {
            runtime.block_on(publisher.run(shutdown));
            runtime.shutdown_timeout(LAST_PATIENCE);
            drop(running);
        })?;
        messages.threads.close();
        Ok(messages)
    }

    /// The name of the bus.
    pub fn bus(&self) -> &'static str {
        self.bus
    }

    /// How the messages are doing.
    pub fn status(&self) -> MessagesStatus {
        self.shown.read()
    }

    /// Returns once the publisher has stopped.
    pub async fn stopped(&self) {
        self.threads.wait().await;
    }
}
