//! Bearer tokens, made here and not by the server.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::support::time;

/// The HS256 secret that the tests start the server with.
pub const JWT_SECRET: &str = "a-shared-secret-of-the-black-box-suites-0001";

/// The claims of a sound token, for a test to spoil.
pub fn claims(role: &str, sub: &str) -> Value {
    let exp = time::now().as_second() + 3600;
    json!({ "iss": "marquee", "aud": "marquee", "sub": sub, "role": role, "exp": exp })
}

/// A token of these claims.
pub fn sign(claims: &Value, secret: &str) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// A sound token.
pub fn token(role: &str, sub: &str) -> String {
    sign(&claims(role, sub), JWT_SECRET)
}

/// A sound token of a partner's user.
pub fn partner(partner_id: &str) -> String {
    let mut claims = claims("partner", &format!("{partner_id}_user"));
    claims["partnerId"] = json!(partner_id);
    sign(&claims, JWT_SECRET)
}

/// A customer's token.
pub fn customer(sub: &str) -> String {
    token("customer", sub)
}
