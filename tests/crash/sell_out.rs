//! A sell-out on three nodes of which one is always about to fail: every seat is sold, once, and everybody is told once.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinSet;

use crate::bookers::{Dice, Halls};
use crate::buyers::Buyer;
use crate::journal::{Outcome, Record};
use crate::nodes::hashes;
use crate::production::{Addresses, Production, count, halls};
use crate::rounds::read_on;
use crate::support::audit::{of_type, position};
use crate::support::http::Http;
use crate::support::setting;
use crate::support::time::eventually;
use crate::support::tokens::token;

const NODES: usize = 3;
const BUYERS: u64 = 24;
const ROWS: usize = 4;
/// Longer than a node stands still, so that most buyers whose node does get what they have begun to buy.
const TTL: &str = "6s";
const STOPPED: Duration = Duration::from_secs(3);
/// Of each kind. Fewer show nothing.
const FEWEST_FAULTS: usize = 2;
/// A seat that nobody can get is found out by then.
const LONGEST: Duration = Duration::from_mins(4);

/// What was done to the nodes.
#[derive(Default)]
struct Faults {
    kills: usize,
    stops: usize,
}

impl Faults {
    /// Kills a node or lets it stand still, whichever happened less so far or by lot. Every other kill is of the node that
    /// writes the inventory.
    async fn next(&mut self, production: &mut Production, addresses: &Addresses, dice: &mut Dice) {
        let node = usize::try_from(dice.below(NODES as u64)).unwrap();
        let kill = match self.kills.cmp(&self.stops) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => dice.below(2) == 0,
        };
        if kill {
            let writes = production.leaders().await.first().copied();
            let node = writes.filter(|_| self.kills.is_multiple_of(2)).unwrap_or(node);
            self.kills += 1;
            production.kill(node).await;
            addresses.moved(node, &production.nodes[node].http);
        } else {
            self.stops += 1;
            production.nodes[node].signal("STOP");
            tokio::time::sleep(STOPPED).await;
            production.nodes[node].signal("CONT");
        }
    }
}

/// How often each seat of each show is in a booking that was confirmed. Nobody cancels here.
fn sold(events: &[Value]) -> BTreeMap<(String, String), usize> {
    let mut seats_of: BTreeMap<&str, (&str, &Value)> = BTreeMap::new();
    let mut sold = BTreeMap::new();
    for event in events {
        let (stream, id) = (event["stream"].as_str().unwrap(), event["data"]["bookingId"].as_str());
        let (Some(show), Some(id)) = (stream.strip_prefix("show-"), id) else { continue };
        let kind = event["type"].as_str().unwrap();
        if kind.starts_with("booking.seats-locked.") {
            seats_of.insert(id, (show, &event["data"]["seatIds"]));
        } else if kind.starts_with("booking.confirmed.") {
            let (show, seats) = seats_of[id];
            for seat in seats.as_array().unwrap() {
                *sold.entry((show.to_owned(), seat.as_str().unwrap().to_owned())).or_default() += 1;
            }
        }
    }
    sold
}

fn every_seat_once(halls: &Halls) -> BTreeMap<(String, String), usize> {
    let seats =
        halls.shows.iter().flat_map(|show| halls.seats.iter().map(|seat| (show.clone(), seat.clone())));
    seats.map(|seat| (seat, 1)).collect()
}

/// The inventory made anew, by whichever node writes it.
async fn rebuilt(http: &Http) {
    let ops = token("ops", "ops_1");
    let inventory = async || {
        let list = http.get("/ops/projections").token(&ops).send().await.expect(200);
        let list = list["projections"].as_array().expect("projections").clone();
        list.into_iter().find(|one| one["name"] == "seat-inventory").expect("the inventory")
    };
    let before = inventory().await["generation"].as_u64().unwrap();
    http.api("POST", "/ops/projections/seat-inventory/rebuild").token(&ops).send().await.expect(202);
    eventually(Duration::from_secs(30), "the inventory is made anew", async || {
        (inventory().await["generation"].as_u64().unwrap() > before).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shows_sell_out_on_nodes_that_are_killed_and_stopped_and_every_seat_is_sold_once() {
    let _machine = crate::MACHINE.read().await;
    let (shows, seed) = (setting("MARQUEE_SELL_OUT_SHOWS", 20), setting("MARQUEE_CRASH_SEED", 1));
    let began = Instant::now();
    let mut production = Production::with(NODES, TTL).await;
    let halls = halls(&production.world, shows, ROWS).await;
    let addresses = production.addresses();
    let opened = Instant::now();
    let mut buying = JoinSet::new();
    for number in 0..BUYERS {
        let (addresses, mut buyer) = (addresses.clone(), Buyer::new(number, seed, &halls.shows));
        buying.spawn(async move {
            buyer.buy_all(&addresses).await;
            buyer
        });
    }
    let (mut dice, mut faults, mut events) = (Dice(seed), Faults::default(), vec![]);
    let mut journal: Vec<Record> = vec![];
    while !buying.is_empty() {
        tokio::time::sleep(Duration::from_millis(200 + dice.below(500))).await;
        faults.next(&mut production, &addresses, &mut dice).await;
        read_on(production.log(), &mut events).await;
        while let Some(done) = buying.try_join_next() {
            journal.extend(done.unwrap().journal);
        }
        assert!(opened.elapsed() < LONGEST, "seats are left that nobody gets");
    }
    let sold_out = opened.elapsed();

    let (whole, messages) = production.judge(&journal, &halls, BUYERS, events).await;
    assert_eq!(sold(&whole), every_seat_once(&halls), "every seat is sold, once");
    let last = whole.last().map(position).unwrap_or_default();
    let before = hashes(&production.nodes[0].http, last).await;
    rebuilt(&production.nodes[0].http).await;
    for node in &production.nodes {
        assert_eq!(hashes(&node.http, last).await, before, "a rebuild changes nothing");
    }

    let hands = production.epoch() - 1;
    let acknowledged = count(&journal, |outcome| matches!(outcome, Outcome::Ok(_)));
    let unknown = count(&journal, |outcome| *outcome == Outcome::Unknown);
    let figures = format!(
        "sell-out: seed {seed}, {} kills and {} stops of {NODES} nodes under {BUYERS} clients, {} attempts: {acknowledged} \
         acknowledged, {} refused, {unknown} unknown; {} events, {} bookings, {} confirmed, {} expired, {} refunds, \
         {messages} messages; the inventory changed hands {hands} times; {} seats of {shows} shows sold out in {sold_out:.0?}, {:.0?} in all",
        faults.kills,
        faults.stops,
        journal.len(),
        count(&journal, |outcome| matches!(outcome, Outcome::Refused(..))),
        whole.len(),
        of_type(&whole, "booking.seats-locked").len(),
        of_type(&whole, "booking.confirmed").len(),
        of_type(&whole, "booking.expired").len(),
        of_type(&whole, "refund.succeeded").len(),
        halls.shows.len() * halls.seats.len(),
        began.elapsed(),
    );
    writeln!(std::io::stderr(), "{figures}").unwrap();
    let enough = faults.kills >= FEWEST_FAULTS && faults.stops >= FEWEST_FAULTS && hands > 0 && unknown > 0;
    assert!(enough, "a run in which nothing was in doubt shows nothing: {figures}");
}
