//! PostgreSQL goes away while seats are sold on two nodes: nobody who books or pays notices.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::bookers::{Booker, Halls};
use crate::journal::{Act, Outcome, Record};
use crate::production::{Addresses, Production, count, halls};
use crate::support::http::Http;
use crate::support::setting;
use crate::support::time::eventually;
use crate::support::tokens::customer;

pub const NODES: usize = 2;
pub const BOOKERS: u64 = 16;
pub const SHOWS: u64 = 8;
pub const ROWS: usize = 20;
pub const TTL: &str = "3s";
/// Before it ends, it is there and answers nothing.
const HUNG: Duration = Duration::from_secs(3);
/// Once the database is back.
const CATCH_UP: Duration = Duration::from_secs(30);
/// A booking is read in its show's stream where the database does not answer. Half of the readers wait less, on any machine.
const READ: Duration = Duration::from_millis(1_500);
/// Until a node says what it lacks.
const NOTICED: Duration = Duration::from_secs(10);
/// Longest that a list is waited for that nobody can give.
const PATIENCE: Duration = Duration::from_secs(6);

/// Clients at work, each at its node.
pub struct Load {
    working: JoinSet<Booker>,
    stop: Arc<AtomicBool>,
}

impl Load {
    pub fn on(addresses: &Addresses, halls: &Arc<Halls>, seed: u64) -> Self {
        let (mut working, stop) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        for number in 0..BOOKERS {
            let mut booker = Booker::new(number, seed);
            let http = addresses.of(usize::try_from(number).unwrap());
            let (halls, stop) = (Arc::clone(halls), Arc::clone(&stop));
            working.spawn(async move {
                while !stop.load(Ordering::Acquire) {
                    assert!(booker.step(&http, &halls).await.is_ok(), "no node goes away");
                }
                booker.resolve(&http).await;
                booker
            });
        }
        Self { working, stop }
    }

    /// Everything that was done.
    pub async fn end(self) -> Vec<Done> {
        self.stop.store(true, Ordering::Release);
        let bookers = self.working.join_all().await;
        let done = bookers.into_iter().flat_map(|booker| booker.answered.into_iter().zip(booker.journal));
        done.map(|((at, took), record)| Done { at, took, record }).collect()
    }
}

/// Something that was done.
pub struct Done {
    /// When it was answered.
    pub at: Instant,
    /// And after how long.
    pub took: Duration,
    pub record: Record,
}

