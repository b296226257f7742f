//! Webhooks that are not what they seem, or come more often than they should.

use serde_json::json;

use crate::gateways::provider::{Gateway, Provider, WEBHOOK_SECRET};
use crate::gateways::{BOTH, confirmed, paying, world_with};
use crate::support::audit::of_type;
use crate::support::server::{Door, Home, Options, Server};
use crate::support::time::{eventually, now};
use crate::support::world::{SOON, World};

#[tokio::test]
async fn a_webhook_that_is_forged_tampered_with_or_stale_is_400_and_appends_nothing() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let booking = world.booked("u_1", &["A1"]).await;
        paying(&world, provider, "u_1", &booking).await;
        gateway.pay(&booking);
        let body = gateway.notice(&booking).to_string();
        let at = now().as_second();
        let sound = gateway.signed(WEBHOOK_SECRET, at, &body);
        let before = world.events().await.len();
        let tampered = body.replace("18000", "1");
        assert_ne!(body, tampered);
        let mut forged = vec![
            (body.as_str(), gateway.signed("another secret", at, &body)),
            (&body, String::new()),
            (&body, "t=,v1=".into()),
            (&body, sound[..sound.len() - 2].to_owned()),
            (&tampered, sound.clone()),
            ("{}", sound.clone()),
        ];
        if provider == Provider::Stripe {
            forged.push((&body, gateway.signed(WEBHOOK_SECRET, at - 400, &body)));
            forged.push((&body, gateway.signed(WEBHOOK_SECRET, at + 400, &body)));
            forged.push((&body, sound.replace(&format!("t={at}"), &format!("t={}", at + 1))));
        }
        for (body, header) in &forged {
            gateway.webhook_with(&world.http, body, header).send().await.refused(400, "INVALID_SIGNATURE");
        }
        assert_eq!(world.events().await.len(), before, "zero events");
        gateway.webhook_with(&world.http, &body, &sound).send().await.expect(200);
        world.reaches("u_1", &booking, "CONFIRMED").await;
    }
}

#[tokio::test]
async fn a_webhook_three_times_at_once_and_replayed_under_another_name_is_one_event() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let booking = world.booked("u_1", &["A1"]).await;
        paying(&world, provider, "u_1", &booking).await;
        gateway.pay(&booking);
        let notice = gateway.notice(&booking);
        let sent: Vec<_> =
            (0..3).map(|_| tokio::spawn(gateway.webhook(&world.http, &notice).send())).collect();
        for answer in sent {
            answer.await.expect("joins").expect(200);
        }
        let before = world.events().await.len();
        for name in ["evt_1", "evt_2"] {
            let replay = gateway.webhook(&world.http, &notice).header("X-Razorpay-Event-Id", name);
            replay.send().await.expect(200);
        }
        let again = gateway.notice(&booking);
        gateway.webhook(&world.http, &again).send().await.expect(200);
        assert_eq!(world.events().await.len(), before, "a repeat is not new money");
        assert_eq!(world.events_of("payment.succeeded", &booking, 1).await.len(), 1);
        world.reaches("u_1", &booking, "CONFIRMED").await;
    }
}

#[tokio::test]
async fn a_webhook_at_two_nodes_at_once_is_one_event() {
    for provider in BOTH {
        let gateway = Gateway::start(provider).await;
        let world = World::with(&Options { door: Door::Writable, ..gateway.options() }).await;
        let other = Options { event_store: Some(world.server.kurrentdb()), ..gateway.options() };
        let other = Server::with(Home::new(), &other).await;
        for seat in ["A1", "A2", "A3"] {
            let booking = world.booked("u_1", &[seat]).await;
            paying(&world, provider, "u_1", &booking).await;
            gateway.pay(&booking);
            let notice = gateway.notice(&booking);
            let nodes = [&world.http, &other.http, &world.http, &other.http];
            let sent = nodes.map(|node| tokio::spawn(gateway.webhook(node, &notice).send()));
            for answer in sent {
                answer.await.expect("joins").expect(200);
            }
            world.reaches("u_1", &booking, "CONFIRMED").await;
            assert_eq!(world.events_of("payment.succeeded", &booking, 1).await.len(), 1);
            assert_eq!(world.events_of("booking.confirmed", &booking, 1).await.len(), 1);
        }
        assert!(of_type(&world.events().await, "refund.requested").is_empty());
    }
}

