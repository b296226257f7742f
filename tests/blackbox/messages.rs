//! What is told to the outside.

use std::time::Duration;

use serde_json::Value;

use crate::support::http::assert_keys;
use crate::support::nats::NatsServer;
use crate::support::server::{Options, Server};
use crate::support::time::eventually;
use crate::support::tokens::token;
use crate::support::world::{SOON, World};

/// The queue that ops read.
fn queue() -> Options {
    Options::messages("embedded")
}

async fn messages(world: &World, query: &str) -> Value {
    world.http.get(&format!("/ops/messages{query}")).token(&token("ops", "ops_1")).send().await.expect(200)
}

/// The subjects in the queue, in its order.
fn subjects(page: &Value) -> Vec<&str> {
    let messages = page["messages"].as_array().expect("messages");
    messages.iter().map(|message| message["subject"].as_str().expect("a subject")).collect()
}

async fn told(world: &World, subject: &'static str) -> Value {
    eventually(SOON, subject, async || {
        let page = messages(world, "?limit=1000").await;
        let found =
            page["messages"].as_array().unwrap().iter().find(|told| told["subject"] == subject).cloned();
        found.map(|found| found["message"].clone())
    })
    .await
}

#[tokio::test]
async fn a_confirmed_booking_is_told_to_the_outside() {
    let world = World::with(&queue()).await;
    let booking = world.confirmed("u_1", &["A1", "A2"]).await;
    let message = told(&world, "marquee.booking.confirmed").await;
    assert_keys(&message, &["eventId", "position", "time", "correlationId", "type", "data"]);
    assert_eq!(message["type"], "booking.confirmed");
    let data = &message["data"];
    assert_eq!(data["bookingId"], booking.as_str());
    assert_eq!(data["userId"], "u_1");
    assert_eq!(data["seatIds"], serde_json::json!(["A1", "A2"]));
    assert_eq!(data["show"]["showId"], world.show.as_str());
    assert!(data["amount"]["minor"].as_i64().is_some_and(|minor| minor > 0), "{message}");
    let page = messages(&world, "?limit=1000").await;
    let order = subjects(&page);
    let place = |subject| order.iter().position(|told| *told == subject);
    assert!(place("marquee.show.scheduled") < place("marquee.payment.succeeded"), "{order:?}");
    assert!(place("marquee.payment.succeeded") < place("marquee.booking.confirmed"), "{order:?}");
}

#[tokio::test]
async fn messages_are_read_on_from_a_position_by_operators_and_auditors_alone() {
    let world = World::with(&queue()).await;
    world.confirmed("u_1", &["A1"]).await;
    told(&world, "marquee.booking.confirmed").await;
    let (all, mut paged, mut after) = (messages(&world, "?limit=1000").await, vec![], 0);
    loop {
        let page = messages(&world, &format!("?after={after}&limit=1")).await;
        let Some(message) = page["messages"].as_array().unwrap().first().cloned() else { break };
        after = page["next"].as_u64().unwrap();
        assert_eq!(message["message"]["position"], after);
        paged.push(message);
    }
    assert_eq!(Value::from(paged), all["messages"]);
    let auditor = world.http.get("/ops/messages").token(&token("auditor", "aud_1")).send().await;
    assert_eq!(auditor.status, 200);
    let customer = world.http.get("/ops/messages").token(&token("customer", "u_1")).send().await;
    customer.refused(403, "FORBIDDEN");
    let wrong = world.http.get("/ops/messages?after=x").token(&token("ops", "ops_1")).send().await;
    wrong.refused(400, "VALIDATION_ERROR");
}

/// Killed at any time, the server tells what it had not told yet, and nothing twice.
#[tokio::test]
async fn what_happened_before_a_crash_is_told_after_it_once() {
    let mut world = World::with(&queue()).await;
    let mut booked = vec![];
    for seat in ["A1", "A2", "A3", "A4"] {
        booked.push(world.confirmed("u_1", &[seat]).await);
        let home = world.server.kill().await;
        world.server = Server::with(home, &queue()).await;
        world.http = world.server.http.clone();
    }
    let confirmed = eventually(SOON, "four confirmations", async || {
        let page = messages(&world, "?limit=1000").await;
        let told = page["messages"].as_array().unwrap().clone();
        let confirmed: Vec<_> = told
            .iter()
            .filter(|told| told["subject"] == "marquee.booking.confirmed")
            .map(|told| told["message"]["data"]["bookingId"].as_str().unwrap().to_owned())
            .collect();
        (confirmed.len() >= booked.len()).then_some(confirmed)
    })
    .await;
    assert_eq!(confirmed, booked);
}

/// Nobody listens there. Who books need not know.
#[tokio::test]
async fn while_nats_is_out_booking_goes_on_and_readiness_says_since_when() {
    let world = World::with(&Options::messages("nats://127.0.0.1:1")).await;
    world.confirmed("u_1", &["A1"]).await;
    let ready = eventually(SOON, "the outage", async || {
        let ready = world.http.root("GET", "/readyz").send().await.expect(200);
        ready.get("degraded").is_some().then_some(ready)
    })
    .await;
    assert_eq!(ready["status"], "degraded");
    let outage = &ready["degraded"][0];
    assert_keys(outage, &["dependency", "since", "reason"]);
    assert_eq!(outage["dependency"], "messages (nats)");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let later = world.http.root("GET", "/readyz").send().await.expect(200);
    assert_eq!(later["degraded"][0]["since"], outage["since"]);
    let elsewhere = world.http.get("/ops/messages").token(&token("ops", "ops_1")).send().await;
    elsewhere.refused(404, "NOT_FOUND");
    let metrics = world.http.root("GET", "/metrics").send().await.text;
    assert!(metrics.contains("marquee_messages_bus_up{bus=\"nats\"} 0"), "{metrics}");
}

#[tokio::test]
async fn nats_hears_each_booking_once_though_it_was_killed_and_wiped_meanwhile() {
    let mut nats = NatsServer::started();
    let world = World::with(&Options::messages(&nats.url())).await;
    let mut booked = vec![world.confirmed("u_1", &["A1"]).await];
    nats.kill();
    booked.push(world.confirmed("u_1", &["A2"]).await);
    nats.wipe();
    nats.start();
    booked.push(world.confirmed("u_1", &["A3"]).await);

    let client = async_nats::connect(nats.url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let heard = eventually(4 * SOON, "three confirmations", async || {
        let mut stream = jetstream.get_stream("MARQUEE").await.ok()?;
        let last = stream.info().await.ok()?.state.last_sequence;
        let mut heard = vec![];
        for sequence in 1..=last {
            let message = stream.get_raw_message(sequence).await.ok()?;
            if message.subject.as_str() == "marquee.booking.confirmed" {
                let told: Value = serde_json::from_slice(&message.payload).unwrap();
                heard.push(told["data"]["bookingId"].as_str().unwrap().to_owned());
            }
        }
        (heard.len() >= booked.len()).then_some(heard)
    })
    .await;
    assert_eq!(heard, booked);
    let ready = world.http.root("GET", "/readyz").send().await.expect(200);
    assert!(ready.get("degraded").is_none(), "{ready}");
}
