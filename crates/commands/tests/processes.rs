//! What Marquee does unasked, on the real log and a clock that the test moves.
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its cinema has failed")]

#[path = "processes/questions.rs"]
mod questions;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use marquee_commands::{
    Commands, CommandsConfig, Contacts, Context, CreateBooking, InitiatePayment, Processes, ProcessesConfig,
    SandboxGateway, ScheduleShow,
};
use marquee_domain::Event;
use marquee_domain::catalogue::{CityAdded, MovieAdded, MovieDetails};
use marquee_domain::ids::{
    BookingId, CityId, IdempotencyKey, MovieId, PartnerId, ScreenId, SeatId, ShowId, TheatreId, UserId,
};
use marquee_domain::money::Currency;
use marquee_domain::request::Request;
use marquee_domain::seat_rules::SeatRules;
use marquee_domain::show::{BookingStatus, CancelBooking, HoardingLimits, SalesWindow};
use marquee_domain::theatre::{
    LayoutRow, LayoutSeat, PartnerOnboarded, ScreenAdded, ScreenDetails, SeatType, TheatreAdded,
    TheatreDetails,
};
use marquee_event_store::clock::Clock;
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::lease::{Epoch, LeaseError, Leases, OwnerOfTheLog};
use marquee_event_store::{EventStore, Position, TypeFilter};
use tokio_util::sync::CancellationToken;

const SECRET: &[u8] = b"a secret of the sandbox";

/// A clock that stands still until it is moved.
#[derive(Clone)]
struct TestClock(Arc<AtomicI64>);

impl TestClock {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

struct Cinema {
    clock: TestClock,
    store: Arc<EmbeddedStore>,
    commands: Commands,
    dir: tempfile::TempDir,
    show: ShowId,
    _lock: DataDir,
}

fn ctx() -> Context {
    Context { actor: "test:test".into(), correlation_id: "test".into() }
}

impl Cinema {
    /// A show of ten seats that starts in a day and lasts two hours.
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lock = DataDir::lock(dir.path()).unwrap();
        let store = Arc::new(EmbeddedStore::open(&lock).unwrap());
        let clock = TestClock(Arc::new(AtomicI64::new(1_800_000_000_000)));
        let commands = commands(&store, &clock, dir.path());
        let show = ShowId::from("sh_1");
        let cinema = Self { clock, store, commands, dir, show, _lock: lock };
        cinema.schedule().await;
        cinema
    }

    async fn schedule(&self) {
        let (commands, ctx, request) = (&self.commands, &ctx(), None);
        let (city_id, partner_id) = (CityId::from("blr"), PartnerId::from("p_1"));
        let (theatre_id, screen_id) = (TheatreId::from("th_1"), ScreenId::from("sc_1"));
        let movie_id = MovieId::from("mv_1");
        let city = CityAdded {
            city_id: city_id.clone(),
            name: "Bengaluru".into(),
            timezone: "Asia/Kolkata".into(),
            currency: Currency::inr(),
            request,
        };
        commands.add_city(ctx, city).await.unwrap();
        let movie = MovieDetails {
            movie_id: movie_id.clone(),
            title: "A Film".into(),
            titles: BTreeMap::new(),
            languages: vec!["en".into()],
            genres: vec![],
            duration_mins: 120,
            certificate: None,
            synopsis: None,
            release_date: None,
        };
        commands.add_movie(ctx, MovieAdded { movie, request: None }).await.unwrap();
        let partner =
            PartnerOnboarded { partner_id: partner_id.clone(), name: "Cinemas".into(), request: None };
        commands.onboard_partner(ctx, partner, "desk@cinema.example").await.unwrap();
        let theatre = TheatreDetails {
            theatre_id: theatre_id.clone(),
            partner_id: partner_id.clone(),
            name: "Orion".into(),
            city_id,
            area: "Malleshwaram".into(),
            address: None,
            seat_rules: SeatRules::default(),
            cancel_policy: None,
        };
        commands.add_theatre(ctx, TheatreAdded { theatre, request: None }).await.unwrap();
        let seat = |number| LayoutSeat::new(SeatId::new(format!("A{number}")), SeatType::Regular);
        let rows = vec![LayoutRow { row_label: "A".into(), seats: (1..=10).map(seat).collect() }];
        let screen = ScreenDetails {
            screen_id: screen_id.clone(),
            theatre_id: theatre_id.clone(),
            name: "1".into(),
            rows,
        };
        commands.add_screen(ctx, &partner_id, ScreenAdded { screen, request: None }).await.unwrap();
        let show = ScheduleShow {
            show_id: self.show.clone(),
            partner_id,
            theatre_id,
            screen_id,
            movie_id,
            start_time: self.clock.now() + jiff::SignedDuration::from_hours(24),
            language: "en".into(),
            format: "2D".into(),
            prices: BTreeMap::from([(SeatType::Regular, "180".into())]),
            sales: SalesWindow::default(),
            request: None,
        };
        commands.schedule_show(ctx, show).await.unwrap();
    }

