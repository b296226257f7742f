//! A queue of its own, a log with every kind of event, and what to compare.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use marquee_domain::money::{Currency, Money};
use marquee_domain::payment::{
    PaymentEvent, PaymentFailed, PaymentMismatched, PaymentSucceeded, PaymentUnmatched, RefundFailed,
    RefundSucceeded,
};
use marquee_domain::show::{
    BookingCancelled, BookingCompleted, BookingExpired, BookingFailed, CancelledBy, ShowCancelled,
    ShowChanged,
};
use marquee_event_store::clock::Clock;
use marquee_event_store::embedded::EmbeddedStore;
use marquee_event_store::{EventStore, Position, StreamName};
use marquee_projections::messages::conformance::{Held, Rig};
use marquee_projections::messages::{EmbeddedBus, MessageBus, Messages, Retention};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::world::{World, before, confirmed, refund_requested, seats_cancelled};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// A clock that stands still.
pub struct Stopped(pub Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A publisher that runs until it is stopped or dropped.
pub struct Running {
    pub messages: Messages,
    chosen: watch::Sender<bool>,
    shutdown: CancellationToken,
}

impl Running {
    pub fn start(store: &EmbeddedStore, bus: Arc<dyn MessageBus>) -> Self {
        Self::start_at(store, bus, before(), true)
    }

    pub fn start_at(store: &EmbeddedStore, bus: Arc<dyn MessageBus>, now: Timestamp, chosen: bool) -> Self {
        let (shutdown, (chosen, choice)) = (CancellationToken::new(), watch::channel(chosen));
        let store: Arc<dyn EventStore> = Arc::new(store.clone());
        let messages = Messages::start(store, bus, Arc::new(Stopped(now)), choice, shutdown.clone()).unwrap();
        Self { messages, chosen, shutdown }
    }

    pub fn choose(&self, chosen: bool) {
        self.chosen.send_replace(chosen);
    }

    /// Until every message up to the end of the log is on the bus.
    pub async fn published(&self, head: Position) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let status = self.messages.status();
            if status.published >= head && status.out.is_none() {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "not published up to {head} in time: {status:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Until the bus is known to be out.
    pub async fn knows_of_an_outage(&self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.messages.status().out.is_none() {
            assert!(tokio::time::Instant::now() < deadline, "the outage was not noticed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        self.messages.stopped().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// The embedded bus in a directory of its own.
pub struct Queue {
    pub dir: TempDir,
}

impl Queue {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn open(&self) -> EmbeddedBus {
        open(self.dir.path())
    }

    /// What a world's log tells, all of it.
    pub async fn filled_from(&self, world: &World) -> Vec<Held> {
        let running = Running::start(&world.store, Arc::new(self.open()));
        running.published(world.head).await;
        running.stop().await;
        self.held().await
    }
}

fn open(dir: &Path) -> EmbeddedBus {
    EmbeddedBus::open(dir, Retention::default()).unwrap()
}

impl Rig for Queue {
    fn fresh(&self) -> BoxFuture<'_, Arc<dyn MessageBus>> {
        Box::pin(async {
            let bus = self.open();
            bus.begin_again().await.unwrap();
            let bus: Arc<dyn MessageBus> = Arc::new(self.open());
            bus
        })
    }

    fn again(&self) -> BoxFuture<'_, Arc<dyn MessageBus>> {
        Box::pin(async {
            let bus: Arc<dyn MessageBus> = Arc::new(self.open());
            bus
        })
    }

    fn held(&self) -> BoxFuture<'_, Vec<Held>> {
        Box::pin(async {
            let queued = self.open().read(Position(0), usize::MAX).await.unwrap();
            queued
                .into_iter()
                .map(|queued| Held { event_id: queued.event_id, subject: queued.subject, body: queued.body })
                .collect()
        })
    }
}

/// A log in which everything has happened that is told to the outside.
pub async fn everything_that_is_told() -> World {
    let mut world = World::with_catalogue().await;
    let until = before() + Duration::from_mins(5);
    world.show("sh_1", "mv_1", "2026-02-01T13:00:00Z", 3).await;
    let moved = ShowChanged {
        start_time: Some(before() + Duration::from_hours(2)),
        format: Some("3D".into()),
        prices: [(marquee_domain::theatre::SeatType::Regular, 20_000)].into(),
        ..ShowChanged::default()
    };
    world.on_show("sh_1", moved).await;

    let paid = world.lock("sh_1", "1", "u_1", &["A1", "A2", "A3"], until).await;
    let amount = Money::new(45_000, Currency::inr());
    let succeeded = PaymentSucceeded {
        payment_id: paid.payment(),
        booking_id: paid.clone(),
        payment_intent_id: "pi_1".into(),
        provider_event_id: "evt_1".into(),
        amount: amount.clone(),
        occurred_at: before(),
    };
    world.on_payment(&paid, succeeded).await;
    world.confirm("sh_1", &paid).await;
    world.on_show("sh_1", BookingCompleted { booking_id: paid.clone() }).await;

    let lapsed = world.lock("sh_1", "2", "u_2", &["B1"], until).await;
    world.on_show("sh_1", BookingExpired { booking_id: lapsed }).await;
    let declined = world.lock("sh_1", "3", "u_3", &["B2"], until).await;
    let failed = PaymentFailed {
        payment_id: declined.payment(),
        booking_id: declined.clone(),
        provider_event_id: "evt_2".into(),
        reason: "DECLINED".into(),
    };
    world.on_payment(&declined, failed).await;
    world.on_show("sh_1", BookingFailed { booking_id: declined, reason: "DECLINED".into() }).await;

    let wrong = world.lock("sh_1", "4", "u_4", &["B3"], until).await;
    let mismatched = PaymentMismatched {
        payment_id: wrong.payment(),
        booking_id: wrong.clone(),
        payment_intent_id: "pi_4".into(),
        provider_event_id: "evt_3".into(),
        expected: amount.clone(),
        captured: Money::new(1, Currency::inr()),
    };
    world.on_payment(&wrong, mismatched).await;

    let cancelled = world.lock("sh_1", "5", "u_5", &["B4", "B5"], until).await;
    world.on_show("sh_1", confirmed(&cancelled)).await;
    let some = world.lock("sh_1", "6", "u_6", &["C4", "C5"], until).await;
    world.on_show("sh_1", confirmed(&some)).await;
    world.on_show("sh_1", seats_cancelled(&some, 1, &["C4"], 18_000)).await;
    let by_customer = BookingCancelled {
        booking_id: cancelled.clone(),
        by: CancelledBy::Customer,
        paid: true,
        refund: None,
        retained: None,
    };
    world.on_show("sh_1", by_customer).await;
    world.on_payment(&cancelled, refund_requested(&cancelled, "rf_1", 36_000)).await;
    world.on_payment(&cancelled, RefundSucceeded { refund_id: "rf_1".into() }).await;
    world.on_payment(&wrong, refund_requested(&wrong, "rf_1", 1)).await;
    world.on_payment(&wrong, RefundFailed { refund_id: "rf_1".into(), reason: "CLOSED".into() }).await;

    let unmatched = PaymentUnmatched {
        provider: "SANDBOX".into(),
        payment_id: "pay_x".into(),
        payment_intent_id: "pi_9".into(),
        provider_event_id: "evt_9".into(),
        booking_reference: "somebody's secret".into(),
        amount,
        captured: true,
    };
    let unmatched = PaymentEvent::from(unmatched);
    world.append(StreamName::unmatched_payment("pi_9"), vec![unmatched.into()]).await;
    world.on_show("sh_1", ShowCancelled::default()).await;
    world
}
