//! Stripe's webhooks: `t=<unix>,v1=<hex>[,v1=…]`, each `v1` an HMAC-SHA256 of time, dot and raw body.

use std::collections::BTreeMap;

use jiff::Timestamp;
use marquee_domain::ids::{PaymentId, RefundId};
use marquee_domain::payment::Outcome;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use smol_str::SmolStr;

use crate::gateway::reading::{PAYMENT_NOTE, REFUND_NOTE, note, unix};
use crate::gateway::secret::WebhookSecrets;
use crate::gateway::stripe::{Refund, Session};
use crate::gateway::{Verified, WebhookError};

const SIGNATURE_HEADER: &str = "stripe-signature";
/// How far the time in a signature may be off, either way, in seconds. Later it is a replay, earlier a forgery kept for later.
const TOLERANCE: u64 = 300;

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(default)]
    id: SmolStr,
    #[serde(default, rename = "type")]
    kind: SmolStr,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    data: Data,
}

#[derive(Debug, Default, Deserialize)]
struct Data {
    #[serde(default)]
    object: Value,
}

pub(super) fn verify(
    secrets: &WebhookSecrets,
    now: Timestamp,
    headers: &BTreeMap<String, String>,
    body: &[u8],
) -> Result<Verified, WebhookError> {
    let signature = headers.get(SIGNATURE_HEADER).ok_or(WebhookError::BadSignature)?;
    if !is_signed(secrets, now, signature, body) {
        return Err(WebhookError::BadSignature);
    }
    let event: Event =
        serde_json::from_slice(body).map_err(|error| WebhookError::Malformed(error.to_string()))?;
    // A card that was declined is not the end of a session: the customer may try another.
    let verified = match event.kind.as_str() {
        "checkout.session.completed"
        | "checkout.session.async_payment_succeeded"
        | "checkout.session.expired" => {
            let session: Session = object(event.data.object)?;
            let outcome = session.outcome();
            outcome
                .map(|outcome| ended(&session, event.id, outcome, event.created, now))
                .transpose()?
                .flatten()
        }
        "checkout.session.async_payment_failed" => {
            let session: Session = object(event.data.object)?;
            ended(&session, event.id, Outcome::Failed, event.created, now)?
        }
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            told(&object(event.data.object)?)
        }
        _ => None,
    };
    Ok(verified.unwrap_or(Verified::Other { status: event.kind }))
}

/// Whether any of the header's signatures is sound, and its time near.
fn is_signed(secrets: &WebhookSecrets, now: Timestamp, header: &str, body: &[u8]) -> bool {
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let Some((_, time)) = parts().find(|(name, _)| *name == "t") else { return false };
    let Ok(seconds) = time.parse::<i64>() else { return false };
    if now.as_second().abs_diff(seconds) > TOLERANCE {
        return false;
    }
    let message = [time.as_bytes(), b".", body].concat();
    parts().any(|(name, signature)| name == "v1" && secrets.verify(&message, signature))
}

fn object<T: DeserializeOwned>(object: Value) -> Result<T, WebhookError> {
    serde_json::from_value(object).map_err(|error| WebhookError::Malformed(error.to_string()))
}

/// What is told of the end of a session that Marquee made.
fn ended(
    session: &Session,
    name: SmolStr,
    outcome: Outcome,
    created: i64,
    now: Timestamp,
) -> Result<Option<Verified>, WebhookError> {
    let Some(booking) = session.booking() else { return Ok(None) };
    let notice = session
        .notice(name, outcome, unix(created).unwrap_or(now))
        .ok_or_else(|| WebhookError::Malformed("amount".into()))?;
    Ok(Some(Verified::Payment { booking_reference: booking.into(), notice }))
}

