//! What every command carries, and what every answer does.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use marquee_domain::request::Request;
use marquee_event_store::{Metadata, Position};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::Commands;

/// Who asks, and the thread that ties together all that the request causes.
#[derive(Debug, Clone)]
pub struct Context {
    /// Such as `customer:u_2001`, `process:expiry`, `gateway:sandbox`.
    pub actor: SmolStr,
    /// The request's correlation id.
    pub correlation_id: SmolStr,
}

impl Context {
    pub(crate) fn metadata(&self) -> Arc<Metadata> {
        self.caused_by(None)
    }

    /// The same, for what an event leads to.
    pub(crate) fn caused_by(&self, causation_id: Option<Uuid>) -> Arc<Metadata> {
        let (actor, correlation_id) = (self.actor.clone(), self.correlation_id.clone());
        Arc::new(Metadata { actor, correlation_id, causation_id })
    }
}

/// A command's answer, durable.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// What came of it.
    pub value: T,
    /// The log holds it from here on; a replay has the original's.
    pub position: Position,
    /// Whether it had been answered before.
    pub replayed: bool,
}

impl<T> Answer<T> {
    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: f(self.value), position: self.position, replayed: self.replayed }
    }
}

impl Commands {
    /// An id for something new. Derived from user, route and key, so that a repeated create cannot make two; random
    /// without a key.
    pub fn new_id(prefix: &str, request: Option<&Request>) -> SmolStr {
        let unique = match request {
            Some(request) => {
                let name = format!("{}\n{}\n{}", request.user_id, request.route, request.idempotency_key);
                let hash = digest(&SHA256, name.as_bytes());
                hex::encode(hash.as_ref().get(..13).unwrap_or_default())
            }
            None => Uuid::now_v7().simple().to_string(),
        };
        SmolStr::from(format!("{prefix}_{unique}"))
    }
}
