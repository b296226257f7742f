//! What is shared with a gateway and nobody else.

use std::fmt;

use aws_lc_rs::hmac;

/// A secret. Its `Debug` tells nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What it is.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The secrets that webhooks may be signed with: several while one is changed for another.
#[derive(Clone)]
pub(crate) struct WebhookSecrets(Vec<hmac::Key>);

impl WebhookSecrets {
    pub(crate) fn new(secrets: &[Secret]) -> Self {
        let key = |secret: &Secret| hmac::Key::new(hmac::HMAC_SHA256, secret.reveal().as_bytes());
        Self(secrets.iter().map(key).collect())
    }

    /// Whether a signature, in hexadecimal, is one of these secrets over the message. Compares in constant time.
    pub(crate) fn verify(&self, message: &[u8], signature: &str) -> bool {
        let Ok(signature) = hex::decode(signature) else { return false };
        self.0.iter().any(|key| hmac::verify(key, message, &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        assert!(!format!("{:?}", Secret::new("hunter2")).contains("hunter2"));
    }

    #[test]
    fn while_secrets_change_either_signs() {
        let sign = |secret: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            hex::encode(hmac::sign(&key, b"body"))
        };
        let both = WebhookSecrets::new(&[Secret::new("new"), Secret::new("old")]);
        assert!(both.verify(b"body", &sign("new")) && both.verify(b"body", &sign("old")));
        assert!(!both.verify(b"body", &sign("older")) && !both.verify(b"bodY", &sign("new")));
        assert!(!both.verify(b"body", "") && !both.verify(b"body", "not hexadecimal"));
    }
}