    async fn book(&self, seat: &str) -> BookingId {
        book(&self.commands, &self.show, seat).await.unwrap()
    }

    async fn initiate(&self, booking: &BookingId) {
        let request = Request {
            user_id: UserId::from("u_1"),
            route: "pay".into(),
            idempotency_key: IdempotencyKey::from(booking.as_str()),
            fingerprint: "f".into(),
        };
        let initiate = InitiatePayment {
            booking_id: booking.clone(),
            provider: "SANDBOX".into(),
            return_url: "https://app.example.com".into(),
            request,
        };
        self.commands.initiate_payment(&ctx(), initiate).await.unwrap();
    }

    /// The gateway's notice that a booking was paid.
    async fn paid(&self, booking: &BookingId) {
        let body = format!(
            r#"{{"eventId":"evt_{booking}","paymentIntentId":"pi_{}","status":"SUCCEEDED","amount":180,"currency":"INR",
                "bookingReference":"{booking}","timestamp":"2026-02-01T18:06:30+05:30"}}"#,
            booking.as_str().strip_prefix("bk_").unwrap()
        );
        let signature = SandboxGateway::new(SECRET, "http://127.0.0.1").sign(body.as_bytes());
        let headers = BTreeMap::from([("x-sandbox-signature".to_owned(), signature)]);
        self.commands.webhook(&ctx(), "sandbox", &headers, body.as_bytes()).await.unwrap();
    }

    fn processes(&self) -> (Processes, CancellationToken) {
        self.processes_with(Arc::new(OwnerOfTheLog))
    }

    fn processes_with(&self, leases: Arc<dyn Leases>) -> (Processes, CancellationToken) {
        let stop = CancellationToken::new();
        let config = ProcessesConfig { dir: self.dir.path().to_owned() };
        (Processes::start(&config, &self.commands, leases, &stop).unwrap(), stop)
    }

    async fn status(&self, booking: &BookingId) -> BookingStatus {
        self.commands.booking(booking).await.unwrap().booking.status(self.clock.now())
    }

    /// The stored names of every event that names a booking, in log order.
    async fn history(&self, booking: &BookingId) -> Vec<String> {
        let page = self.store.read_all(Position(0), 10_000, TypeFilter::All).await.unwrap();
        let about = |event: &Event| serde_json::to_string(event).unwrap().contains(booking.unique());
        let events = page.events.iter().filter(|recorded| about(recorded.event().unwrap()));
        events.map(|recorded| recorded.stored_name.to_string()).collect()
    }

    /// Waits until the history of a booking ends so.
    async fn until(&self, booking: &BookingId, last: &[&str]) {
        for _ in 0..100 {
            if self
                .history(booking)
                .await
                .ends_with(&last.iter().map(ToString::to_string).collect::<Vec<_>>())
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{booking} should end in {last:?}: {:?}", self.history(booking).await);
    }
}

fn commands(store: &Arc<EmbeddedStore>, clock: &TestClock, dir: &std::path::Path) -> Commands {
    let sandbox = SandboxGateway::new(SECRET, "http://127.0.0.1");
    let contacts = Contacts::open(dir, &[7; 32]).unwrap();
    let config = CommandsConfig { hoarding: HoardingLimits::default(), ..CommandsConfig::default() };
    Commands::new(config, store.clone(), Arc::new(clock.clone()), Some(sandbox), contacts)
}

async fn book(
    commands: &Commands,
    show: &ShowId,
    seat: &str,
) -> Result<BookingId, marquee_commands::CommandError> {
    let create = CreateBooking {
        user_id: UserId::from("u_1"),
        show_id: show.clone(),
        seats: vec![SeatId::from(seat)].into(),
        coupon_code: None,
        client: None,
        idempotency_key: IdempotencyKey::new(format!("key-{seat}-{}", uuid::Uuid::new_v4())),
        fingerprint: "f".into(),
    };
    Ok(commands.create_booking(&ctx(), create).await?.value.booking.id.clone())
}

