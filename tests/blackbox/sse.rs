//! The stream of seat changes.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;

use crate::support::http::{Call, assert_keys};
use crate::support::server::Options;
use crate::support::time::{now, parse};
use crate::support::world::World;

/// A stream of server-sent events, as a browser reads it.
struct Events {
    body: std::pin::Pin<Box<dyn futures_util::Stream<Item = Result<bytes::Bytes, reqwest::Error>> + Send>>,
    text: String,
}

#[derive(Debug)]
struct Sent {
    id: u64,
    data: Value,
}

impl Events {
    async fn open(call: Call) -> Self {
        let response = call.header("Accept", "text/event-stream").stream().await;
        assert_eq!(response.status().as_u16(), 200);
        let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        Self { body: Box::pin(response.bytes_stream()), text: String::new() }
    }

    /// The next event; comments are passed over.
    async fn next(&mut self) -> Sent {
        tokio::time::timeout(Duration::from_secs(5), self.read()).await.expect("an event within five seconds")
    }

    async fn read(&mut self) -> Sent {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                let field = |name: &str| {
                    let lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
                };
                if field("data").is_empty() {
                    continue;
                }
                assert_eq!(field("event"), "seats", "{block}");
                let data = serde_json::from_str(&field("data")).expect("JSON");
                return Sent { id: field("id").parse().expect("the id is the position"), data };
            }
            let bytes = self.body.next().await.expect("the stream goes on").expect("the stream goes on");
            self.text.push_str(&String::from_utf8_lossy(&bytes).replace("\r\n", "\n"));
        }
    }
}

async fn stream(world: &World) -> Call {
    world.seat_map(0).await;
    world.http.fresh().get(&format!("/shows/{}/seats/stream", world.show))
}

fn status_of(event: &Sent, seat: &str) -> Option<Value> {
    let seats = event.data["seats"].as_array().expect("seats");
    seats.iter().find(|found| found["seatId"] == seat).map(|found| found["status"].clone())
}

#[tokio::test]
async fn the_stream_begins_with_the_whole_map_and_tells_each_change() {
    let world = World::new().await;
    world.confirmed("u_9", &["C1"]).await;
    world.seat_becomes("C1", "SOLD").await;
    let mut events = Events::open(stream(&world).await).await;
    let first = events.next().await;
    assert_keys(&first.data, &["showId", "seats"]);
    assert_eq!(first.data["showId"], world.show);
    assert_eq!(first.data["seats"].as_array().expect("seats").len(), 42, "the whole map");
    assert_eq!(status_of(&first, "A1"), Some("AVAILABLE".into()));
    assert_eq!(status_of(&first, "C1"), Some("SOLD".into()));
    assert!(first.id >= world.position);

    let booked = world.book("u_1", &["A1"]).await;
    let position = booked.position();
    let booked = booked.expect(201);
    let change = events.next().await;
    assert_eq!(change.id, position, "the id is the position");
    assert_eq!(status_of(&change, "A1"), Some("LOCKED".into()));
    let seats = change.data["seats"].as_array().expect("seats");
    assert_eq!(seats.len(), 1, "the change alone: {seats:?}");
    assert_eq!(parse(&seats[0]["lockExpiresAt"]), parse(&booked["expiresAt"]));

    world.cancel_call("u_1", booked["bookingId"].as_str().expect("id")).send().await.expect(200);
    let freed = events.next().await;
    assert!(freed.id > change.id);
    assert_eq!(status_of(&freed, "A1"), Some("AVAILABLE".into()));

    let path = format!("/shows/{}/seats/block", world.show);
    let body = serde_json::json!({ "seatIds": ["A1"] });
    world.http.post(&path, &body).token(&world.partner()).send().await.expect(200);
    assert_eq!(status_of(&events.next().await, "A1"), Some("BLOCKED".into()));
}

#[tokio::test]
async fn a_reader_that_comes_back_misses_nothing() {
    let world = World::new().await;
    let mut events = Events::open(stream(&world).await).await;
    events.next().await;
    world.booked("u_1", &["A1"]).await;
    let seen = events.next().await;
    drop(events);
    let missed = world.book("u_1", &["A2"]).await;
    let position = missed.position();
    missed.expect(201);

    let resume = stream(&world).await.header("Last-Event-ID", &seen.id.to_string());
    let mut events = Events::open(resume).await;
    let mut told = events.next().await;
    while told.id < position {
        told = events.next().await;
    }
    assert_eq!(status_of(&told, "A2"), Some("LOCKED".into()));
}

#[tokio::test]
async fn a_lock_that_runs_out_is_told() {
    let world = World::with(&Options { seat_lock_ttl: "1500ms", ..Options::default() }).await;
    let mut events = Events::open(stream(&world).await).await;
    events.next().await;
    let booked = world.book("u_1", &["A1"]).await.expect(201);
    assert_eq!(status_of(&events.next().await, "A1"), Some("LOCKED".into()));
    let freed = tokio::time::timeout(Duration::from_secs(8), events.read()).await.expect("is told");
    assert_eq!(status_of(&freed, "A1"), Some("AVAILABLE".into()));
    assert!(now() >= parse(&booked["expiresAt"]));
}

#[tokio::test]
async fn a_stream_of_no_show_is_404() {
    let world = World::new().await;
    world.http.get("/shows/sh_none/seats/stream").send().await.refused(404, "NOT_FOUND");
}
