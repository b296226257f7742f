//! The port: who delivers. An adapter is asked again with the same id until it has answered, and must not deliver an id twice
//! where it can help it.

mod http;
mod outbox;
mod smtp;

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use marquee_domain::customer::Channel;

pub use self::http::{HttpProvider, HttpSettings};
pub(crate) use self::outbox::Outbox;
pub use self::smtp::{SmtpProvider, SmtpSecurity, SmtpSettings};
use crate::kind::Kind;

/// How long a provider may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// A notification on its way out.
pub struct Letter {
    /// The same for the same event, channel and booking, for ever: what tells repeats apart.
    pub id: String,
    /// What it tells of.
    pub kind: Kind,
    /// How it goes.
    pub channel: Channel,
    /// When its event happened.
    pub time: Timestamp,
    /// Where it goes. Personal data: it is looked up for each attempt and kept nowhere.
    pub to: String,
    /// The language that it is in.
    pub language: &'static str,
    /// The subject of an e-mail.
    pub subject: String,
    /// What it says.
    pub text: String,
}

/// Why a provider did not take a notification. The reason is a word of ours: what a provider says may name the customer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// It may take it later, or has taken it and its answer was lost.
    #[error("not now: {0}")]
    Later(String),
    /// It will not take this one.
    #[error("refused: {0}")]
    Refused(String),
}

/// Delivers notifications.
pub trait Provider: Send + Sync + 'static {
    /// Its name, as operators see it.
    fn name(&self) -> &'static str;

    /// Hands a notification over. Where it is answered, the provider has it.
    fn deliver<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), DeliveryError>>;
}
