//! Razorpay: payment links. The customer pays on the link's own page.
//!
//! A link's reference is unique at Razorpay, so a booking has one link whoever asks how often. Refunds carry a key and are
//! looked for before they are made.

mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use futures_util::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use marquee_domain::ids::{BookingId, PaymentIntentId};
use marquee_domain::payment::{IntentCreated, Notice, Outcome, PaymentInitiated, RefundRequested};
use marquee_event_store::clock::Clock;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use smol_str::SmolStr;

use crate::gateway::http::{Line, LineError, Repeat};
use crate::gateway::reading::{BOOKING_NOTE, PAYMENT_NOTE, REFUND_NOTE, money, note, read, unix};
use crate::gateway::secret::{Secret, WebhookSecrets};
use crate::gateway::{
    GatewayError, Intent, PaymentGateway, PaymentStatus, RefundProgress, Verified, WebhookError,
};

const PROVIDER: &str = "RAZORPAY";
/// Where Razorpay is.
pub const URL: &str = "https://api.razorpay.com";
/// Characters that a link's reference may have.
const LONGEST_REFERENCE: usize = 40;

/// What Razorpay is called with.
#[derive(Debug, Clone)]
pub struct RazorpayConfig {
    /// The key's name.
    pub key_id: String,
    /// The key.
    pub key_secret: Secret,
    /// What its webhooks are signed with; several while one is changed for another.
    pub webhook_secrets: Vec<Secret>,
    /// Where it is.
    pub url: String,
}

/// Razorpay.
pub struct RazorpayGateway {
    line: Line,
    key_id: String,
    key_secret: Secret,
    secrets: WebhookSecrets,
    clock: Arc<dyn Clock>,
}

/// A payment link. What there is none of may be missing, null or an empty list.
#[derive(Debug, Deserialize)]
struct Link {
    id: SmolStr,
    status: SmolStr,
    short_url: Option<SmolStr>,
    reference_id: Option<SmolStr>,
    amount: i64,
    amount_paid: Option<i64>,
    currency: SmolStr,
    #[serde(default)]
    notes: Value,
    updated_at: Option<i64>,
    /// Told where one link is asked for by its id.
    #[serde(default)]
    payments: Value,
}

#[derive(Debug, Deserialize)]
struct Links {
    payment_links: Vec<Link>,
}

/// A refund.
#[derive(Debug, Deserialize)]
struct Refund {
    status: SmolStr,
    #[serde(default)]
    notes: Value,
}

#[derive(Debug, Deserialize)]
struct Refunds {
    items: Vec<Refund>,
}

impl Link {
    fn booking(&self) -> Option<&str> {
        note(&self.notes, BOOKING_NOTE)
    }

    /// How its payment stands. What names the notice is all in the link itself: Razorpay's own name for a notice is not
    /// signed, and a query has none.
    fn status(&self, now: Timestamp) -> Option<PaymentStatus> {
        let paid = self.amount_paid.filter(|minor| *minor > 0);
        let (outcome, minor) = match (self.status.as_str(), paid) {
            ("paid", paid) => (Outcome::Captured, paid.unwrap_or(self.amount)),
            // Money may have come just before the link was closed.
            ("expired" | "cancelled", Some(paid)) => (Outcome::Captured, paid),
            ("expired" | "cancelled", None) => (Outcome::Failed, self.amount),
            _ => return Some(PaymentStatus::Open),
        };
        let notice = Notice {
            provider_event_id: SmolStr::from(format!("{}:{}", self.id, self.status)),
            payment_intent_id: PaymentIntentId::new(self.id.clone()),
            outcome,
            amount: money(minor, &self.currency)?,
            occurred_at: self.updated_at.and_then(unix).unwrap_or(now),
        };
        Some(match outcome {
            Outcome::Captured => PaymentStatus::Captured(notice),
            Outcome::Failed => PaymentStatus::Failed(notice),
        })
    }
}

impl Refund {
    fn progress(&self) -> RefundProgress {
        match self.status.as_str() {
            "processed" => RefundProgress::Paid,
            "failed" => RefundProgress::Failed("the gateway says failed".into()),
            _ => RefundProgress::Pending,
        }
    }
}