/// What is told of a refund that Marquee asked for.
fn told(refund: &Refund) -> Option<Verified> {
    Some(Verified::Refund {
        payment_id: PaymentId::from(note(&refund.metadata, PAYMENT_NOTE)?),
        refund_id: RefundId::from(note(&refund.metadata, REFUND_NOTE)?),
        progress: refund.progress(),
    })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;
    use serde_json::json;

    use super::*;
    use crate::gateway::RefundProgress;
    use crate::gateway::secret::Secret;

    const SECRET: &str = "whsec_test_secret";
    /// The body that Stripe's own Python library is tested with.
    const BODY: &str = "{\n  \"id\": \"evt_test_webhook\",\n  \"object\": \"event\",\n  \"data\": { \"object\": { \"id\": \"rdr_123\", \
        \"object\": \"terminal.reader\" } }\n}";
    const SIGNATURE: &str = "07b1ede164afb7b5de91267ffa656f568c65d6e0783ce0ac55ee094643578eda";

    fn told_at(now: i64, header: &str, body: &str) -> Result<Verified, WebhookError> {
        let headers = BTreeMap::from([(SIGNATURE_HEADER.to_owned(), header.to_owned())]);
        let secrets = WebhookSecrets::new(&[Secret::new("whsec_new"), Secret::new(SECRET)]);
        verify(&secrets, Timestamp::from_second(now).unwrap(), &headers, body.as_bytes())
    }

    fn signed(event: &Value) -> Result<Verified, WebhookError> {
        let body = event.to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let signature = hex::encode(hmac::sign(&key, format!("100.{body}").as_bytes()));
        told_at(100, &format!("t=100,v1={signature}"), &body)
    }

    fn session(kind: &str, status: &str, payment_status: &str, metadata: &Value) -> Value {
        json!({ "id": "evt_1", "type": kind, "created": 99, "data": { "object": {
            "id": "cs_1", "status": status, "payment_status": payment_status, "amount_total": 30_250, "currency": "inr",
            "metadata": metadata, "payment_intent": "pi_1"
        } } })
    }

    #[test]
    fn a_known_body_verifies_by_its_known_signature() {
        let sound = Ok(Verified::Other { status: "".into() });
        let header = format!("t=12345,v1={SIGNATURE}");
        assert_eq!(told_at(12_345, &header, BODY), sound);
        assert_eq!(
            told_at(12_345, &format!("t=12345,v1=00,v1={SIGNATURE},v0=ff"), BODY),
            sound,
            "any of them"
        );
        let mut forged = vec![
            format!("t=12345,v0={SIGNATURE}"),
            format!("t=12346,v1={SIGNATURE}"),
            format!("v1={SIGNATURE}"),
            format!("t=soon,v1={SIGNATURE}"),
            "t=12345".into(),
            "t=12345,v1=".into(),
            String::new(),
        ];
        forged.push(header.replace('a', "b"));
        for header in forged {
            assert_eq!(told_at(12_345, &header, BODY), Err(WebhookError::BadSignature), "{header}");
        }
        assert_eq!(told_at(12_345, &header, &BODY.replace("rdr", "rdR")), Err(WebhookError::BadSignature));
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_either_way() {
        let header = format!("t=12345,v1={SIGNATURE}");
        for near in [12_345 - 300, 12_345 + 300] {
            assert!(told_at(near, &header, BODY).is_ok(), "{near}");
        }
        for far in [12_345 - 301, 12_345 + 301, i64::from(u32::MAX)] {
            assert_eq!(told_at(far, &header, BODY), Err(WebhookError::BadSignature), "{far}");
        }
        let ages_ago = format!("t={},v1={SIGNATURE}", i64::MIN);
        assert_eq!(told_at(12_345, &ages_ago, BODY), Err(WebhookError::BadSignature));
    }

    #[test]
    fn only_what_is_final_for_the_session_is_a_payments_end() {
        let ours = json!({ "bookingId": "bk_sh_1_X" });
        for (kind, status, paid, outcome) in [
            ("checkout.session.completed", "complete", "paid", Outcome::Captured),
            ("checkout.session.async_payment_succeeded", "complete", "paid", Outcome::Captured),
            ("checkout.session.async_payment_failed", "complete", "unpaid", Outcome::Failed),
            ("checkout.session.expired", "expired", "unpaid", Outcome::Failed),
        ] {
            let Ok(Verified::Payment { booking_reference, notice }) =
                signed(&session(kind, status, paid, &ours))
            else {
                panic!("{kind} ends a payment");
            };
            assert_eq!((booking_reference.as_str(), notice.outcome), ("bk_sh_1_X", outcome));
            assert_eq!((notice.amount.minor, notice.amount.currency.as_str()), (30_250, "INR"));
            assert_eq!(
                (notice.payment_intent_id.as_str(), notice.provider_event_id.as_str()),
                ("cs_1", "evt_1")
            );
        }
        for (kind, status, paid) in [
            ("checkout.session.completed", "complete", "unpaid"),
            ("payment_intent.payment_failed", "open", "unpaid"),
            ("charge.failed", "open", "unpaid"),
        ] {
            let told = signed(&session(kind, status, paid, &ours));
            assert_eq!(told, Ok(Verified::Other { status: kind.into() }));
        }
    }

    #[test]
    fn a_session_that_marquee_did_not_make_is_not_its_money() {
        let told = signed(&session("checkout.session.completed", "complete", "paid", &json!({})));
        assert_eq!(told, Ok(Verified::Other { status: "checkout.session.completed".into() }));
    }

    #[test]
    fn a_refund_is_told_by_its_status_whatever_the_event_is_called() {
        let refund = |status: &str| {
            let notes = json!({ "refundId": "rf_pay_1", "paymentId": "pay_1" });
            let object = json!({ "id": "re_1", "status": status, "metadata": notes, "failure_reason": null });
            json!({ "id": "evt_2", "type": "charge.refund.updated", "data": { "object": object } })
        };
        for (status, progress) in [
            ("pending", RefundProgress::Pending),
            ("requires_action", RefundProgress::Pending),
            ("succeeded", RefundProgress::Paid),
            ("canceled", RefundProgress::Failed("the gateway says canceled".into())),
        ] {
            let (payment_id, refund_id) = ("pay_1".into(), "rf_pay_1".into());
            let expected = Verified::Refund { payment_id, refund_id, progress };
            assert_eq!(signed(&refund(status)), Ok(expected));
        }
    }
}
