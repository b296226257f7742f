//! When gateways are asked, by a clock that the test moves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{self, BoxFuture, FutureExt};
use marquee_commands::gateway::{
    GatewayError, Intent, PaymentGateway, PaymentStatus, RefundProgress, Verified, WebhookError,
};
use marquee_commands::{CommandsConfig, Gateways, InitiatePayment};
use marquee_domain::ids::{BookingId, IdempotencyKey, PaymentIntentId, UserId};
use marquee_domain::payment::{IntentCreated, Notice, Outcome, PaymentInitiated, RefundRequested};
use marquee_domain::request::Request;
use marquee_domain::show::{BookingStatus, HoardingLimits};
use marquee_event_store::lease::Epoch;

use super::{Answered, Cinema, Commands, Contacts, ctx};

/// A gateway that says what the test has it say, and keeps what it was asked.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    paid: bool,
    out: bool,
    refunded: bool,
    asked: usize,
    closed: usize,
    refunds: usize,
}

impl Told {
    fn book<T>(&self, look: impl FnOnce(&mut Book) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// Waits until it was asked this often.
    async fn asked(&self, times: usize) {
        for _ in 0..100 {
            if self.book(|book| book.asked) == times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        panic!("asked {} times, not {times}", self.book(|book| book.asked));
    }
}

impl PaymentGateway for Told {
    fn provider(&self) -> &'static str {
        "TOLD"
    }

    fn create_intent<'a>(
        &'a self,
        payment: &'a PaymentInitiated,
    ) -> BoxFuture<'a, Result<Intent, GatewayError>> {
        let payment_intent_id = PaymentIntentId::new(format!("pi_{}", payment.booking_id));
        future::ready(Ok(Intent { payment_intent_id, redirect_url: "https://pay.example".into() })).boxed()
    }

    fn payment_status<'a>(
        &'a self,
        payment: &'a PaymentInitiated,
        intent: &'a IntentCreated,
    ) -> BoxFuture<'a, Result<PaymentStatus, GatewayError>> {
        let notice = Notice {
            provider_event_id: "told".into(),
            payment_intent_id: intent.payment_intent_id.clone(),
            outcome: Outcome::Captured,
            amount: payment.amount.clone(),
            occurred_at: jiff::Timestamp::UNIX_EPOCH,
        };
        let status = self.book(|book| {
            book.asked += 1;
            match (book.out, book.paid) {
                (true, _) => Err(GatewayError::Unavailable("out".into())),
                (false, true) => Ok(PaymentStatus::Captured(notice)),
                (false, false) => Ok(PaymentStatus::Open),
            }
        });
        future::ready(status).boxed()
    }

    fn close<'a>(&'a self, _: &'a IntentCreated) -> BoxFuture<'a, Result<(), GatewayError>> {
        self.book(|book| book.closed += 1);
        future::ready(Ok(())).boxed()
    }

    fn refund<'a>(&'a self, _: &'a RefundRequested) -> BoxFuture<'a, Result<RefundProgress, GatewayError>> {
        self.book(|book| book.refunds += 1);
        future::ready(Ok(RefundProgress::Pending)).boxed()
    }

    fn refund_status<'a>(
        &'a self,
        _: &'a RefundRequested,
    ) -> BoxFuture<'a, Result<RefundProgress, GatewayError>> {
        let paid = self.book(|book| book.refunded);
        let progress = if paid { RefundProgress::Paid } else { RefundProgress::Pending };
        future::ready(Ok(progress)).boxed()
    }

    fn verify(&self, _: &BTreeMap<String, String>, _: &[u8]) -> Result<Verified, WebhookError> {
        Err(WebhookError::BadSignature)
    }
}

