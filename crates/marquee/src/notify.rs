//! Notifications to customers: who delivers them, and how customers are reached.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use marquee_commands::Commands;
use marquee_domain::customer::{Channel, Contact};
use marquee_event_store::EventStore;
use marquee_event_store::clock::Clock;
use marquee_event_store::lease::Leases;
use marquee_notifications::{
    AddressBook, AddressBookError, HttpProvider, HttpSettings, Notifications, NotificationsConfig, Provider,
    Retries, SmtpProvider, SmtpSecurity, SmtpSettings,
};
use tokio_util::sync::CancellationToken;

use crate::cli::Failure;
use crate::config::{ConfigError, parse_duration};
use crate::outbound::chosen;

const LEASE: &str = "notifications";

/// Who delivers notifications. All of it comes by the environment: most of it is secret.
#[derive(Debug, Clone, Default)]
pub struct NotificationsChoice {
    smtp: Option<SmtpSettings>,
    http: HashMap<Channel, HttpSettings>,
    retries: Retries,
}

impl NotificationsChoice {
    /// Settles what the environment says.
    pub fn settle() -> Result<Self, ConfigError> {
        Self::of(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut choice = Self::default();
        if let Some(url) = secret(&variable, "MARQUEE_SMTP_URL")? {
            let from = variable("MARQUEE_SMTP_FROM").ok_or_else(|| {
                ConfigError::Value("MARQUEE_SMTP_FROM", "is needed beside MARQUEE_SMTP_URL".into())
            })?;
            let mut smtp = smtp(&url, from, plain_is_allowed(&variable)?)?;
            if let Some(file) = variable("MARQUEE_SMTP_CA") {
                let pem = std::fs::read(&file);
                smtp.authority = Some(pem.map_err(|error| ConfigError::Unreadable(file.into(), error))?);
            }
            choice.smtp = Some(smtp);
        }
        for (channel, url, token) in [
            (Channel::Sms, "MARQUEE_SMS_URL", "MARQUEE_SMS_TOKEN"),
            (Channel::Whatsapp, "MARQUEE_WHATSAPP_URL", "MARQUEE_WHATSAPP_TOKEN"),
        ] {
            if let Some(found) = secret(&variable, url)? {
                let settings = HttpSettings { url: checked(url, found)?, token: secret(&variable, token)? };
                choice.http.insert(channel, settings);
            }
        }
        if let Some(first) = variable("MARQUEE_NOTIFICATIONS_BACKOFF") {
            let first = parse_duration(&first)
                .map_err(|reason| ConfigError::Value("MARQUEE_NOTIFICATIONS_BACKOFF", reason))?;
            choice.retries.first = first;
        }
        if let Some(attempts) = variable("MARQUEE_NOTIFICATIONS_ATTEMPTS") {
            let attempts = attempts.parse().ok().filter(|attempts| *attempts > 0);
            choice.retries.attempts = attempts.ok_or_else(|| {
                ConfigError::Value("MARQUEE_NOTIFICATIONS_ATTEMPTS", "must be a whole number above 0".into())
            })?;
        }
        Ok(choice)
    }

    /// Starts to look for notifications and to deliver them. Of the nodes that share `leases`, one looks.
    pub fn start(
        &self,
        state_dir: &Path,
        commands: &Commands,
        store: Arc<dyn EventStore>,
        clock: Arc<dyn Clock>,
        leases: Arc<dyn Leases>,
        stop: CancellationToken,
    ) -> Result<Notifications, Failure> {
        let mut providers: HashMap<Channel, Arc<dyn Provider>> = HashMap::new();
        if let Some(smtp) = &self.smtp {
            providers.insert(Channel::Email, Arc::new(SmtpProvider::new(smtp)?));
        }
        for (channel, settings) in &self.http {
            providers.insert(*channel, Arc::new(HttpProvider::new(settings.clone())?));
        }
        let config = NotificationsConfig { dir: state_dir.into(), providers, retries: self.retries };
        let contacts = Arc::new(Contacts(commands.clone()));
        let chosen = chosen(leases, LEASE, stop.clone());
        Ok(Notifications::start(config, store, contacts, clock, chosen, stop)?)
    }
}

/// How customers are reached, as the write side keeps it.
struct Contacts(Commands);

impl AddressBook for Contacts {
    fn contact<'a>(&'a self, user: &'a str) -> BoxFuture<'a, Result<Option<Contact>, AddressBookError>> {
        Box::pin(async move {
            self.0.contact(&user.into()).await.map_err(|error| AddressBookError(error.to_string()))
        })
    }
}

/// A secret by its variable, or by the file that `…_FILE` names.
fn secret(
    variable: &impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<Option<String>, ConfigError> {
    match (variable(name), variable(&format!("{name}_FILE"))) {
        (Some(_), Some(_)) => Err(ConfigError::Value(name, "is given twice: by itself and by a file".into())),
        (Some(secret), None) => Ok(Some(secret)),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(&file);
            let text = text.map_err(|error| ConfigError::Unreadable(file.into(), error))?;
            Ok(Some(text.trim().to_owned()))
        }
        (None, None) => Ok(None),
    }
}

/// Whether mail may go in clear to another machine.
fn plain_is_allowed(variable: &impl Fn(&str) -> Option<String>) -> Result<bool, ConfigError> {
    match variable("MARQUEE_SMTP_PLAIN").as_deref() {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(ConfigError::Value("MARQUEE_SMTP_PLAIN", "must be true or false".into())),
    }
}

/// `smtps://user:password@host:port`, `smtp+starttls://…`, or `smtp://…`, which is in clear and for loopback. The URL is a secret
/// and is not repeated.
fn smtp(url: &str, from: String, plain_is_allowed: bool) -> Result<SmtpSettings, ConfigError> {
    let refused = |reason: &str| ConfigError::Value("MARQUEE_SMTP_URL", reason.into());
    let unsound =
        || refused("must be smtps://user:password@host:port or smtp+starttls://…, or smtp://… on loopback");
    let url: hyper::Uri = url.parse().map_err(|_| unsound())?;
    let host = url.host().filter(|host| !host.is_empty()).ok_or_else(unsound)?;
    let (security, port) = match url.scheme_str() {
        Some("smtps") => (SmtpSecurity::Tls, 465),
        Some("smtp+starttls") => (SmtpSecurity::StartTls, 587),
        Some("smtp") if plain_is_allowed || is_loopback(host) => (SmtpSecurity::Plain, 25),
        Some("smtp") => {
            return Err(refused(
                "smtp:// goes in clear and is for loopback: smtps:// and smtp+starttls:// go by TLS; \
                 MARQUEE_SMTP_PLAIN=true allows it all the same",
            ));
        }
        _ => return Err(unsound()),
    };
    let authority = url.authority().map(hyper::http::uri::Authority::as_str).unwrap_or_default();
    let credentials = match authority.rsplit_once('@') {
        Some((credentials, _)) => {
            let (user, password) = credentials.split_once(':').ok_or_else(unsound)?;
            let decoded = |text: &str| {
                let text = percent_encoding::percent_decode_str(text).decode_utf8();
                text.map(std::borrow::Cow::into_owned).map_err(|_| unsound())
            };
            Some((decoded(user)?, decoded(password)?))
        }
        None => None,
    };
    let host = host.trim_matches(['[', ']']).to_owned();
    Ok(SmtpSettings {
        host,
        port: url.port_u16().unwrap_or(port),
        security,
        credentials,
        from,
        authority: None,
    })
}

/// An `https` URL, or a plain one on loopback.
fn checked(name: &'static str, url: String) -> Result<String, ConfigError> {
    let parsed: Option<hyper::Uri> = url.parse().ok();
    let sound = parsed.is_some_and(|parsed| match (parsed.scheme_str(), parsed.host()) {
        (Some("https"), Some(_)) => true,
        (Some("http"), Some(host)) => is_loopback(host),
        _ => false,
    });
    sound
        .then_some(url)
        .ok_or_else(|| ConfigError::Value(name, "must be an https URL, or http on loopback".into()))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settled(variables: &[(&str, &str)]) -> Result<NotificationsChoice, ConfigError> {
        NotificationsChoice::of(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn smtp_of(url: &str) -> SmtpSettings {
        let from = ("MARQUEE_SMTP_FROM", "tickets@cinema.example");
        settled(&[("MARQUEE_SMTP_URL", url), from]).unwrap().smtp.unwrap()
    }

    #[test]
    fn mail_goes_by_tls_unless_it_stays_on_the_machine() {
        let settings = smtp_of("smtp+starttls://desk:p%40ss@mail.example");
        assert_eq!((settings.port, settings.security), (587, SmtpSecurity::StartTls));
        assert_eq!(settings.credentials, Some(("desk".into(), "p@ss".into())));
        assert_eq!(smtp_of("smtps://mail.example").port, 465);
        assert_eq!(smtp_of("smtps://mail.example:1465").security, SmtpSecurity::Tls);
        for local in ["smtp://127.0.0.1:1025", "smtp://localhost:1025", "smtp://[::1]:1025"] {
            assert_eq!((smtp_of(local).port, smtp_of(local).security), (1025, SmtpSecurity::Plain));
        }
        let local = smtp_of("smtp+starttls://127.0.0.1:1025");
        assert_eq!(local.security, SmtpSecurity::StartTls, "who asks for TLS gets it, wherever it goes");
    }

    #[test]
    fn mail_goes_in_clear_to_another_machine_only_where_the_operator_allows_it() {
        let from = ("MARQUEE_SMTP_FROM", "tickets@cinema.example");
        let of = |allowed| {
            settled(&[("MARQUEE_SMTP_URL", "smtp://relay.example"), from, ("MARQUEE_SMTP_PLAIN", allowed)])
        };
        assert_eq!(of("true").unwrap().smtp.unwrap().security, SmtpSecurity::Plain);
        for not in ["false", "", "perhaps"] {
            assert!(of(not).is_err(), "{not}");
        }
        let secret = settled(&[("MARQUEE_SMTP_URL", "smtp://u:hunter2@relay.example"), from]).unwrap_err();
        let secret = secret.to_string();
        assert!(secret.contains("smtp+starttls://") && !secret.contains("hunter2"), "{secret}");
    }

    #[test]
    fn a_provider_that_is_not_sound_is_refused_and_no_secret_shown() {
        let from = ("MARQUEE_SMTP_FROM", "tickets@cinema.example");
        for wrong in [
            "mail.example",
            "http://u:hunter2@mail.example",
            "smtp://u:hunter2@",
            "smtp://hunter2@mail.example",
        ] {
            let error = settled(&[("MARQUEE_SMTP_URL", wrong), from]).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(settled(&[("MARQUEE_SMTP_URL", "smtps://mail.example")]).is_err(), "nobody to be from");
        for wrong in ["http://sms.example/send", "ftp://sms.example", "sms"] {
            assert!(settled(&[("MARQUEE_SMS_URL", wrong)]).is_err(), "{wrong}");
        }
        let shown = format!(
            "{:?}",
            settled(&[("MARQUEE_SMTP_URL", "smtps://u:hunter2@mail.example"), from]).unwrap()
        );
        assert!(shown.contains("mail.example") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_secret_may_lie_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "hunter2\n").unwrap();
        let url = ("MARQUEE_SMS_URL", "https://sms.example/send");
        let choice = settled(&[url, ("MARQUEE_SMS_TOKEN_FILE", file.to_str().unwrap())]).unwrap();
        assert_eq!(choice.http[&Channel::Sms].token.as_deref(), Some("hunter2"));
        assert!(!format!("{choice:?}").contains("hunter2"));
        let twice = [url, ("MARQUEE_SMS_TOKEN", "x"), ("MARQUEE_SMS_TOKEN_FILE", file.to_str().unwrap())];
        assert!(settled(&twice).is_err());
    }

    #[test]
    fn how_often_is_tried_is_the_operators() {
        let given = [("MARQUEE_NOTIFICATIONS_BACKOFF", "200ms"), ("MARQUEE_NOTIFICATIONS_ATTEMPTS", "3")];
        let retries = settled(&given).unwrap().retries;
        assert_eq!((retries.first, retries.attempts), (Duration::from_millis(200), 3));
        assert!(settled(&[("MARQUEE_NOTIFICATIONS_ATTEMPTS", "0")]).is_err());
    }
}
