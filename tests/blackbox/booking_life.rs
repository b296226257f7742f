//! What becomes of a booking that nobody pays: reading, listing, cancelling, expiring.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::audit::of_type;
use crate::support::server::Options;
use crate::support::time::{now, parse, until};
use crate::support::tokens::customer;
use crate::support::world::{World, new_key};

fn short_lock() -> Options {
    Options { seat_lock_ttl: "1500ms", ..Options::default() }
}

#[tokio::test]
async fn a_lock_ends_exactly_at_its_deadline() {
    let world = World::with(&short_lock()).await;
    let key = new_key();
    let answer = world.book_call("u_1", &key, &["A1", "A2"]).send().await;
    let position = answer.position();
    let first = answer.expect(201);
    let deadline = parse(&first["expiresAt"]);
    let seat = world.seat(position, "A1").await;
    if now() < deadline {
        assert_eq!(seat["status"], "LOCKED");
        assert_eq!(parse(&seat["lockExpiresAt"]), deadline);
        world.book("u_2", &["A1"]).await.refused(409, "SEAT_LOCK_FAILED");
    }

    until(deadline).await;
    assert_eq!(
        world.seat_now("A1").await["status"],
        "AVAILABLE",
        "from that instant, whoever writes it down and when"
    );
    world.booked("u_2", &["A1"]).await;
    world.book_call("u_1", &key, &["A1", "A2"]).send().await.refused(410, "BOOKING_EXPIRED");

    let booking = first["bookingId"].as_str().expect("id");
    let read = world.get_booking("u_1", booking).send().await.expect(200);
    assert_eq!(read["status"], "EXPIRED");
    let events = world.events_of("booking.expired", booking, 1).await;
    let written = parse(&events[0]["time"]);
    assert!(written.duration_since(deadline).as_secs() < 5, "written down within five seconds of {deadline}");
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn an_abandoned_lock_is_written_down_with_nobody_asking() {
    let world = World::with(&short_lock()).await;
    let body = world.book("u_1", &["A1"]).await.expect(201);
    let booking = body["bookingId"].as_str().expect("id");
    until(parse(&body["expiresAt"])).await;
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    let events = world.events().await;
    let expired = of_type(&events, "booking.expired");
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0]["data"]["bookingId"], booking);
    world.cancel_call("u_1", booking).send().await.refused(422, "NOT_CANCELLABLE");
}

#[tokio::test]
async fn cancelling_frees_the_seats_and_can_be_repeated() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1", "A2"]).await;
    let first = world.cancel_call("u_1", &booking).send().await;
    let position = first.position();
    let first = first.expect(200);
    assert_eq!(first["bookingId"], booking);
    assert_eq!(first["status"], "CANCELLED");
    assert!(first.get("refund").is_none_or(Value::is_null), "nothing was paid: {first}");
    assert_eq!(world.seat(position, "A1").await["status"], "AVAILABLE");
    let again = world.cancel_call("u_1", &booking).send().await.expect(200);
    assert_eq!(again, first, "the same answer again");
    assert_eq!(world.events_of("booking.cancelled", &booking, 1).await.len(), 1);
    world.booked("u_2", &["A1"]).await;
}

#[tokio::test]
async fn a_booking_is_its_owners_alone() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    world.get_booking("u_2", &booking).send().await.refused(403, "FORBIDDEN");
    world.cancel_call("u_2", &booking).send().await.refused(403, "FORBIDDEN");
    world.pay_call("u_2", &booking, &new_key()).send().await.refused(403, "FORBIDDEN");
    let own = world.get_booking("u_1", &booking).send().await.expect(200);
    assert_eq!(own["bookingId"], booking);
    assert_eq!(own["status"], "PAYMENT_PENDING");
    let none = format!("bk_{}_01JNONE", world.show);
    for unknown in [none.as_str(), "bk_sh_none_01J", "nonsense", "bk_1"] {
        world.get_booking("u_1", unknown).send().await.refused(404, "NOT_FOUND");
        world.cancel_call("u_1", unknown).send().await.refused(404, "NOT_FOUND");
        world.pay_call("u_1", unknown, &new_key()).send().await.refused(404, "NOT_FOUND");
    }
    assert_eq!(world.seat_now("A1").await["status"], "LOCKED", "a stranger changed nothing");
}

#[tokio::test]
async fn a_list_has_ones_own_bookings_page_by_page() {
    let world = World::new().await;
    let mut mine = vec![];
    let mut position = 0;
    for seat in ["A1", "A2", "A3", "A4", "A5"] {
        let answer = world.book("u_1", &[seat]).await;
        position = answer.position();
        mine.push(answer.expect(201)["bookingId"].clone());
        world.booked("u_2", &[&seat.replace('A', "B")]).await;
    }
    let mut listed: Vec<Value> = vec![];
    let mut cursor = String::new();
    for page in 0.. {
        assert!(page < 4, "a list ends");
        let call =
            world.http.get(&format!("/bookings?limit=2{cursor}")).token(&customer("u_1")).after(position);
        let body = call.send().await.expect(200);
        let bookings = body["bookings"].as_array().expect("bookings");
        assert!(bookings.len() <= 2, "{body}");
        listed.extend(bookings.iter().map(|booking| booking["bookingId"].clone()));
        match body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let sorted = |mut ids: Vec<Value>| {
        ids.sort_by_key(Value::to_string);
        ids
    };
    assert_eq!(sorted(listed), sorted(mine), "each once, and nobody else's");
    let bad = world.http.get("/bookings?cursor=%20nonsense%20").token(&customer("u_1")).send().await;
    assert!(matches!(bad.status, 200 | 400), "{}", bad.text);
}

#[tokio::test]
async fn a_booking_answered_is_read_by_its_id_at_once() {
    let world = World::new().await;
    for n in 1..=10 {
        let booking = world.booked("u_1", &[&format!("C{n}")]).await;
        let body = world.get_booking("u_1", &booking).send().await.expect(200);
        assert_eq!(body["status"], "PAYMENT_PENDING");
    }
}

#[tokio::test]
async fn the_log_says_who_locked_what_until_when_under_which_key() {
    let world = World::new().await;
    let key = new_key();
    let answer = world
        .book_call("u_1", &key, &["A1", "A2"])
        .header("X-Correlation-Id", "c0b7f2d0-6c8d-4e6f-9c5f-3ff2f2f0f9b1");
    let body = answer.send().await.expect(201);
    let booking = body["bookingId"].as_str().expect("id");
    let locked = &world.events_of("booking.seats-locked", booking, 1).await[0];
    assert_eq!(locked["stream"], format!("show-{}", world.show));
    assert_eq!(locked["actor"], "customer:u_1");
    assert_eq!(locked["correlationId"], "c0b7f2d0-6c8d-4e6f-9c5f-3ff2f2f0f9b1");
    assert_eq!(locked["data"]["userId"], "u_1");
    assert_eq!(locked["data"]["seatIds"], json!(["A1", "A2"]));
    assert_eq!(locked["data"]["idempotencyKey"], key);
    assert_eq!(parse(&locked["data"]["expiresAt"]), parse(&body["expiresAt"]));
    let priced = &world.events_of("booking.payment-pending", booking, 1).await[0];
    assert_eq!(
        priced["revision"].as_u64(),
        locked["revision"].as_u64().map(|revision| revision + 1),
        "one append"
    );
}
