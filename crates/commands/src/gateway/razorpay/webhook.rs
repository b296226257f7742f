//! Razorpay's webhooks. The signature covers the body and nothing else: neither a time nor Razorpay's name for the notice,
//! so a replay is told by what it says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use marquee_domain::ids::{PaymentId, RefundId};
use serde::Deserialize;
use smol_str::SmolStr;

use crate::gateway::razorpay::{Link, Refund};
use crate::gateway::reading::{PAYMENT_NOTE, REFUND_NOTE, note};
use crate::gateway::secret::WebhookSecrets;
use crate::gateway::{PaymentStatus, Verified, WebhookError};

/// The header that carries `hex(HMAC-SHA256(secret, raw body))`.
const SIGNATURE_HEADER: &str = "x-razorpay-signature";

#[derive(Debug, Deserialize)]
struct Webhook {
    event: SmolStr,
    #[serde(default)]
    payload: Payload,
}

#[derive(Debug, Default, Deserialize)]
struct Payload {
    payment_link: Option<Entity<Link>>,
    refund: Option<Entity<Refund>>,
}

#[derive(Debug, Deserialize)]
struct Entity<T> {
    entity: T,
}

pub(super) fn verify(
    secrets: &WebhookSecrets,
    now: Timestamp,
    headers: &BTreeMap<String, String>,
    body: &[u8],
) -> Result<Verified, WebhookError> {
    let signature = headers.get(SIGNATURE_HEADER).ok_or(WebhookError::BadSignature)?;
    if !secrets.verify(body, signature) {
        return Err(WebhookError::BadSignature);
    }
    let malformed = |error: String| WebhookError::Malformed(error);
    let Webhook { event, payload } =
        serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    // A single attempt that failed is not the end of a link: the customer may try again.
    let verified = match (event.split_once('.'), payload) {
        (Some(("payment_link", _)), Payload { payment_link: Some(link), .. }) => {
            let link = link.entity;
            let status = link.status(now).ok_or_else(|| malformed("currency".into()))?;
            match (link.booking(), status) {
                (Some(booking), PaymentStatus::Captured(notice) | PaymentStatus::Failed(notice)) => {
                    Some(Verified::Payment { booking_reference: booking.into(), notice })
                }
                (Some(_), PaymentStatus::Open) | (None, _) => None,
            }
        }
        (Some(("refund", _)), Payload { refund: Some(refund), .. }) => told(&refund.entity),
        _ => None,
    };
    Ok(verified.unwrap_or(Verified::Other { status: event }))
}

/// What is told of a refund that Marquee asked for.
fn told(refund: &Refund) -> Option<Verified> {
    Some(Verified::Refund {
        payment_id: PaymentId::from(note(&refund.notes, PAYMENT_NOTE)?),
        refund_id: RefundId::from(note(&refund.notes, REFUND_NOTE)?),
        progress: refund.progress(),
    })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;
    use marquee_domain::payment::Outcome;
    use serde_json::{Value, json};

    use super::*;
    use crate::gateway::RefundProgress;
    use crate::gateway::secret::Secret;

    fn told_by(secret: &str, signature: &str, body: &[u8]) -> Result<Verified, WebhookError> {
        let headers = BTreeMap::from([(SIGNATURE_HEADER.to_owned(), signature.to_owned())]);
        verify(&WebhookSecrets::new(&[Secret::new(secret)]), Timestamp::UNIX_EPOCH, &headers, body)
    }

    fn signed(body: &Value) -> Result<Verified, WebhookError> {
        let body = body.to_string();
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"secret"), body.as_bytes());
        told_by("secret", &hex::encode(signature), body.as_bytes())
    }

    fn link(event: &str, status: &str, paid: i64, notes: &Value) -> Value {
        json!({ "entity": "event", "event": event, "contains": ["payment_link"], "created_at": 1, "payload": { "payment_link": { "entity": {
            "id": "plink_1", "amount": 30_250, "amount_paid": paid, "currency": "INR", "status": status,
            "reference_id": "bk_sh_1_X", "notes": notes, "updated_at": 1_700_000_000, "payments": null
        } } } })
    }

    /// The body and the signature that Razorpay's own Python library is tested with.
    #[test]
    fn razorpays_own_vector_verifies() {
        let body = include_bytes!("authorized.json");
        let signature = "d60e67fd884556c045e9be7dad57903e33efc7172c17c6e3ef77db42d2b366e9";
        assert_eq!(
            told_by("key_secret", signature, body),
            Ok(Verified::Other { status: "payment.authorized".into() })
        );
        assert_eq!(told_by("key_secreT", signature, body), Err(WebhookError::BadSignature));
        let changed = String::from_utf8_lossy(body).replace("1000000", "1000001");
        assert_eq!(told_by("key_secret", signature, changed.as_bytes()), Err(WebhookError::BadSignature));
        assert_eq!(told_by("key_secret", &signature[..62], body), Err(WebhookError::BadSignature));
    }

    #[test]
    fn only_what_is_final_for_the_link_is_a_payments_end() {
        let notes = json!({ "bookingId": "bk_sh_1_X" });
        for (event, status, paid, outcome) in [
            ("payment_link.paid", "paid", 30_250, Outcome::Captured),
            ("payment_link.expired", "expired", 0, Outcome::Failed),
            ("payment_link.cancelled", "cancelled", 0, Outcome::Failed),
            ("payment_link.cancelled", "cancelled", 30_250, Outcome::Captured),
        ] {
            let Ok(Verified::Payment { booking_reference, notice }) =
                signed(&link(event, status, paid, &notes))
            else {
                panic!("{event} ends a payment");
            };
            assert_eq!((booking_reference.as_str(), notice.outcome), ("bk_sh_1_X", outcome));
            assert_eq!((notice.amount.minor, notice.payment_intent_id.as_str()), (30_250, "plink_1"));
        }
        for (event, status) in [
            ("payment_link.partially_paid", "partially_paid"),
            ("payment.failed", "created"),
            ("order.paid", "paid"),
        ] {
            assert_eq!(
                signed(&link(event, status, 30_250, &notes)),
                Ok(Verified::Other { status: event.into() })
            );
        }
    }

    #[test]
    fn a_link_that_marquee_did_not_make_is_not_its_money() {
        for notes in [json!([]), json!(null), json!({ "order": "7" })] {
            let told = signed(&link("payment_link.paid", "paid", 30_250, &notes));
            assert_eq!(told, Ok(Verified::Other { status: "payment_link.paid".into() }));
        }
    }

    #[test]
    fn a_refund_is_told_by_its_status_whatever_the_event_is_called() {
        let refund = |status: &str, notes: &Value| json!({ "event": "refund.created", "payload": { "refund": { "entity": { "id": "rfnd_1", "status": status, "notes": notes } } } });
        let notes = json!({ "refundId": "rf_pay_1", "paymentId": "pay_1" });
        for (status, progress) in [
            ("pending", RefundProgress::Pending),
            ("processed", RefundProgress::Paid),
            ("failed", RefundProgress::Failed("the gateway says failed".into())),
        ] {
            let (payment_id, refund_id) = ("pay_1".into(), "rf_pay_1".into());
            let expected = Verified::Refund { payment_id, refund_id, progress };
            assert_eq!(signed(&refund(status, &notes)), Ok(expected));
        }
        let by_hand = signed(&refund("processed", &json!([])));
        assert_eq!(by_hand, Ok(Verified::Other { status: "refund.created".into() }));
    }
}
