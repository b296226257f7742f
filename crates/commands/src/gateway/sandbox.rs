//! The built-in gateway: a pay page that Marquee serves itself, and webhooks that are really signed and really sent.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use futures_util::future::{self, BoxFuture, FutureExt};
use jiff::Timestamp;
use marquee_domain::ids::{BookingId, PaymentIntentId};
use marquee_domain::money::{Currency, Money};
use marquee_domain::payment::{IntentCreated, Notice, Outcome, PaymentInitiated, RefundRequested};
use serde::Deserialize;
use serde_json::value::RawValue;
use smol_str::SmolStr;

use crate::gateway::{
    GatewayError, Intent, PaymentGateway, PaymentStatus, RefundProgress, Verified, WebhookError,
};

/// The header that carries `hex(HMAC-SHA256(secret, raw body))`.
pub const SIGNATURE_HEADER: &str = "x-sandbox-signature";

/// The built-in gateway. On only for demonstrations and tests.
#[derive(Clone)]
pub struct SandboxGateway {
    key: hmac::Key,
    pay_page: SmolStr,
}

/// A notice, as the sandbox sends it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    event_id: SmolStr,
    payment_intent_id: SmolStr,
    status: SmolStr,
    /// Digit for digit: a binary fraction in between could change it.
    amount: Box<RawValue>,
    currency: SmolStr,
    #[serde(default)]
    booking_reference: SmolStr,
    timestamp: Timestamp,
}

impl SandboxGateway {
    /// A gateway that signs with `secret` and whose pay page is `{own_origin}/sandbox/pay/{intent}`.
    pub fn new(secret: &[u8], own_origin: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self { key, pay_page: SmolStr::from(format!("{own_origin}/sandbox/pay")) }
    }

    /// The signature of a body.
    pub fn sign(&self, body: &[u8]) -> String {
        hex::encode(hmac::sign(&self.key, body))
    }

    /// The booking that an intent of this gateway is for. The intent's name carries it, so the gateway keeps no state.
    pub fn intent_booking(&self, intent: &PaymentIntentId) -> Option<BookingId> {
        let booking = BookingId::new(format!("bk_{}", intent.as_str().strip_prefix("pi_")?));
        booking.show().map(|_| booking)
    }

    fn intent(booking: &BookingId) -> PaymentIntentId {
        let id = booking.as_str();
        PaymentIntentId::new(format!("pi_{}", id.strip_prefix("bk_").unwrap_or(id)))
    }
}

impl PaymentGateway for SandboxGateway {
    fn provider(&self) -> &'static str {
        "SANDBOX"
    }

    fn intent_beforehand(&self, payment: &PaymentInitiated) -> Option<Intent> {
        let payment_intent_id = Self::intent(&payment.booking_id);
        let redirect_url = SmolStr::from(format!("{}/{payment_intent_id}", self.pay_page));
        Some(Intent { payment_intent_id, redirect_url })
    }

    fn create_intent<'a>(
        &'a self,
        payment: &'a PaymentInitiated,
    ) -> BoxFuture<'a, Result<Intent, GatewayError>> {
        let intent = self.intent_beforehand(payment);
        future::ready(intent.ok_or_else(|| GatewayError::Unavailable("no intent".into()))).boxed()
    }

    fn can_be_asked(&self) -> bool {
        false
    }

    fn payment_status<'a>(
        &'a self,
        _payment: &'a PaymentInitiated,
        _intent: &'a IntentCreated,
    ) -> BoxFuture<'a, Result<PaymentStatus, GatewayError>> {
        future::ready(Ok(PaymentStatus::Open)).boxed()
    }

    fn close<'a>(&'a self, _intent: &'a IntentCreated) -> BoxFuture<'a, Result<(), GatewayError>> {
        future::ready(Ok(())).boxed()
    }

    fn refund<'a>(
        &'a self,
        _refund: &'a RefundRequested,
    ) -> BoxFuture<'a, Result<RefundProgress, GatewayError>> {
        future::ready(Ok(RefundProgress::Paid)).boxed()
    }

    fn refund_status<'a>(
        &'a self,
        _refund: &'a RefundRequested,
    ) -> BoxFuture<'a, Result<RefundProgress, GatewayError>> {
        future::ready(Ok(RefundProgress::Paid)).boxed()
    }

    fn verify(&self, headers: &BTreeMap<String, String>, body: &[u8]) -> Result<Verified, WebhookError> {
        let signature = headers.get(SIGNATURE_HEADER).ok_or(WebhookError::BadSignature)?;
        let signature = hex::decode(signature).map_err(|_| WebhookError::BadSignature)?;
        hmac::verify(&self.key, body, &signature).map_err(|_| WebhookError::BadSignature)?;

        let webhook: Webhook =
            serde_json::from_slice(body).map_err(|error| WebhookError::Malformed(error.to_string()))?;
        let outcome = match webhook.status.as_str() {
            "SUCCEEDED" => Outcome::Captured,
            "FAILED" => Outcome::Failed,
            _ => return Ok(Verified::Other { status: webhook.status }),
        };
        let malformed = |what: &str| WebhookError::Malformed(what.into());
        let currency = Currency::parse(&webhook.currency).ok_or_else(|| malformed("currency"))?;
        let amount = Money::from_major(webhook.amount.get(), currency).ok_or_else(|| malformed("amount"))?;
        Ok(Verified::Payment {
            booking_reference: webhook.booking_reference,
            notice: Notice {
                provider_event_id: webhook.event_id,
                payment_intent_id: PaymentIntentId::new(webhook.payment_intent_id),
                outcome,
                amount,
                occurred_at: webhook.timestamp,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(signature: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(SIGNATURE_HEADER.to_owned(), signature.to_owned())])
    }

    #[test]
    fn only_the_signed_body_itself_is_a_notice() {
        let gateway = SandboxGateway::new(b"secret", "http://127.0.0.1");
        let body = br#"{"eventId":"evt_1","paymentIntentId":"pi_sh_1_X","status":"SUCCEEDED","amount":302.5,
            "currency":"INR","bookingReference":"bk_sh_1_X","timestamp":"2026-02-01T18:06:30+05:30"}"#;
        let signature = gateway.sign(body);
        let verified = gateway.verify(&headers(&signature), body).unwrap();
        let Verified::Payment { booking_reference, notice } = verified else { panic!("a payment's notice") };
        assert_eq!(booking_reference, "bk_sh_1_X");
        assert_eq!((notice.amount.minor, notice.outcome), (30_250, Outcome::Captured));

        let exact = |amount: &str| {
            let body = String::from_utf8_lossy(body).replace("302.5", amount);
            gateway.verify(&headers(&gateway.sign(body.as_bytes())), body.as_bytes())
        };
        let Ok(Verified::Payment { notice, .. }) = exact("302.50") else { panic!("a payment's notice") };
        assert_eq!(notice.amount.minor, 30_250);
        for bad in ["302.505", "0.30000000000000001", "-1", "\"302.5\"", "null"] {
            assert_eq!(exact(bad), Err(WebhookError::Malformed("amount".into())), "{bad}");
        }

        let tampered = String::from_utf8_lossy(body).replace("302.5", "1");
        assert_eq!(
            gateway.verify(&headers(&signature), tampered.as_bytes()),
            Err(WebhookError::BadSignature)
        );
        assert_eq!(gateway.verify(&headers("zz"), body), Err(WebhookError::BadSignature));
        assert_eq!(gateway.verify(&BTreeMap::new(), body), Err(WebhookError::BadSignature));
    }
}
