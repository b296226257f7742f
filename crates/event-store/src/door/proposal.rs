//! What a client wants to append. It must be an event of Marquee, and come back as it went.

use std::sync::Arc;

use serde_json::Value;

use super::proto::streams::ProposedMessage;
use super::refusal::{MAX_APPEND, Refusal};
use super::wire::read_id;
use crate::clock::Clock;
use crate::codec;
use crate::envelope::Metadata;
use crate::port::NewEvent;
use crate::stream::StreamName;
use crate::wire::Envelope;

/// The stream to append to.
pub(super) fn stream(name: &str) -> Result<StreamName, Refusal> {
    let foreign = || Refusal::Invalid(format!("{name:?} is not the name of a stream of Marquee"));
    StreamName::parse(name).ok_or_else(foreign)
}

/// The events to append.
pub(super) fn events(
    proposals: Vec<ProposedMessage>,
    clock: &dyn Clock,
    client: &str,
) -> Result<Vec<NewEvent>, Refusal> {
    let size: usize =
        proposals.iter().map(|proposal| proposal.data.len() + proposal.custom_metadata.len()).sum();
    if size > MAX_APPEND {
        return Err(Refusal::TooLarge);
    }
    proposals.into_iter().map(|proposal| event(&proposal, clock, client)).collect()
}

fn event(proposal: &ProposedMessage, clock: &dyn Clock, client: &str) -> Result<NewEvent, Refusal> {
    let property = |name: &'static str| proposal.metadata.get(name).ok_or(Refusal::NoProperty(name));
    let (stored_name, content_type) = (property("type")?, property("content-type")?);
    let invalid = |reason: String| Refusal::Invalid(format!("{stored_name}: {reason}"));
    if content_type != "application/json" {
        return Err(invalid(format!("its content type is {content_type}, not application/json")));
    }
    let id = read_id(proposal.id.as_ref()).ok_or_else(|| invalid("its id is no UUID".into()))?;
    let event = codec::decode(stored_name, &proposal.data).map_err(|error| invalid(error.to_string()))?;
    let stored = codec::encode(&event).map_err(|error| invalid(error.to_string()))?;
    let value =
        |json: &[u8]| serde_json::from_slice::<Value>(json).map_err(|error| invalid(error.to_string()));
    if event.stored_name() != stored_name || value(&stored)? != value(&proposal.data)? {
        return Err(invalid("its data would not be kept as given".into()));
    }
    let envelope = if proposal.custom_metadata.is_empty() {
        let correlation_id = id.to_string().into();
        let metadata = Metadata { actor: client.into(), correlation_id, causation_id: None };
        Envelope::new(&metadata, clock.now())
    } else {
        let read = serde_json::from_slice(&proposal.custom_metadata);
        read.map_err(|error| invalid(format!("its metadata is not an envelope of Marquee: {error}")))?
    };
    Ok(NewEvent { id, time: envelope.time, event, metadata: Arc::new(envelope.into_metadata()) })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::wire::IdForm;
    use super::*;
    use crate::clock::SystemClock;

    fn proposal(stored_name: &str, data: &str, metadata: &str) -> ProposedMessage {
        ProposedMessage {
            id: Some(IdForm::Text.write(uuid::Uuid::now_v7())),
            metadata: HashMap::from([
                ("type".to_owned(), stored_name.to_owned()),
                ("content-type".to_owned(), "application/json".to_owned()),
            ]),
            custom_metadata: metadata.to_owned().into(),
            data: data.to_owned().into(),
        }
    }

    fn judged(proposal: ProposedMessage) -> Result<NewEvent, Refusal> {
        events(vec![proposal], &SystemClock, "client").map(|mut events| events.remove(0))
    }

    const ENVELOPE: &str =
        r#"{"actor":"customer:u_1","$correlationId":"req_1","time":"2026-11-23T10:00:00Z"}"#;

    #[test]
    fn an_event_of_marquee_is_taken_with_its_envelope() {
        let taken = judged(proposal("booking.expired.v1", r#"{ "bookingId": "bk_1" }"#, ENVELOPE)).unwrap();
        assert_eq!(taken.event.stored_name(), "booking.expired.v1");
        assert_eq!((&*taken.metadata.actor, &*taken.metadata.correlation_id), ("customer:u_1", "req_1"));
        assert_eq!(taken.time, "2026-11-23T10:00:00Z".parse().unwrap());
        let bare = judged(proposal("booking.expired.v1", r#"{"bookingId":"bk_1"}"#, "")).unwrap();
        assert_eq!(bare.metadata.actor, "client");
    }

    #[test]
    fn what_would_not_be_decodable_for_ever_is_refused() {
        for (stored_name, data, metadata) in [
            ("OrderPlaced", "{}", ""),
            ("booking.expired.v99", r#"{"bookingId":"bk_1"}"#, ""),
            ("booking.expired.v1", "{}", ""),
            ("booking.expired.v1", "not json", ""),
            ("booking.expired.v1", r#"{"bookingId":"bk_1","more":1}"#, ""),
            ("booking.expired.v1", r#"{"bookingId":"bk_1"}"#, r#"{"who":"me"}"#),
        ] {
            let refused = judged(proposal(stored_name, data, metadata));
            assert!(matches!(refused, Err(Refusal::Invalid(_))), "{stored_name} {data} {metadata}");
        }
        let mut binary = proposal("booking.expired.v1", r#"{"bookingId":"bk_1"}"#, "");
        binary.metadata.insert("content-type".into(), "application/octet-stream".into());
        assert!(matches!(judged(binary), Err(Refusal::Invalid(_))));
        let mut untyped = proposal("booking.expired.v1", r#"{"bookingId":"bk_1"}"#, "");
        untyped.metadata.remove("type");
        assert_eq!(judged(untyped).unwrap_err(), Refusal::NoProperty("type"));
        let large = proposal("booking.expired.v1", &"x".repeat(MAX_APPEND + 1), "");
        assert_eq!(judged(large).unwrap_err(), Refusal::TooLarge);
        for name in ["$ce-show", "orders-1", "show-"] {
            assert!(matches!(stream(name), Err(Refusal::Invalid(_))), "{name}");
        }
    }
}
