//! Follows the log and puts its messages on the bus.
//!
//! The bus itself is the cursor: whenever anything is in doubt, the publisher asks it where it stands and goes on from
//! there. So a bus that was wiped, put back from an older copy, or is only slow loses nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use marquee_event_store::clock::Clock;
use marquee_event_store::{EventStore, Follower, Outage, Page, Position, ReadError};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::bus::{BusError, MessageBus, Origin, Outgoing};
use super::translate::Translator;

/// Events that are read at once.
const PAGE: usize = 2_048;
/// An idle bus is asked this often whether it is there, and where.
const ASK_AGAIN: Duration = Duration::from_secs(2);
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LAST_BACKOFF: Duration = Duration::from_secs(2);
/// After a page the publisher rests for this many times as long as it took, unless it is far behind: the cores are
/// left to those who book.
const REST_FACTOR: u32 = 4;
const SHORTEST_REST: Duration = Duration::from_millis(20);
const LONGEST_REST: Duration = Duration::from_millis(200);
/// A publisher this far behind the log does not rest.
const BEHIND: u64 = 8_192;

/// How the messages are doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessagesStatus {
    /// Every message of an event up to here is on the bus.
    pub published: Position,
    /// How many positions the log is ahead.
    pub lag: u64,
    /// Since when the bus is out, and why: messages wait in the log. `None` where it is there.
    pub out: Option<Outage>,
}

/// What the publisher shows of itself.
#[derive(Debug, Default)]
pub(super) struct Shown(Mutex<MessagesStatus>);

impl Shown {
    pub fn read(&self) -> MessagesStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut MessagesStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Follows the log for one bus.
pub(super) struct Publisher {
    pub store: Arc<dyn EventStore>,
    pub bus: Arc<dyn MessageBus>,
    pub clock: Arc<dyn Clock>,
    /// Whether this node is the one that publishes.
    pub chosen: watch::Receiver<bool>,
    pub shown: Arc<Shown>,
}

/// Why a run ended.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Log(#[from] ReadError),
    #[error("another node publishes")]
    NotChosen,
}

