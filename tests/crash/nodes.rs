//! Several nodes on one log, none of which can be trusted to stay: killed, stopped in their tracks, cut off from the log.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::auditor::{audit, prefix_kept};
use crate::bookers::{Booker, Dice, Halls};
use crate::journal::{Outcome, Record};
use crate::rounds::{halls, read_on, settle, views_agree};
use crate::support::audit::{export, of_type, position};
use crate::support::http::Http;
use crate::support::server::{Door, Home, Options, Server};
use crate::support::setting;
use crate::support::time::{eventually, now};
use crate::support::tokens::{customer, token};
use crate::support::world::{World, new_key};

const NODES: usize = 3;
const BOOKERS: u64 = 48;
const TTL: &str = "3s";
/// Longer than a node may be silent before others take its work over.
const STOPPED: Duration = Duration::from_secs(3);

fn options(event_store: Option<String>, door: Door) -> Options {
    Options { seat_lock_ttl: TTL, event_store, door, ..Options::default() }
}

/// Three nodes with nothing in common but a log.
struct Cluster {
    store: Option<Server>,
    port: u16,
    url: String,
    nodes: Vec<Server>,
}

impl Cluster {
    async fn new() -> (Self, World) {
        let world = World::with(&options(None, Door::Writable)).await;
        let (url, port) = (world.server.kurrentdb(), world.server.door_port());
        let mut nodes = vec![];
        for _ in 0..NODES {
            nodes.push(Server::with(Home::new(), &options(Some(url.clone()), Door::Closed)).await);
        }
        (Self { store: None, port, url, nodes }, world)
    }

    fn log(&self) -> &Http {
        &self.store.as_ref().expect("the log is up").http
    }

    async fn kill_one(&mut self, dice: &mut Dice) {
        let victim = usize::try_from(dice.below(NODES as u64)).unwrap();
        let home = self.nodes.remove(victim).kill().await;
        let again = Server::with(home, &options(Some(self.url.clone()), Door::Closed)).await;
        self.nodes.insert(victim, again);
    }

    /// It does not know that it stood still, and goes on with what it had in mind.
    async fn stop_one(&mut self, dice: &mut Dice) {
        let node = dice.pick(&self.nodes);
        node.signal("STOP");
        tokio::time::sleep(STOPPED).await;
        node.signal("CONT");
    }

    async fn cut_the_log_off(&mut self) {
        let home = self.store.take().expect("the log is up").kill().await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        self.store = Some(Server::with(home, &options(None, Door::WritableAt(self.port))).await);
        for node in &self.nodes {
            eventually(Duration::from_secs(20), "a node is ready again", async || {
                let ready = node.http.root("GET", "/readyz").attempt().await.ok()?;
                (ready.status == 200).then_some(())
            })
            .await;
        }
    }
}

/// Every booker works at a node until it is told to stop; each round at another one, so that what is in doubt is asked
/// elsewhere.
fn round(
    bookers: Vec<Booker>,
    cluster: &Cluster,
    number: usize,
    halls: &Arc<Halls>,
    stop: &Arc<AtomicBool>,
) -> JoinSet<Booker> {
    let mut working = JoinSet::new();
    for (index, mut booker) in bookers.into_iter().enumerate() {
        let http = cluster.nodes[(index + number) % NODES].http.clone();
        let (halls, stop) = (Arc::clone(halls), Arc::clone(stop));
        working.spawn(async move {
            booker.work_until(&http, &halls, &stop).await;
            booker
        });
    }
    working
}

