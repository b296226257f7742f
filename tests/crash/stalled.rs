//! The node that writes the seat inventory is stalled, thread and all: another takes over, and what wakes up writes nothing.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use marquee_test_postgres::Postgres;
use serde_json::{Value, json};

use crate::journal::Record;
use crate::outages::{BOOKERS, Load, NODES, ROWS, SHOWS, TTL};
use crate::production::{DATABASE, Production, halls, role};
use crate::support::http::Http;
use crate::support::setting;
use crate::support::time::eventually;
use crate::support::tokens::{customer, token};
use crate::support::world::new_key;

/// Once there and once back.
const TURNS: usize = 2;
/// Within this another node has to take over.
const TAKEOVER: Duration = Duration::from_secs(10);
/// To stop a node in the middle of a page.
const ATTEMPTS: u32 = 400;
/// For how long the one that woke up is watched: it would have renewed its lease twice.
const WATCHED: Duration = Duration::from_secs(4);

/// Has the database write down which node changes the inventory. What is rolled back was not written.
const WATCH: &str = "
    CREATE TABLE watched (sequence bigserial, writer text NOT NULL);
    CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO watched (writer) VALUES (session_user);
        RETURN NULL;
    END $$;
    CREATE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON bookings FOR EACH ROW EXECUTE FUNCTION watch();
    CREATE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON live_seats FOR EACH ROW EXECUTE FUNCTION watch();
    CREATE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON shows FOR EACH ROW EXECUTE FUNCTION watch();
    CREATE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON generations FOR EACH ROW EXECUTE FUNCTION watch();";

/// How much was written so far.
fn written(postgres: &Postgres) -> u64 {
    let last = postgres.psql(DATABASE, "SELECT coalesce(max(sequence), 0) FROM watched");
    last.parse().expect("a number")
}

/// The nodes that wrote since then.
fn writers(postgres: &Postgres, since: u64) -> BTreeSet<String> {
    let asked = format!("SELECT DISTINCT writer FROM watched WHERE sequence > {since}");
    postgres.psql(DATABASE, &asked).lines().map(str::to_owned).collect()
}

async fn inventory(http: &Http) -> Value {
    let list = http.get("/ops/projections").token(&token("ops", "ops_1")).send().await.expect(200);
    let mut list = list["projections"].as_array().expect("projections").iter();
    list.find(|one| one["name"] == "seat-inventory").expect("the inventory").clone()
}

/// The node that has the lease, and the one that stands by.
async fn holder(production: &Production) -> (usize, usize) {
    let leaders = production.leaders().await;
    assert_eq!(leaders.len(), 1, "one node has the lease: {leaders:?}");
    (leaders[0], 1 - leaders[0])
}

/// Stops a node while it has a page half written, with the locks of that in its hands. After how many attempts.
async fn stalled_in_a_page(production: &Production, node: usize) -> u32 {
    let half_written = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = '{}' AND state = 'idle in transaction'",
        role(node)
    );
    for attempt in 1..=ATTEMPTS {
        production.nodes[node].signal("STOP");
        if production.postgres.psql(DATABASE, &half_written) == "1" {
            return attempt;
        }
        production.nodes[node].signal("CONT");
        tokio::time::sleep(Duration::from_millis(u64::from(attempt * 7 % 50))).await;
    }
    panic!("in {ATTEMPTS} attempts the node had no page half written");
}

/// Books at a node and waits until the database's list has it there. How long that took since then.
async fn listed(production: &Production, http: &Http, turn: usize, since: Instant) -> Duration {
    let user = format!("late_{turn}");
    let body = json!({ "showId": production.world.show, "seatIds": [format!("A{}", turn + 1)] });
    let booked = http.post("/bookings", &body).token(&customer(&user)).key(&new_key()).send().await;
    let position = booked.position();
    let id = booked.expect(201)["bookingId"].clone();
    eventually(TAKEOVER, "another node writes", async || {
        let listed = http.get("/bookings").token(&customer(&user)).after(position).attempt().await.unwrap();
        (listed.status == 200 && listed.body["bookings"][0]["bookingId"] == id).then_some(())
    })
    .await;
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_stalled_with_the_lease_is_replaced_in_ten_seconds_and_writes_nothing_after() {
    let _machine = crate::MACHINE.write().await;
    let seed = setting("MARQUEE_CRASH_SEED", 1);
    let began = Instant::now();
    let production = Production::with(NODES, TTL).await;
    let postgres = &production.postgres;
    postgres.psql(DATABASE, WATCH);
    let halls = Arc::new(halls(&production.world, SHOWS, ROWS).await);
    let load = Load::on(&production.addresses(), &halls, seed);
    let (mut attempts, mut takeovers) = (vec![], vec![]);
    for turn in 0..TURNS {
        let start = written(postgres);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (former, present) = holder(&production).await;
        let (stalled, other) = (&production.nodes[former], &production.nodes[present]);
        let before = production.epoch();
        assert_eq!(writers(postgres, start), [role(former)].into(), "it writes while it has the lease");

        attempts.push(stalled_in_a_page(&production, former).await);
        let took = listed(&production, &other.http, turn, Instant::now()).await;
        assert!(took < TAKEOVER, "taken over after {took:?}");
        assert_eq!(production.epoch(), before + 1);
        takeovers.push(took);
        let taken_over = written(postgres);
        tokio::time::sleep(Duration::from_secs(1)).await;

        stalled.signal("CONT");
        tokio::time::sleep(WATCHED).await;
        let since = writers(postgres, taken_over);
        assert_eq!(since, [role(present)].into(), "the one that woke up writes nothing");
        assert_eq!(production.epoch(), before + 1, "nor does it shut the other out");
        assert_eq!(holder(&production).await, (present, former), "it stands by");
        let end = production.world.log_end().await;
        eventually(TAKEOVER, "it shows what the other writes", async || {
            let inventory = inventory(&stalled.http).await;
            let there = inventory["checkpoint"].as_u64().is_some_and(|has| has >= end);
            (there && inventory["status"] == "LIVE").then_some(())
        })
        .await;
    }
    let journal: Vec<Record> = load.end().await.into_iter().map(|done| done.record).collect();
    let (whole, _) = production.judge(&journal, &halls, BOOKERS, vec![]).await;
    let figures = format!(
        "stalled: seed {seed}, under {BOOKERS} clients the node that writes the inventory was stalled {TURNS} times in the \
         middle of a page (hit at the attempts {attempts:?}); taken over after {takeovers:.1?}; {} attempts, {} events; {:.0?} in all",
        journal.len(),
        whole.len(),
        began.elapsed(),
    );
    writeln!(std::io::stderr(), "{figures}").unwrap();
}