/// A lease whose answer the test decides.
struct Answered(Mutex<Result<Option<Epoch>, LeaseError>>);

impl Answered {
    fn with(answer: Result<Option<Epoch>, LeaseError>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(answer)))
    }

    fn change(&self, answer: Result<Option<Epoch>, LeaseError>) {
        *self.0.lock().unwrap() = answer;
    }
}

impl Leases for Answered {
    fn term(&self) -> Option<Duration> {
        Some(Duration::from_millis(300))
    }

    fn hold<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Epoch>, LeaseError>> {
        Box::pin(std::future::ready(self.0.lock().unwrap().clone()))
    }

    fn release<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), LeaseError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What ran out while it stood by is done once it has the lease, or once nobody can say who has it.
#[tokio::test]
async fn a_standby_leaves_the_work_to_the_holder_of_the_lease_and_then_does_what_is_open() {
    for then in [Ok(Some(Epoch(2))), Err(LeaseError("out".into()))] {
        let cinema = Cinema::open().await;
        let lease = Answered::with(Ok(None));
        let (_processes, _stop) = cinema.processes_with(lease.clone());
        let (lost, paid) = (cinema.book("A1").await, cinema.book("A2").await);
        cinema.initiate(&paid).await;
        cinema.clock.advance(Duration::from_secs(301));
        cinema.paid(&paid).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!cinema.history(&lost).await.contains(&"booking.expired.v1".to_owned()));
        assert!(!cinema.history(&paid).await.contains(&"refund.succeeded.v1".to_owned()));
        lease.change(then);
        cinema.until(&lost, &["booking.expired.v1"]).await;
        cinema.until(&paid, &["refund.succeeded.v1"]).await;
    }
}

#[tokio::test]
async fn a_lock_that_ran_out_is_written_down() {
    let cinema = Cinema::open().await;
    let booking = cinema.book("A1").await;
    let (_processes, _stop) = cinema.processes();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(cinema.status(&booking).await, BookingStatus::PaymentPending);
    cinema.clock.advance(Duration::from_secs(301));
    cinema.until(&booking, &["booking.expired.v1"]).await;
}

#[tokio::test]
async fn a_confirmed_booking_is_completed_once_its_show_is_over() {
    let cinema = Cinema::open().await;
    let (_processes, _stop) = cinema.processes();
    let booking = cinema.book("A1").await;
    cinema.initiate(&booking).await;
    cinema.paid(&booking).await;
    assert_eq!(cinema.status(&booking).await, BookingStatus::Confirmed);
    cinema.clock.advance(Duration::from_secs(25 * 3600));
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(cinema.status(&booking).await, BookingStatus::Confirmed, "the show still runs");
    cinema.clock.advance(Duration::from_secs(2 * 3600));
    cinema.until(&booking, &["booking.confirmed.v1", "booking.completed.v1"]).await;
}

#[tokio::test]
async fn processes_that_stopped_go_on_where_they_were() {
    let cinema = Cinema::open().await;
    let first = cinema.book("A1").await;
    let (processes, stop) = cinema.processes();
    tokio::time::sleep(Duration::from_millis(700)).await;
    stop.cancel();
    processes.stopped().await;

    let second = cinema.book("A2").await;
    cinema.clock.advance(Duration::from_secs(301));
    let (processes, stop) = cinema.processes();
    cinema.until(&first, &["booking.expired.v1"]).await;
    cinema.until(&second, &["booking.expired.v1"]).await;
    stop.cancel();
    processes.stopped().await;

    // Without their state they read the whole log again, and find everything done.
    for name in ["processes.sqlite", "processes.sqlite-wal", "processes.sqlite-shm"] {
        _ = std::fs::remove_file(cinema.dir.path().join(name));
    }
    let before = *cinema.store.head().borrow();
    let (_processes, _stop) = cinema.processes();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(*cinema.store.head().borrow(), before);
}

/// An older log put back beside newer state, or another log's state: what it says was done may not have been.
#[tokio::test]
async fn a_checkpoint_beyond_the_log_is_not_believed() {
    let cinema = Cinema::open().await;
    let booking = cinema.book("A1").await;
    let (processes, stop) = cinema.processes();
    stop.cancel();
    processes.stopped().await;
    let state = rusqlite::Connection::open(cinema.dir.path().join("processes.sqlite")).unwrap();
    state
        .execute_batch(
            "DELETE FROM timers;
             INSERT OR REPLACE INTO checkpoints VALUES ('deadlines', 1000000), ('payment-outcome', 1000000);",
        )
        .unwrap();
    drop(state);
    cinema.clock.advance(Duration::from_secs(301));
    let (_processes, _stop) = cinema.processes();
    cinema.until(&booking, &["booking.expired.v1"]).await;
}

