//! What a view holds, in one line that can be compared.

use aws_lc_rs::digest;
use marquee_event_store::Position;
use serde::{Deserialize, Serialize};

/// A view's content at a position. Two makings of a view from one log agree at every position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The view holds every event up to here.
    pub position: Position,
    /// SHA-256 of the content in its canonical form, in hex.
    pub hash: String,
}

/// Hashes a view's content, record after record, in an order that the content alone decides.
pub(crate) struct Canonical(digest::Context);

impl Canonical {
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Adds a record. Records are JSON, which holds no bare line break, so that no two sequences of them hash alike.
    pub fn record(&mut self, record: &impl Serialize) -> Result<(), serde_json::Error> {
        self.0.update(&serde_json::to_vec(record)?);
        self.0.update(b"\n");
        Ok(())
    }

    pub fn finish(self, position: Position) -> Fingerprint {
        Fingerprint { position, hash: hex::encode(self.0.finish()) }
    }
}
