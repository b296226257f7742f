//! Stripe: Checkout sessions. The customer pays on the session's own page.
//!
//! The booking id is the idempotency key of its session, the refund id that of its refund. Stripe forgets keys after a day,
//! so a refund is looked for before it is made.

mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use marquee_domain::ids::PaymentIntentId;
use marquee_domain::payment::{IntentCreated, Notice, Outcome, PaymentInitiated, RefundRequested};
use marquee_event_store::clock::Clock;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::Value;
use smol_str::SmolStr;

use crate::gateway::http::{Line, LineError, Repeat};
use crate::gateway::reading::{BOOKING_NOTE, PAYMENT_NOTE, REFUND_NOTE, money, note, read};
use crate::gateway::secret::{Secret, WebhookSecrets};
use crate::gateway::{
    GatewayError, Intent, PaymentGateway, PaymentStatus, RefundProgress, Verified, WebhookError,
};

const PROVIDER: &str = "STRIPE";
/// Where Stripe is.
pub const URL: &str = "https://api.stripe.com";
/// The version of its API that this was written for.
const API_VERSION: &str = "2024-06-20";
/// Currencies without minor units that Stripe counts in hundredths all the same.
const COUNTED_OTHERWISE: [&str; 2] = ["ISK", "UGX"];

/// What Stripe is called with.
#[derive(Debug, Clone)]
pub struct StripeConfig {
    /// The key.
    pub secret_key: Secret,
    /// What its webhooks are signed with; several while one is changed for another.
    pub webhook_secrets: Vec<Secret>,
    /// Where it is.
    pub url: String,
}

/// Stripe.
pub struct StripeGateway {
    line: Line,
    secret_key: Secret,
    secrets: WebhookSecrets,
    clock: Arc<dyn Clock>,
}

/// A Checkout session.
#[derive(Debug, Deserialize)]
struct Session {
    id: SmolStr,
    url: Option<SmolStr>,
    status: Option<SmolStr>,
    payment_status: Option<SmolStr>,
    amount_total: Option<i64>,
    currency: Option<SmolStr>,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    payment_intent: Value,
}

/// A refund.
#[derive(Debug, Deserialize)]
struct Refund {
    status: Option<SmolStr>,
    failure_reason: Option<SmolStr>,
    #[serde(default)]
    metadata: Value,
}

#[derive(Debug, Deserialize)]
struct Refunds {
    data: Vec<Refund>,
}

impl Session {
    fn booking(&self) -> Option<&str> {
        note(&self.metadata, BOOKING_NOTE)
    }

    /// How it ended, as far as it did. A session that is complete and unpaid awaits a bank.
    fn outcome(&self) -> Option<Outcome> {
        match (self.payment_status.as_deref(), self.status.as_deref()) {
            (Some("paid"), _) => Some(Outcome::Captured),
            (_, Some("expired")) => Some(Outcome::Failed),
            (_, _) => None,
        }
    }

    /// What is told of its end. `None` where it lacks an amount.
    fn notice(&self, name: SmolStr, outcome: Outcome, occurred_at: Timestamp) -> Option<Notice> {
        Some(Notice {
            provider_event_id: name,
            payment_intent_id: PaymentIntentId::new(self.id.clone()),
            outcome,
            amount: money(self.amount_total?, self.currency.as_deref()?)?,
            occurred_at,
        })
    }
}

impl Refund {
    fn progress(&self) -> RefundProgress {
        match self.status.as_deref() {
            Some("succeeded") => RefundProgress::Paid,
            Some(status @ ("failed" | "canceled")) => {
                let reason = self.failure_reason.clone();
                RefundProgress::Failed(reason.unwrap_or_else(|| format!("the gateway says {status}").into()))
            }
            Some(_) | None => RefundProgress::Pending,
        }
    }
}

impl StripeGateway {
    /// Stripe as it is configured.
    pub fn new(config: StripeConfig, clock: Arc<dyn Clock>) -> Result<Self, LineError> {
        let StripeConfig { secret_key, webhook_secrets, url } = config;
        let secrets = WebhookSecrets::new(&webhook_secrets);
        Ok(Self { line: Line::open(PROVIDER, &url)?, secret_key, secrets, clock })
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let request = self.line.request(method, path).bearer_auth(self.secret_key.reveal());
        request.header("Stripe-Version", API_VERSION)
    }