#[tokio::test]
async fn money_that_came_late_goes_back() {
    let cinema = Cinema::open().await;
    let booking = cinema.book("A1").await;
    cinema.initiate(&booking).await;
    cinema.clock.advance(Duration::from_secs(300));
    cinema.paid(&booking).await;
    let (_processes, _stop) = cinema.processes();
    cinema.until(&booking, &["refund.requested.v1", "refund.succeeded.v1"]).await;
    assert_eq!(cinema.status(&booking).await, BookingStatus::Expired);
    let history = cinema.history(&booking).await;
    assert!(!history.contains(&"booking.confirmed.v1".to_owned()), "{history:?}");
}

/// A crash between the payment's event and the booking's: here the booking's writer is never reached, as the notice is
/// appended by another node that stops right after.
#[tokio::test]
async fn a_payment_whose_booking_was_not_told_is_settled_from_the_log() {
    use marquee_domain::Decider;
    use marquee_domain::money::Money;
    use marquee_domain::payment::{Notice, Outcome, PaymentCommand};
    use marquee_event_store::{Expected, NewEvent, StreamName};

    let cinema = Cinema::open().await;
    let booking = cinema.book("A1").await;
    cinema.initiate(&booking).await;
    let payment = cinema.commands.payment(&booking).await.unwrap();
    let notice = Notice {
        provider_event_id: "evt_1".into(),
        payment_intent_id: payment.intent.clone().unwrap().payment_intent_id,
        outcome: Outcome::Captured,
        amount: Money::new(18_000, Currency::inr()),
        occurred_at: cinema.clock.now(),
    };
    let events = payment.decide(cinema.clock.now(), &PaymentCommand::RecordNotice(notice)).unwrap();
    let new = |event: marquee_domain::payment::PaymentEvent| NewEvent {
        id: uuid::Uuid::new_v4(),
        time: cinema.clock.now(),
        event: event.into(),
        metadata: Arc::default(),
    };
    let events = events.into_iter().map(new).collect();
    cinema.store.append(StreamName::payment(&booking), Expected::Revision(1), events).await.unwrap();
    assert_eq!(cinema.status(&booking).await, BookingStatus::PaymentPending);

    let (_processes, _stop) = cinema.processes();
    cinema.until(&booking, &["payment.succeeded.v1", "booking.confirmed.v1"]).await;
}

#[tokio::test]
async fn two_writers_of_one_show_sell_each_seat_once() {
    let cinema = Cinema::open().await;
    let other = commands(&cinema.store, &cinema.clock, cinema.dir.path());
    let seats: Vec<String> = (1..=10).map(|seat| format!("A{seat}")).collect();
    let mut sold = 0;
    for seat in &seats {
        let (one, two) =
            tokio::join!(book(&cinema.commands, &cinema.show, seat), book(&other, &cinema.show, seat));
        sold += usize::from(one.is_ok()) + usize::from(two.is_ok());
        assert!(one.is_ok() != two.is_ok(), "{seat} goes to one of them");
    }
    assert_eq!(sold, seats.len());
}

/// Only an append proves that a fold is fresh: what another node has set free is not refused, and what it has changed is read.
#[tokio::test]
async fn a_node_refuses_nothing_from_memory_alone_where_others_write() {
    let cinema = Cinema::open().await;
    cinema.store.let_others_append();
    let other = commands(&cinema.store, &cinema.clock, cinema.dir.path());
    let first = cinema.book("A1").await;
    assert!(book(&other, &cinema.show, "A1").await.is_err(), "and now the other node remembers it as taken");
    let cancel = CancelBooking {
        booking_id: first.clone(),
        user_id: UserId::from("u_1"),
        seat_ids: None,
        request: None,
    };
    cinema.commands.cancel_booking(&ctx(), cancel.clone()).await.unwrap();

    let seen = other.booking(&first).await.unwrap().booking.status(cinema.clock.now());
    assert_eq!(seen, BookingStatus::Cancelled);
    let second = book(&other, &cinema.show, "A1").await.unwrap();
    assert!(book(&cinema.commands, &cinema.show, "A1").await.is_err());
    let cancel = marquee_domain::show::CancelBooking { booking_id: second, ..cancel };
    other.cancel_booking(&ctx(), cancel).await.unwrap();
    book(&cinema.commands, &cinema.show, "A1").await.unwrap();
}
