//! Customers who pay late, twice, wrongly or not at all, and who cancel all of it or some seats, under several policies; shows that
//! are called off; a server that is killed. Then the balance, of the exported events alone.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::auditor::{audit, balance, prefix_kept};
use crate::bookers::Dice;
use crate::commands::Command;
use crate::journal::{Outcome, Record};
use crate::rounds::read_on;
use crate::support::audit::{export, of_type, position};
use crate::support::http::Http;
use crate::support::server::{Options, Server};
use crate::support::setting;
use crate::support::time::{in_days, now, rfc3339, until};
use crate::support::tokens::partner;
use crate::support::world::World;

const CUSTOMERS: u64 = 32;
const TTL: SignedDuration = SignedDuration::from_secs(8);
const KILLS: u64 = 5;
/// Seats that one booking has at most.
const MOST_SEATS: u64 = 3;
/// Bookings that are planned for one show. It has seats for a third more: those of a show that is called off go elsewhere.
const BOOKINGS_A_SHOW: u64 = 98;
/// Longest that an answer is waited for, with the same key again and again.
const PATIENCE: u32 = 1_200;

/// Shows under each policy, in turn.
struct Programme {
    shows: Vec<String>,
    next: AtomicU64,
    /// Grows by each that was refused.
    bookings: AtomicU64,
}

fn policies() -> [Value; 4] {
    [
        Value::Null,
        json!({ "tiers": [{ "hoursBefore": 24, "refundPercent": 100 }, { "hoursBefore": 2, "refundPercent": 50, "feePerTicket": 10 }] }),
        json!({ "tiers": [{ "hoursBefore": 8_000, "refundPercent": 100 }, { "hoursBefore": 1, "refundPercent": 33.33, "feePerTicket": 7.5 }] }),
        json!({ "tiers": [{ "hoursBefore": 8_000, "refundPercent": 100 }] }),
    ]
}

async fn programme(world: &World, bookings: u64) -> Programme {
    let seats = |row: u64| -> Value {
        (0..26).map(|n| json!({ "seatId": format!("R{row}-{n}"), "type": if row == 0 { "PREMIUM" } else { "REGULAR" } })).collect()
    };
    let rows: Vec<Value> =
        (0..15).map(|row| json!({ "rowLabel": format!("R{row}"), "seats": seats(row) })).collect();
    let screen = world.new_screen("The great hall", &json!(rows)).await;
    let wanted = bookings.div_ceil(BOOKINGS_A_SHOW).max(4);
    let mut shows = vec![];
    for number in 0..wanted {
        let policy = &policies()[usize::try_from(number % 4).unwrap()];
        let mut theatre = json!({ "name": "Lakeside Orion", "cityId": "blr", "area": "Malleshwaram" });
        if !policy.is_null() {
            theatre["cancelPolicy"] = policy.clone();
        }
        let path = format!("/theatres/{}", world.theatre);
        world.http.put(&path, &theatre).token(&world.partner()).send().await.expect(200);
        let start = rfc3339(&in_days(3 + i64::try_from(number).unwrap(), 21, 30));
        let made = world.new_show(&screen, &start).await.expect(201);
        shows.push(made["showId"].as_str().expect("an id").to_owned());
    }
    Programme { shows, next: AtomicU64::new(0), bookings: AtomicU64::new(bookings) }
}

impl Programme {
    /// The show and the seats of the next booking: nobody else's.
    fn next(&self, dice: &mut Dice) -> Option<(String, Vec<String>)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let shows = u64::try_from(self.shows.len()).unwrap();
        let first = (number / shows) * MOST_SEATS;
        let seats =
            (first..=first + dice.below(MOST_SEATS)).map(|seat| format!("R{}-{}", seat % 15, seat / 15));
        let show = self.shows[usize::try_from(number % shows).unwrap()].clone();
        (number < self.bookings.load(Ordering::Relaxed)).then(|| (show, seats.collect()))
    }

    fn done(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }
}

struct Customer {
    name: String,
    dice: Dice,
    /// Where the server is.
    http: watch::Receiver<Http>,
    journal: Vec<Record>,
    /// Notices that the gateway sends much later, each with whether it is about this booking's own payment.
    late: Vec<(Command, bool)>,
}

