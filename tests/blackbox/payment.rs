//! Beginning a payment.

use serde_json::json;

use crate::support::audit::of_type;
use crate::support::http::assert_keys;
use crate::support::server::Options;
use crate::support::time::{parse, until};
use crate::support::tokens::customer;
use crate::support::world::{World, new_key};

#[tokio::test]
async fn a_payment_answers_exactly_the_contract() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1", "P1"]).await;
    let answer = world.pay_call("u_1", &booking, &new_key()).send().await;
    assert!(answer.position() > world.position);
    let body = answer.expect(201);
    assert_keys(
        &body,
        &["paymentId", "bookingId", "status", "amount", "currency", "provider", "providerPayload"],
    );
    assert_eq!(body["bookingId"], booking);
    assert_eq!(body["status"], "INITIATED");
    assert_eq!(body["amount"], json!(430.5));
    assert_eq!(body["currency"], "INR");
    assert_eq!(body["provider"], "SANDBOX");
    assert_keys(&body["providerPayload"], &["paymentIntentId", "redirectUrl"]);
    let redirect = body["providerPayload"]["redirectUrl"].as_str().expect("text");
    assert!(redirect.starts_with(world.http.base()), "the sandbox's page is the server's own: {redirect}");
}

#[tokio::test]
async fn the_same_key_answers_the_same_payment_and_another_key_409() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let key = new_key();
    let first = world.pay_call("u_1", &booking, &key).send().await;
    let again = world.pay_call("u_1", &booking, &key).send().await;
    assert!(again.replayed());
    assert_eq!(again.position(), first.position());
    assert_eq!(again.expect(201), first.expect(201));
    world.pay_call("u_1", &booking, &new_key()).send().await.refused(409, "PAYMENT_PENDING");

    let other = json!({ "provider": "SANDBOX", "returnUrl": "https://app.example.com/elsewhere" });
    let call =
        world.http.post(&format!("/bookings/{booking}/payments"), &other).token(&customer("u_1")).key(&key);
    call.send().await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    assert_eq!(world.events_of("payment.initiated", &booking, 1).await.len(), 1);
    assert_eq!(world.events_of("payment.intent-created", &booking, 1).await.len(), 1);
}

#[tokio::test]
async fn a_replay_of_a_payment_survives_its_own_success() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let key = new_key();
    let first = world.pay_call("u_1", &booking, &key).send().await.expect(201);
    world.webhook(&World::notice(&first, "SUCCEEDED")).send().await.expect(200);
    world.reaches("u_1", &booking, "CONFIRMED").await;
    let again = world.pay_call("u_1", &booking, &key).send().await;
    assert!(again.replayed());
    assert_eq!(again.expect(201), first, "a replay answers what the first did");
}

#[tokio::test]
async fn two_payments_at_once_begin_one() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let calls = (0..8).map(|_| tokio::spawn(world.pay_call("u_1", &booking, &new_key()).send()));
    let mut begun = 0;
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.expect("joins");
        match answer.status {
            201 => begun += 1,
            _ => _ = answer.refused(409, "PAYMENT_PENDING"),
        }
    }
    assert_eq!(begun, 1);
    assert_eq!(world.events_of("payment.initiated", &booking, 1).await.len(), 1);
}

#[tokio::test]
async fn an_expired_booking_is_410_and_any_other_that_is_not_pending_422() {
    let world = World::with(&Options { seat_lock_ttl: "3s", ..Options::default() }).await;
    let lapsed = world.book("u_1", &["A1"]).await.expect(201);
    let cancelled = world.booked("u_1", &["A2"]).await;
    world.cancel_call("u_1", &cancelled).send().await.expect(200);
    let confirmed = world.confirmed("u_1", &["A3"]).await;
    world.pay_call("u_1", &cancelled, &new_key()).send().await.refused(422, "NOT_PAYABLE");
    world.pay_call("u_1", &confirmed, &new_key()).send().await.refused(422, "NOT_PAYABLE");

    until(parse(&lapsed["expiresAt"])).await;
    let booking = lapsed["bookingId"].as_str().expect("id");
    world.pay_call("u_1", booking, &new_key()).send().await.refused(410, "BOOKING_EXPIRED");
    let events = world.events().await;
    let begun = of_type(&events, "payment.initiated");
    assert_eq!(begun.len(), 1, "a refusal appends nothing: {begun:?}");
}

#[tokio::test]
async fn a_return_url_goes_to_a_known_origin_or_nowhere() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let path = format!("/bookings/{booking}/payments");
    let own = world.http.base();
    let refused = [
        "http://app.example.com/payment/return".to_owned(),
        "https://evil.example/payment/return".to_owned(),
        "//app.example.com/payment/return".to_owned(),
        "/payment/return".to_owned(),
        "https://app.example.com@evil.example/".to_owned(),
        "https://user:pw@app.example.com/".to_owned(),
        "https://app.example.com.evil.example/".to_owned(),
        "https://evilapp.example.com/".to_owned(),
        "https://app.example.com:444/".to_owned(),
        "https:\\\\app.example.com\\x".to_owned(),
        "https://app.example.com\\@evil.example/".to_owned(),
        "https://evil.example\\.app.example.com/".to_owned(),
        "javascript:alert(1)//https://app.example.com".to_owned(),
        "data:text/html,x".to_owned(),
        "ftp://app.example.com/".to_owned(),
        "https://169.254.169.254/latest".to_owned(),
        "https://app.example.com/\r\nSet-Cookie: a=b".to_owned(),
        "app.example.com".to_owned(),
        String::new(),
        format!("{}@evil.example/", own.trim_end_matches('/')),
    ];
    for url in refused {
        let body = json!({ "provider": "SANDBOX", "returnUrl": url });
        let answer = world.http.post(&path, &body).token(&customer("u_1")).key(&new_key()).send().await;
        assert_eq!(answer.status, 400, "{url}: {}", answer.text);
        answer.refused(400, "VALIDATION_ERROR");
    }
    let body = json!({ "provider": "SANDBOX", "returnUrl": format!("{own}/docs") });
    world.http.post(&path, &body).token(&customer("u_1")).key(&new_key()).send().await.expect(201);
}

#[tokio::test]
async fn a_malformed_payment_is_400() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let path = format!("/bookings/{booking}/payments");
    let back = "https://app.example.com/payment/return";
    let refused = [
        json!({ "provider": "NOSUCH", "returnUrl": back }),
        json!({ "provider": "RAZORPAY", "returnUrl": back }),
        json!({ "returnUrl": back }),
        json!({ "provider": "SANDBOX" }),
        json!({ "provider": "SANDBOX", "returnUrl": back, "amount": 1 }),
        json!({ "provider": 7, "returnUrl": back }),
    ];
    for body in refused {
        let call = world.http.post(&path, &body).token(&customer("u_1")).key(&new_key());
        call.send().await.refused(400, "VALIDATION_ERROR");
    }
    let sound = json!({ "provider": "SANDBOX", "returnUrl": back });
    world.http.post(&path, &sound).token(&customer("u_1")).send().await.refused(400, "VALIDATION_ERROR");
    world.paying("u_1", &booking).await;
}
