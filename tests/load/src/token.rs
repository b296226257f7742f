//! Tokens, minted as a deployment with a shared secret does, and the check of them that the bare handler shares with it.

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use marquee_event_store::clock::{Clock, SystemClock};
use serde::{Deserialize, Serialize};

use crate::error::LoadError;

/// The shared secret of a run. It guards nothing: the servers live as long as the run, on loopback.
pub const JWT_SECRET: &str = "load-run-secret-that-guards-nothing-at-all-0001";

const ISSUER: &str = "marquee";
const AUDIENCE: &str = "marquee";

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// Who.
    pub sub: String,
    /// `customer`, `partner`, `ops`, `auditor` or `admin`.
    pub role: String,
    /// Whose theatres, for a partner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner_id: Option<String>,
    iss: String,
    aud: String,
    exp: i64,
}

/// A token that outlives any run.
pub fn mint(sub: &str, role: &str, partner_id: Option<&str>) -> Result<String, LoadError> {
    let claims = Claims {
        sub: sub.into(),
        role: role.into(),
        partner_id: partner_id.map(Into::into),
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        exp: (now() + SignedDuration::from_hours(12)).as_second(),
    };
    let key = EncodingKey::from_secret(JWT_SECRET.as_bytes());
    Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)?)
}

/// Checks tokens as the server does: one algorithm, and issuer, audience and expiry required.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    /// A verifier of this run's tokens.
    pub fn new() -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 0;
        Self { key: DecodingKey::from_secret(JWT_SECRET.as_bytes()), validation }
    }

    /// What a sound token says.
    pub fn verify(&self, token: &str) -> Result<Claims, jsonwebtoken::errors::Error> {
        jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation).map(|token| token.claims)
    }
}

/// The wall clock.
pub fn now() -> Timestamp {
    SystemClock.now()
}
