//! The real payment gateways: which are on, and what they are called with. Secrets come by the environment, or by a file
//! that it names.

use std::path::PathBuf;
use std::sync::Arc;

use marquee_commands::{
    Gateways, LineError, RazorpayConfig, RazorpayGateway, SandboxGateway, Secret, StripeConfig, StripeGateway,
};
use marquee_event_store::clock::Clock;

/// Why the gateways cannot be what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum GatewaysError {
    /// A secret is given twice.
    #[error("{0} and {0}_FILE are both set")]
    Twice(&'static str),
    /// The file of a secret cannot be read.
    #[error("the file of {0}, {1}, cannot be read")]
    Unreadable(&'static str, PathBuf, #[source] std::io::Error),
    /// Some of what a gateway needs is there, and some is not.
    #[error("{0} is not set, and without it there is no {1}")]
    Incomplete(&'static str, &'static str),
    /// The sandbox would take play money for tickets that others pay for.
    #[error(
        "the sandbox gateway does not run beside a real one: leave out --demo and MARQUEE_SANDBOX_SECRET, or the real one"
    )]
    SandboxBeside,
    /// A gateway cannot be called.
    #[error("{0}")]
    Line(&'static str, #[source] LineError),
}

/// The real gateways that are on.
#[derive(Debug, Clone, Default)]
pub struct GatewaysConfig {
    razorpay: Option<RazorpayConfig>,
    stripe: Option<StripeConfig>,
}

/// The environment, or what a test puts in its place.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl GatewaysConfig {
    /// As the environment has them.
    pub fn from_environment() -> Result<Self, GatewaysError> {
        Self::from_lookup(&|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: Lookup<'_>) -> Result<Self, GatewaysError> {
        Ok(Self { razorpay: razorpay(lookup)?, stripe: stripe(lookup)? })
    }

    /// Opens the lines to them. The sandbox runs alone or not at all.
    pub fn open(
        &self,
        sandbox: Option<SandboxGateway>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Gateways, GatewaysError> {
        let real = self.razorpay.is_some() || self.stripe.is_some();
        if real && sandbox.is_some() {
            return Err(GatewaysError::SandboxBeside);
        }
        let mut gateways = Gateways::from(sandbox);
        if let Some(config) = &self.razorpay {
            let razorpay = RazorpayGateway::new(config.clone(), Arc::clone(clock));
            gateways = gateways.with(razorpay.map_err(|error| GatewaysError::Line("Razorpay", error))?);
        }
        if let Some(config) = &self.stripe {
            let stripe = StripeGateway::new(config.clone(), Arc::clone(clock));
            gateways = gateways.with(stripe.map_err(|error| GatewaysError::Line("Stripe", error))?);
        }
        Ok(gateways)
    }
}

fn razorpay(lookup: Lookup<'_>) -> Result<Option<RazorpayConfig>, GatewaysError> {
    let key_id = given(lookup, "MARQUEE_RAZORPAY_KEY_ID", "MARQUEE_RAZORPAY_KEY_ID_FILE")?;
    let key_secret = given(lookup, "MARQUEE_RAZORPAY_KEY_SECRET", "MARQUEE_RAZORPAY_KEY_SECRET_FILE")?;
    let webhook = given(lookup, "MARQUEE_RAZORPAY_WEBHOOK_SECRET", "MARQUEE_RAZORPAY_WEBHOOK_SECRET_FILE")?;
    let url = given(lookup, "MARQUEE_RAZORPAY_URL", "MARQUEE_RAZORPAY_URL_FILE")?;
    if key_id.is_none() && key_secret.is_none() && webhook.is_none() {
        return Ok(None);
    }
    let needed = |value: Option<String>, name| value.ok_or(GatewaysError::Incomplete(name, "Razorpay"));
    Ok(Some(RazorpayConfig {
        key_id: needed(key_id, "MARQUEE_RAZORPAY_KEY_ID")?,
        key_secret: Secret::new(needed(key_secret, "MARQUEE_RAZORPAY_KEY_SECRET")?),
        webhook_secrets: secrets(&needed(webhook, "MARQUEE_RAZORPAY_WEBHOOK_SECRET")?),
        url: url.unwrap_or_else(|| marquee_commands::RAZORPAY_URL.to_owned()),
    }))
}

fn stripe(lookup: Lookup<'_>) -> Result<Option<StripeConfig>, GatewaysError> {
    let secret_key = given(lookup, "MARQUEE_STRIPE_SECRET_KEY", "MARQUEE_STRIPE_SECRET_KEY_FILE")?;
    let webhook = given(lookup, "MARQUEE_STRIPE_WEBHOOK_SECRET", "MARQUEE_STRIPE_WEBHOOK_SECRET_FILE")?;
    let url = given(lookup, "MARQUEE_STRIPE_URL", "MARQUEE_STRIPE_URL_FILE")?;
    if secret_key.is_none() && webhook.is_none() {
        return Ok(None);
    }
    let needed = |value: Option<String>, name| value.ok_or(GatewaysError::Incomplete(name, "Stripe"));
    Ok(Some(StripeConfig {
        secret_key: Secret::new(needed(secret_key, "MARQUEE_STRIPE_SECRET_KEY")?),
        webhook_secrets: secrets(&needed(webhook, "MARQUEE_STRIPE_WEBHOOK_SECRET")?),
        url: url.unwrap_or_else(|| marquee_commands::STRIPE_URL.to_owned()),
    }))
}

/// A value by its variable, or by the file that the other variable names. An empty one is none.
fn given(
    lookup: Lookup<'_>,
    variable: &'static str,
    file_variable: &'static str,
) -> Result<Option<String>, GatewaysError> {
    let filled = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let value = lookup(variable).and_then(filled);
    match lookup(file_variable).and_then(filled).map(PathBuf::from) {
        None => Ok(value),
        Some(_) if value.is_some() => Err(GatewaysError::Twice(variable)),
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => filled(text).map(Some).ok_or_else(|| empty(variable, path)),
            Err(error) => Err(GatewaysError::Unreadable(variable, path, error)),
        },
    }
}

