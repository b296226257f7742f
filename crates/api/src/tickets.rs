//! Tickets: a token that a scanner can check with the public key alone. It names nobody.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use marquee_domain::ids::{BookingId, SeatId, ShowId, TicketId};
use serde::Serialize;
use serde_json::{Value, json};

use crate::app::AppError;
use crate::error::ApiError;

/// Signs tickets.
pub(crate) struct TicketSigner {
    key: EncodingKey,
    header: Header,
    jwks: Value,
}

/// What a ticket says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TicketClaims<'a> {
    pub ticket_id: &'a TicketId,
    pub booking_id: &'a BookingId,
    pub show_id: &'a ShowId,
    pub seat_ids: &'a [SeatId],
    /// Seconds since the epoch.
    pub exp: i64,
}

impl TicketSigner {
    pub fn new(pkcs8: &[u8]) -> Result<Self, AppError> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| AppError::TicketKey)?;
        let public = pair.public_key().as_ref();
        let kid = hex::encode(digest(&SHA256, public).as_ref().get(..8).unwrap_or_default());
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid,
            "x": URL_SAFE_NO_PAD.encode(public) });
        let header = Header {
            kid: Some(kid),
            typ: Some("marquee-ticket+jwt".into()),
            ..Header::new(Algorithm::EdDSA)
        };
        Ok(Self { key: EncodingKey::from_ed_der(pkcs8), header, jwks: json!({ "keys": [jwk] }) })
    }

    /// The text of the QR code.
    pub fn sign(&self, claims: &TicketClaims<'_>) -> Result<String, ApiError> {
        encode(&self.header, claims, &self.key)
            .map_err(|error| ApiError::unavailable(&format!("ticket signing: {error}")))
    }

    /// The public keys.
    pub fn jwks(&self) -> &Value {
        &self.jwks
    }
}