#[tokio::test]
async fn a_webhook_that_comes_out_of_order_undoes_nothing() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let booking = confirmed(&world, &gateway, "u_1", &["A1"]).await;
        let before = world.events().await.len();
        let mut late = gateway.notice(&booking);
        match provider {
            Provider::Razorpay => {
                late["event"] = json!("payment_link.expired");
                late["payload"]["payment_link"]["entity"]["status"] = json!("expired");
            }
            Provider::Stripe => {
                late["type"] = json!("checkout.session.expired");
                late["data"]["object"]["status"] = json!("expired");
                late["data"]["object"]["payment_status"] = json!("unpaid");
            }
        }
        gateway.webhook(&world.http, &late).send().await.expect(200);
        assert_eq!(world.events().await.len(), before);
        world.reaches("u_1", &booking, "CONFIRMED").await;
    }
}

#[tokio::test]
async fn the_wrong_amount_goes_back_once_whatever_the_notice_is_called() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let booking = world.booked("u_1", &["A1"]).await;
        paying(&world, provider, "u_1", &booking).await;
        gateway.pay_amount(&booking, Some(150));
        for name in ["evt_1", "evt_2"] {
            let call = gateway.webhook(&world.http, &gateway.notice(&booking));
            call.header("X-Razorpay-Event-Id", name).send().await.expect(200);
        }
        world.events_of("refund.succeeded", &booking, 1).await;
        assert_eq!(world.events_of("payment.mismatched", &booking, 1).await.len(), 1);
        assert_eq!(gateway.refunds().iter().map(|refund| refund.amount).collect::<Vec<_>>(), [150]);
        let body = world.get_booking("u_1", &booking).send().await.expect(200);
        assert_eq!(body["status"], "PAYMENT_PENDING");
    }
}

#[tokio::test]
async fn money_of_the_account_that_marquee_never_asked_for_is_left_alone() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let booking = world.booked("u_1", &["A1"]).await;
        paying(&world, provider, "u_1", &booking).await;
        gateway.pay(&booking);
        let mut foreign = gateway.notice(&booking);
        match provider {
            Provider::Razorpay => foreign["payload"]["payment_link"]["entity"]["notes"] = json!([]),
            Provider::Stripe => foreign["data"]["object"]["metadata"] = json!({}),
        }
        let before = world.events().await.len();
        gateway.webhook(&world.http, &foreign).send().await.expect(200);
        assert_eq!(world.events().await.len(), before);
        assert!(gateway.refunds().is_empty());
    }
}

#[tokio::test]
async fn money_for_a_booking_that_nobody_knows_is_written_down_and_goes_back() {
    for provider in BOTH {
        let (world, gateway) = world_with(provider, "5m").await;
        let booking = world.booked("u_1", &["A1"]).await;
        paying(&world, provider, "u_1", &booking).await;
        gateway.pay(&booking);
        let mut unknown = gateway.notice(&booking);
        match provider {
            Provider::Razorpay => {
                unknown["payload"]["payment_link"]["entity"]["notes"] =
                    json!({ "bookingId": "bk_sh_none_01J" });
            }
            Provider::Stripe => {
                unknown["data"]["object"]["metadata"] = json!({ "bookingId": "bk_sh_none_01J" });
            }
        }
        for _ in 0..2 {
            gateway.webhook(&world.http, &unknown).send().await.expect(200);
        }
        eventually(SOON, "it is paid back", async || {
            let events = world.events().await;
            (of_type(&events, "refund.succeeded").len() == 1).then_some(())
        })
        .await;
        assert_eq!(of_type(&world.events().await, "payment.unmatched").len(), 1);
        assert_eq!(gateway.refunds().len(), 1);
    }
}
