//! The caller's key, and the fingerprint that tells its bodies apart.

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderMap;
use marquee_domain::ids::{IdempotencyKey, UserId};
use marquee_domain::request::Request;
use serde::Serialize;
use smol_str::SmolStr;

use crate::error::ApiError;

const HEADER: &str = "idempotency-key";

/// The key, where one was sent.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let key = value.to_str().ok().and_then(IdempotencyKey::parse_header);
    key.map(Some).ok_or_else(|| ApiError::invalid("Idempotency-Key", "must be 1 to 128 visible characters"))
}

/// The key, where one must be sent.
pub(crate) fn required_key(headers: &HeaderMap) -> Result<IdempotencyKey, ApiError> {
    key(headers)?.ok_or_else(|| ApiError::invalid("Idempotency-Key", "is required"))
}

/// A hash of the parsed body: the same for the same request, however it was spaced or ordered.
pub(crate) fn fingerprint(body: &impl Serialize) -> SmolStr {
    let canonical = serde_json::to_vec(body).unwrap_or_default();
    let hash = digest(&SHA256, &canonical);
    SmolStr::from(hex::encode(hash.as_ref().get(..16).unwrap_or_default()))
}

/// The idempotent request, where a key was sent.
pub(crate) fn request(
    headers: &HeaderMap,
    user: &UserId,
    route: &'static str,
    body: &impl Serialize,
) -> Result<Option<Request>, ApiError> {
    let key = key(headers)?;
    Ok(key.map(|idempotency_key| Request {
        user_id: user.clone(),
        route: SmolStr::new_static(route),
        idempotency_key,
        fingerprint: fingerprint(body),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_of_what_the_body_says_not_of_how() {
        let one: serde_json::Value = serde_json::from_str(r#"{"a":1,"b":[2]}"#).unwrap();
        let two: serde_json::Value = serde_json::from_str("{ \"b\": [2],\n \"a\": 1 }").unwrap();
        assert_eq!(fingerprint(&one), fingerprint(&two));
        assert_ne!(fingerprint(&one), fingerprint(&serde_json::json!({ "a": 2, "b": [2] })));
    }

    #[test]
    fn a_key_is_short_and_visible() {
        let with =
            |value: &'static str| HeaderMap::from_iter([(HEADER.parse().unwrap(), value.parse().unwrap())]);
        assert!(required_key(&with("5f2c")).is_ok());
        assert!(required_key(&with("a b")).is_err());
        assert!(required_key(&HeaderMap::new()).is_err());
    }
}
