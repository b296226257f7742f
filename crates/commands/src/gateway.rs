//! Payment gateways: the port, and what is behind it.

mod backoff;
mod breaker;
mod http;
pub mod razorpay;
mod reading;
pub mod sandbox;
pub mod secret;
pub mod stripe;

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use marquee_domain::ids::{PaymentId, PaymentIntentId, RefundId};
use marquee_domain::payment::{IntentCreated, Notice, PaymentInitiated, RefundRequested};
use smol_str::SmolStr;

pub use self::http::LineError;
use crate::gateway::sandbox::SandboxGateway;

/// A gateway's answer to a new payment.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// Its name for the payment.
    pub payment_intent_id: PaymentIntentId,
    /// Where the customer pays.
    pub redirect_url: SmolStr,
}

/// Why a gateway did not do what was asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GatewayError {
    /// It refuses, for good.
    #[error("refused by the gateway: {0}")]
    Refused(SmolStr),
    /// It cannot be reached, or failed; ask again with the same key.
    #[error("the gateway is unavailable: {0}")]
    Unavailable(String),
}

impl GatewayError {
    /// Of a question: that it is refused says nothing of what was asked about. Wrong keys or a wrong address must not end a refund.
    pub(crate) fn unanswered(self) -> Self {
        match self {
            Self::Refused(reason) => Self::Unavailable(format!("it does not say: {reason}")),
            other @ Self::Unavailable(_) => other,
        }
    }
}

/// How a payment stands at its gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum PaymentStatus {
    /// Not over: the customer may still pay.
    Open,
    /// The money is there.
    Captured(Notice),
    /// It is over, and no money will come of it.
    Failed(Notice),
}

/// How far a gateway has come with a refund.
#[derive(Debug, Clone, PartialEq)]
pub enum RefundProgress {
    /// It does not know of it.
    Unknown,
    /// It is on its way.
    Pending,
    /// It was paid.
    Paid,
    /// It failed, for good.
    Failed(SmolStr),
}

/// A verified notice of a gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum Verified {
    /// A payment ended.
    Payment {
        /// The booking, as the gateway was told.
        booking_reference: SmolStr,
        /// What it says.
        notice: Notice,
    },
    /// A refund came further.
    Refund {
        /// The payment that it is taken from, as the gateway was told.
        payment_id: PaymentId,
        /// The refund, likewise.
        refund_id: RefundId,
        /// What it says.
        progress: RefundProgress,
    },
    /// Something that Marquee does not act on.
    Other {
        /// What it was about.
        status: SmolStr,
    },
}

/// Why a webhook is not accepted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WebhookError {
    /// It is not signed by the gateway.
    #[error("the signature does not verify")]
    BadSignature,
    /// It is signed, but is not a notice.
    #[error("{0}")]
    Malformed(String),
}

/// A payment gateway.
pub trait PaymentGateway: Send + Sync + 'static {
    /// Its name in bodies; in paths it is lower case.
    fn provider(&self) -> &'static str;

    /// What the gateway will answer to a payment, where that follows from the payment alone: then nothing is left open
    /// between writing down that it begins and what the gateway calls it, and one append holds both.
    fn intent_beforehand(&self, _payment: &PaymentInitiated) -> Option<Intent> {
        None
    }

    /// Makes the gateway know of a payment. The booking id is the key: asked twice, it answers the same.
    fn create_intent<'a>(
        &'a self,
        payment: &'a PaymentInitiated,
    ) -> BoxFuture<'a, Result<Intent, GatewayError>>;

    /// Whether it keeps payments and refunds that can be asked after. One that keeps nothing is never asked.
    fn can_be_asked(&self) -> bool {
        true
    }

    /// Asks how a payment stands.
    fn payment_status<'a>(
        &'a self,
        payment: &'a PaymentInitiated,
        intent: &'a IntentCreated,
    ) -> BoxFuture<'a, Result<PaymentStatus, GatewayError>>;

    /// Lets no more money come by a payment that its booking cannot take any more. What came before stands.
    fn close<'a>(&'a self, intent: &'a IntentCreated) -> BoxFuture<'a, Result<(), GatewayError>>;

    /// Pays back, and tells how far that is. The refund id is the key: asked twice, it pays once.
    fn refund<'a>(
        &'a self,
        refund: &'a RefundRequested,
    ) -> BoxFuture<'a, Result<RefundProgress, GatewayError>>;

    /// Asks how far a refund is. Pays nothing.
    fn refund_status<'a>(
        &'a self,
        refund: &'a RefundRequested,
    ) -> BoxFuture<'a, Result<RefundProgress, GatewayError>>;

    /// Verifies and reads a webhook. Header names are lower case.
    fn verify(&self, headers: &BTreeMap<String, String>, body: &[u8]) -> Result<Verified, WebhookError>;
}

/// The gateways that are on.
#[derive(Default)]
pub struct Gateways {
    sandbox: Option<SandboxGateway>,
    others: Vec<Box<dyn PaymentGateway>>,
}

impl From<Option<SandboxGateway>> for Gateways {
    fn from(sandbox: Option<SandboxGateway>) -> Self {
        Self { sandbox, others: vec![] }
    }
}

impl Gateways {
    /// These, and one more.
    #[must_use]
    pub fn with(mut self, gateway: impl PaymentGateway) -> Self {
        self.others.push(Box::new(gateway));
        self
    }

    pub(crate) fn sandbox(&self) -> Option<&SandboxGateway> {
        self.sandbox.as_ref()
    }

    /// A gateway by its name, in either case.
    pub(crate) fn get(&self, provider: &str) -> Option<&dyn PaymentGateway> {
        let sandbox = self.sandbox.as_ref().map(|sandbox| sandbox as &dyn PaymentGateway);
        let mut all = sandbox.into_iter().chain(self.others.iter().map(|gateway| &**gateway));
        all.find(|gateway| provider.eq_ignore_ascii_case(gateway.provider()))
    }
}
