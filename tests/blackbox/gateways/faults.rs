//! Gateways that are slow, fail, hang up, or say nothing.

use std::time::Duration;

use crate::gateways::provider::{Fault, Provider};
use crate::gateways::{BOTH, confirmed, metric, pay_call, paying, refund_is, world_with};
use crate::support::audit::of_type;
use crate::support::server::Server;
use crate::support::time::{eventually, now, parse, until};
use crate::support::world::{SOON, World, new_key};

/// The calls that begin a payment, by a method and a part of their path.
fn create(provider: Provider) -> &'static str {
    match provider {
        Provider::Razorpay => "POST payment_links",
        Provider::Stripe => "POST checkout/sessions",
    }
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_intent_was_made_leaves_one_intent() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let booking = world.booked("u_1", &["A1"]).await;
        gateway.next(create(provider), &[Fault::Drop]);
        let payment = paying(&world, provider, "u_1", &booking).await;
        assert_eq!(payment["providerPayload"]["paymentIntentId"], gateway.payment(&booking).id);

        // The answer is lost, and the gateway is out when it is asked again.
        let other = world.booked("u_2", &["A2"]).await;
        let key = new_key();
        gateway.next(create(provider), &[Fault::Drop]);
        let asked_again = if provider == Provider::Razorpay { "GET payment_links" } else { create(provider) };
        if provider == Provider::Razorpay {
            gateway.heal();
            gateway.next("GET payment_links", &[Fault::Well]);
            gateway.next(create(provider), &[Fault::Drop]);
        }
        gateway.next(asked_again, &[Fault::Status(500); 3]);
        let lost = pay_call(&world, provider, "u_2", &other, &key).attempt().await.unwrap();
        assert_eq!(lost.status, 503, "{}", lost.text);
        gateway.heal();
        let found = pay_call(&world, provider, "u_2", &other, &key).send().await.expect(201);
        assert_eq!(found["providerPayload"]["paymentIntentId"], gateway.payment(&other).id, "one intent");
        let once_more = pay_call(&world, provider, "u_2", &other, &key).send().await;
        assert!(once_more.replayed());
        assert_eq!(once_more.expect(201), found);
        gateway.pay(&other);
        gateway.webhook(&world.http, &gateway.notice(&other)).send().await.expect(200);
        world.reaches("u_2", &other, "CONFIRMED").await;
    }
}

#[tokio::test]
async fn a_gateway_that_is_slow_is_let_go_and_asked_again() {
    let (world, gateway) = world_with(Provider::Stripe, "5m").await;
    let booking = world.booked("u_1", &["A1"]).await;
    gateway.next(create(Provider::Stripe), &[Fault::Slow(Duration::from_secs(20))]);
    let began = std::time::Instant::now();
    paying(&world, Provider::Stripe, "u_1", &booking).await;
    let took = began.elapsed();
    assert!(took > Duration::from_secs(4) && took < Duration::from_secs(10), "{took:?}");
    assert_eq!(gateway.payments().len(), 1, "the key tells that it is the same");
}

#[tokio::test]
async fn a_refusal_is_told_and_not_repeated() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let booking = world.booked("u_1", &["A1"]).await;
        gateway.next(create(provider), &[Fault::Status(400)]);
        pay_call(&world, provider, "u_1", &booking, &new_key()).send().await.refused(400, "VALIDATION_ERROR");
        let path = create(provider).split_once(' ').unwrap().1;
        let posted =
            gateway.calls().iter().filter(|call| call.starts_with("POST") && call.contains(path)).count();
        assert_eq!(posted, 1);
    }
}

#[tokio::test]
async fn credentials_that_are_not_known_are_nobodys_refusal() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let booking = confirmed(&world, &gateway, "u_1", &["A1"]).await;
        let refund = if provider == Provider::Razorpay { "POST refund" } else { "POST refunds" };
        gateway.next(refund, &[Fault::Status(401)]);
        world.cancel_call("u_1", &booking).send().await.expect(200);
        refund_is(&world, "u_1", &booking, "SUCCEEDED").await;
        assert_eq!(gateway.refunds().len(), 1, "it is tried again, and nobody is told that it failed");
    }
}

#[tokio::test]
async fn a_gateway_that_keeps_failing_is_left_alone_and_taken_up_again() {
    let (world, gateway) = world_with(Provider::Stripe, "5m").await;
    let breaker = "marquee_gateway_breaker{provider=\"STRIPE\"}";
    let mut bookings = vec![];
    for seat in ["A1", "A2", "A3"] {
        bookings.push((world.booked("u_1", &[seat]).await, new_key()));
    }
    gateway.next(create(Provider::Stripe), &[Fault::Status(503); 9]);
    for (booking, key) in &bookings {
        let answer = pay_call(&world, Provider::Stripe, "u_1", booking, key).attempt().await.unwrap();
        assert_eq!(answer.status, 503, "{}", answer.text);
    }
    assert_eq!(gateway.calls().len(), 5, "five failures in a row, and no call after them");
    assert!((metric(&world, breaker).await - 2.0).abs() < 0.1, "open");
    let failed =
        "marquee_gateway_calls_total{provider=\"STRIPE\",operation=\"create_intent\",result=\"failed\"}";
    assert!((metric(&world, failed).await - 5.0).abs() < 0.1);
    world.booked("u_2", &["B1"]).await;

    gateway.heal();
    let (booking, key) = &bookings[0];
    let paying = eventually(Duration::from_secs(15), "it is taken up again", async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let answer = pay_call(&world, Provider::Stripe, "u_1", booking, key).attempt().await.unwrap();
        (answer.status == 201).then_some(answer)
    })
    .await;
    assert_eq!(paying.body["bookingId"], **booking);
    assert!(metric(&world, breaker).await.abs() < 0.1, "closed");
    let latency = world.http.root("GET", "/metrics").send().await.text;
    assert!(
        latency
            .contains("marquee_gateway_call_seconds_bucket{provider=\"STRIPE\",operation=\"create_intent\"")
    );
}

