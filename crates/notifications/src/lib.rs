//! What customers are told of their bookings, by e-mail, text message and `WhatsApp`.
//!
//! Architecture invariant: a notification is a delivery, not a fact. It is found in the log and never written there; nobody
//! who books waits for it. What is kept of it holds a customer's opaque id alone: how to reach them is looked up for each
//! attempt, so that an erasure holds at once.

mod follow;
mod kind;
mod names;
mod provider;
mod queue;
mod sender;
mod text;
mod trigger;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use marquee_domain::customer::{Channel, Contact};
use marquee_event_store::EventStore;
use marquee_event_store::clock::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::follow::Follow;
pub use self::kind::Kind;
use self::provider::Outbox;
pub use self::provider::{
    DeliveryError, HttpProvider, HttpSettings, Letter, Provider, SmtpProvider, SmtpSecurity, SmtpSettings,
};
use self::queue::Queue;
pub use self::queue::{Entry, NotReplayable, OutboxText, Query, QueueError, Status};
use self::sender::Sender;
use self::text::Library;
pub use self::text::TextError;

/// How long the end waits for a delivery that is under way.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// Why it is not known how to reach a customer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("contacts are out: {0}")]
pub struct AddressBookError(pub String);

/// Knows how customers are reached.
pub trait AddressBook: Send + Sync + 'static {
    /// How a customer is reached now; `None` where that is not known, or was destroyed.
    fn contact<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<Option<Contact>, AddressBookError>>;
}

/// When a delivery that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// After the first failure; each further wait is twice as long, with as much as half taken off at random.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
    /// So many attempts, and it is a dead letter.
    pub attempts: u32,
}

impl Default for Retries {
    /// Some two hours.
    fn default() -> Self {
        Self { first: Duration::from_secs(1), longest: Duration::from_secs(600), attempts: 24 }
    }
}

/// What notifications need.
pub struct NotificationsConfig {
    /// The folder of the queue.
    pub dir: PathBuf,
    /// Who delivers, by channel; the local outbox where nobody does.
    pub providers: HashMap<Channel, Arc<dyn Provider>>,
    /// When a delivery that failed is tried again.
    pub retries: Retries,
}

/// Why notifications do not start.
#[derive(Debug, thiserror::Error)]
pub enum NotificationsError {
    /// The queue is out.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The texts are not sound.
    #[error(transparent)]
    Text(#[from] TextError),
    /// There is no thread to be had.
    #[error("notifications have no thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Notifications at work. Cheap to clone.
#[derive(Clone)]
pub struct Notifications {
    queue: Queue,
    clock: Arc<dyn Clock>,
    nudge: watch::Sender<()>,
    threads: TaskTracker,
}

impl Notifications {
    /// Starts to find in the log what customers are to be told, and to deliver it, on a thread of its own. It stops soon after
    /// the shutdown.
    ///
    /// `chosen` says whether this node is the one that looks, now and as it changes. Each node delivers what it has found.
    pub fn start(
        config: NotificationsConfig,
        store: Arc<dyn EventStore>,
        contacts: Arc<dyn AddressBook>,
        clock: Arc<dyn Clock>,
        chosen: watch::Receiver<bool>,
        shutdown: CancellationToken,
    ) -> Result<Self, NotificationsError> {
        let head = *store.head().borrow();
        let NotificationsConfig { dir, mut providers, retries } = config;
        let queue = Queue::open(&dir, head)?;
        let library = Arc::new(Library::open()?);
        let nudge = watch::Sender::new(());
        let mut sender = |channel| Sender {
            channel,
            provider: providers.remove(&channel).unwrap_or_else(|| Arc::new(Outbox(queue.clone()))),
            queue: queue.clone(),
            library: Arc::clone(&library),
            store: Arc::clone(&store),
            contacts: Arc::clone(&contacts),
            clock: Arc::clone(&clock),
            retries,
            nudged: nudge.subscribe(),
            stop: shutdown.clone(),
        };
        let senders: Vec<Sender> = Channel::ALL.into_iter().map(&mut sender).collect();
        let follow = Follow {
            store,
            queue: queue.clone(),
            contacts,
            clock: Arc::clone(&clock),
            chosen,
            nudge: nudge.clone(),
        };
        let threads = TaskTracker::new();
        let running = threads.token();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (watched, watching) = (queue.clone(), Arc::clone(&clock));
        std::thread::Builder::new().name("notifications".into()).spawn(move || {
            let looking = async { tokio::join!(follow.run(), sender::watch(watched, watching)) };
            let sending = async {
                let bound = async {
                    shutdown.cancelled().await;
                    tokio::time::sleep(LAST_PATIENCE).await;
                };
                tokio::select! {
                    _ = join_all(senders.into_iter().map(Sender::run)) => {}
                    () = bound => {}
                }
            };
            runtime.block_on(async { tokio::join!(shutdown.run_until_cancelled(looking), sending) });
            runtime.shutdown_background();
            drop(running);
        })?;
        threads.close();
        Ok(Self { queue, clock, nudge, threads })
    }

    /// Notifications, the newest first. Blocks on the queue's file.
    pub fn list(&self, query: &Query) -> Result<Vec<Entry>, QueueError> {
        self.queue.list(query)
    }

    /// Has a dead letter tried again. Blocks on the queue's file.
    pub fn replay(&self, id: &str) -> Result<Result<Entry, NotReplayable>, QueueError> {
        let replayed = self.queue.replay(id, self.clock.now());
        self.nudge.send_replace(());
        replayed
    }

    /// Returns once nothing is delivered any more.
    pub async fn stopped(&self) {
        self.threads.wait().await;
    }
}
