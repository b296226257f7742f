//! Seats that nobody has named: the best that are free, found inside the decision.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::support::http::Answer;
use crate::support::time::{in_days, rfc3339};
use crate::support::tokens::customer;
use crate::support::world::{World, new_key};

/// Rows of so many regular seats, `R1-1` and on, an aisle after the tenth where there are more.
fn rows(count: usize, seats: usize) -> Value {
    let seat = |r: usize, n: usize| match n {
        11 => json!({ "seatId": format!("R{r}-{n}"), "type": "REGULAR", "gapBefore": 1 }),
        _ => json!({ "seatId": format!("R{r}-{n}"), "type": "REGULAR" }),
    };
    let row = |r| {
        let seats: Vec<_> = (1..=seats).map(|n| seat(r, n)).collect();
        json!({ "rowLabel": format!("R{r}"), "seats": seats })
    };
    json!((1..=count).map(row).collect::<Vec<_>>())
}

async fn show_in(world: &World, rows: &Value) -> String {
    let screen = world.new_screen("Another", rows).await;
    let made = world.new_show(&screen, &rfc3339(&in_days(3, 18, 30))).await.expect(201);
    made["showId"].as_str().unwrap().to_owned()
}

fn seats(booking: &Value) -> Vec<String> {
    booking["seats"].as_array().unwrap().iter().map(|seat| seat.as_str().unwrap().to_owned()).collect()
}

async fn ask(world: &World, body: &Value) -> Answer {
    world.http.post("/bookings", body).token(&customer("u_1")).key(&new_key()).send().await
}

#[tokio::test]
async fn the_best_free_seats_are_given_as_they_are_wanted() {
    let world = World::new().await;
    let given = async |quantity: usize, preferences: Value| {
        let body = json!({ "showId": world.show, "quantity": quantity, "preferences": preferences });
        seats(&ask(&world, &body).await.expect(201))
    };
    assert_eq!(given(2, json!({ "types": ["PREMIUM"] })).await, ["P1", "P2"]);
    assert_eq!(given(2, json!({ "near": "front" })).await, ["A5", "A6"]);
    assert_eq!(given(4, json!({ "near": "front", "adjacent": false })).await.len(), 4);
    let nobody = json!({ "showId": world.show, "quantity": 1, "preferences": { "types": ["PREMIUM"] } });
    ask(&world, &nobody).await.refused(409, "NO_SEATS_FIT");
    // Nothing is asked for but a number: the middle row, and the price is that of the seats.
    let body = json!({ "showId": world.show, "quantity": 3 });
    let booked = ask(&world, &body).await.expect(201);
    assert!(seats(&booked).iter().all(|seat| seat.starts_with('C')), "{booked}");
    assert_eq!(booked["pricing"]["total"], 540);
}

#[tokio::test]
async fn seats_across_an_aisle_are_not_beside_each_other() {
    let world = World::new().await;
    let show = show_in(&world, &rows(1, 12)).await;
    let eleven = json!({ "showId": show, "quantity": 10 });
    assert_eq!(seats(&ask(&world, &eleven).await.expect(201)).len(), 10, "the ten before the aisle");
    let three = json!({ "showId": show, "quantity": 3 });
    ask(&world, &three).await.refused(409, "NO_SEATS_FIT");
    let two = json!({ "showId": show, "quantity": 2 });
    assert_eq!(seats(&ask(&world, &two).await.expect(201)), ["R1-11", "R1-12"]);
}

#[tokio::test]
async fn the_same_key_is_given_the_same_seats() {
    let world = World::new().await;
    let body = json!({ "showId": world.show, "quantity": 2 });
    let call = || world.http.post("/bookings", &body).token(&customer("u_1"));
    let key = new_key();
    let first = call().key(&key).send().await;
    let again = call().key(&key).send().await;
    assert!(again.replayed());
    assert_eq!(again.expect(201), first.expect(201));
    let other = json!({ "showId": world.show, "quantity": 3 });
    let reused = world.http.post("/bookings", &other).token(&customer("u_1")).key(&key).send().await;
    reused.refused(422, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn seats_are_named_or_counted_and_not_both() {
    let world = World::new().await;
    let show = &world.show;
    for (what, body) in [
        ("both", json!({ "showId": show, "seatIds": ["A1"], "quantity": 1 })),
        ("neither", json!({ "showId": show })),
        ("named with preferences", json!({ "showId": show, "seatIds": ["A1"], "preferences": {} })),
        ("none", json!({ "showId": show, "quantity": 0 })),
        ("eleven", json!({ "showId": show, "quantity": 11 })),
        (
            "of an unknown type",
            json!({ "showId": show, "quantity": 1, "preferences": { "types": ["SOFA"] } }),
        ),
        ("an unknown place", json!({ "showId": show, "quantity": 1, "preferences": { "near": "exit" } })),
        ("an unknown wish", json!({ "showId": show, "quantity": 1, "preferences": { "cheap": true } })),
    ] {
        let answer = ask(&world, &body).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text);
    }
}

/// A herd must not refuse itself: each is given what is free when it is decided.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_and_sixty_pairs_a_hall_of_three_hundred_seats_refuses_ten() {
    const PAIRS: usize = 160;
    let world = World::new().await;
    let show = show_in(&world, &rows(15, 20)).await;
    let start = Arc::new(Barrier::new(PAIRS));
    let body =
        json!({ "showId": show, "quantity": 2, "preferences": { "adjacent": true, "near": "middle" } });
    let asking = (0..PAIRS).map(|n| {
        let call = world.http.post("/bookings", &body).token(&customer(&format!("u_{n}"))).key(&new_key());
        let start = Arc::clone(&start);
        tokio::spawn(async move {
            start.wait().await;
            call.send().await
        })
    });
    let (mut taken, mut refused) = (BTreeSet::new(), 0);
    for answer in asking.collect::<Vec<_>>() {
        let answer = answer.await.expect("joins");
        if answer.status != 201 {
            answer.refused(409, "NO_SEATS_FIT");
            refused += 1;
            continue;
        }
        let pair = seats(&answer.expect(201));
        let places: Vec<(&str, usize)> = pair
            .iter()
            .map(|seat| seat.split_once('-').unwrap())
            .map(|(row, number)| (row, number.parse().unwrap()))
            .collect();
        let [(row, first), (same, second)] = places[..] else { panic!("{pair:?} is no pair") };
        assert!(row == same && second == first + 1 && first != 10, "{pair:?} are not beside each other");
        taken.extend(pair);
    }
    assert_eq!((taken.len(), refused), (300, PAIRS - 150), "every seat, once");
}
