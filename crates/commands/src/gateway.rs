//! Payment gateways: the port, and what is behind it.

pub mod sandbox;

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use marquee_domain::ids::PaymentIntentId;
use marquee_domain::payment::{Notice, PaymentInitiated, RefundRequested};
use smol_str::SmolStr;

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

    /// Pays back. The refund id is the key: asked twice, it pays once.
    fn refund<'a>(&'a self, refund: &'a RefundRequested) -> BoxFuture<'a, Result<(), GatewayError>>;

    /// Verifies and reads a webhook. Header names are lower case.
    fn verify(&self, headers: &BTreeMap<String, String>, body: &[u8]) -> Result<Verified, WebhookError>;
}

/// The gateways that are on.
pub(crate) struct Gateways {
    sandbox: Option<SandboxGateway>,
}

impl Gateways {
    pub(crate) fn new(sandbox: Option<SandboxGateway>) -> Self {
        Self { sandbox }
    }

    pub(crate) fn sandbox(&self) -> Option<&SandboxGateway> {
        self.sandbox.as_ref()
    }

    /// A gateway by its name, in either case.
    pub(crate) fn get(&self, provider: &str) -> Option<&dyn PaymentGateway> {
        let sandbox = self.sandbox.as_ref()?;
        provider.eq_ignore_ascii_case(sandbox.provider()).then_some(sandbox as &dyn PaymentGateway)
    }
}
