//! Events on their way to KurrentDB and back.

use bytes::Bytes;
use jiff::Timestamp;
use kurrentdb::{EventData, RecordedEvent};
use serde_json::value::RawValue;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::codec;
use crate::envelope::{Metadata, Recorded};
use crate::port::{AppendError, NewEvent, Position};
use crate::stream::StreamName;
use crate::wire::Envelope;

/// An event to append, in its stored form.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub id: Uuid,
    stored_name: SmolStr,
    envelope: Envelope,
    data: Bytes,
}

impl Outgoing {
    /// The stored form of a new event.
    pub fn new(event: &NewEvent) -> Result<Self, AppendError> {
        // Only a payload that has no JSON form fails here, and nothing was written: it can never be stored.
        let data =
            codec::encode(&event.event).map_err(|error| AppendError::Unavailable(error.to_string()))?;
        Ok(Self {
            id: event.id,
            stored_name: SmolStr::new_static(event.event.stored_name()),
            envelope: Envelope::new(&event.metadata, event.time),
            data,
        })
    }

    /// A recorded event as it is, whatever its version.
    pub fn copied(event: &Recorded) -> Self {
        Self {
            id: event.id,
            stored_name: event.stored_name.clone(),
            envelope: Envelope::new(&event.metadata, event.time),
            data: event.data.clone(),
        }
    }

    /// Its payload's size, in bytes.
    pub fn size(&self) -> usize {
        self.data.len()
    }

    /// As the client takes it: the payload goes as it is, not through a value and back.
    pub fn into_data(self) -> serde_json::Result<EventData> {
        let payload: &RawValue = serde_json::from_slice(&self.data)?;
        EventData::json(&self.stored_name, &payload)?.id(self.id).metadata_as_json(&self.envelope)
    }
}

/// When the server wrote an event, to the second.
pub(super) fn stamped(event: &RecordedEvent) -> Timestamp {
    Timestamp::from_millisecond(event.created.timestamp_millis()).unwrap_or_default()
}

/// An event as KurrentDB has it. One without our envelope is somebody else's; it is read all the same, and is poison to views.
pub(super) fn recorded(event: RecordedEvent) -> Recorded {
    let stream = StreamName::new(event.stream_id());
    let (metadata, time) = match serde_json::from_slice::<Envelope>(&event.custom_metadata) {
        Ok(envelope) => {
            let time = envelope.time;
            (envelope.into_metadata(), time)
        }
        Err(_) => (Metadata::default(), stamped(&event)),
    };
    Recorded::new(
        Position(event.position.commit),
        stream,
        event.revision,
        event.id,
        SmolStr::new(&event.event_type),
        time,
        metadata,
        event.data,
        None,
    )
}
