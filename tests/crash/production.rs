//! Nodes as they run in production: one log behind KurrentDB's protocol, one PostgreSQL, one NATS. And what must hold of them
//! in the end.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use marquee_test_postgres::{Postgres, psql};
use serde_json::{Value, json};

use crate::auditor::{audit, prefix_kept};
use crate::bookers::Halls;
use crate::heard::everybody_is_told_once;
use crate::journal::{Outcome, Record};
use crate::nodes::hashes;
use crate::rounds::{settle, views_agree};
use crate::support::audit::{export, position};
use crate::support::http::Http;
use crate::support::nats::NatsServer;
use crate::support::server::{Door, Home, Options, Server};
use crate::support::time::{eventually, in_days, now, rfc3339};
use crate::support::world::World;

/// The name of the nodes' database.
pub const DATABASE: &str = "marquee";

/// Gives the lease of a server's processes to somebody who never comes.
async fn stands_by(http: &Http, database: &str) {
    let lease = "UPDATE leases SET holder = 'nobody', epoch = epoch + 1, expires_at = 'infinity' WHERE name = 'processes'";
    psql(database, lease);
    eventually(Duration::from_secs(10), "its processes stand by", async || {
        says(http, "marquee_lease_held{lease=\"processes\"} 0").await.then_some(())
    })
    .await;
}

async fn says(http: &Http, metric: &str) -> bool {
    let metrics = http.root("GET", "/metrics").send().await.text;
    metrics.lines().any(|line| line == metric)
}

/// Who a node is to the database.
pub fn role(node: usize) -> String {
    format!("node_{node}")
}

/// Several nodes that share all they can.
pub struct Production {
    /// Another server stands in for KurrentDB. Nobody touches it: whether a node is well is read off the log there. What is to
    /// be done unasked, it leaves to the nodes.
    pub world: World,
    pub postgres: Postgres,
    pub nats: NatsServer,
    pub nodes: Vec<Server>,
    options: Options,
}

impl Production {
    pub async fn with(nodes: usize, seat_lock_ttl: &'static str) -> Self {
        let elsewhere = marquee_test_postgres::database();
        let store = Options { seat_lock_ttl, door: Door::Writable, ..Options::messages("embedded") };
        let world = World::on(Server::with(Home::new().with_read_model(&elsewhere), &store).await).await;
        stands_by(&world.http, &elsewhere).await;
        let (postgres, nats) = (Postgres::start(), NatsServer::started());
        let database = postgres.create_database(DATABASE);
        let options = Options {
            seat_lock_ttl,
            event_store: Some(world.server.kurrentdb()),
            messages: Some(nats.url()),
            ..Options::default()
        };
        let mut production = Self { world, postgres, nats, nodes: vec![], options };
        for number in 0..nodes {
            let role = role(number);
            production.postgres.psql(DATABASE, &format!("CREATE ROLE {role} SUPERUSER LOGIN"));
            let database = database.replace("://marquee@", &format!("://{role}@"));
            production.nodes.push(production.node(Home::new().with_read_model(&database)).await);
        }
        production
    }

    async fn node(&self, home: Home) -> Server {
        Server::with(home, &self.options).await
    }

    /// SIGKILL, and a start on what it left behind.
    pub async fn kill(&mut self, victim: usize) {
        let home = self.nodes.remove(victim).kill().await;
        self.nodes.insert(victim, self.node(home).await);
    }

    /// The nodes that say that they have the lease of the inventory. One that has just lost it may not have noticed.
    pub async fn leaders(&self) -> Vec<usize> {
        let mut leading = vec![];
        for (number, node) in self.nodes.iter().enumerate() {
            if says(&node.http, "marquee_lease_held{lease=\"seat-inventory\"} 1").await {
                leading.push(number);
            }
        }
        leading
    }

    /// The epoch that the inventory was last written under: 1 where it never changed hands.
    pub fn epoch(&self) -> u64 {
        let epoch = "SELECT epoch FROM generations WHERE state = 'SERVING'";
        self.postgres.psql(DATABASE, epoch).parse().expect("an epoch")
    }

    /// The log itself, past all nodes.
    pub fn log(&self) -> &Http {
        &self.world.http
    }

    /// Where clients find the nodes.
    pub fn addresses(&self) -> Addresses {
        Addresses(Arc::new(self.nodes.iter().map(|node| RwLock::new(node.http.clone())).collect()))
    }

    /// Holds every promise against what the clients were told, every node's views against the log, folded anew on a machine
    /// that has no part in this, and what NATS has heard against the log. The whole log, and how many messages there are.
    pub async fn judge(
        &self,
        journal: &[Record],
        halls: &Halls,
        users: u64,
        mut read_before: Vec<Value>,
    ) -> (Vec<Value>, usize) {
        settle(self.log(), &mut read_before).await;
        let settled = now();
        let whole = export(self.log(), None).await;
        let mut violations = prefix_kept(&read_before, &whole);
        violations.extend(audit(journal, &whole, settled));
        for node in &self.nodes {
            violations.extend(views_agree(&node.http, halls, &whole, users).await);
        }
        let told: Vec<_> = violations.iter().take(20).collect();
        assert!(violations.is_empty(), "{} violations: {told:#?}", violations.len());

        let last = whole.last().map(position).unwrap_or_default();
        let apart = Options { messages: Some("embedded".into()), ..self.options.clone() };
        let fresh = Server::with(Home::new(), &apart).await;
        let folded = hashes(&fresh.http, last).await;
        for node in &self.nodes {
            assert_eq!(hashes(&node.http, last).await, folded, "every view is a fold of the log");
        }
        let messages = everybody_is_told_once(&self.nats.url(), &whole).await;
        (whole, messages)
    }
}

/// Where each node listens: another port after every start.
#[derive(Clone)]
pub struct Addresses(Arc<Vec<RwLock<Http>>>);

impl Addresses {
    pub fn of(&self, node: usize) -> Http {
        self.0[node % self.0.len()].read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn moved(&self, node: usize, to: &Http) {
        *self.0[node].write().unwrap_or_else(PoisonError::into_inner) = to.clone();
    }
}

/// Two shows a day in a hall of rows of twelve.
pub async fn halls(world: &World, shows: u64, rows: usize) -> Halls {
    let seats = |r: usize| (1..=12).map(move |n| format!("R{r}-{n}"));
    let row = |r: usize| {
        let seats: Vec<_> = seats(r).map(|seat| json!({ "seatId": seat, "type": "REGULAR" })).collect();
        json!({ "rowLabel": format!("R{r}"), "seats": seats })
    };
    let plan: Vec<_> = (1..=rows).map(row).collect();
    let screen = world.new_screen("The hall that sells out", &json!(plan)).await;
    let mut made = vec![];
    for number in 0..shows {
        let (day, hour) = (2 + number / 2, if number % 2 == 0 { 11 } else { 18 });
        let start = rfc3339(&in_days(i64::try_from(day).unwrap(), hour, 30));
        let show = world.new_show(&screen, &start).await.expect(201);
        made.push(show["showId"].as_str().expect("an id").to_owned());
    }
    Halls { shows: made, seats: (1..=rows).flat_map(seats).collect() }
}

/// How many attempts ended so.
pub fn count(journal: &[Record], matching: fn(&Outcome) -> bool) -> usize {
    journal.iter().filter(|record| matching(&record.outcome)).count()
}
