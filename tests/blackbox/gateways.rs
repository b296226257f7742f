//! Real gateways: paid through each of them, whatever the network and their webhooks do.

mod faults;
mod forgeries;
mod provider;
mod refunds;

use serde_json::{Value, json};

use crate::gateways::provider::{Gateway, Provider};
use crate::support::http::Call;
use crate::support::server::{Home, Options, Server, marquee};
use crate::support::time::{eventually, parse};
use crate::support::tokens::customer;
use crate::support::world::{SOON, World, new_key};

pub const BOTH: [Provider; 2] = [Provider::Razorpay, Provider::Stripe];

/// A gateway, and a server that takes money through it.
pub async fn world_with(provider: Provider, seat_lock_ttl: &'static str) -> (World, Gateway) {
    let gateway = Gateway::start(provider).await;
    let world = World::with(&Options { seat_lock_ttl, ..gateway.options() }).await;
    (world, gateway)
}

pub fn pay_call(world: &World, provider: Provider, user: &str, booking: &str, key: &str) -> Call {
    let body = json!({ "provider": provider.name(), "returnUrl": "https://app.example.com/payment/return" });
    world.http.post(&format!("/bookings/{booking}/payments"), &body).token(&customer(user)).key(key)
}

/// A payment that must begin; its body.
pub async fn paying(world: &World, provider: Provider, user: &str, booking: &str) -> Value {
    pay_call(world, provider, user, booking, &new_key()).send().await.expect(201)
}

/// A booking that was paid for and confirmed; its id.
pub async fn confirmed(world: &World, gateway: &Gateway, user: &str, seats: &[&str]) -> String {
    let booking = world.booked(user, seats).await;
    paying(world, gateway.provider, user, &booking).await;
    gateway.pay(&booking);
    gateway.webhook(&world.http, &gateway.notice(&booking)).send().await.expect(200);
    world.reaches(user, &booking, "CONFIRMED").await;
    booking
}

pub async fn refund_is(world: &World, user: &str, booking: &str, status: &str) -> Value {
    eventually(SOON * 2, &format!("the refund is {status}"), async || {
        let body = world.get_booking(user, booking).send().await.expect(200);
        (body["refund"]["status"] == status).then_some(body)
    })
    .await
}

/// The value of a metric's line, 0 where there is none.
pub async fn metric(world: &World, line: &str) -> f64 {
    let text = world.http.root("GET", "/metrics").send().await.text;
    let found = text.lines().find_map(|told| told.strip_prefix(line)?.trim().parse().ok());
    found.unwrap_or_default()
}

#[tokio::test]
async fn a_payment_through_each_gateway_confirms_its_booking() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let begun = world.book("u_1", &["A1", "P1"]).await.expect(201);
        let booking = begun["bookingId"].as_str().expect("an id");
        let payment = paying(&world, provider, "u_1", booking).await;
        let made = gateway.payment(booking);
        assert_eq!((made.amount, made.currency.to_uppercase()), (43_050, "INR".into()), "minor units");
        assert_eq!(payment["amount"], 430.5);
        assert_eq!(payment["provider"], provider.name());
        assert_eq!(payment["providerPayload"]["paymentIntentId"], made.id);
        let redirect = payment["providerPayload"]["redirectUrl"].as_str().expect("text");
        assert!(redirect.starts_with("https://") && redirect.contains(&made.id), "{redirect}");

        gateway.pay(booking);
        gateway.webhook(&world.http, &gateway.notice(booking)).send().await.expect(200);
        let body = world.get_booking("u_1", booking).send().await.expect(200);
        assert_eq!(body["status"], "CONFIRMED", "the answer to the gateway comes after the confirm");
        assert!(parse(&body["confirmedAt"]) < parse(&begun["expiresAt"]));

        let asked = if provider == Provider::Razorpay { 2 } else { 1 };
        assert_eq!(gateway.calls().len(), asked, "nobody asks after a payment long before its lock ends");

        world.cancel_call("u_1", booking).send().await.expect(200);
        let read = refund_is(&world, "u_1", booking, "SUCCEEDED").await;
        assert_eq!(read["refund"]["amount"], 430.5);
        let refunds = gateway.refunds();
        assert_eq!(refunds.iter().map(|refund| refund.amount).collect::<Vec<_>>(), [43_050]);
    }
}

#[tokio::test]
async fn a_payment_that_ended_unpaid_fails_its_booking_and_an_attempt_that_failed_does_not() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let booking = world.booked("u_1", &["A1"]).await;
        paying(&world, provider, "u_1", &booking).await;
        let attempt = gateway.notice(&booking);
        gateway.webhook(&world.http, &attempt).send().await.expect(200);
        let body = world.get_booking("u_1", &booking).send().await.expect(200);
        assert_eq!(body["status"], "PAYMENT_PENDING", "a card was declined; another may be tried");
        gateway.close(&booking);
        gateway.webhook(&world.http, &gateway.notice(&booking)).send().await.expect(200);
        world.reaches("u_1", &booking, "FAILED").await;
        world.seat_becomes("A1", "AVAILABLE").await;
    }
}

#[tokio::test]
async fn the_sandbox_does_not_start_beside_a_real_gateway() {
    let gateway = Gateway::start(Provider::Stripe).await;
    let home = Home::new();
    let mut command = marquee(&home.data_dir(), &["serve", "--listen", "127.0.0.1:0"]);
    command.envs(gateway.variables());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("the sandbox gateway does not run beside a real one"), "{told}");
}

#[tokio::test]
async fn while_a_webhook_secret_changes_both_are_good_and_afterwards_the_new_one_alone() {
    for provider in BOTH {
        let gateway = Gateway::start(provider).await;
        let with = |secrets| Options { gateways: gateway.variables_with(secrets), ..Options::default() };
        let mut world = World::with(&with("new-secret, old-secret")).await;
        let mut told = vec![];
        for (seat, secret) in [("A1", "old-secret"), ("A2", "new-secret")] {
            let booking = world.booked("u_1", &[seat]).await;
            paying(&world, provider, "u_1", &booking).await;
            gateway.pay(&booking);
            let body = gateway.notice(&booking).to_string();
            let header = gateway.signed(secret, crate::support::time::now().as_second(), &body);
            gateway.webhook_with(&world.http, &body, &header).send().await.expect(200);
            world.reaches("u_1", &booking, "CONFIRMED").await;
            told.push((body, header));
        }
        let (_, home) = world.server.stop().await;
        world.server = Server::with(home, &with("new-secret")).await;
        world.http = world.server.http.clone();
        let (body, header) = &told[0];
        gateway.webhook_with(&world.http, body, header).send().await.refused(400, "INVALID_SIGNATURE");
        let (body, header) = &told[1];
        gateway.webhook_with(&world.http, body, header).send().await.expect(200);
    }
}