    async fn create(&self, payment: &PaymentInitiated) -> Result<Intent, GatewayError> {
        let currency = payment.amount.currency.as_str();
        if COUNTED_OTHERWISE.contains(&currency) {
            return Err(GatewayError::Refused(SmolStr::from(format!("it is not asked for {currency}"))));
        }
        let booking = payment.booking_id.as_str();
        let form = [
            ("mode".to_owned(), "payment".to_owned()),
            ("client_reference_id".to_owned(), booking.to_owned()),
            ("success_url".to_owned(), payment.return_url.to_string()),
            ("cancel_url".to_owned(), payment.return_url.to_string()),
            ("line_items[0][quantity]".to_owned(), "1".to_owned()),
            ("line_items[0][price_data][currency]".to_owned(), currency.to_ascii_lowercase()),
            ("line_items[0][price_data][unit_amount]".to_owned(), payment.amount.minor.to_string()),
            ("line_items[0][price_data][product_data][name]".to_owned(), format!("Booking {booking}")),
            (format!("metadata[{BOOKING_NOTE}]"), booking.to_owned()),
            (format!("payment_intent_data[metadata][{BOOKING_NOTE}]"), booking.to_owned()),
        ];
        let request = || {
            let request = self.request(Method::POST, &["v1", "checkout", "sessions"]);
            request.header("Idempotency-Key", booking).form(&form)
        };
        let session: Session = read(self.line.call("create_intent", Repeat::Safe, request).await?)?;
        let url = session.url.filter(|url| !url.is_empty());
        let redirect_url =
            url.ok_or_else(|| GatewayError::Unavailable("a session without an address".into()))?;
        Ok(Intent { payment_intent_id: PaymentIntentId::new(session.id), redirect_url })
    }

    async fn session(&self, id: &PaymentIntentId) -> Result<Session, GatewayError> {
        let request = || self.request(Method::GET, &["v1", "checkout", "sessions", id.as_str()]);
        read(self.line.call("payment_status", Repeat::Safe, request).await?)
    }

    /// Stripe's payment intent of a session: what refunds are made on.
    async fn paid_by(&self, id: &PaymentIntentId) -> Result<SmolStr, GatewayError> {
        let session = self.session(id).await?;
        let paid_by = session.payment_intent.as_str().map(SmolStr::from);
        paid_by.ok_or_else(|| {
            GatewayError::Unavailable("it does not show the payment of the session yet".into())
        })
    }

    async fn find_refund(
        &self,
        payment: &str,
        refund: &RefundRequested,
    ) -> Result<RefundProgress, GatewayError> {
        let query = [("payment_intent", payment), ("limit", "100")];
        let request = || self.request(Method::GET, &["v1", "refunds"]).query(&query);
        let refunds: Refunds = read(self.line.call("refund_status", Repeat::Safe, request).await?)?;
        let mut refunds = refunds.data.iter();
        let found =
            refunds.find(|found| note(&found.metadata, REFUND_NOTE) == Some(refund.refund_id.as_str()));
        Ok(found.map_or(RefundProgress::Unknown, Refund::progress))
    }

    async fn pay_back(&self, refund: &RefundRequested) -> Result<RefundProgress, GatewayError> {
        let payment = self.paid_by(&refund.payment_intent_id).await.map_err(GatewayError::unanswered)?;
        match self.find_refund(&payment, refund).await.map_err(GatewayError::unanswered)? {
            RefundProgress::Unknown => {}
            known => return Ok(known),
        }
        let form = [
            ("payment_intent".to_owned(), payment.to_string()),
            ("amount".to_owned(), refund.amount.minor.to_string()),
            (format!("metadata[{REFUND_NOTE}]"), refund.refund_id.to_string()),
            (format!("metadata[{PAYMENT_NOTE}]"), refund.payment_id.to_string()),
        ];
        let request = || {
            let request = self.request(Method::POST, &["v1", "refunds"]);
            request.header("Idempotency-Key", refund.refund_id.as_str()).form(&form)
        };
        let made: Refund = read(self.line.call("refund", Repeat::Safe, request).await?)?;
        Ok(made.progress())
    }
}

impl PaymentGateway for StripeGateway {
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
            let session = self.session(&intent.payment_intent_id).await?;
            let Some(outcome) = session.outcome() else { return Ok(PaymentStatus::Open) };
            let name = match outcome {
                Outcome::Captured => format!("{}:paid", session.id),
                Outcome::Failed => format!("{}:expired", session.id),
            };
            let notice = session.notice(name.into(), outcome, self.clock.now());
            let notice =
                notice.ok_or_else(|| GatewayError::Unavailable("a session without an amount".into()))?;
            Ok(match outcome {
                Outcome::Captured => PaymentStatus::Captured(notice),
                Outcome::Failed => PaymentStatus::Failed(notice),
            })
        };
        status.boxed()
    }

    fn close<'a>(&'a self, intent: &'a IntentCreated) -> BoxFuture<'a, Result<(), GatewayError>> {
        let id = intent.payment_intent_id.as_str();
        let request = move || self.request(Method::POST, &["v1", "checkout", "sessions", id, "expire"]);
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