/// Asks one node for a customer's bookings all the time: the list, or that it is not to be had for now. How often it was not.
async fn ask_for_lists(http: Http, stop: Arc<AtomicBool>) -> usize {
    let mut refused = 0;
    while !stop.load(Ordering::Acquire) {
        let asked = Instant::now();
        let answer = http.get("/bookings").token(&customer("u_0")).attempt().await.unwrap();
        assert!(asked.elapsed() < PATIENCE, "nobody waits for what is out: {:?}", asked.elapsed());
        if answer.status == 503 {
            assert!(answer.header("Retry-After").is_some(), "{answer:?}");
            answer.refused(503, "UNAVAILABLE");
            refused += 1;
        } else {
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    refused
}

/// How many bookings and how many payments were acknowledged in each second of an outage.
fn by_second(done: &[Done], from: Instant, seconds: u64) -> Vec<(usize, usize)> {
    let mut acknowledged: BTreeMap<u64, (usize, usize)> =
        (0..seconds).map(|second| (second, (0, 0))).collect();
    for Done { at, record, .. } in done {
        let Some(since) = at.checked_duration_since(from) else { continue };
        let Some(second) = acknowledged.get_mut(&since.as_secs()) else { continue };
        match (&record.act, &record.outcome) {
            (Act::Book { .. }, Outcome::Ok(_)) => second.0 += 1,
            (Act::Pay { .. } | Act::Notice { .. }, Outcome::Ok(_)) => second.1 += 1,
            _ => {}
        }
    }
    acknowledged.into_values().collect()
}

/// How long everything of a kind took that was answered between two instants, the slowest last.
fn took(done: &[Done], from: Instant, to: Instant, kind: fn(&Act) -> bool) -> Vec<Duration> {
    let during = done.iter().filter(|done| done.at >= from && done.at < to && kind(&done.record.act));
    let mut took: Vec<_> = during.map(|done| done.took).collect();
    took.sort();
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn booking_and_payment_go_on_while_the_database_is_out_and_the_inventory_catches_up() {
    let _machine = crate::MACHINE.write().await;
    let (seconds, seed) = (setting("MARQUEE_OUTAGE_SECONDS", 8), setting("MARQUEE_CRASH_SEED", 1));
    let began = Instant::now();
    let mut production = Production::with(NODES, TTL).await;
    let halls = Arc::new(halls(&production.world, SHOWS, ROWS).await);
    let load = Load::on(&production.addresses(), &halls, seed);
    let (mut asking, enough) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
    for node in &production.nodes {
        asking.spawn(ask_for_lists(node.http.clone(), Arc::clone(&enough)));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;

    let out = Instant::now();
    production.postgres.freeze();
    tokio::time::sleep(HUNG).await;
    production.postgres.stop();
    for node in &production.nodes {
        eventually(NOTICED, "readiness says what is out", async || {
            let ready = node.http.root("GET", "/readyz").attempt().await.unwrap();
            assert_eq!(ready.status, 200, "seats are sold all the same: {}", ready.text);
            (ready.body["status"] == "degraded" && ready.body["degraded"][0]["dependency"] == "postgres")
                .then_some(())
        })
        .await;
    }
    let noticed = out.elapsed();
    let until = HUNG + Duration::from_secs(seconds);
    tokio::time::sleep(until.saturating_sub(out.elapsed())).await;
    let end = production.world.log_end().await;
    production.postgres.start_again();
    let back = Instant::now();
    for node in &production.nodes {
        eventually(CATCH_UP, "the inventory has all that was sold meanwhile", async || {
            let listed = node.http.get("/bookings").token(&customer("u_0")).after(end).attempt().await;
            (listed.unwrap().status == 200).then_some(())
        })
        .await;
        eventually(CATCH_UP, "nothing is out any more", async || {
            let ready = node.http.root("GET", "/readyz").attempt().await.unwrap();
            (ready.status == 200 && ready.body["status"] == "ready").then_some(())
        })
        .await;
    }
    let caught_up = back.elapsed();
    assert!(caught_up < CATCH_UP, "caught up after {caught_up:?}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    enough.store(true, Ordering::Release);
    let refused = asking.join_all().await;
    let done = load.end().await;

    let acknowledged = by_second(&done, out, until.as_secs());
    let slowest_command = took(&done, out, back, |act| !matches!(act, Act::Read { .. }));
    let slowest_command = slowest_command.last().expect("something was done");
    let reads = took(&done, out, out + HUNG, |act| matches!(act, Act::Read { .. }));
    let typical_read = reads[reads.len() / 2];
    let journal: Vec<Record> = done.into_iter().map(|done| done.record).collect();
    let (whole, messages) = production.judge(&journal, &halls, BOOKERS, vec![]).await;
    let figures = format!(
        "outage: seed {seed}, PostgreSQL of {NODES} nodes hung for {HUNG:?} and was away for {seconds} s under {BOOKERS} clients; \
         noticed after {noticed:.1?}, caught up {caught_up:.1?} after it was back; bookings and payments acknowledged in each \
         second of it: {acknowledged:?}, the slowest after {slowest_command:.1?}; while it hung a booking was read in \
         {typical_read:.1?}; lists refused at each node: {refused:?}; {} attempts, {} events, {messages} messages; {:.0?} in all",
        journal.len(),
        whole.len(),
        began.elapsed(),
    );
    writeln!(std::io::stderr(), "{figures}").unwrap();
    assert_eq!(count(&journal, |outcome| *outcome == Outcome::Unknown), 0, "nobody is put off: {figures}");
    let every_second = acknowledged.iter().all(|(booked, paid)| *booked > 0 && *paid > 0);
    assert!(every_second, "bookings and payments go on: {figures}");
    assert!(typical_read < READ, "nobody waits for the database who need not: {figures}");
    assert!(refused.iter().all(|refused| *refused > 0), "the database was out: {figures}");
}
