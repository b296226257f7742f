//! What surrounds an event: where it lies, when and by whom it was caused.

use std::sync::OnceLock;

use bytes::Bytes;
use jiff::Timestamp;
use marquee_domain::Event;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::codec::{self, DecodeError};
use crate::port::Position;
use crate::stream::StreamName;

/// Who caused an event, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Who: `customer:u_2001`, `partner:p_1`, `process:expiry`, `gateway:sandbox` …
    pub actor: SmolStr,
    /// Ties together all that one request caused.
    pub correlation_id: SmolStr,
    /// The event that caused this one, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Uuid>,
}

/// An event as it stands in the log.
#[derive(Debug)]
pub struct Recorded {
    /// Its place in the whole log.
    pub position: Position,
    /// Its stream.
    pub stream: StreamName,
    /// Its place in the stream, from 0.
    pub revision: u64,
    /// Its id.
    pub id: Uuid,
    /// The name that it was stored under, with its version.
    pub stored_name: SmolStr,
    /// When it was decided, to the millisecond.
    pub time: Timestamp,
    /// Who and why.
    pub metadata: Metadata,
    /// Its payload, as stored: JSON. Never rewritten, whatever shape the code has today.
    pub data: Bytes,
    decoded: OnceLock<Result<Event, DecodeError>>,
}

impl Recorded {
    /// An event as an adapter read it. Pass `decoded` where the typed event is at hand already.
    #[expect(clippy::too_many_arguments, reason = "one argument a column")]
    pub fn new(
        position: Position,
        stream: StreamName,
        revision: u64,
        id: Uuid,
        stored_name: SmolStr,
        time: Timestamp,
        metadata: Metadata,
        data: Bytes,
        decoded: Option<Event>,
    ) -> Self {
        let decoded = decoded.map_or_else(OnceLock::new, |event| OnceLock::from(Ok(event)));
        Self { position, stream, revision, id, stored_name, time, metadata, data, decoded }
    }

    /// The event in today's shape, decoded once and lifted from any older version.
    pub fn event(&self) -> Result<&Event, DecodeError> {
        self.decoded
            .get_or_init(|| codec::decode(&self.stored_name, &self.data))
            .as_ref()
            .map_err(Clone::clone)
    }
}
