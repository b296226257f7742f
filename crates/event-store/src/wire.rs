//! The envelope as JSON: what stands in the metadata of an event in KurrentDB.
//!
//! The ids carry the `$` names that KurrentDB gives them, so that its own tools can follow a cause to its effects.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::envelope::Metadata;

/// Who, why and when. What is not in here is refused: it would be lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope {
    actor: SmolStr,
    #[serde(rename = "$correlationId")]
    correlation_id: SmolStr,
    #[serde(rename = "$causationId", default, skip_serializing_if = "Option::is_none")]
    causation_id: Option<Uuid>,
    /// When it was decided, to the millisecond.
    pub time: Timestamp,
}

impl Envelope {
    /// The envelope of an event; its time to the millisecond.
    pub fn new(metadata: &Metadata, time: Timestamp) -> Self {
        Self {
            actor: metadata.actor.clone(),
            correlation_id: metadata.correlation_id.clone(),
            causation_id: metadata.causation_id,
            time: marquee_domain::time::to_millis(time),
        }
    }

    /// Who and why.
    pub fn into_metadata(self) -> Metadata {
        Metadata { actor: self.actor, correlation_id: self.correlation_id, causation_id: self.causation_id }
    }
}