impl RazorpayGateway {
    /// Razorpay as it is configured.
    pub fn new(config: RazorpayConfig, clock: Arc<dyn Clock>) -> Result<Self, LineError> {
        let RazorpayConfig { key_id, key_secret, webhook_secrets, url } = config;
        let secrets = WebhookSecrets::new(&webhook_secrets);
        Ok(Self { line: Line::open(PROVIDER, &url)?, key_id, key_secret, secrets, clock })
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.line.request(method, path).basic_auth(&self.key_id, Some(self.key_secret.reveal()))
    }

    async fn look_up(&self, booking: &BookingId) -> Result<Option<Intent>, GatewayError> {
        let reference = reference(booking);
        let query = [("reference_id", reference.as_str())];
        let request = || self.request(Method::GET, &["v1", "payment_links"]).query(&query);
        let links: Links = read(self.line.call("look_up_intent", Repeat::Safe, request).await?)?;
        let mut links = links.payment_links.into_iter();
        let found = links.find(|link| {
            link.reference_id.as_deref() == Some(&*reference) && link.booking() == Some(booking.as_str())
        });
        found.map(intent).transpose()
    }

    async fn link(&self, id: &PaymentIntentId) -> Result<Link, GatewayError> {
        let request = || self.request(Method::GET, &["v1", "payment_links", id.as_str()]);
        read(self.line.call("payment_status", Repeat::Safe, request).await?)
    }

    async fn create(&self, payment: &PaymentInitiated) -> Result<Intent, GatewayError> {
        if let Some(known) = self.look_up(&payment.booking_id).await? {
            return Ok(known);
        }
        let mut notes = serde_json::Map::new();
        notes.insert(BOOKING_NOTE.into(), json!(payment.booking_id));
        let body = json!({
            "amount": payment.amount.minor,
            "currency": payment.amount.currency.as_str(),
            "accept_partial": false,
            "reference_id": reference(&payment.booking_id),
            "description": format!("Booking {}", payment.booking_id),
            "notes": notes,
            "callback_url": payment.return_url,
            "callback_method": "get",
            "reminder_enable": false,
        });
        let request = || self.request(Method::POST, &["v1", "payment_links"]).json(&body);
        match self.line.call("create_intent", Repeat::Never, request).await {
            Ok(answer) => intent(read(answer)?),
            // It may be there all the same: made by this call, or by another that came first.
            Err(error) => self.look_up(&payment.booking_id).await?.ok_or(error),
        }
    }

    /// The payment that a link was paid by.
    async fn paid_by(&self, id: &PaymentIntentId) -> Result<SmolStr, GatewayError> {
        let payments = self.link(id).await?.payments;
        let mut payments = payments.as_array().into_iter().flatten();
        // One that went back as a whole is shown as such.
        let has_money = |payment: &&Value| matches!(note(payment, "status"), Some("captured" | "refunded"));
        let captured = payments.find(has_money);
        let captured = captured.and_then(|payment| note(payment, "payment_id")).map(SmolStr::from);
        captured
            .ok_or_else(|| GatewayError::Unavailable("it does not show the payment of the link yet".into()))
    }

    async fn find_refund(
        &self,
        payment: &str,
        refund: &RefundRequested,
    ) -> Result<RefundProgress, GatewayError> {
        let request =
            || self.request(Method::GET, &["v1", "payments", payment, "refunds"]).query(&[("count", "100")]);
        let refunds: Refunds = read(self.line.call("refund_status", Repeat::Safe, request).await?)?;
        let mut refunds = refunds.items.iter();
        let found = refunds.find(|found| note(&found.notes, REFUND_NOTE) == Some(refund.refund_id.as_str()));
        Ok(found.map_or(RefundProgress::Unknown, Refund::progress))
    }

