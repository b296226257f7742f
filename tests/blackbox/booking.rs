//! Creating a booking: what is accepted, what is refused, and what a repeat means.

use serde_json::{Value, json};

use crate::support::http::assert_keys;
use crate::support::server::Options;
use crate::support::time::{now, parse};
use crate::support::tokens::customer;
use crate::support::world::{World, new_key};

#[tokio::test]
async fn a_booking_answers_exactly_the_contract() {
    let world = World::new().await;
    let before = now();
    let body = json!({
        "userId": "u_1", "showId": world.show, "seatIds": ["A10", "P1"],
        "client": { "platform": "WEB", "appVersion": "1.0.0" }
    });
    let answer = world.http.post("/bookings", &body).token(&customer("u_1")).key(&new_key()).send().await;
    assert!(answer.position() > world.position);
    assert!(answer.header("X-Correlation-Id").is_some());
    assert!(!answer.replayed());
    let body = answer.expect(201);

    assert_keys(&body, &["bookingId", "status", "expiresAt", "show", "seats", "pricing"]);
    assert_eq!(body["status"], "PAYMENT_PENDING");
    assert_eq!(
        body["show"],
        json!({ "showId": world.show, "theatreId": world.theatre, "startTime": world.start })
    );
    assert_eq!(body["seats"], json!(["A10", "P1"]), "as they were asked for");
    let pricing = json!({
        "currency": "INR", "subtotal": 430.5, "discount": 0, "fees": 0, "tax": 0, "total": 430.5, "appliedOffers": []
    });
    assert_eq!(body["pricing"], pricing);
    let lock = parse(&body["expiresAt"]).duration_since(before).as_millis();
    // The server's times are whole milliseconds, the client's are finer.
    assert!((299_999..330_000).contains(&lock), "the lock lasts five minutes: {lock} ms");
    assert!(body["expiresAt"].as_str().expect("text").ends_with("+05:30"), "in the city's offset: {body}");
    assert!(body["bookingId"].as_str().expect("text").starts_with(&format!("bk_{}_", world.show)));
}

#[tokio::test]
async fn the_same_key_and_body_answer_the_same_booking() {
    let world = World::new().await;
    let key = new_key();
    let first = world.book_call("u_1", &key, &["A1", "A2"]).send().await;
    let again = world.book_call("u_1", &key, &["A1", "A2"]).send().await;
    assert!(!first.replayed());
    assert!(again.replayed());
    assert_eq!(again.position(), first.position(), "a replay answers the original's position");
    assert_eq!(first.status, 201);
    assert_eq!(again.status, 201);
    assert_eq!(again.body, first.body);

    let other = world.book_call("u_2", &key, &["B1"]).send().await;
    assert!(!other.replayed(), "a key belongs to its user");
    other.expect(201);
}

#[tokio::test]
async fn a_replay_survives_the_bookings_own_changes() {
    let world = World::new().await;
    let key = new_key();
    let first = world.book_call("u_1", &key, &["A1"]).send().await.expect(201);
    world.cancel_call("u_1", first["bookingId"].as_str().expect("id")).send().await.expect(200);
    let again = world.book_call("u_1", &key, &["A1"]).send().await;
    assert!(again.replayed());
    assert_eq!(again.expect(201), first, "a replay answers what the first did");
}

#[tokio::test]
async fn a_key_with_another_body_is_422() {
    let world = World::new().await;
    let key = new_key();
    world.book_call("u_1", &key, &["A1"]).send().await.expect(201);
    world.book_call("u_1", &key, &["A2"]).send().await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(world.seat_now("A2").await["status"], "AVAILABLE");
}

#[tokio::test]
async fn the_fingerprint_is_of_the_parsed_body() {
    let world = World::new().await;
    let key = new_key();
    let first = world.book_call("u_1", &key, &["A1"]).send().await.expect(201);
    let spaced = format!(r#"{{ "seatIds" : ["A1"],   "showId":"{}" }}"#, world.show);
    let call =
        world.http.api("POST", "/bookings").raw("application/json", spaced).token(&customer("u_1")).key(&key);
    assert_eq!(call.send().await.expect(201), first, "order and white space change nothing");
}

#[tokio::test]
async fn a_malformed_booking_is_400_and_locks_nothing() {
    let world = World::new().await;
    let show = &world.show;
    let eleven: Vec<_> = (1..=10).map(|n| format!("A{n}")).chain(["B1".to_owned()]).collect();
    let refused = [
        ("an unknown seat", json!({ "showId": show, "seatIds": ["A1", "Z9"] })),
        ("a seat twice", json!({ "showId": show, "seatIds": ["A1", "A1"] })),
        ("eleven seats", json!({ "showId": show, "seatIds": eleven })),
        ("no seats", json!({ "showId": show, "seatIds": [] })),
        ("seats missing", json!({ "showId": show })),
        ("show missing", json!({ "seatIds": ["A1"] })),
        ("seats of another kind", json!({ "showId": show, "seatIds": "A1" })),
        ("an unknown field", json!({ "showId": show, "seatIds": ["A1"], "status": "CONFIRMED" })),
        ("a price of one's own", json!({ "showId": show, "seatIds": ["A1"], "pricing": { "total": 1 } })),
        ("no object", json!(["A1"])),
    ];
    for (what, body) in refused {
        let answer = world.http.post("/bookings", &body).token(&customer("u_1")).key(&new_key()).send().await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text);
        answer.refused(400, "VALIDATION_ERROR");
    }
    let sound = json!({ "showId": show, "seatIds": ["A1"] });
    world
        .http
        .post("/bookings", &sound)
        .token(&customer("u_1"))
        .send()
        .await
        .refused(400, "VALIDATION_ERROR");
    for key in ["k".repeat(129), "two words".to_owned(), String::new()] {
        let call = world.http.post("/bookings", &sound).token(&customer("u_1")).key(&key);
        call.send().await.refused(400, "VALIDATION_ERROR");
    }
    assert_eq!(world.seat_now("A1").await["status"], "AVAILABLE");
    let locked = world.events().await.iter().any(|event| event["type"] == "booking.seats-locked.v1");
    assert!(!locked, "a refusal appends nothing");
}