fn empty(variable: &'static str, path: PathBuf) -> GatewaysError {
    GatewaysError::Unreadable(variable, path, std::io::Error::other("it is empty"))
}

/// Several by commas: either is good while one is changed for the other.
fn secrets(text: &str) -> Vec<Secret> {
    text.split(',').map(str::trim).filter(|secret| !secret.is_empty()).map(Secret::new).collect()
}

#[cfg(test)]
mod tests {
    use marquee_event_store::clock::SystemClock;

    use super::*;

    fn configured(variables: &[(&str, &str)]) -> Result<GatewaysConfig, GatewaysError> {
        GatewaysConfig::from_lookup(&|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    const STRIPE: [(&str, &str); 2] =
        [("MARQUEE_STRIPE_SECRET_KEY", "sk_test_hunter2"), ("MARQUEE_STRIPE_WEBHOOK_SECRET", "new, old")];

    #[test]
    fn a_gateway_is_on_as_a_whole_or_not_at_all() {
        let none = configured(&[("MARQUEE_STRIPE_SECRET_KEY", "")]).unwrap();
        assert!(none.stripe.is_none() && none.razorpay.is_none());
        let stripe = configured(&STRIPE).unwrap().stripe.unwrap();
        assert_eq!(stripe.webhook_secrets, [Secret::new("new"), Secret::new("old")]);
        assert_eq!(stripe.url, "https://api.stripe.com");
        for half in STRIPE {
            assert!(matches!(configured(&[half]), Err(GatewaysError::Incomplete(_, "Stripe"))));
        }
        let half =
            configured(&[("MARQUEE_RAZORPAY_KEY_ID", "rzp_1"), ("MARQUEE_RAZORPAY_WEBHOOK_SECRET", "x")]);
        assert!(matches!(half, Err(GatewaysError::Incomplete("MARQUEE_RAZORPAY_KEY_SECRET", "Razorpay"))));
    }

    #[test]
    fn a_secret_may_lie_in_a_file_and_is_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stripe");
        std::fs::write(&path, "sk_test_hunter2\n").unwrap();
        let file = ("MARQUEE_STRIPE_SECRET_KEY_FILE", path.to_str().unwrap());
        let config = configured(&[file, STRIPE[1]]).unwrap();
        assert_eq!(config.stripe.as_ref().unwrap().secret_key, Secret::new("sk_test_hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
        assert!(matches!(configured(&[file, STRIPE[0], STRIPE[1]]), Err(GatewaysError::Twice(_))));
        let missing = ("MARQUEE_STRIPE_SECRET_KEY_FILE", "/nowhere/at/all");
        assert!(matches!(configured(&[missing, STRIPE[1]]), Err(GatewaysError::Unreadable(..))));
    }

    #[test]
    fn the_sandbox_does_not_run_beside_a_real_gateway() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let sandbox = || Some(SandboxGateway::new(b"secret", "http://127.0.0.1"));
        let real = configured(&STRIPE).unwrap();
        assert!(matches!(real.open(sandbox(), &clock), Err(GatewaysError::SandboxBeside)));
        assert!(GatewaysConfig::default().open(sandbox(), &clock).is_ok() && real.open(None, &clock).is_ok());
    }

    #[test]
    fn secrets_are_sent_over_tls_alone() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let elsewhere = [STRIPE[0], STRIPE[1], ("MARQUEE_STRIPE_URL", "http://api.example.com")];
        let opened = configured(&elsewhere).unwrap().open(None, &clock);
        assert!(matches!(opened, Err(GatewaysError::Line("Stripe", _))));
    }
}