    async fn pay_back(&self, refund: &RefundRequested) -> Result<RefundProgress, GatewayError> {
        let payment = self.paid_by(&refund.payment_intent_id).await.map_err(GatewayError::unanswered)?;
        match self.find_refund(&payment, refund).await.map_err(GatewayError::unanswered)? {
            RefundProgress::Unknown => {}
            known => return Ok(known),
        }
        let mut notes = serde_json::Map::new();
        notes.insert(REFUND_NOTE.into(), json!(refund.refund_id));
        notes.insert(PAYMENT_NOTE.into(), json!(refund.payment_id));
        let body = json!({ "amount": refund.amount.minor, "speed": "normal", "notes": notes });
        let key = hashed(refund.refund_id.as_str());
        let request = || {
            let request = self.request(Method::POST, &["v1", "payments", &payment, "refund"]);
            request.header("X-Refund-Idempotency", &key).json(&body)
        };
        let made: Refund = read(self.line.call("refund", Repeat::Safe, request).await?)?;
        Ok(made.progress())
    }
}

fn intent(link: Link) -> Result<Intent, GatewayError> {
    let redirect_url = link.short_url.filter(|url| !url.is_empty());
    let redirect_url =
        redirect_url.ok_or_else(|| GatewayError::Unavailable("a link without an address".into()))?;
    Ok(Intent { payment_intent_id: PaymentIntentId::new(link.id), redirect_url })
}

/// 40 characters that stand for a text: letters and digits, as Razorpay wants its keys.
fn hashed(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    hex::encode(hash.as_ref().get(..LONGEST_REFERENCE / 2).unwrap_or_default())
}

/// The booking's id, or a hash of it where Razorpay takes none so long.
fn reference(booking: &BookingId) -> String {
    let id = booking.as_str();
    if id.len() <= LONGEST_REFERENCE { id.to_owned() } else { hashed(id) }
}

impl PaymentGateway for RazorpayGateway {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn create_intent<'a>(
        &'a self,
        payment: &'a PaymentInitiated,
    ) -> BoxFuture<'a, Result<Intent, GatewayError>> {
        self.create(payment).boxed()
    }

    fn payment_status<'a>(
        &'a self,
        _payment: &'a PaymentInitiated,
        intent: &'a IntentCreated,
    ) -> BoxFuture<'a, Result<PaymentStatus, GatewayError>> {
        let status = async {
            let link = self.link(&intent.payment_intent_id).await?;
            link.status(self.clock.now())
                .ok_or_else(|| GatewayError::Unavailable(format!("unknown currency {}", link.currency)))
        };
        status.boxed()
    }

    fn close<'a>(&'a self, intent: &'a IntentCreated) -> BoxFuture<'a, Result<(), GatewayError>> {
        let id = intent.payment_intent_id.as_str();
        let request = move || self.request(Method::POST, &["v1", "payment_links", id, "cancel"]);
        async move { self.line.call("close", Repeat::Safe, request).await.map(|_| ()) }.boxed()
    }

    fn refund<'a>(
        &'a self,
        refund: &'a RefundRequested,
    ) -> BoxFuture<'a, Result<RefundProgress, GatewayError>> {
        self.pay_back(refund).boxed()
    }

    fn refund_status<'a>(
        &'a self,
        refund: &'a RefundRequested,
    ) -> BoxFuture<'a, Result<RefundProgress, GatewayError>> {
        let status = async {
            let payment = self.paid_by(&refund.payment_intent_id).await?;
            self.find_refund(&payment, refund).await
        };
        status.boxed()
    }

    fn verify(&self, headers: &BTreeMap<String, String>, body: &[u8]) -> Result<Verified, WebhookError> {
        webhook::verify(&self.secrets, self.clock.now(), headers, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_the_booking_where_it_fits_and_unique_where_it_does_not() {
        assert_eq!(reference(&BookingId::from("bk_sh_1_X")), "bk_sh_1_X");
        let long = |end: char| reference(&BookingId::new(format!("bk_sh_{}_{end}", "0".repeat(40))));
        assert_eq!(long('A').len(), LONGEST_REFERENCE);
        assert_ne!(long('A'), long('B'));
        assert_eq!(long('A'), long('A'));
    }
}
