//! A disk that takes writes and does not keep them.

use serde_json::json;

use crate::support::audit::{export, of_type};
use crate::support::server::{Home, Options, Server};
use crate::support::tokens::customer;
use crate::support::world::{World, new_key};

/// Past what the world of a test takes to build, a flush a write.
const FIRST_FAILING: u32 = 30;

#[tokio::test]
async fn a_flush_that_fails_is_503_ends_the_process_and_leaves_the_key_to_find_out() {
    let broken = Options { failing_flush: Some(FIRST_FAILING), ..Options::default() };
    let world = World::on(Server::with(Home::new(), &broken).await).await;
    let (mut acknowledged, mut doubtful) = (vec![], None);
    for seat in ["A", "B", "C"].iter().flat_map(|row| (1..=10).map(move |n| format!("{row}{n}"))) {
        let key = new_key();
        let answer =
            world.book_call("u_1", &key, &[&seat]).attempt().await.expect("what was taken in is answered");
        if answer.status == 201 {
            acknowledged.push(answer.body["bookingId"].as_str().expect("an id").to_owned());
            continue;
        }
        assert!(answer.header("Retry-After").is_some(), "tells when to ask again: {answer:?}");
        answer.refused(503, "UNAVAILABLE");
        doubtful = Some((key, seat));
        break;
    }
    let World { mut server, show, .. } = world;
    let end = server.wait().await;
    assert!(!end.success() && end.code().is_some(), "ends by itself, and not well: {end:?}");
    let home = server.home.clone();
    let flushes =
        std::fs::read_to_string(home.data_dir().with_file_name("flushes")).expect("the tracer's log");
    assert!(flushes.contains("EIO (Input/output error) (INJECTED)"), "{flushes}");
    assert!(!home.logged().contains("panicked"), "{}", home.logged());

    let server = Server::with(home, &Options::default()).await;
    let events = export(&server.http, None).await;
    let locked = of_type(&events, "booking.seats-locked");
    assert!(!acknowledged.is_empty(), "the disk was well at first");
    for booking in &acknowledged {
        let kept = locked.iter().any(|event| event["data"]["bookingId"] == **booking);
        assert!(kept, "{booking} was acknowledged");
    }
    let (key, seat) = doubtful.expect("a booking met the broken disk");
    let body = json!({ "showId": show, "seatIds": [seat] });
    let again = server.http.post("/bookings", &body).token(&customer("u_1")).key(&key).send().await;
    again.expect(201);
    let events = export(&server.http, None).await;
    let effects = events.iter().filter(|event| event["data"]["idempotencyKey"] == key).count();
    assert_eq!(effects, 1, "the same key finds out");
}
