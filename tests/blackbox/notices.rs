//! What the gateway says of a payment, and what becomes of the booking.

use serde_json::{Value, json};

use crate::support::audit::of_type;
use crate::support::http::assert_keys;
use crate::support::server::SANDBOX_SECRET;
use crate::support::time::parse;
use crate::support::world::{World, new_key, signature};

#[tokio::test]
async fn captured_money_confirms_the_booking_and_issues_a_ticket() {
    let world = World::new().await;
    let begun = world.book("u_1", &["A1", "A2"]).await.expect(201);
    let booking = begun["bookingId"].as_str().expect("id");
    let payment = world.paying("u_1", booking).await;
    world.webhook(&World::notice(&payment, "SUCCEEDED")).send().await.expect(200);

    let body = world.get_booking("u_1", booking).send().await.expect(200);
    for field in ["bookingId", "status", "confirmedAt", "ticket"] {
        assert!(body.get(field).is_some(), "{field}: {body}");
    }
    assert_eq!(body["status"], "CONFIRMED", "the answer to the gateway comes after the confirm");
    assert!(body["confirmedAt"].as_str().expect("text").ends_with("+05:30"), "{body}");
    assert!(parse(&body["confirmedAt"]) < parse(&begun["expiresAt"]));
    assert_keys(&body["ticket"], &["ticketId", "qrCodeData", "seatIds"]);
    assert_eq!(body["ticket"]["seatIds"], json!(["A1", "A2"]));
    assert!(body["ticket"]["qrCodeData"].as_str().is_some_and(|code| !code.is_empty()));
    world.seat_becomes("A1", "SOLD").await;
    world.seat_becomes("A2", "SOLD").await;
    world.book("u_2", &["A1"]).await.refused(409, "SEAT_LOCK_FAILED");
}

#[tokio::test]
async fn a_forged_or_spoilt_notice_is_400_and_appends_nothing() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let payment = world.paying("u_1", &booking).await;
    let notice = World::notice(&payment, "SUCCEEDED").to_string();
    let before = world.events().await.len();
    let sound = signature(SANDBOX_SECRET, notice.as_bytes());
    let tampered = notice.replace("SUCCEEDED", "SUCCEEDED ");
    let send = async |body: &str, sign: Option<&str>| {
        let call = world.http.api("POST", "/payments/webhooks/sandbox").raw("application/json", body);
        let call = if let Some(sign) = sign { call.header("X-Sandbox-Signature", sign) } else { call };
        call.send().await
    };
    let other_secret = signature("another secret", notice.as_bytes());
    let forged = [
        (notice.as_str(), None),
        (&notice, Some("")),
        (&notice, Some("00")),
        (&notice, Some("not hexadecimal")),
        (&notice, Some(&sound[..62])),
        (&notice, Some(other_secret.as_str())),
        (&tampered, Some(&sound)),
        ("{}", Some(&sound)),
        ("not JSON", Some(&sound)),
    ];
    for (body, sign) in forged {
        send(body, sign).await.refused(400, "INVALID_SIGNATURE");
    }
    let broken = "{\"eventId\":";
    send(broken, Some(&signature(SANDBOX_SECRET, broken.as_bytes()))).await.refused(400, "VALIDATION_ERROR");
    assert_eq!(world.events().await.len(), before, "zero events");
    assert_eq!(world.get_booking("u_1", &booking).send().await.expect(200)["status"], "PAYMENT_PENDING");

    send(&notice, Some(&sound)).await.expect(200);
    world.reaches("u_1", &booking, "CONFIRMED").await;
}

#[tokio::test]
async fn an_unknown_gateway_is_404() {
    let world = World::new().await;
    let call = world.http.post("/payments/webhooks/nosuch", &json!({}));
    call.header("X-Sandbox-Signature", &signature(SANDBOX_SECRET, b"{}"))
        .send()
        .await
        .refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_notice_sent_three_times_at_once_is_one_event() {
    let world = World::new().await;
    for n in 1..=5 {
        let booking = world.booked("u_1", &[&format!("A{n}")]).await;
        let payment = world.paying("u_1", &booking).await;
        let notice = World::notice(&payment, "SUCCEEDED");
        let sent: Vec<_> = (0..3).map(|_| tokio::spawn(world.webhook(&notice).send())).collect();
        for answer in sent {
            answer.await.expect("joins").expect(200);
        }
        world.webhook(&notice).send().await.expect(200);
        let mut renamed = notice.clone();
        renamed["eventId"] = json!("evt_renamed");
        world.webhook(&renamed).send().await.expect(200);
        world.reaches("u_1", &booking, "CONFIRMED").await;
        assert_eq!(world.events_of("payment.succeeded", &booking, 1).await.len(), 1);
        assert_eq!(world.events_of("booking.confirmed", &booking, 1).await.len(), 1);
    }
    let events = world.events().await;
    assert!(of_type(&events, "refund.requested").is_empty(), "a repeat is not new money");
}

#[tokio::test]
async fn a_failed_payment_fails_the_booking_and_frees_its_seats() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let payment = world.paying("u_1", &booking).await;
    world.webhook(&World::notice(&payment, "FAILED")).send().await.expect(200);
    world.reaches("u_1", &booking, "FAILED").await;
    world.seat_becomes("A1", "AVAILABLE").await;
    world.pay_call("u_1", &booking, &new_key()).send().await.refused(422, "NOT_PAYABLE");
    world.cancel_call("u_1", &booking).send().await.refused(422, "NOT_CANCELLABLE");
    assert_eq!(world.events_of("payment.failed", &booking, 1).await.len(), 1);
    assert_eq!(world.events_of("booking.failed", &booking, 1).await.len(), 1);
    world.booked("u_2", &["A1"]).await;
}

#[tokio::test]
async fn a_failure_told_after_the_capture_changes_nothing() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let payment = world.paying("u_1", &booking).await;
    world.webhook(&World::notice(&payment, "SUCCEEDED")).send().await.expect(200);
    world.reaches("u_1", &booking, "CONFIRMED").await;
    world.webhook(&World::notice(&payment, "FAILED")).send().await.expect(200);
    world.reaches("u_1", &booking, "CONFIRMED").await;
    let events = world.events().await;
    assert!(of_type(&events, "payment.failed").is_empty());
}

#[tokio::test]
async fn a_status_that_nobody_knows_is_answered_and_changes_nothing() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let payment = world.paying("u_1", &booking).await;
    let before = world.events().await.len();
    world.webhook(&World::notice(&payment, "PONDERING")).send().await.expect(200);
    assert_eq!(world.events().await.len(), before);
    let body: Value = world.get_booking("u_1", &booking).send().await.expect(200);
    assert_eq!(body["status"], "PAYMENT_PENDING");
}