/// A cinema whose gateway is told what to say, and a booking that is being paid for. Its lock lasts five minutes.
async fn paying() -> (Cinema, Told, BookingId) {
    let mut cinema = Cinema::open().await;
    let gateway = Told::default();
    let config = CommandsConfig { hoarding: HoardingLimits::default(), ..CommandsConfig::default() };
    let contacts = Contacts::open(cinema.dir.path(), &[7; 32]).unwrap();
    let gateways = Gateways::default().with(gateway.clone());
    cinema.commands =
        Commands::new(config, cinema.store.clone(), Arc::new(cinema.clock.clone()), gateways, contacts);
    let booking = cinema.book("A1").await;
    let request = Request {
        user_id: UserId::from("u_1"),
        route: "pay".into(),
        idempotency_key: IdempotencyKey::from("pay"),
        fingerprint: "f".into(),
    };
    let initiate = InitiatePayment {
        booking_id: booking.clone(),
        provider: "told".into(),
        return_url: "https://app.example.com".into(),
        request,
    };
    cinema.commands.initiate_payment(&ctx(), initiate).await.unwrap();
    (cinema, gateway, booking)
}

async fn a_while() {
    tokio::time::sleep(Duration::from_millis(900)).await;
}

#[tokio::test]
async fn a_payment_is_asked_after_shortly_before_its_lock_ends_and_not_before() {
    let (cinema, gateway, booking) = paying().await;
    let (_processes, _stop) = cinema.processes();
    cinema.clock.advance(Duration::from_secs(279));
    a_while().await;
    gateway.asked(0).await;
    cinema.clock.advance(Duration::from_secs(2));
    gateway.asked(1).await;
    gateway.book(|book| book.paid = true);
    cinema.clock.advance(Duration::from_secs(17));
    cinema.until(&booking, &["payment.succeeded.v1", "booking.confirmed.v1"]).await;
    gateway.asked(2).await;
    assert_eq!(gateway.book(|book| book.closed), 0);
}

#[tokio::test]
async fn a_gateway_that_gives_no_answer_is_asked_again_while_the_lock_holds() {
    let (cinema, gateway, booking) = paying().await;
    gateway.book(|book| book.out = true);
    let (_processes, _stop) = cinema.processes();
    cinema.clock.advance(Duration::from_secs(281));
    for times in 1..=3 {
        gateway.asked(times).await;
        cinema.clock.advance(Duration::from_secs(3));
    }
    gateway.book(|book| (book.out, book.paid) = (false, true));
    cinema.until(&booking, &["payment.succeeded.v1", "booking.confirmed.v1"]).await;
}

#[tokio::test]
async fn a_payment_that_stays_open_is_closed_and_asked_after_for_a_day() {
    let (cinema, gateway, _) = paying().await;
    let (_processes, _stop) = cinema.processes();
    for (times, seconds) in [281, 17, 8, 55, 540, 3_000, 18_000, 64_800].into_iter().enumerate() {
        cinema.clock.advance(Duration::from_secs(seconds));
        gateway.asked(times + 1).await;
    }
    assert_eq!(gateway.book(|book| book.closed), 6, "each time after the lock ended");
    cinema.clock.advance(Duration::from_hours(48));
    a_while().await;
    gateway.asked(8).await;
}

#[tokio::test]
async fn money_that_came_late_goes_back_once_and_is_followed_until_it_is_there() {
    let (cinema, gateway, booking) = paying().await;
    cinema.clock.advance(Duration::from_secs(301));
    gateway.book(|book| book.paid = true);
    let (_processes, stop) = cinema.processes();
    cinema.until(&booking, &["refund.requested.v1"]).await;
    a_while().await;
    stop.cancel();
    let (_processes, _stop) = cinema.processes();
    a_while().await;
    cinema.until(&booking, &["refund.requested.v1"]).await;
    gateway.book(|book| book.refunded = true);
    cinema.clock.advance(Duration::from_hours(1));
    cinema.until(&booking, &["refund.succeeded.v1"]).await;
    assert_eq!(cinema.status(&booking).await, BookingStatus::Expired);
    assert!(gateway.book(|book| book.refunds) <= 2, "what is on its way is asked after, not asked for");
}

#[tokio::test]
async fn a_standby_asks_nobody_until_it_has_the_lease() {
    let (cinema, gateway, booking) = paying().await;
    gateway.book(|book| book.paid = true);
    let lease = Answered::with(Ok(None));
    let (_processes, _stop) = cinema.processes_with(lease.clone());
    cinema.clock.advance(Duration::from_secs(290));
    a_while().await;
    gateway.asked(0).await;
    lease.change(Ok(Some(Epoch(2))));
    cinema.until(&booking, &["payment.succeeded.v1", "booking.confirmed.v1"]).await;
}
