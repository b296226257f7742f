//! Many clients, one seat.

use std::sync::Arc;

use tokio::sync::Barrier;

use crate::support::audit::of_type;
use crate::support::world::{World, new_key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_five_hundred_clients_on_one_seat_exactly_one_gets_it() {
    let world = World::new().await;
    let start = Arc::new(Barrier::new(500));
    let clients: Vec<_> = (0..500)
        .map(|n| {
            let call = world.book_call(&format!("u_{n}"), &new_key(), &["A1"]);
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                call.send().await
            })
        })
        .collect();
    let (mut won, mut lost) = (vec![], 0);
    for client in clients {
        let answer = client.await.expect("joins");
        if answer.status == 201 {
            won.push(answer.body["bookingId"].clone());
        } else {
            let details = answer.refused(409, "SEAT_LOCK_FAILED");
            assert_eq!(details["unavailableSeatIds"], serde_json::json!(["A1"]));
            lost += 1;
        }
    }
    assert_eq!((won.len(), lost), (1, 499));
    let events = world.events().await;
    let locked = of_type(&events, "booking.seats-locked");
    assert_eq!(locked.len(), 1, "a refused one appends nothing");
    assert_eq!(locked[0]["data"]["bookingId"], won[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_storm_on_one_key_makes_one_booking() {
    let world = World::new().await;
    let key = new_key();
    let start = Arc::new(Barrier::new(100));
    let clients: Vec<_> = (0..100)
        .map(|_| {
            let call = world.book_call("u_1", &key, &["A1", "A2"]);
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                call.send().await
            })
        })
        .collect();
    let (mut answers, mut first_hand) = (vec![], 0);
    for client in clients {
        let answer = client.await.expect("joins");
        if answer.status == 201 {
            first_hand += usize::from(!answer.replayed());
            answers.push(answer.body);
        } else {
            answer.refused(409, "REQUEST_IN_PROGRESS");
        }
    }
    assert!(!answers.is_empty());
    assert!(answers.iter().all(|body| *body == answers[0]), "one outcome");
    assert_eq!(first_hand, 1, "all but one are told that they repeat");
    let events = world.events().await;
    assert_eq!(of_type(&events, "booking.seats-locked").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_groups_never_share_a_seat() {
    let world = World::new().await;
    let clients: Vec<_> = (0..200)
        .map(|n| {
            let first = n % 9 + 1;
            let seats = [format!("B{first}"), format!("B{}", first + 1)];
            let seats: Vec<_> = seats.iter().map(String::as_str).collect();
            tokio::spawn(world.book_call(&format!("u_{n}"), &new_key(), &seats).send())
        })
        .collect();
    let mut taken: Vec<String> = vec![];
    for client in clients {
        let answer = client.await.expect("joins");
        if answer.status == 201 {
            let seats = answer.body["seats"].as_array().expect("seats");
            taken.extend(seats.iter().map(|seat| seat.as_str().expect("text").to_owned()));
        } else {
            answer.refused(409, "SEAT_LOCK_FAILED");
        }
    }
    let held = taken.len();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), held, "no seat twice");
    assert!(held >= 6, "groups of two in a row of ten leave at most every third seat: {taken:?}");
}
