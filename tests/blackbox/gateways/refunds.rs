//! Refunds are followed until their gateway confirms them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::gateways::provider::{Gateway, Provider};
use crate::gateways::{BOTH, confirmed, metric, refund_is, world_with};
use crate::support::server::{Options, Server};
use crate::support::time::eventually;
use crate::support::tokens::customer;
use crate::support::world::{SOON, World, new_key};

#[tokio::test]
async fn a_refund_that_is_pending_is_followed_until_it_is_paid() {
    for provider in BOTH {
        let (mut world, gateway) = world_with(provider, "5m").await;
        let booking = confirmed(&world, &gateway, "u_1", &["A1"]).await;
        gateway.refunds_are("pending");
        world.cancel_call("u_1", &booking).send().await.expect(200);
        eventually(SOON, "the gateway has it", async || (gateway.refunds().len() == 1).then_some(())).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        refund_is(&world, "u_1", &booking, "INITIATED").await;
        let home = world.server.kill().await;
        world.server = Server::with(home, &gateway.options()).await;
        world.http = world.server.http.clone();
        gateway.refunds_become("paid");
        refund_is(&world, "u_1", &booking, "SUCCEEDED").await;
        assert_eq!(gateway.refunds().len(), 1);
    }
}

#[tokio::test]
async fn a_webhook_tells_that_a_refund_is_paid() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let booking = confirmed(&world, &gateway, "u_1", &["A1"]).await;
        gateway.refunds_are("pending");
        world.cancel_call("u_1", &booking).send().await.expect(200);
        eventually(SOON, "the gateway has it", async || (gateway.refunds().len() == 1).then_some(())).await;
        gateway.webhook(&world.http, &gateway.refund_notice()).send().await.expect(200);
        refund_is(&world, "u_1", &booking, "INITIATED").await;
        gateway.refunds_become("paid");
        let notice = gateway.refund_notice();
        for _ in 0..2 {
            gateway.webhook(&world.http, &notice).send().await.expect(200);
        }
        refund_is(&world, "u_1", &booking, "SUCCEEDED").await;
        assert_eq!(world.events_of("refund.succeeded", &booking, 1).await.len(), 1);
    }
}

#[tokio::test]
async fn a_refund_that_fails_is_written_down_and_somebody_is_told() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let booking = confirmed(&world, &gateway, "u_1", &["A1"]).await;
        gateway.refunds_are("failed");
        world.cancel_call("u_1", &booking).send().await.expect(200);
        refund_is(&world, "u_1", &booking, "FAILED").await;
        assert!((metric(&world, "marquee_refunds_failed_total").await - 1.0).abs() < 0.1);
        let alerts = world.server.home.logged().matches("alert: a gateway refuses a refund").count();
        assert_eq!(alerts, 1);
        assert_eq!(gateway.refunds().len(), 1, "nobody tries again");
    }
}

#[tokio::test]
async fn a_refund_that_stays_pending_too_long_is_an_alert_once() {
    let gateway = Gateway::start(Provider::Razorpay).await;
    let mut options = gateway.options();
    options.gateways.push(("MARQUEE_REFUND_PATIENCE", "3s".into()));
    let world = World::with(&Options { seat_lock_ttl: "5m", ..options }).await;
    let booking = confirmed(&world, &gateway, "u_1", &["A1"]).await;
    gateway.refunds_are("pending");
    world.cancel_call("u_1", &booking).send().await.expect(200);
    eventually(SOON * 2, "somebody is told", async || {
        (metric(&world, "marquee_refunds_overdue_total").await > 0.5).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!((metric(&world, "marquee_refunds_overdue_total").await - 1.0).abs() < 0.1, "once");
    let alert = "alert: a refund is not confirmed by its gateway for too long";
    assert_eq!(world.server.home.logged().matches(alert).count(), 1);
    gateway.refunds_become("paid");
    refund_is(&world, "u_1", &booking, "SUCCEEDED").await;
}

#[tokio::test]
async fn seats_that_are_given_back_one_after_another_are_refunds_of_their_own() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let booking = confirmed(&world, &gateway, "u_1", &["A1", "A2", "P1"]).await;
        let path = format!("/bookings/{booking}/cancel");
        let give_back = async |body: &Value| {
            let call = world.http.post(&path, body).token(&customer("u_1")).key(&new_key());
            call.send().await.expect(200)
        };
        give_back(&json!({ "seatIds": ["A1"] })).await;
        eventually(SOON, "the first is paid", async || (gateway.refunds().len() == 1).then_some(())).await;
        give_back(&json!({ "seatIds": ["P1"] })).await;
        give_back(&json!({})).await;
        eventually(SOON, "all are paid", async || (gateway.refunds().len() == 3).then_some(())).await;
        let mut amounts: Vec<i64> = gateway.refunds().iter().map(|refund| refund.amount).collect();
        amounts.sort_unstable();
        assert_eq!(amounts, [18_000, 18_000, 25_050]);
        let told = refund_is(&world, "u_1", &booking, "SUCCEEDED").await;
        assert_eq!((&told["status"], &told["refund"]["amount"]), (&json!("CANCELLED"), &json!(610.5)));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(gateway.refunds().len(), 3, "each once");
    }
}
