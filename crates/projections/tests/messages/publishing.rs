//! What is published, whichever the bus.

use std::sync::Arc;
use std::time::Duration;

use marquee_projections::messages::conformance::Rig;
use marquee_projections::messages::{Envelope, Message};
use serde_json::Value;

use crate::rig::{Queue, Running, everything_that_is_told};
use crate::world::{Past, World, before};

fn read(body: &[u8]) -> Envelope {
    serde_json::from_slice(body).unwrap()
}

#[tokio::test]
async fn a_confirmed_booking_is_told_with_its_seats_amount_and_show_as_they_then_stood() {
    let mut world = everything_that_is_told().await;
    let show = marquee_domain::show::ShowChanged {
        start_time: Some(before() + Duration::from_hours(9)),
        ..Default::default()
    };
    world.on_show("sh_1", show).await;
    let held = Queue::new().filled_from(&world).await;
    let told = held.iter().find(|held| held.subject == "marquee.booking.confirmed").unwrap();
    let Message::BookingConfirmed(told) = read(&told.body).message else { panic!("{told:?}") };
    assert_eq!(told.booking.seat_ids.to_vec(), ["A1", "A2", "A3"]);
    assert_eq!((told.booking.amount.minor, told.booking.amount.currency.as_str()), (45_000, "INR"));
    assert_eq!(told.booking.user_id, "u_1");
    assert_eq!(told.booking.show.start_time, before() + Duration::from_hours(2));
    assert_eq!(told.booking.show.format, "3D");
    assert_eq!(told.ticket_id, "tkt_sh_1_1");
}

#[tokio::test]
async fn a_booking_that_lost_seats_is_told_with_those_that_it_still_has_and_what_goes_back() {
    let held = Queue::new().filled_from(&everything_that_is_told().await).await;
    let told = held.iter().find(|held| held.subject == "marquee.booking.seats-cancelled").unwrap();
    let Message::BookingSeatsCancelled(told) = read(&told.body).message else { panic!("{told:?}") };
    assert_eq!((told.booking.seat_ids.to_vec(), told.booking.amount.minor), (vec!["C5".into()], 18_000));
    assert_eq!(told.cancelled_seat_ids, ["C4"]);
    assert_eq!((told.refund.minor, told.retained.minor), (17_000, 1_000));
}

#[tokio::test]
async fn the_end_of_a_refund_tells_what_was_refunded_and_why() {
    let held = Queue::new().filled_from(&everything_that_is_told().await).await;
    let told = held.iter().find(|held| held.subject == "marquee.refund.succeeded").unwrap();
    let told: Value = serde_json::from_slice(&told.body).unwrap();
    let expected = serde_json::json!({
        "refundId": "rf_1", "paymentId": "pay_sh_1_5", "bookingId": "bk_sh_1_5",
        "amount": { "minor": 36_000, "currency": "INR" }, "cause": "BOOKING_CANCELLED",
    });
    assert_eq!(told["data"], expected);
}

/// What the gateway wrote, where it sends people, and keys of requests are nobody's business.
#[tokio::test]
async fn no_message_carries_what_the_outside_gave() {
    let held = Queue::new().filled_from(&everything_that_is_told().await).await;
    for message in held {
        let text = std::str::from_utf8(&message.body).unwrap();
        for secret in ["somebody's secret", "evt_", "pi_", "idempotency", "fingerprint", "returnUrl"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

/// Stopped after any page and begun again with nothing in memory, the same is told as in one go.
#[tokio::test]
async fn a_message_is_the_same_whenever_it_is_told() {
    let mut world = World::with_catalogue().await;
    for show in ["sh_1", "sh_2"] {
        world.show(show, "mv_1", "2026-02-01T13:00:00Z", 3).await;
    }
    let (bit_by_bit, mut past) = (Queue::new(), Past::new());
    for _ in 0..12 {
        past.drive(&mut world, &["sh_1", "sh_2"], 60).await;
        bit_by_bit.filled_from(&world).await;
    }
    let at_once = Queue::new().filled_from(&world).await;
    assert!(at_once.len() > 200, "{}", at_once.len());
    assert_eq!(bit_by_bit.held().await, at_once);
    let positions: Vec<u64> = at_once.iter().map(|held| read(&held.body).position).collect();
    assert!(positions.is_sorted());
}

#[tokio::test]
async fn a_node_that_is_not_chosen_publishes_nothing_until_it_is() {
    let (world, queue) = (everything_that_is_told().await, Queue::new());
    let running = Running::start_at(&world.store, Arc::new(queue.open()), before(), false);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(queue.held().await, []);
    running.choose(true);
    running.published(world.head).await;
    assert!(!queue.held().await.is_empty());
}

#[tokio::test]
async fn a_bus_that_another_log_filled_is_filled_anew() {
    let (queue, other) = (Queue::new(), everything_that_is_told().await);
    queue.filled_from(&other).await;
    let world = everything_that_is_told().await;
    let expected = Queue::new().filled_from(&world).await;
    assert_eq!(queue.filled_from(&world).await, expected);
}
