//! A data directory that came to harm.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::audit::{export, of_type, position};
use crate::support::server::{Home, Options, Server, run};
use crate::support::tokens::customer;
use crate::support::world::{World, new_key};

/// Puts other bytes wherever a text of the same length stands in a file.
fn overwrite(file: &Path, from: &[u8], to: &[u8]) -> usize {
    let mut bytes = std::fs::read(file).unwrap();
    let places: Vec<_> = (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    for at in &places {
        bytes[*at..at + to.len()].copy_from_slice(to);
    }
    std::fs::write(file, bytes).unwrap();
    places.len()
}

/// Starts a server that must refuse this directory, and leave the log as it is; what it says.
async fn refused(home: &Home) -> String {
    let log = home.data_dir().join("log.sqlite");
    let before = std::fs::read(&log).unwrap();
    let began = Instant::now();
    let output = run(&home.data_dir(), &["serve", "--listen", "127.0.0.1:0"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(began.elapsed() < Duration::from_secs(10), "refuses at start");
    assert!(!said.contains("panicked"), "{said}");
    assert!(said.contains("log.sqlite"), "names the file: {said}");
    assert_eq!(std::fs::read(&log).unwrap(), before, "nothing repairs it silently");
    said
}

#[tokio::test]
async fn a_torn_tail_costs_nothing_that_was_acknowledged() {
    let world = World::with(&Options::embedded()).await;
    for n in 1..=10 {
        world.booked("u_1", &[&format!("A{n}")]).await;
    }
    let before = world.events().await;
    let World { server, .. } = world;
    let mut home = server.kill().await;
    for garbage in [1, 24, 512, 5_000] {
        let wal = home.data_dir().join("log.sqlite-wal");
        let mut torn = std::fs::read(&wal).unwrap_or_default();
        assert!(garbage > 1 || !torn.is_empty(), "a killed server leaves its write-ahead log behind");
        torn.extend((0..garbage).map(|n| u8::try_from((n * 37 + 11) % 251).unwrap()));
        std::fs::write(&wal, torn).unwrap();
        let server = Server::with(home, &Options::embedded()).await;
        assert_eq!(export(&server.http, None).await, before, "{garbage} bytes of a write that never ended");
        home = server.kill().await;
    }
}

#[tokio::test]
async fn a_file_that_is_no_log_is_refused() {
    let world = World::with(&Options::embedded()).await;
    let World { server, .. } = world;
    let (_, home) = server.stop().await;
    let log = home.data_dir().join("log.sqlite");
    std::fs::copy(home.data_dir().join("contacts.sqlite"), &log).unwrap();
    assert!(refused(&home).await.contains("not a Marquee log"));
    std::fs::write(&log, "no database at all, but long enough to look like one. ".repeat(200)).unwrap();
    refused(&home).await;
}

#[tokio::test]
async fn a_changed_event_is_refused_with_its_position() {
    let world = World::with(&Options::embedded()).await;
    let booking = world.booked("u_1", &["A7"]).await;
    let locked = position(&world.events_of("booking.seats-locked", &booking, 1).await[0]);
    let World { server, .. } = world;
    let (status, home) = server.stop().await;
    assert!(status.success());
    let log = home.data_dir().join("log.sqlite");
    assert!(
        overwrite(&log, b"\"seatIds\":[\"A7\"]", b"\"seatIds\":[\"A8\"]") > 0,
        "the event stands in the file"
    );
    let said = refused(&home).await;
    assert!(said.contains(&format!("position {locked}")), "names the position {locked}: {said}");
}

#[tokio::test]
async fn views_that_are_lost_are_built_anew_at_the_start() {
    let world = World::with(&Options::embedded()).await;
    world.confirmed("u_1", &["A1"]).await;
    let after = position(world.events().await.last().expect("events"));
    let map = world.seat_map(after).await;
    let World { server, show, .. } = world;
    let (_, home) = server.stop().await;
    std::fs::remove_dir_all(home.data_dir().join("views")).unwrap();
    let server = Server::with(home, &Options::embedded()).await;
    let read = async |path: &str| -> Value { server.http.get(path).after(after).send().await.expect(200) };
    assert_eq!(read(&format!("/shows/{show}/seats")).await, map);
    assert_eq!(read("/cities/blr/movies?q=caravna").await["movies"].as_array().expect("movies").len(), 1);
}

#[tokio::test]
async fn a_client_that_never_ends_its_headers_is_let_go() {
    let world = World::with(&Options::embedded()).await;
    let address = world.http.base().trim_start_matches("http://").to_owned();
    let mut slow = vec![];
    for _ in 0..100 {
        let mut socket = tokio::net::TcpStream::connect(&address).await.unwrap();
        socket.write_all(b"GET /api/v1/cities HTTP/1.1\r\nHost: slow\r\nX-Slow: ").await.unwrap();
        slow.push(socket);
    }
    world.booked("u_1", &["A1"]).await;
    let began = Instant::now();
    for mut socket in slow {
        let mut rest = vec![];
        let ended = tokio::time::timeout(Duration::from_secs(30), socket.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "still open after {:?}", began.elapsed());
    }
    assert!(began.elapsed() < Duration::from_secs(31));
}

#[tokio::test]
async fn a_disk_that_fills_up_is_503_and_costs_nothing_that_was_acknowledged() {
    let full = Options { largest_file: Some(3_000), ..Options::embedded() };
    let world = World::with(&full).await;
    let (mut acknowledged, mut doubtful) = (vec![], None);
    for _ in 0..2_000 {
        let key = new_key();
        let answer =
            world.book_call("u_1", &key, &["A1"]).attempt().await.expect("what was taken in is answered");
        if answer.status != 201 {
            answer.refused(503, "UNAVAILABLE");
            doubtful = Some(key);
            break;
        }
        let booking = answer.body["bookingId"].as_str().expect("an id").to_owned();
        let cancelled =
            world.cancel_call("u_1", &booking).attempt().await.expect("what was taken in is answered");
        acknowledged.push(booking);
        if cancelled.status != 200 {
            cancelled.refused(503, "UNAVAILABLE");
            break;
        }
    }
    let World { server, show, .. } = world;
    let home = server.kill().await;
    let server = Server::with(home, &Options::embedded()).await;
    let events = export(&server.http, None).await;
    let locked = of_type(&events, "booking.seats-locked");
    assert!(acknowledged.len() > 10 && acknowledged.len() < 2_000, "{}", acknowledged.len());
    for booking in &acknowledged {
        assert!(
            locked.iter().any(|event| event["data"]["bookingId"] == **booking),
            "{booking} was acknowledged"
        );
    }
    let Some(key) = doubtful else { return };
    let body = json!({ "showId": show, "seatIds": ["A1"] });
    let again = server.http.post("/bookings", &body).token(&customer("u_1")).key(&key).send().await;
    again.expect(201);
    let events = export(&server.http, None).await;
    let effects = events.iter().filter(|event| event["data"]["idempotencyKey"] == key).count();
    assert_eq!(effects, 1, "the same key finds out");
}