/// The hashes of what a node's views hold, once all of them have come to a position.
pub async fn hashes(http: &Http, at: u64) -> Vec<Value> {
    eventually(Duration::from_secs(20), "the views have caught up", async || {
        let ops = token("ops", "ops_1");
        let list = http.get("/ops/projections?fingerprint=true").token(&ops).send().await.expect(200);
        let list = list["projections"].as_array().expect("projections");
        let there =
            list.iter().all(|projection| projection["checkpoint"].as_u64().is_some_and(|has| has >= at));
        there.then(|| list.iter().map(|one| json!([one["name"], one["fingerprint"]["hash"]])).collect())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_killed_stopped_and_cut_off_lose_nothing_and_sell_no_seat_twice() {
    let _machine = crate::MACHINE.read().await;
    let (rounds, seed) = (setting("MARQUEE_NODE_ROUNDS", 8), setting("MARQUEE_CRASH_SEED", 1));
    let began = Instant::now();
    let (mut cluster, world) = Cluster::new().await;
    let halls = Arc::new(halls(&world).await);
    let World { server, .. } = world;
    cluster.store = Some(server);
    let mut bookers: Vec<_> = (0..BOOKERS).map(|number| Booker::new(number, seed)).collect();
    let (mut dice, mut events) = (Dice(seed), vec![]);
    for number in 0..usize::try_from(rounds).unwrap() {
        let stop = Arc::new(AtomicBool::new(false));
        let working = round(bookers, &cluster, number, &halls, &stop);
        tokio::time::sleep(Duration::from_millis(300 + dice.below(500))).await;
        match number % 4 {
            0 | 2 => cluster.kill_one(&mut dice).await,
            1 => cluster.stop_one(&mut dice).await,
            _ => cluster.cut_the_log_off().await,
        }
        stop.store(true, Ordering::Release);
        bookers = working.join_all().await;
        read_on(cluster.log(), &mut events).await;
    }
    for (index, booker) in bookers.iter_mut().enumerate() {
        booker.resolve(&cluster.nodes[index % NODES].http).await;
    }
    settle(cluster.log(), &mut events).await;
    let settled = now();
    let whole = export(cluster.log(), None).await;
    let journal: Vec<Record> = bookers.into_iter().flat_map(|booker| booker.journal).collect();

    let mut violations = prefix_kept(&events, &whole);
    violations.extend(audit(&journal, &whole, settled));
    for node in &cluster.nodes {
        violations.extend(views_agree(&node.http, &halls, &whole, BOOKERS).await);
    }
    let last = whole.last().map(position).unwrap_or_default();
    let fresh = Server::with(Home::new(), &options(Some(cluster.url.clone()), Door::Closed)).await;
    let folded = hashes(&fresh.http, last).await;
    for node in &cluster.nodes {
        assert_eq!(hashes(&node.http, last).await, folded, "every view is a fold of the log");
    }

    let count =
        |matching: fn(&Outcome) -> bool| journal.iter().filter(|record| matching(&record.outcome)).count();
    let acknowledged = count(|outcome| matches!(outcome, Outcome::Ok(_)));
    let unknown = count(|outcome| *outcome == Outcome::Unknown);
    let confirmed = of_type(&whole, "booking.confirmed").len();
    let figures = format!(
        "nodes: seed {seed}, {rounds} faults on {NODES} nodes under {BOOKERS} clients, {} attempts: {acknowledged} acknowledged, \
         {unknown} unknown; {} events, {} bookings, {confirmed} confirmed; {:.0?} in all",
        journal.len(),
        whole.len(),
        of_type(&whole, "booking.seats-locked").len(),
        began.elapsed(),
    );
    writeln!(std::io::stderr(), "{figures}").unwrap();
    let told: Vec<_> = violations.iter().take(20).collect();
    assert!(violations.is_empty(), "{} violations, seed {seed}: {told:#?}", violations.len());
    assert!(
        acknowledged > 0 && unknown > 0 && confirmed > 0,
        "a run in which nothing was in doubt shows nothing: {figures}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_clients_of_three_nodes_want_one_seat_and_one_gets_it() {
    let _machine = crate::MACHINE.read().await;
    let (cluster, world) = Cluster::new().await;
    let body = json!({ "showId": world.show, "seatIds": ["A1"] });
    let mut asking = JoinSet::new();
    for client in 0..500_usize {
        let http = &cluster.nodes[client % NODES].http;
        let call = http.post("/bookings", &body).token(&customer(&format!("u_{client}"))).key(&new_key());
        asking.spawn(async move {
            let answer = call.send().await;
            (answer.status, answer.body["error"]["code"].clone())
        });
    }
    let answers = asking.join_all().await;
    let won = answers.iter().filter(|(status, _)| *status == 201).count();
    let lost = answers.iter().filter(|(status, code)| *status == 409 && code == "SEAT_LOCK_FAILED").count();
    assert_eq!((won, lost), (1, 499), "{answers:?}");
}
