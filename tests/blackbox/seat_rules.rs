//! What a theatre asks of how its seats are booked, and what keeps one customer from holding a hall.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::support::http::Answer;
use crate::support::server::Options;
use crate::support::time::{in_days, rfc3339};
use crate::support::tokens::customer;
use crate::support::world::{World, new_key};

/// One row of regular seats `A1` to `A10`, and one of wheelchair places with their companions: `W1`, `C1`, `W2`, `C2`.
fn rows() -> Value {
    let seat = |id: &str, kind: &str| json!({ "seatId": id, "type": kind });
    let regular: Vec<_> = (1..=10).map(|number| seat(&format!("A{number}"), "REGULAR")).collect();
    let wheels = [("W1", "WHEELCHAIR"), ("C1", "COMPANION"), ("W2", "WHEELCHAIR"), ("C2", "COMPANION")];
    json!([
        { "rowLabel": "A", "seats": regular },
        { "rowLabel": "W", "seats": wheels.map(|(id, kind)| seat(id, kind)) }
    ])
}

async fn set_rules(world: &World, rules: &Value) -> Answer {
    let theatre =
        json!({ "name": "Lakeside Orion", "cityId": "blr", "area": "Malleshwaram", "seatRules": rules });
    let path = format!("/theatres/{}", world.theatre);
    world.http.put(&path, &theatre).token(&world.partner()).send().await
}

/// A world whose show was scheduled under these rules.
async fn under(rules: Value) -> World {
    under_with(rules, &rows(), &Options::default()).await
}

async fn under_with(rules: Value, rows: &Value, options: &Options) -> World {
    let mut world = World::with(options).await;
    let set = set_rules(&world, &rules).await.expect(200);
    for (rule, value) in rules.as_object().expect("rules") {
        assert_eq!(&set["seatRules"][rule], value, "{set}");
    }
    let screen = world.new_screen("Ruled", rows).await;
    let mut body = world.show_body(&screen, &rfc3339(&in_days(3, 18, 30)));
    body["prices"] = json!({ "REGULAR": 180, "WHEELCHAIR": 150, "COMPANION": 150 });
    let made = world.http.post("/shows", &body).token(&world.partner()).send().await;
    world.position = made.position();
    made.expect(201)["showId"].as_str().expect("an id").clone_into(&mut world.show);
    world
}

/// What a refusal says of the rule.
#[track_caller]
fn broken(answer: Answer, rule: &str) -> Value {
    let details = answer.refused(422, "SEAT_RULE");
    assert_eq!(details["rule"], rule, "{details}");
    details
}

#[tokio::test]
async fn a_single_seat_is_not_left_and_other_seats_are_proposed_which_can_be_booked() {
    let world = under(json!({ "noSingleSeats": true })).await;
    let details = broken(world.book("u_1", &["A2", "A3"]).await, "NO_SINGLE_SEATS");
    assert_eq!(details["seatIds"], json!(["A1"]));
    assert_eq!(world.seat_now("A2").await["status"], "AVAILABLE");
    let proposed: Vec<String> = serde_json::from_value(details["proposedSeatIds"].clone()).unwrap();
    let proposed: Vec<&str> = proposed.iter().map(String::as_str).collect();
    world.booked("u_1", &proposed).await;
}

#[tokio::test]
async fn companions_sit_beside_wheelchairs() {
    let world = under(json!({ "companions": "REQUIRED" })).await;
    let details = broken(world.book("u_1", &["W1"]).await, "WHEELCHAIR_NEEDS_COMPANION");
    assert_eq!((&details["seatIds"], &details["proposedSeatIds"]), (&json!(["W1"]), &json!(["W1", "C1"])));
    broken(world.book("u_1", &["C1", "A1"]).await, "COMPANION_NEEDS_WHEELCHAIR");
    world.booked("u_1", &["W1", "C1"]).await;
    let best = json!({
        "showId": world.show, "quantity": 2, "preferences": { "types": ["WHEELCHAIR", "COMPANION"] }
    });
    let best = world.http.post("/bookings", &best).token(&customer("u_2")).key(&new_key()).send().await;
    assert_eq!(best.expect(201)["seats"], json!(["W2", "C2"]));
}

