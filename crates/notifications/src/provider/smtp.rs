//! E-mail by SMTP.

mod connector;
mod mail;

use std::time::Duration;

use futures_util::future::BoxFuture;
use lettre::Address;
use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::time::timeout;

use self::connector::Connector;
use super::{DeliveryError, Letter, PATIENCE, Provider};

/// How long a server that has taken a mail may take to say good-bye.
const GOODBYE: Duration = Duration::from_secs(5);

/// How a connection is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte.
    Tls,
    /// TLS after `STARTTLS`, and nothing without it.
    StartTls,
    /// None: on loopback, or where the operator says so.
    Plain,
}

/// Where mail is handed in, and by whom.
#[derive(Clone)]
pub struct SmtpSettings {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept from others.
    pub security: SmtpSecurity,
    /// Who hands it in.
    pub credentials: Option<(String, String)>,
    /// Whom it is from: an address.
    pub from: String,
    /// An authority whose word is taken beside the system's, as PEM.
    pub authority: Option<Vec<u8>>,
}

impl std::fmt::Debug for SmtpSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, security, from, .. } = self;
        let settings = (host, port, security, from);
        f.debug_tuple("SmtpSettings").field(&settings).finish()
    }
}

/// Why mail cannot be handed in as it was set.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSmtp {
    /// The sender is not an address.
    #[error("the sender is not an e-mail address")]
    From,
    /// TLS cannot be set up.
    #[error("TLS to the mail server cannot be set up: {0}")]
    Tls(#[source] Error),
}

/// Hands each notification in, with its id in the `Message-ID`, over a connection of its own.
pub struct SmtpProvider {
    connector: Connector,
    from: Address,
}

impl SmtpProvider {
    /// A provider of these settings; the server need not be there yet.
    pub fn new(settings: &SmtpSettings) -> Result<Self, InvalidSmtp> {
        let from = settings.from.parse().map_err(|_| InvalidSmtp::From)?;
        let connector = Connector::new(settings).map_err(InvalidSmtp::Tls)?;
        Ok(Self { connector, from })
    }

    async fn hand_in(&self, letter: &Letter) -> Result<(), DeliveryError> {
        let refused = |reason: &str| DeliveryError::Refused(reason.to_owned());
        let to: Address = letter.to.parse().map_err(|_| refused("address"))?;
        let mail = mail::of(letter, &self.from, &to);
        let envelope = Envelope::new(Some(self.from.clone()), vec![to]).map_err(|_| refused("address"))?;
        let taken = async {
            let mut connection = self.connector.open().await?;
            connection.send(&envelope, &mail).await.map_err(|error| judge(&error))?;
            Ok(connection)
        };
        // For all of it: a server that drips would hold the channel for ever.
        let taken = timeout(PATIENCE * 2, taken).await;
        part_from(taken.map_err(|_late| DeliveryError::Later("timeout".into()))??);
        Ok(())
    }
}

/// Says good-bye to a server that has taken a mail. Nobody waits: it is settled that it was sent.
fn part_from(mut connection: AsyncSmtpConnection) {
    tokio::spawn(async move {
        // A server that has gone already is as good.
        let _ = timeout(GOODBYE, connection.quit()).await;
    });
}

/// What a failure means once the server listens. A password that is refused is the house's to mend, and no fault of the message.
fn judge(error: &Error) -> DeliveryError {
    let of_the_house = matches!(error.status().map(u16::from), None | Some(530 | 534 | 535 | 538));
    match reason(error) {
        reason if error.is_permanent() && !of_the_house => DeliveryError::Refused(reason),
        reason => DeliveryError::Later(reason),
    }
}

/// A word of ours for a failure.
fn reason(error: &Error) -> String {
    match error.status().map(u16::from) {
        Some(code) => format!("smtp-{code}"),
        None => if error.is_timeout() { "timeout" } else { "unreachable" }.into(),
    }
}

impl Provider for SmtpProvider {
    fn name(&self) -> &'static str {
        "smtp"
    }

    fn deliver<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(self.hand_in(letter))
    }
}
