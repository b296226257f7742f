//! The seats that the house keeps for itself.

use std::time::Duration;

use serde_json::{Value, json};

use super::{house, house_seats};
use crate::support::server::Options;
use crate::support::time::{now, until};
use crate::support::tokens::customer;
use crate::support::world::{World, new_key};

#[tokio::test]
async fn the_house_keeps_seats_that_nobody_can_book_until_it_gives_them_back() {
    let world = World::new().await;
    let body = json!({ "seatIds": ["A5", "A6"], "reason": "press" });
    let blocked = house(&world, "block", &body).await;
    let position = blocked.position();
    let blocked = blocked.expect(200);
    assert_eq!(blocked, json!({ "showId": world.show, "seatIds": ["A5", "A6"], "status": "BLOCKED" }));
    assert_eq!(
        world.seat(position, "A5").await,
        json!({ "seatId": "A5", "type": "REGULAR", "price": 180, "status": "BLOCKED" })
    );
    let refused = world.book("u_1", &["A4", "A5"]).await.refused(409, "SEAT_LOCK_FAILED");
    assert_eq!(refused["unavailableSeatIds"], json!(["A5"]));
    assert_eq!(free(&world).await, 40);

    house_seats(&world, "release", &["A5"]).await.expect(200);
    assert_eq!(world.seat_now("A5").await["status"], "AVAILABLE");
    assert_eq!(world.seat_now("A6").await["status"], "BLOCKED");
    world.booked("u_1", &["A4", "A5"]).await;
    let events = world.events().await;
    let told: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"] == "show.seats-blocked.v1")
        .map(|event| &event["data"])
        .collect();
    assert_eq!(told, [&body]);
}

/// The free seats of the show, as it is browsed.
async fn free(world: &World) -> u64 {
    let path = format!("/cities/blr/movies/mv_901/shows?date={}", world.date);
    let shows = world.http.get(&path).after(world.log_end().await).send().await.expect(200);
    shows["theatres"][0]["shows"][0]["availability"]["availableSeats"].as_u64().expect("a number")
}

#[tokio::test]
async fn the_best_seats_are_never_those_of_the_house() {
    let world = World::new().await;
    house_seats(&world, "block", &["P1"]).await.expect(200);
    let wish = |quantity| json!({ "showId": world.show, "quantity": quantity, "preferences": { "types": ["PREMIUM"] } });
    let ask = async |quantity| {
        world.http.post("/bookings", &wish(quantity)).token(&customer("u_1")).key(&new_key()).send().await
    };
    ask(2).await.refused(409, "NO_SEATS_FIT");
    assert_eq!(ask(1).await.expect(201)["seats"], json!(["P2"]));
}

#[tokio::test]
async fn the_house_takes_no_seat_from_anybody_and_all_or_none() {
    let world = World::new().await;
    world.booked("u_1", &["A1"]).await;
    world.confirmed("u_2", &["A2"]).await;
    let before = world.events().await.len();
    let refused = house_seats(&world, "block", &["A3", "A1", "A2"]).await.refused(409, "SEAT_LOCK_FAILED");
    assert_eq!(refused["unavailableSeatIds"], json!(["A1", "A2"]));
    for (what, seats) in [("block", json!(["A3", "Z9"])), ("release", json!(["Z9"])), ("block", json!([]))] {
        house(&world, what, &json!({ "seatIds": seats })).await.refused(400, "VALIDATION_ERROR");
    }
    house(&world, "block", &json!({ "seatIds": ["A3"], "reason": "" }))
        .await
        .refused(400, "VALIDATION_ERROR");
    house(&world, "block", &json!({ "seatIds": ["A3"], "status": "X" }))
        .await
        .refused(400, "VALIDATION_ERROR");
    house_seats(&world, "release", &["A1", "A2", "A3"]).await.expect(200);
    assert_eq!(world.events().await.len(), before, "what is refused or changes nothing appends nothing");
    assert_eq!(world.seat_now("A3").await["status"], "AVAILABLE");
}

#[tokio::test]
async fn what_is_blocked_stays_blocked_and_a_repeated_request_has_one_effect() {
    let world = World::new().await;
    let (key, path) = (new_key(), format!("/shows/{}/seats/block", world.show));
    let call = |seats: Value| {
        world.http.post(&path, &json!({ "seatIds": seats })).token(&world.partner()).key(&key).send()
    };
    let first = call(json!(["A1"])).await;
    house_seats(&world, "block", &["A1", "A2"]).await.expect(200);
    house_seats(&world, "release", &["A1"]).await.expect(200);
    let again = call(json!(["A1"])).await;
    assert!(again.replayed());
    assert_eq!(again.expect(200), first.expect(200));
    call(json!(["A3"])).await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(
        world.seat_now("A1").await["status"],
        "AVAILABLE",
        "the repeated request blocked nothing anew"
    );
    assert_eq!(world.seat_now("A2").await["status"], "BLOCKED");
}

#[tokio::test]
async fn the_house_takes_a_seat_whose_lock_ran_out_and_the_lock_is_written_down_first() {
    let world = World::with(&Options { seat_lock_ttl: "1s", ..Options::default() }).await;
    let booking = world.booked("u_1", &["A1"]).await;
    until(now() + Duration::from_millis(1_100)).await;
    house_seats(&world, "block", &["A1"]).await.expect(200);
    let events = world.events().await;
    let place = |name: &str| events.iter().position(|event| event["type"] == name).expect(name);
    assert!(place("booking.expired.v1") < place("show.seats-blocked.v1"));
    assert_eq!(events[place("booking.expired.v1")]["data"]["bookingId"], booking);
}
