//! What makes a repeated request recognisable after any crash.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::ids::{IdempotencyKey, UserId};

/// An idempotent request, as the event that answered it remembers it.
/// Its scope is user, route and target; the target is the stream that it lies in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Who asked.
    pub user_id: UserId,
    /// Method and route template, such as `PATCH /shows/{showId}`.
    pub route: SmolStr,
    /// The caller's key.
    pub idempotency_key: IdempotencyKey,
    /// A hash of the parsed body.
    pub fingerprint: SmolStr,
}

impl Request {
    /// Whether `other` is the same request again, by its key alone.
    pub fn same_key(&self, other: &Self) -> bool {
        self.user_id == other.user_id
            && self.route == other.route
            && self.idempotency_key == other.idempotency_key
    }
}

/// The requests that a stream has answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answered(Vec<Request>);

/// A known key came back with another body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the idempotency key was used for another request")]
pub struct KeyReused;

impl Answered {
    /// Whether this request was answered before. An error where its key was, for another body.
    pub fn seen(&self, request: Option<&Request>) -> Result<bool, KeyReused> {
        let Some(request) = request else { return Ok(false) };
        match self.0.iter().find(|known| known.same_key(request)) {
            Some(known) if known.fingerprint == request.fingerprint => Ok(true),
            Some(_) => Err(KeyReused),
            None => Ok(false),
        }
    }

    /// Remembers a request.
    pub fn remember(&mut self, request: Option<&Request>) {
        self.0.extend(request.cloned());
    }
}
