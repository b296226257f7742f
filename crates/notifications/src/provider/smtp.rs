//! E-mail by SMTP.

mod mail;

use futures_util::future::BoxFuture;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::{DeliveryError, Letter, PATIENCE, Provider};

/// How a connection is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte.
    Tls,
    /// TLS after `STARTTLS`, and nothing without it.
    StartTls,
    /// None: on loopback alone.
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
    Tls(#[source] lettre::transport::smtp::Error),
}

/// Hands each notification in, with its id in the `Message-ID`.
pub struct SmtpProvider {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Address,
}

impl SmtpProvider {
    /// A provider of these settings; the server need not be there yet.
    pub fn new(settings: &SmtpSettings) -> Result<Self, InvalidSmtp> {
        let from = settings.from.parse().map_err(|_| InvalidSmtp::From)?;
        let parameters = || {
            let mut parameters = TlsParameters::builder(settings.host.clone());
            if let Some(pem) = &settings.authority {
                parameters = parameters.add_root_certificate(Certificate::from_pem(pem)?);
            }
            parameters.build()
        };
        let tls = match settings.security {
            SmtpSecurity::Tls => Tls::Wrapper(parameters().map_err(InvalidSmtp::Tls)?),
            SmtpSecurity::StartTls => Tls::Required(parameters().map_err(InvalidSmtp::Tls)?),
            SmtpSecurity::Plain => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(tls)
            .timeout(Some(PATIENCE));
        if let Some((user, password)) = &settings.credentials {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(Self { transport: builder.build(), from })
    }

    async fn hand_in(&self, letter: &Letter) -> Result<(), DeliveryError> {
        let refused = |reason: &str| DeliveryError::Refused(reason.to_owned());
        let to: Address = letter.to.parse().map_err(|_| refused("address"))?;
        let mail = mail::of(letter, &self.from, &to);
        let envelope = Envelope::new(Some(self.from.clone()), vec![to]).map_err(|_| refused("address"))?;
        // The pool's own patience is for one command: a server that drips would hold the channel for ever.
        let sent = tokio::time::timeout(PATIENCE * 2, self.transport.send_raw(&envelope, &mail)).await;
        match sent {
            Ok(Ok(_taken)) => Ok(()),
            Ok(Err(error)) => Err(judge(&error)),
            Err(_late) => Err(DeliveryError::Later("timeout".into())),
        }
    }
}

/// What a failure means. A password that is refused is the house's to mend, and no fault of the message.
fn judge(error: &lettre::transport::smtp::Error) -> DeliveryError {
    let Some(code) = error.status().map(u16::from) else {
        return DeliveryError::Later(if error.is_timeout() { "timeout" } else { "unreachable" }.into());
    };
    let reason = format!("smtp-{code}");
    let of_the_house = matches!(code, 530 | 534 | 535 | 538);
    if error.is_permanent() && !of_the_house {
        DeliveryError::Refused(reason)
    } else {
        DeliveryError::Later(reason)
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
