//! Two writers of one show, neither of which knows of the other but by the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use marquee_domain::ids::{BookingId, SeatId, ShowId};
use marquee_domain::money::Currency;
use marquee_domain::pricing::PriceTerms;
use marquee_domain::seat_rules::SeatRules;
use marquee_domain::show::{
    HoardingLimits, LockSeats, SalesWindow, SeatChoice, Show, ShowCommand, ShowDetails, ShowScheduled,
};
use marquee_domain::theatre::{LayoutRow, LayoutSeat, SeatType};
use marquee_event_store::clock::Clock;
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::{EventStore, StreamName};

use super::ShowWriters;
use crate::error::CommandError;
use crate::execute::load;

const TTL: Duration = Duration::from_secs(10);
const SEATS: u8 = 60;

#[derive(Clone)]
struct TestClock(Arc<AtomicI64>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

fn scheduled(now: Timestamp) -> ShowCommand {
    let seat = |number: u8| LayoutSeat::new(SeatId::new(format!("A{number}")), SeatType::Regular);
    let show = ShowDetails {
        show_id: "sh_1".into(),
        partner_id: "pt_1".into(),
        theatre_id: "th_1".into(),
        city_id: "blr".into(),
        timezone: "Asia/Kolkata".into(),
        screen_id: "sc_1".into(),
        screen_name: "Screen 1".into(),
        movie_id: "mv_1".into(),
        start_time: now + Duration::from_hours(48),
        end_time: now + Duration::from_hours(50),
        language: "English".into(),
        format: "2D".into(),
        currency: Currency::inr(),
        prices: [(SeatType::Regular, 18_000)].into(),
        sales: SalesWindow::default(),
        seat_rules: SeatRules::default(),
        cancel_policy: None,
        rows: vec![LayoutRow { row_label: "A".into(), seats: (1..=SEATS).map(seat).collect() }],
    };
    ShowCommand::Schedule(ShowScheduled { show, request: None })
}

/// A command at random: locks of one to three seats, and now and then one of what ends a booking.
fn command(random: &mut fastrand::Rng, number: u32) -> ShowCommand {
    let earlier = |random: &mut fastrand::Rng| BookingId::new(format!("bk_sh_1_{}", random.u32(..=number)));
    match random.u8(..10) {
        0 => ShowCommand::ExpireDue,
        1 | 2 => ShowCommand::Confirm { booking_id: earlier(random), payment_id: "pay_1".into() },
        3 => ShowCommand::Fail { booking_id: earlier(random), reason: "DECLINED".into() },
        _ => {
            let first = random.u8(1..=SEATS - 3);
            let seats = first..=first + random.u8(..3);
            ShowCommand::LockSeats(LockSeats {
                booking_id: BookingId::new(format!("bk_sh_1_{number}")),
                user_id: format!("u_{}", random.u8(..8)).as_str().into(),
                seats: SeatChoice::These(seats.map(|seat| SeatId::new(format!("A{seat}"))).collect()),
                terms: PriceTerms::default(),
                lock_before: None,
                client: None,
                idempotency_key: number.to_string().as_str().into(),
                fingerprint: "f".into(),
                ttl_millis: u64::try_from(TTL.as_millis()).unwrap(),
                hoarding: HoardingLimits::default(),
            })
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_conflict_again_and_again_know_what_the_log_knows() {
    let dir = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&DataDir::lock(dir.path()).unwrap()).unwrap();
    store.let_others_append();
    let store: Arc<dyn EventStore> = Arc::new(store);
    let clock = TestClock(Arc::new(AtomicI64::new(1_800_000_000_000)));
    let writers = [(); 2]
        .map(|()| ShowWriters::new(Arc::clone(&store), Arc::new(clock.clone()), Duration::from_hours(1)));
    let show = ShowId::from("sh_1");
    writers[0].decide(&show, scheduled(clock.now()), Arc::default()).await.unwrap();

    let (mut random, mut number, mut decided) = (fastrand::Rng::with_seed(1), 0, [0; 2]);
    for _ in 0..150 {
        // Both at once, several to a batch, so that either may be first.
        let asked: Vec<_> = (0..random.usize(2..9))
            .map(|_| {
                number += 1;
                (random.usize(..2), command(&mut random, number))
            })
            .collect();
        let deciding = asked.into_iter().map(async |(writer, command)| {
            let outcome = writers[writer].decide(&show, command, Arc::default()).await;
            assert!(!matches!(outcome, Err(CommandError::Unavailable(_))), "{outcome:?}");
            (writer, outcome.is_ok())
        });
        for (writer, ok) in futures_util::future::join_all(deciding).await {
            decided[writer] += u32::from(ok);
        }
        clock.0.fetch_add(random.i64(0..1_500), Ordering::SeqCst);
        let folded = load::<Show>(&*store, StreamName::show(&show)).await.unwrap();
        for writer in &writers {
            let known = writer.read(&show, |seen| seen.show.clone()).await.unwrap();
            assert_eq!(known, folded.state);
        }
    }
    assert!(decided.iter().all(|count| *count > 50), "both have had their say: {decided:?}");
}