#[tokio::test]
async fn a_booking_and_a_customer_have_so_many_seats() {
    let world = under(json!({ "seatsPerBooking": 3, "seatsPerUser": 4 })).await;
    let details = broken(world.book("u_1", &["A1", "A2", "A3", "A4"]).await, "SEATS_PER_BOOKING");
    assert_eq!(details["most"], 3);
    world.confirmed("u_1", &["A1", "A2", "A3"]).await;
    let details = broken(world.book("u_1", &["A4", "A5"]).await, "SEATS_PER_USER");
    assert_eq!((&details["most"], &details["held"]), (&json!(4), &json!(3)));
    world.booked("u_1", &["A4"]).await;
    world.booked("u_2", &["A5", "A6"]).await;
}

#[tokio::test]
async fn rules_hold_for_shows_that_are_scheduled_under_them_and_no_others() {
    let world = under(json!({ "seatsPerBooking": 1 })).await;
    set_rules(&world, &json!({})).await.expect(200);
    broken(world.book("u_1", &["A1", "A2"]).await, "SEATS_PER_BOOKING");
    for bad in [
        json!({ "seatsPerBooking": 11 }),
        json!({ "seatsPerUser": 0 }),
        json!({ "lockExtensionSeconds": 3601 }),
        json!({ "companions": "NEVER" }),
        json!({ "noDoubleSeats": true }),
    ] {
        set_rules(&world, &bad).await.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_lock_is_extended_once() {
    let world = under(json!({ "lockExtensionSeconds": 120 })).await;
    let call = |user: &str, booking: &str| {
        world.http.api("POST", &format!("/bookings/{booking}/extend")).token(&customer(user))
    };
    let first = world.book("u_1", &["A1"]).await.expect(201);
    let id = first["bookingId"].as_str().unwrap();
    call("u_2", id).send().await.refused(403, "FORBIDDEN");
    let key = new_key();
    let extended = call("u_1", id).key(&key).send().await;
    let position = extended.position();
    let extended = extended.expect(200);
    let until = |body: &Value| body["expiresAt"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(until(&extended).as_millisecond() - until(&first).as_millisecond(), 120_000);
    // Every reader sees the new deadline.
    assert_eq!(world.get_booking("u_1", id).send().await.expect(200)["expiresAt"], extended["expiresAt"]);
    assert_eq!(world.seat(position, "A1").await["lockExpiresAt"], extended["expiresAt"]);
    let list = world.http.get("/bookings").token(&customer("u_1")).after(position).send().await.expect(200);
    assert_eq!(list["bookings"][0]["expiresAt"], extended["expiresAt"]);
    let again = call("u_1", id).key(&key).send().await;
    assert!(again.replayed());
    assert_eq!(again.expect(200), extended);
    call("u_1", id).key(&new_key()).send().await.refused(409, "ALREADY_EXTENDED");
    // A key belongs to one booking.
    let other = world.booked("u_1", &["A2"]).await;
    call("u_1", &other).key(&key).send().await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    world.cancel_call("u_1", &other).send().await.expect(200);
    call("u_1", &other).send().await.refused(422, "NOT_EXTENDABLE");
    call("u_1", "bk_sh_none_01JD3Q8M6Y2V4T9X7B5N1C0KFA").send().await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn an_extended_lock_outlives_its_first_deadline_and_ends_at_its_second() {
    let options = Options { seat_lock_ttl: "2s", ..Options::default() };
    let world = under_with(json!({ "lockExtensionSeconds": 3 }), &rows(), &options).await;
    let key = new_key();
    let first = world.book_call("u_1", &key, &["A1"]).send().await.expect(201);
    let id = first["bookingId"].as_str().unwrap();
    let path = format!("/bookings/{id}/extend");
    world.http.api("POST", &path).token(&customer("u_1")).send().await.expect(200);
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    world.book("u_2", &["A1"]).await.refused(409, "SEAT_LOCK_FAILED");
    // The first answer stays what it was.
    let replay = world.book_call("u_1", &key, &["A1"]).send().await;
    assert_eq!(replay.expect(201)["expiresAt"], first["expiresAt"]);
    world.reaches("u_1", id, "EXPIRED").await;
    world.http.api("POST", &path).token(&customer("u_1")).send().await.refused(410, "BOOKING_EXPIRED");
    world.booked("u_2", &["A1"]).await;
}

#[tokio::test]
async fn a_lock_is_not_extended_where_the_theatre_does_not_offer_it() {
    let world = World::new().await;
    let id = world.booked("u_1", &["A1"]).await;
    let call = world.http.api("POST", &format!("/bookings/{id}/extend")).token(&customer("u_1"));
    broken(call.send().await, "LOCK_EXTENSION");
}

#[tokio::test]
async fn who_gives_up_lock_after_lock_is_told_to_wait() {
    let world = World::with(&Options { lapsed_locks_per_user: "3", ..Options::default() }).await;
    for _ in 0..3 {
        let id = world.booked("u_1", &["A1"]).await;
        world.cancel_call("u_1", &id).send().await.expect(200);
    }
    let refused = world.book("u_1", &["A1"]).await;
    let wait: u64 = refused.header("retry-after").expect("Retry-After").parse().unwrap();
    assert!((3_600..=3_900).contains(&wait), "an hour after the lock's deadline: {wait}");
    refused.refused(429, "RATE_LIMITED");
    world.booked("u_2", &["A1"]).await;
}

/// So many requests at once, each for one seat of its own; the answers, by customer.
async fn herd(world: &World, requests: usize, customers: usize) -> BTreeMap<String, Vec<u16>> {
    let start = Arc::new(Barrier::new(requests));
    let asking = (0..requests).map(|number| {
        let user = format!("u_{}", number % customers);
        let body = json!({ "showId": world.show, "seatIds": [format!("S{number}")] });
        let call = world.http.post("/bookings", &body).token(&customer(&user)).key(&new_key());
        let start = Arc::clone(&start);
        tokio::spawn(async move {
            start.wait().await;
            (user, call.send().await)
        })
    });
    let mut answers = BTreeMap::<String, Vec<u16>>::new();
    for asked in asking.collect::<Vec<_>>() {
        let (user, answer) = asked.await.expect("joins");
        answers.entry(user).or_default().push(answer.status);
    }
    answers
}

fn row_of(seats: usize) -> Value {
    let seats: Vec<_> = (0..seats).map(|n| json!({ "seatId": format!("S{n}"), "type": "REGULAR" })).collect();
    json!([{ "rowLabel": "S", "seats": seats }])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_requests_at_once_each_customer_has_as_many_as_the_theatre_lets() {
    let world = under_with(json!({ "seatsPerUser": 4 }), &row_of(200), &Options::default()).await;
    for (user, answers) in herd(&world, 200, 20).await {
        let count = |status| answers.iter().filter(|answer| **answer == status).count();
        assert_eq!((count(201), count(422)), (4, 6), "{user}: {answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_requests_at_once_each_customer_has_two_live_locks() {
    let options = Options { live_locks_per_user: "2", ..Options::default() };
    let world = under_with(json!({}), &row_of(200), &options).await;
    for (user, answers) in herd(&world, 200, 20).await {
        let count = |status| answers.iter().filter(|answer| **answer == status).count();
        assert_eq!((count(201), count(429)), (2, 8), "{user}: {answers:?}");
    }
}
