//! Events to JSON and back. The domain knows only today's shape; older ones are lifted here, at the door.

use std::borrow::Cow;

use bytes::Bytes;
use marquee_domain::Event;
use serde_json::Value;

/// Why stored bytes are not an event that this release knows. Such an event is poison to a view: its stream is parked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A newer release wrote it, or something else did.
    #[error("no event is known as {0}")]
    UnknownName(String),
    /// The payload does not fit the name.
    #[error("{name} does not decode: {reason}")]
    Malformed {
        /// The stored name.
        name: String,
        /// What the decoder says.
        reason: String,
    },
}

/// The stored form of an event's payload.
pub fn encode(event: &Event) -> Result<Bytes, serde_json::Error> {
    serde_json::to_vec(event).map(Bytes::from)
}

/// Reads what any past release wrote.
pub fn decode(stored_name: &str, data: &[u8]) -> Result<Event, DecodeError> {
    let malformed = |error: serde_json::Error| DecodeError::Malformed {
        name: stored_name.into(),
        reason: error.to_string(),
    };
    let event = if let Some((name, lifted)) = upcast(stored_name, data).map_err(malformed)? {
        Event::deserialize_named(&name, lifted).map_err(malformed)?
    } else {
        let mut deserializer = serde_json::Deserializer::from_slice(data);
        let event = Event::deserialize_named(stored_name, &mut deserializer).map_err(malformed)?;
        deserializer.end().map_err(malformed)?;
        event
    };
    event.ok_or_else(|| DecodeError::UnknownName(stored_name.into()))
}

/// Lifts an older version's payload into the current one, a version at a time. `None` where the name is current.
///
/// No version has been superseded yet. The first makes this a match over the stored name, with an arm such as
/// `"booking.seats-locked.v1" => { value["tier"] = json!("STANDARD"); "booking.seats-locked.v2" }`.
#[expect(clippy::unnecessary_wraps, reason = "an arm parses the payload, which may fail")]
fn upcast(_stored_name: &str, _data: &[u8]) -> Result<Option<(Cow<'static, str>, Value)>, serde_json::Error> {
    Ok(None)
}
