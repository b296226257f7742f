//! Money that goes back: late, wrong, homeless, or of a booking that was called off.

use serde_json::{Value, json};

use crate::support::audit::of_type;
use crate::support::server::Options;
use crate::support::time::{eventually, parse, until};
use crate::support::world::{SOON, World};

async fn refunded(world: &World, user: &str, booking: &str) -> Value {
    eventually(SOON, "the refund succeeds", async || {
        let body = world.get_booking(user, booking).send().await.expect(200);
        (body["refund"]["status"] == "SUCCEEDED").then_some(body)
    })
    .await
}

#[tokio::test]
async fn cancelling_a_paid_booking_pays_it_back() {
    let world = World::new().await;
    let booking = world.confirmed("u_1", &["A1", "A2"]).await;
    let body = world.cancel_call("u_1", &booking).send().await.expect(200);
    let expected = json!({ "bookingId": booking, "status": "CANCELLED", "refund": { "status": "INITIATED", "amount": 360 } });
    assert_eq!(body, expected);
    world.seat_becomes("A1", "AVAILABLE").await;
    let read = refunded(&world, "u_1", &booking).await;
    assert_eq!(read["status"], "CANCELLED");
    assert_eq!(read["refund"], json!({ "status": "SUCCEEDED", "amount": 360 }));
    let again = world.cancel_call("u_1", &booking).send().await.expect(200);
    assert_eq!(again["status"], "CANCELLED");
    assert_eq!(again["refund"]["amount"], 360);
    assert_eq!(world.events_of("refund.requested", &booking, 1).await.len(), 1);
    assert_eq!(world.events_of("refund.succeeded", &booking, 1).await.len(), 1);
    world.booked("u_2", &["A1"]).await;
}

#[tokio::test]
async fn the_wrong_amount_or_currency_goes_back_and_the_booking_stays_payable() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let payment = world.paying("u_1", &booking).await;
    let mut short = World::notice(&payment, "SUCCEEDED");
    short["amount"] = json!(1.5);
    world.webhook(&short).send().await.expect(200);
    world.webhook(&short).send().await.expect(200);
    let mut foreign = World::notice(&payment, "SUCCEEDED");
    foreign["currency"] = json!("USD");
    world.webhook(&foreign).send().await.expect(200);

    world.events_of("refund.succeeded", &booking, 2).await;
    let mismatched = world.events_of("payment.mismatched", &booking, 2).await;
    assert_eq!(mismatched.len(), 2, "one for each, repeats apart");
    let intent = &payment["providerPayload"]["paymentIntentId"];
    assert!(mismatched.iter().all(|event| event["data"]["paymentIntentId"] == *intent));
    let requested = world.events_of("refund.requested", &booking, 2).await;
    let amounts: Vec<_> = requested.iter().map(|event| event["data"]["amount"].clone()).collect();
    assert_eq!(
        amounts,
        [json!({ "minor": 150, "currency": "INR" }), json!({ "minor": 18_000, "currency": "USD" })]
    );
    let body = world.get_booking("u_1", &booking).send().await.expect(200);
    assert_eq!(body["status"], "PAYMENT_PENDING");
    assert_eq!(world.seat_now("A1").await["status"], "LOCKED");

    world.webhook(&World::notice(&payment, "SUCCEEDED")).send().await.expect(200);
    world.reaches("u_1", &booking, "CONFIRMED").await;
}

#[tokio::test]
async fn money_after_the_deadline_goes_back_and_never_confirms() {
    let world = World::with(&Options { seat_lock_ttl: "1500ms", ..Options::default() }).await;
    let begun = world.book("u_1", &["A1"]).await.expect(201);
    let booking = begun["bookingId"].as_str().expect("id");
    let payment = world.paying("u_1", booking).await;
    until(parse(&begun["expiresAt"])).await;
    let next = world.booked("u_2", &["A1"]).await;
    world.webhook(&World::notice(&payment, "SUCCEEDED")).send().await.expect(200);

    let read = refunded(&world, "u_1", booking).await;
    assert_eq!(read["status"], "EXPIRED");
    assert_eq!(read["refund"]["amount"], 180);
    let events = world.events().await;
    assert!(
        of_type(&events, "booking.confirmed").is_empty(),
        "a confirm at or after the deadline is refused"
    );
    assert_eq!(of_type(&events, "payment.succeeded").len(), 1, "the fact is kept");
    assert_ne!(next, booking);
}

#[tokio::test]
async fn money_for_a_cancelled_booking_goes_back() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let payment = world.paying("u_1", &booking).await;
    world.cancel_call("u_1", &booking).send().await.expect(200);
    world.webhook(&World::notice(&payment, "SUCCEEDED")).send().await.expect(200);
    let read = refunded(&world, "u_1", &booking).await;
    assert_eq!(read["status"], "CANCELLED");
    let events = world.events().await;
    assert!(of_type(&events, "booking.confirmed").is_empty());
}

#[tokio::test]
async fn money_after_a_failure_goes_back() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let payment = world.paying("u_1", &booking).await;
    world.webhook(&World::notice(&payment, "FAILED")).send().await.expect(200);
    world.reaches("u_1", &booking, "FAILED").await;
    world.webhook(&World::notice(&payment, "SUCCEEDED")).send().await.expect(200);
    let read = refunded(&world, "u_1", &booking).await;
    assert_eq!(read["status"], "FAILED", "nothing leaves a final state");
}

#[tokio::test]
async fn money_that_fits_no_booking_is_written_down_and_goes_back() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let payment = world.paying("u_1", &booking).await;
    let mut unknown = World::notice(&payment, "SUCCEEDED");
    unknown["paymentIntentId"] = json!("pi_nobody_knows");
    unknown["bookingReference"] = json!("bk_sh_none_01J");
    let mut foreign = World::notice(&payment, "SUCCEEDED");
    foreign["paymentIntentId"] = json!("pi_of_another");
    for notice in [&unknown, &foreign, &unknown] {
        world.webhook(notice).send().await.expect(200);
    }
    let (unmatched, refunds) = eventually(SOON, "both are paid back", async || {
        let events = world.events().await;
        let kept = |name| of_type(&events, name).into_iter().cloned().collect::<Vec<_>>();
        (of_type(&events, "refund.succeeded").len() >= 2)
            .then(|| (kept("payment.unmatched"), kept("refund.requested")))
    })
    .await;
    assert_eq!(unmatched.len(), 2, "one for each, repeats apart");
    assert_eq!(refunds.len(), 2);
    for event in &unmatched {
        assert!(event["stream"].as_str().expect("text").starts_with("payment-unmatched-"), "{event}");
        assert_eq!(event["data"]["amount"], json!({ "minor": 18_000, "currency": "INR" }));
    }
    let body = world.get_booking("u_1", &booking).send().await.expect(200);
    assert_eq!(body["status"], "PAYMENT_PENDING");
}