#[tokio::test]
async fn money_of_which_no_webhook_tells_confirms_its_booking_before_the_deadline() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "26s").await;
        let begun = world.book("u_1", &["A1"]).await.expect(201);
        let booking = begun["bookingId"].as_str().expect("an id");
        paying(&world, provider, "u_1", booking).await;
        gateway.pay(booking);
        let body = eventually(Duration::from_secs(26), "it is confirmed", async || {
            let body = world.get_booking("u_1", booking).send().await.expect(200);
            (body["status"] == "CONFIRMED").then_some(body)
        })
        .await;
        assert!(parse(&body["confirmedAt"]) < parse(&begun["expiresAt"]));
        gateway.webhook(&world.http, &gateway.notice(booking)).send().await.expect(200);
        let events = world.events().await;
        let [told] = of_type(&events, "payment.succeeded")[..] else { panic!("told once: {events:?}") };
        assert_eq!(told["actor"], "process:gateway-questions");
        assert!(of_type(&events, "refund.requested").is_empty());
    }
}

#[tokio::test]
async fn a_payment_whose_lock_ran_out_is_closed_at_its_gateway() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5s").await;
        let begun = world.book("u_1", &["A1"]).await.expect(201);
        let booking = begun["bookingId"].as_str().expect("an id");
        paying(&world, provider, "u_1", booking).await;
        until(parse(&begun["expiresAt"])).await;
        eventually(Duration::from_secs(10), "it is closed", async || {
            (gateway.payment(booking).status == "closed").then_some(())
        })
        .await;
        world.reaches("u_1", booking, "EXPIRED").await;
        assert!(gateway.refunds().is_empty());
    }
}

#[tokio::test]
async fn a_payment_of_a_cancelled_booking_is_closed_at_once() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let booking = world.booked("u_1", &["A1"]).await;
        paying(&world, provider, "u_1", &booking).await;
        world.cancel_call("u_1", &booking).send().await.expect(200);
        eventually(SOON, "it is closed", async || {
            (gateway.payment(&booking).status == "closed").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn late_money_of_which_no_webhook_tells_is_found_and_goes_back() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5s").await;
        let begun = world.book("u_1", &["A1"]).await.expect(201);
        let booking = begun["bookingId"].as_str().expect("an id");
        paying(&world, provider, "u_1", booking).await;
        until(parse(&begun["expiresAt"])).await;
        gateway.pay(booking);
        eventually(Duration::from_secs(10), "the refund succeeds", async || {
            let body = world.get_booking("u_1", booking).send().await.expect(200);
            (body["refund"]["status"] == "SUCCEEDED").then_some(())
        })
        .await;
        assert_eq!(gateway.refunds().len(), 1);
        world.reaches("u_1", booking, "EXPIRED").await;
    }
}

#[tokio::test]
async fn late_money_goes_back_once_though_the_server_is_killed_while_it_pays() {
    for provider in BOTH {
        let (mut world, gateway) = world_with(provider, "5s").await;
        let begun = world.book("u_1", &["A1"]).await.expect(201);
        let booking = begun["bookingId"].as_str().expect("an id");
        paying(&world, provider, "u_1", booking).await;
        until(parse(&begun["expiresAt"])).await;
        gateway.pay(booking);
        let refund = if provider == Provider::Razorpay { "POST refund" } else { "POST refunds" };
        gateway.next(refund, &[Fault::Slow(Duration::from_secs(30))]);
        let notice = gateway.notice(booking);
        gateway.webhook(&world.http, &notice).send().await.expect(200);
        eventually(SOON, "the gateway has made the refund", async || {
            (gateway.refunds().len() == 1).then_some(())
        })
        .await;
        let home = world.server.kill().await;
        gateway.forget_keys();
        world.server = Server::with(home, &gateway.options()).await;
        world.http = world.server.http.clone();
        gateway.webhook(&world.http, &notice).send().await.expect(200);
        refund_is(&world, "u_1", booking, "SUCCEEDED").await;
        assert_eq!(gateway.refunds().len(), 1, "found, and not paid again");
        let events = world.events().await;
        assert_eq!(of_type(&events, "refund.requested").len(), 1);
        assert_eq!(of_type(&events, "refund.succeeded").len(), 1);
        assert!(of_type(&events, "booking.confirmed").is_empty());
    }
}

#[tokio::test]
async fn questions_survive_a_restart() {
    let (mut world, gateway) = world_with(Provider::Razorpay, "30s").await;
    let begun = world.book("u_1", &["A1"]).await.expect(201);
    let booking = begun["bookingId"].as_str().expect("an id");
    paying(&world, Provider::Razorpay, "u_1", booking).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let home = world.server.kill().await;
    gateway.pay(booking);
    world.server = Server::with(home, &gateway.options()).await;
    world.http = world.server.http.clone();
    eventually(Duration::from_secs(30), "it is confirmed", async || {
        let body = world.get_booking("u_1", booking).send().await.expect(200);
        (body["status"] == "CONFIRMED").then_some(())
    })
    .await;
    assert!(now() < parse(&begun["expiresAt"]));
    World::reaches(&world, "u_1", booking, "CONFIRMED").await;
}
