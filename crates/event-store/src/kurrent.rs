//! The log on KurrentDB, by its official client.
//!
//! The client (1.2.0) has defects that this adapter absorbs. One whose connection fails is dead for ever, and asks no second node: it
//! is thrown away and made anew on the next seed (`connector`). Its subscriptions neither resume at checkpoints nor survive a
//! stream that ends well, on which they spin (`spin`): the loop over them is our own (`follow`). Its calls
//! wait for an acknowledgement that is put off, and its batch appends die of one conflict: appends try the second and fall back on
//! the first (`sessions`).

mod append;
mod clock_rule;
mod connector;
mod events;
mod failure;
mod follow;
mod meters;
mod read;
mod seeds;
mod sessions;
mod spin;
#[cfg(test)]
mod stand_in;
mod tail;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use self::clock_rule::ClockRule;
use self::connector::Connector;
use self::events::Outgoing;
use self::meters::Meters;
pub use self::seeds::{Seeds, UrlError};
use self::tail::Tail;
use crate::clock::Clock;
use crate::envelope::Recorded;
use crate::port::{
    AppendError, Appended, EventStore, Expected, NewEvent, Outage, Page, Position, ReadError, TypeFilter,
};
use crate::stream::StreamName;

/// The log on KurrentDB. Clones share it; it lets go of the server when the last one goes.
#[derive(Clone)]
pub struct KurrentStore {
    shared: Arc<Shared>,
    _running: Arc<DropGuard>,
}

struct Shared {
    connector: Connector,
    /// The last event that is known to be durable.
    head: watch::Sender<Position>,
    tail: Tail,
    outage: watch::Sender<Option<Outage>>,
    /// What the last failure said; for operators alone.
    detail: Mutex<String>,
    meters: Meters,
    clock_rule: ClockRule,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    /// Where every call of the client runs: a connection dies with the runtime that it was opened in, and callers have runtimes of
    /// their own, some without any network.
    home: Handle,
}

impl Shared {
    /// The head only grows.
    fn advance(&self, to: Position) {
        self.head.send_if_modified(|head| {
            let grows = to > *head;
            *head = to.max(*head);
            grows
        });
    }

    /// Says that the server is away. Whoever asks hears when that began; what exactly failed may name hosts, and is logged.
    fn out(&self, detail: &str) {
        detail.clone_into(&mut self.detail.lock().unwrap_or_else(PoisonError::into_inner));
        self.outage.send_if_modified(|outage| {
            let begins = outage.is_none();
            if begins {
                tracing::warn!(detail, "KurrentDB is out of reach");
                self.meters.up.set(0.0);
                *outage = Some(Outage { since: self.clock.now(), reason: "out of reach".into() });
            }
            begins
        });
    }

    fn back(&self) {
        self.meters.up.set(1.0);
        if self.outage.send_replace(None).is_some() {
            tracing::info!("KurrentDB is within reach");
        }
    }
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No seed answered in time.
    #[error("KurrentDB cannot be reached: {0}")]
    Unreachable(String),
}

impl KurrentStore {
    /// Connects, and learns where the log ends. Tries every seed again and again for as long as `patience`.
    pub async fn open(seeds: Seeds, clock: Arc<dyn Clock>, patience: Duration) -> Result<Self, OpenError> {
        // Two providers are compiled in by different libraries, and then neither is taken unless one is named. An error says
        // that one is named already.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            connector: Connector::new(),
            head: watch::Sender::new(Position(0)),
            tail: Tail::default(),
            outage: watch::Sender::new(None),
            detail: Mutex::default(),
            meters: Meters::new(),
            clock_rule: ClockRule::default(),
            clock,
            stop: stop.clone(),
            home: Handle::current(),
        });
        shared.out("no connection yet");
        let store = Self { shared: Arc::clone(&shared), _running: Arc::new(stop.drop_guard()) };
        tokio::spawn(connector::keep_connected(Arc::clone(&shared), seeds));
        tokio::spawn(follow::keep_following(Arc::clone(&shared)));
        let mut outage = shared.outage.subscribe();
        let reached = tokio::time::timeout(patience, outage.wait_for(Option::is_none)).await.is_ok();
        if reached {
            return Ok(store);
        }
        let detail = shared.detail.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Err(OpenError::Unreachable(detail))
    }

    /// Lets go of the server. Appends and reads after this are `Unavailable`.
    pub fn close(&self) {
        self.shared.stop.cancel();
    }

    /// Copies recorded events to the end of a stream, byte for byte, under what is expected of it. A repeated copy succeeds.
    ///
    /// The envelope and the payload stay; the position is KurrentDB's own.
    pub async fn copy(
        &self,
        stream: StreamName,
        expected: Expected,
        events: &[Arc<Recorded>],
    ) -> Result<Appended, AppendError> {
        let events = events.iter().map(|event| Outgoing::copied(event)).collect();
        self.append_at_home(stream, expected, events).await
    }

    /// Appends, to the end even where the caller gives up.
    async fn append_at_home(
        &self,
        stream: StreamName,
        expected: Expected,
        events: Vec<Outgoing>,
    ) -> Result<Appended, AppendError> {
        let shared = Arc::clone(&self.shared);
        let append = async move { shared.append(stream, expected, events).await };
        let lost = |error: JoinError| AppendError::Unavailable(format!("the append was lost: {error}"));
        self.shared.home.spawn(append).await.map_err(lost)?
    }

    async fn read_at_home<T, F>(&self, read: impl FnOnce(Arc<Shared>) -> F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ReadError>> + Send + 'static,
    {
        let reading = self.shared.home.spawn(read(Arc::clone(&self.shared)));
        let lost = |error: JoinError| ReadError::Unavailable(format!("the read was lost: {error}"));
        AbortOnDropHandle::new(reading).await.map_err(lost)?
    }
}

impl EventStore for KurrentStore {
    fn append(
        &self,
        stream: StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move {
            let events = events.iter().map(Outgoing::new).collect::<Result<_, _>>()?;
            self.append_at_home(stream, expected, events).await
        })
    }

    fn read_stream(
        &self,
        stream: StreamName,
        from: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Arc<Recorded>>, ReadError>> {
        Box::pin(
            self.read_at_home(move |shared| async move { shared.read_stream(&stream, from, limit).await }),
        )
    }

    fn read_stream_back(
        &self,
        stream: StreamName,
        from: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Arc<Recorded>>, ReadError>> {
        Box::pin(
            self.read_at_home(
                move |shared| async move { shared.read_stream_back(&stream, from, limit).await },
            ),
        )
    }

    fn read_all(
        &self,
        after: Position,
        limit: usize,
        filter: TypeFilter,
    ) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async move {
            // Followers that are live read from memory, and need no other task for that.
            if let Some(page) = self.shared.read_delivered(after, limit, &filter) {
                return Ok(page);
            }
            self.read_at_home(move |shared| async move { shared.read_all(after, limit, &filter).await }).await
        })
    }

    fn read_all_back(
        &self,
        before: Option<Position>,
        limit: usize,
        filter: TypeFilter,
    ) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(
            self.read_at_home(
                move |shared| async move { shared.read_all_back(before, limit, &filter).await },
            ),
        )
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.shared.head.subscribe()
    }

    fn shared(&self) -> bool {
        true
    }

    fn counts_events(&self) -> bool {
        false
    }

    fn outage(&self) -> Option<Outage> {
        self.shared.outage.borrow().clone().or_else(|| self.shared.clock_rule.outage())
    }
}
