//! Bookings kept in PostgreSQL: the same answers, and a server that sells seats without it.

use std::time::{Duration, Instant};

use marquee_test_postgres::Postgres;
use serde_json::Value;

use crate::support::http::Http;
use crate::support::server::{Home, Options, Server, run};
use crate::support::time::eventually;
use crate::support::tokens::{customer, token};
use crate::support::world::World;

/// Once the server is back.
const CATCH_UP: Duration = Duration::from_secs(30);

async fn on(postgres: &Postgres) -> World {
    let home = Home::new().with_read_model(&postgres.create_database("views"));
    World::on(Server::with(home, &Options::default()).await).await
}

async fn readiness(http: &Http) -> (u16, Value) {
    let answer = http.root("GET", "/readyz").attempt().await.unwrap();
    (answer.status, answer.body)
}

async fn is_shown(http: &Http, status: &str) {
    let ask = async || (readiness(http).await.1["status"] == status).then_some(());
    eventually(CATCH_UP, status, ask).await;
}

async fn ids_of(world: &World, user: &str, position: u64) -> Vec<Value> {
    let listed = world.http.get("/bookings").token(&customer(user)).after(position).send().await.expect(200);
    listed["bookings"].as_array().unwrap().iter().map(|booking| booking["bookingId"].clone()).collect()
}

#[tokio::test]
async fn bookings_are_listed_from_the_database_and_survive_the_server() {
    let postgres = Postgres::start();
    let world = on(&postgres).await;
    let confirmed = world.confirmed("u_1", &["A1", "A2"]).await;
    let pending = world.book("u_1", &["A3"]).await;
    let position = pending.position();
    let pending = pending.expect(201)["bookingId"].clone();
    let expected = [pending, Value::from(confirmed.clone())];
    assert_eq!(ids_of(&world, "u_1", position).await, expected);
    let report = "SELECT status, total, jsonb_array_length(seat_ids) FROM booking_report WHERE confirmed_at IS NOT NULL";
    assert_eq!(postgres.psql("views", report), "CONFIRMED|36000|2", "what reports read");

    let (status, home) = world.server.stop().await;
    assert!(status.success());
    let began = Instant::now();
    let again = Server::with(home, &Options::default()).await;
    assert!(began.elapsed() < Duration::from_secs(10), "a lease that was let go is taken at once");
    let http = again.http.clone();
    let listed = http.get("/bookings").token(&customer("u_1")).after(position).send().await.expect(200);
    let ids = listed["bookings"].as_array().unwrap().iter().map(|booking| &booking["bookingId"]);
    assert!(ids.eq(expected.iter()));
    let projections = http.get("/ops/projections").token(&token("ops", "ops_1")).send().await.expect(200);
    let inventory = &projections["projections"][0];
    assert_eq!((&inventory["name"], &inventory["generation"]), (&"seat-inventory".into(), &1.into()));
}

/// Positions mean nothing in another log: what its rows say would be taken for this one's, or be thrown away.
#[tokio::test]
async fn a_database_of_another_log_is_left_alone() {
    let postgres = Postgres::start();
    let url = postgres.create_database("views");
    let world = World::on(Server::with(Home::new().with_read_model(&url), &Options::default()).await).await;
    let position = world.book("u_1", &["A1"]).await.position();
    ids_of(&world, "u_1", position).await;
    let rows = || postgres.psql("views", "SELECT generation, booking_id FROM bookings");
    let before = rows();
    assert!(!before.is_empty());

    let stranger = Home::new();
    let first = World::on(Server::with(stranger.clone(), &Options::default()).await).await;
    let (status, _) = first.server.stop().await;
    assert!(status.success());
    for home in [stranger, Home::new()] {
        let home = home.with_read_model(&url);
        let refused = run(&home.data_dir(), &["serve", "--listen", "127.0.0.1:0"]).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("another log"), "{said}");
    }
    assert_eq!(rows(), before);
}