#[tokio::test]
async fn an_unknown_coupon_is_400_and_named() {
    let world = World::new().await;
    let body = json!({ "showId": world.show, "seatIds": ["A1"], "couponCode": "NOSUCH50" });
    let answer = world.http.post("/bookings", &body).token(&customer("u_1")).key(&new_key()).send().await;
    assert!(answer.text.contains("NOSUCH50"), "{}", answer.text);
    answer.refused(400, "VALIDATION_ERROR");
    assert_eq!(world.seat_now("A1").await["status"], "AVAILABLE");
}

#[tokio::test]
async fn nobody_books_for_somebody_else() {
    let world = World::new().await;
    let body = json!({ "userId": "u_2", "showId": world.show, "seatIds": ["A1"] });
    let call = world.http.post("/bookings", &body).token(&customer("u_1")).key(&new_key());
    call.send().await.refused(403, "FORBIDDEN");
    assert_eq!(world.seat_now("A1").await["status"], "AVAILABLE");
}

#[tokio::test]
async fn an_unknown_show_is_404() {
    let world = World::new().await;
    for show in ["sh_none", "sh_none/../x", ""] {
        let body = json!({ "showId": show, "seatIds": ["A1"] });
        let answer = world.http.post("/bookings", &body).token(&customer("u_1")).key(&new_key()).send().await;
        assert!(matches!(answer.status, 400 | 404), "{show}: {}", answer.text);
    }
    let body = json!({ "showId": "sh_none", "seatIds": ["A1"] });
    let call = world.http.post("/bookings", &body).token(&customer("u_1")).key(&new_key());
    call.send().await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_taken_seat_refuses_the_whole_booking_and_names_what_is_taken() {
    let world = World::new().await;
    world.booked("u_1", &["A2"]).await;
    world.confirmed("u_1", &["A4"]).await;
    let details = world.book("u_2", &["A1", "A2", "A3", "A4"]).await.refused(409, "SEAT_LOCK_FAILED");
    assert_eq!(
        details,
        json!({
            "showId": world.show, "unavailableSeatIds": ["A2", "A4"], "proposedSeatIds": ["A5", "A6", "A7", "A8"]
        })
    );
    assert_eq!(world.seat_now("A1").await["status"], "AVAILABLE", "all or nothing");
    world.booked("u_2", &["A1", "A3"]).await;
    let own = world.book("u_1", &["A2"]).await;
    own.refused(409, "SEAT_LOCK_FAILED");
}

#[tokio::test]
async fn a_user_may_hold_two_locks_of_a_show_at_once() {
    let options = Options { live_locks_per_user: "2", ..Options::default() };
    let world = World::with(&options).await;
    let first = world.booked("u_1", &["A1"]).await;
    world.booked("u_1", &["A2"]).await;
    let third = world.book("u_1", &["A3"]).await;
    let wait = third.header("Retry-After").map(str::to_owned);
    third.refused(429, "RATE_LIMITED");
    let wait: u64 = wait.expect("a 429 says when to come back").parse().expect("whole seconds");
    assert!((1..=300).contains(&wait), "within the lock's life: {wait}");

    world.booked("u_2", &["A3"]).await;
    world.cancel_call("u_1", &first).send().await.expect(200);
    world.booked("u_1", &["A1"]).await;
}

#[tokio::test]
async fn what_was_written_is_read_back_by_its_position() {
    let world = World::new().await;
    for round in 0..10 {
        let seat = format!("B{}", round + 1);
        let answer = world.book("u_1", &[&seat]).await;
        let position = answer.position();
        let id = answer.expect(201)["bookingId"].clone();
        assert_eq!(world.seat(position, &seat).await["status"], "LOCKED");
        let list = world
            .http
            .get("/bookings?limit=100")
            .token(&customer("u_1"))
            .after(position)
            .send()
            .await
            .expect(200);
        let ids: Vec<&Value> =
            list["bookings"].as_array().expect("bookings").iter().map(|b| &b["bookingId"]).collect();
        assert!(ids.contains(&&id), "{id} is not in {ids:?}");
    }
    let far = world
        .http
        .get(&format!("/shows/{}/seats", world.show))
        .after(u64::MAX / 4)
        .attempt()
        .await
        .expect("an answer");
    far.refused(503, "UNAVAILABLE");
    let bad = world
        .http
        .get(&format!("/shows/{}/seats", world.show))
        .header("X-Min-Log-Position", "soon")
        .send()
        .await;
    bad.refused(400, "VALIDATION_ERROR");
}