impl Publisher {
    /// Publishes until the shutdown.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let publishing = async {
            let mut backoff = FIRST_BACKOFF;
            loop {
                self.until_chosen().await;
                let began = Instant::now();
                let interrupted = self.publish().await;
                if began.elapsed() > LAST_BACKOFF {
                    backoff = FIRST_BACKOFF;
                }
                self.note(&interrupted);
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(LAST_BACKOFF);
            }
        };
        shutdown.run_until_cancelled(publishing).await;
    }

    /// Waits for this node's turn, and looks after the bus meanwhile: a node that would take over knows whether it can.
    async fn until_chosen(&mut self) {
        while !*self.chosen.borrow_and_update() {
            match self.bus.last().await {
                Ok(last) => self.there(last.map(|last| last.position).unwrap_or_default()),
                Err(error) => self.note(&Interrupted::Bus(error)),
            }
            // Nobody is left who could choose another: what was chosen last stands.
            if let Ok(Err(_)) = timeout(ASK_AGAIN, self.chosen.changed()).await {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        }
    }

    /// Publishes from where the bus stands, for as long as all goes well.
    async fn publish(&mut self) -> Interrupted {
        match self.publish_on().await {
            Err(interrupted) => interrupted,
            Ok(never) => match never {},
        }
    }

    async fn publish_on(&mut self) -> Result<std::convert::Infallible, Interrupted> {
        let start = self.start().await?;
        let mut follower = Follower::new(Arc::clone(&self.store), start.after);
        let mut translator = Translator::new(Arc::clone(&self.store));
        let mut last = start.last;
        self.there(start.after);
        loop {
            self.still_chosen()?;
            let page = match timeout(ASK_AGAIN, follower.next_page(PAGE)).await {
                Ok(page) => page?,
                Err(_nothing_new) => {
                    self.still_there(last).await?;
                    continue;
                }
            };
            let began = Instant::now();
            let (next, messages) = (page.next, told(&mut translator, page, start.not_before).await?);
            last = messages.last().map_or(last, |message| Some(message.origin.event_id));
            self.put(messages, next).await?;
            if follower.head().0.saturating_sub(follower.position().0) < BEHIND {
                tokio::time::sleep((began.elapsed() * REST_FACTOR).clamp(SHORTEST_REST, LONGEST_REST)).await;
            }
        }
    }

    /// Where to go on from.
    async fn start(&self) -> Result<Start, Interrupted> {
        let Some(last) = self.bus.last().await? else { return Ok(self.anew()) };
        if self.is_ours(&last).await? {
            return Ok(Start { after: last.position, last: Some(last.event_id), not_before: Timestamp::MIN });
        }
        tracing::error!(
            bus = self.bus.name(), last = %last.position,
            "the message bus was filled from another log, or from this one before an older copy was put back; it is \
             filled anew, and consumers hear again what they have heard",
        );
        metrics::counter!("marquee_messages_begun_again_total").increment(1);
        self.bus.begin_again().await?;
        Ok(self.anew())
    }

    /// All that an empty bus should hold: what it would have dropped by now is left out.
    fn anew(&self) -> Start {
        let keeps = SignedDuration::try_from(self.bus.keeps()).unwrap_or(SignedDuration::MAX);
        let not_before = self.clock.now().checked_sub(keeps).unwrap_or(Timestamp::MIN);
        Start { after: Position(0), last: None, not_before }
    }

    /// Whether a message tells of an event of this log: only then do its positions mean anything.
    async fn is_ours(&self, last: &Origin) -> Result<bool, ReadError> {
        let found = self.store.read_stream(last.stream.clone(), last.revision, 1).await?;
        let same = |event: &marquee_event_store::Recorded| {
            event.id == last.event_id && event.position == last.position
        };
        Ok(found.first().is_some_and(|event| same(event)))
    }

    async fn put(&self, messages: Vec<Outgoing>, next: Position) -> Result<(), Interrupted> {
        self.still_chosen()?;
        let subjects: Vec<&'static str> = messages.iter().map(|message| message.subject).collect();
        if !messages.is_empty() {
            self.bus.publish(messages).await?;
        }
        for subject in subjects {
            metrics::counter!("marquee_messages_published_total", "subject" => subject).increment(1);
        }
        self.there(next);
        Ok(())
    }

    fn still_chosen(&self) -> Result<(), Interrupted> {
        if *self.chosen.borrow() { Ok(()) } else { Err(Interrupted::NotChosen) }
    }

    /// Nothing happens: is the bus still there, with the message that was put there last?
    async fn still_there(&self, last: Option<Uuid>) -> Result<(), Interrupted> {
        let found = self.bus.last().await?;
        if last.is_some() && found.map(|found| found.event_id) != last {
            return Err(BusError::Moved("its last message is another".into()).into());
        }
        let published = self.shown.read().published;
        self.there(published);
        Ok(())
    }

    fn there(&self, published: Position) {
        let lag = self.store.head().borrow().0.saturating_sub(published.0);
        self.shown.change(|shown| {
            if let Some(outage) = shown.out.take() {
                tracing::info!(bus = self.bus.name(), since = %outage.since, "the message bus is back");
            }
            (shown.published, shown.lag) = (published, lag);
        });
        self.gauge(lag, true);
    }

    fn note(&self, interrupted: &Interrupted) {
        let (bus, reason) = (self.bus.name(), interrupted.to_string());
        match interrupted {
            // Asking where it stands is the whole remedy.
            Interrupted::Bus(BusError::Moved(_)) => {
                metrics::counter!("marquee_messages_failures_total", "cause" => "moved").increment(1);
                tracing::warn!(bus, reason, "the message bus is asked where it stands");
            }
            Interrupted::Bus(BusError::Unavailable(_)) => {
                metrics::counter!("marquee_messages_failures_total", "cause" => "bus").increment(1);
                self.missing(reason);
            }
            Interrupted::Log(ReadError::Unavailable(_)) => {
                metrics::counter!("marquee_messages_failures_total", "cause" => "log").increment(1);
                tracing::warn!(bus, reason, "the log cannot be read for messages");
            }
            Interrupted::NotChosen => tracing::info!(bus, "another node publishes the messages"),
        }
    }

    fn missing(&self, reason: String) {
        let mut first = None;
        let now = self.clock.now();
        self.shown.change(|shown| {
            shown.lag = self.store.head().borrow().0.saturating_sub(shown.published.0);
            first = shown.out.is_none().then(|| reason.clone());
            let since = shown.out.as_ref().map_or(now, |outage| outage.since);
            shown.out = Some(Outage { since, reason });
        });
        // Once an outage, not once an attempt.
        if let Some(reason) = first {
            tracing::error!(
                bus = self.bus.name(),
                reason,
                "the message bus is out: messages wait in the log"
            );
        }
        self.gauge(self.shown.read().lag, false);
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    fn gauge(&self, lag: u64, there: bool) {
        metrics::gauge!("marquee_messages_lag").set(lag as f64);
        metrics::gauge!("marquee_messages_bus_up", "bus" => self.bus.name()).set(f64::from(u8::from(there)));
    }
}

/// Where publishing begins.
struct Start {
    after: Position,
    /// The last message that the bus holds.
    last: Option<Uuid>,
    /// Older events are not told.
    not_before: Timestamp,
}

async fn told(
    translator: &mut Translator,
    page: Page,
    not_before: Timestamp,
) -> Result<Vec<Outgoing>, ReadError> {
    let mut messages = vec![];
    for event in page.events {
        if event.time < not_before {
            translator.pass(&event);
        } else {
            messages.extend(translator.tell(&event).await?);
        }
    }
    Ok(messages)
}