impl Customer {
    async fn buy_all(&mut self, programme: &Programme) {
        while let Some((show, seats)) = programme.next(&mut self.dice) {
            if !self.buy(&show, &seats).await {
                programme.bookings.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Whether a booking began.
    async fn buy(&mut self, show: &str, seats: &[String]) -> bool {
        let Some(booked) = self.done(Command::book(&self.name, show, seats), true).await else {
            return false;
        };
        self.pay(booked["bookingId"].as_str().expect("an id"), seats).await;
        true
    }

    async fn pay(&mut self, booking: &str, seats: &[String]) {
        let fate = self.dice.below(100);
        if fate < 4 {
            return;
        }
        let Some(payment) = self.done(Command::pay(&self.name, booking), true).await else { return };
        let paid = Command::notice(booking, &payment, true);
        match fate {
            4..10 => {
                let failed = Command::notice(booking, &payment, false);
                self.done(failed, true).await;
                if fate < 6 {
                    self.late.push((paid, true));
                }
                return;
            }
            10..14 => return self.late.push((paid, true)),
            14..17 => {
                self.done(Command::cancel(&self.name, booking, &[]), true).await;
                self.late.push((paid, true));
                return;
            }
            17..21 => {
                let mut wrong = payment.clone();
                wrong["amount"] = json!(1.5 + f64::from(u32::try_from(fate).unwrap()));
                self.done(Command::notice(booking, &wrong, true), false).await;
            }
            21..23 => {
                let mut foreign = payment.clone();
                foreign["providerPayload"]["paymentIntentId"] = json!(format!("pi_of_another_{booking}"));
                self.late.push((Command::notice(booking, &foreign, true), false));
            }
            _ => {}
        }
        self.done(paid.clone(), true).await;
        match self.dice.below(6) {
            0 => _ = self.done(paid, true).await,
            // The same under another name, and much later.
            1 => self.late.push((Command::notice(booking, &payment, true), true)),
            _ => {}
        }
        self.cancel(booking, seats).await;
    }

    /// A third keep what they bought; others give it back, at once or bit by bit.
    async fn cancel(&mut self, booking: &str, seats: &[String]) {
        let mut left = seats.to_vec();
        while left.len() > 1 && self.dice.below(2) == 0 {
            let gone = vec![left.remove(usize::try_from(self.dice.below(2)).unwrap())];
            let part = Command::cancel(&self.name, booking, &gone);
            if self.done(part.clone(), true).await.is_none() {
                return;
            }
            if self.dice.below(8) == 0 {
                self.done(part, true).await;
            }
        }
        if self.dice.below(3) == 0 {
            let named = if self.dice.below(2) == 0 { left.as_slice() } else { &[] };
            self.done(Command::cancel(&self.name, booking, named), true).await;
        }
    }

    /// What the gateway was late to tell.
    async fn at_last(&mut self) {
        for (notice, own) in std::mem::take(&mut self.late) {
            self.done(notice, own).await;
        }
    }

    /// Asks until there is an answer, wherever the server is by then. `None` where it was refused.
    async fn done(&mut self, command: Command, told: bool) -> Option<Value> {
        for _ in 0..PATIENCE {
            let http = self.http.borrow().clone();
            let outcome = command.attempt(&http).await.unwrap_or(Outcome::Unknown);
            if told {
                self.journal.push(command.record(outcome.clone()));
            }
            match outcome {
                Outcome::Ok(body) => return Some(body),
                Outcome::Refused(..) => return None,
                Outcome::Unknown => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        panic!("{} never learns what became of {command:?}", self.name);
    }
}

async fn call_off(http: &Http, partner_id: &str, show: &str) {
    let call = || http.api("POST", &format!("/shows/{show}/cancel")).token(&partner(partner_id));
    call().send().await.expect(200);
}

/// Waits until what is owed is paid, and the log is still.
async fn settle(http: &Http, events: &mut Vec<Value>) {
    for _ in 0..60 {
        let before = events.len();
        read_on(http, events).await;
        if events.len() == before {
            return;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    panic!("the log never comes to rest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_paid_is_kept_for_seats_or_by_a_policy_or_goes_back() {
    let (bookings, seed) = (setting("MARQUEE_MONEY_BOOKINGS", 5_000), setting("MARQUEE_CRASH_SEED", 1));
    let options = Options { seat_lock_ttl: "8s", ..Options::default() };
    let world = World::with(&options).await;
    let programme = Arc::new(programme(&world, bookings).await);
    let World { mut server, partner_id, .. } = world;
    let (address, http) = watch::channel(server.http.clone());
    let began = Instant::now();
    let mut customers = JoinSet::new();
    for number in 0..CUSTOMERS {
        let (name, dice) = (format!("u_{number}"), Dice(seed.wrapping_mul(3_000_017).wrapping_add(number)));
        let mut customer = Customer { name, dice, http: http.clone(), journal: vec![], late: vec![] };
        let programme = Arc::clone(&programme);
        customers.spawn(async move {
            customer.buy_all(&programme).await;
            customer
        });
    }
    let (mut events, mut kills, mut called_off) = (vec![], 0, 0);
    for kill in 1..=KILLS {
        while programme.done() < bookings * kill / (KILLS + 1) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // A show of each policy in turn, and the server in the middle of paying it back.
        if kill > 1 {
            call_off(&server.http, &partner_id, &programme.shows[usize::try_from(kill - 2).unwrap()]).await;
            called_off += 1;
        }
        let home = server.kill().await;
        kills += 1;
        server = Server::with(home, &options).await;
        address.send_replace(server.http.clone());
        read_on(&server.http, &mut events).await;
    }
    let customers = customers.join_all().await;
    let sold_in = began.elapsed();
    until(now() + TTL + SignedDuration::from_secs(1)).await;
    let mut late = JoinSet::new();
    for mut customer in customers {
        late.spawn(async move {
            customer.at_last().await;
            customer
        });
    }
    let customers = late.join_all().await;
    until(now() + SignedDuration::from_secs(5)).await;
    settle(&server.http, &mut events).await;
    let settled = now();
    let whole = export(&server.http, None).await;
    assert!(whole.last().map(position) >= events.last().map(position));
    let journal: Vec<Record> = customers.into_iter().flat_map(|customer| customer.journal).collect();

    let count = |name: &str| of_type(&whole, name).len();
    let sums = balance(&whole, "INR");
    let figures = format!(
        "balance: seed {seed}, {} bookings, {kills} kills, {called_off} shows called off, {} requests, {} events; {} confirmed, {} cancelled, \
         {} times some seats; {} late or wrong captures, {} refunds; captured {} - returned {} = remaining {} + retained {}; \
         sold in {sold_in:.0?}, {:.0?} in all",
        count("booking.seats-locked"),
        journal.len(),
        whole.len(),
        count("booking.confirmed"),
        count("booking.cancelled"),
        count("booking.seats-cancelled"),
        count("payment.succeeded") + count("payment.mismatched") + count("payment.unmatched")
            - count("booking.confirmed"),
        count("refund.succeeded"),
        sums.captured,
        sums.returned,
        sums.remaining,
        sums.retained,
        began.elapsed(),
    );
    writeln!(std::io::stderr(), "{figures}").unwrap();
    let mut violations = prefix_kept(&events, &whole);
    violations.extend(audit(&journal, &whole, settled));
    let told: Vec<_> = violations.iter().take(20).collect();
    assert!(
        violations.is_empty(),
        "{} violations, seed {seed}, the first of them: {told:#?}",
        violations.len()
    );
    assert_eq!(sums.captured - sums.returned, sums.remaining + sums.retained, "{sums:?}");
    let all_happened = sums.retained > 0 && sums.remaining > 0 && sums.returned > 0;
    assert!(all_happened, "a run in which nothing was kept or went back shows nothing");
    for name in ["booking.seats-cancelled", "payment.mismatched", "payment.unmatched", "show.cancelled"] {
        assert!(count(name) > 0, "no {name}");
    }
}