/// It cannot be known at the start, while the database is out. It takes no lease meanwhile, and stops as soon as it is known.
#[tokio::test]
async fn a_node_that_finds_another_logs_database_later_stops() {
    let mut postgres = Postgres::start();
    let url = postgres.create_database("views");
    let world = World::on(Server::with(Home::new().with_read_model(&url), &Options::default()).await).await;
    let position = world.book("u_1", &["A1"]).await.position();
    ids_of(&world, "u_1", position).await;
    assert!(world.server.stop().await.0.success());
    let rows = |postgres: &Postgres| postgres.psql("views", "SELECT name, holder, epoch FROM leases");
    let before = rows(&postgres);
    postgres.stop();

    let stranger = World::on(Server::with(Home::new(), &Options::default()).await).await;
    let (status, home) = stranger.server.stop().await;
    assert!(status.success());
    let mut stranger = Server::with(home.with_read_model(&url), &Options::default()).await;
    postgres.start_again();
    assert!(!stranger.wait().await.success());
    assert!(stranger.home.logged().contains("another log"), "{}", stranger.home.logged());
    assert_eq!(rows(&postgres), before);
}

#[tokio::test]
async fn seats_are_sold_and_shown_while_the_database_is_out_and_the_list_catches_up() {
    let mut postgres = Postgres::start();
    let world = on(&postgres).await;
    let before = world.booked("u_1", &["A1"]).await;
    assert_eq!(readiness(&world.http).await, (200, serde_json::json!({ "status": "ready" })));
    postgres.stop();
    is_shown(&world.http, "degraded").await;
    let (status, told) = readiness(&world.http).await;
    assert_eq!(
        (status, &told["degraded"][0]["dependency"]),
        (200, &Value::from("postgres")),
        "seats are sold all the same"
    );
    let since: jiff::Timestamp = told["degraded"][0]["since"].as_str().unwrap().parse().unwrap();

    let began = Instant::now();
    let booked = world.book("u_1", &["A2"]).await;
    let position = booked.position();
    let during = booked.expect(201)["bookingId"].as_str().unwrap().to_owned();
    let paid = world.confirmed("u_1", &["A3"]).await;
    for id in [&before, &during, &paid] {
        let read = world.get_booking("u_1", id).after(position).send().await.expect(200);
        assert_eq!(read["bookingId"], *id.as_str(), "it is read from its show's stream");
    }
    world.get_booking("u_2", &during).send().await.refused(403, "FORBIDDEN");
    let seats = format!("/shows/{}/seats", world.show);
    world.http.get(&seats).after(position).send().await.expect(200);
    world.http.get(&format!("/cities/blr/movies?date={}", world.date)).send().await.expect(200);
    for call in [world.http.get("/bookings"), world.http.get("/bookings").after(position)] {
        let listed = call.token(&customer("u_1")).attempt().await.unwrap();
        assert!(listed.header("Retry-After").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
        listed.refused(503, "UNAVAILABLE");
    }
    let rebuild =
        world.http.api("POST", "/ops/projections/seat-inventory/rebuild").token(&token("ops", "ops_1"));
    rebuild.attempt().await.unwrap().refused(503, "UNAVAILABLE");
    assert!(began.elapsed() < Duration::from_secs(20), "nobody waits for what is out: {:?}", began.elapsed());
    let later =
        readiness(&world.http).await.1["degraded"][0]["since"].as_str().unwrap().parse::<jiff::Timestamp>();
    assert!((later.unwrap() - since).get_milliseconds().abs() < 1_000, "it is one outage");

    postgres.start_again();
    is_shown(&world.http, "ready").await;
    let listed = eventually(CATCH_UP, "the list catches up", async || {
        let call = world.http.get("/bookings").token(&customer("u_1")).attempt().await.unwrap();
        let all = call.status == 200 && call.body["bookings"].as_array().unwrap().len() == 3;
        if all { Some(ids_of(&world, "u_1", position).await) } else { None }
    })
    .await;
    assert_eq!(listed, [paid, during, before].map(Value::from), "the newest first, and all of them");
}
