//! Events, ids and streams as the protocol carries them.

use std::collections::HashMap;

use bytes::Bytes;
use uuid::Uuid;

use super::proto::streams::read_resp::{self, Content, ReadEvent, RecordedEvent};
use super::proto::streams::{ReadResp, read_req};
use super::proto::{self, StreamIdentifier, uuid as uuid_proto};
use super::refusal::{Refusal, malformed};
use crate::envelope::Recorded;
use crate::port::Position;
use crate::stream::StreamName;
use crate::wire::Envelope;

/// Ticks, of 100 ns, in a millisecond.
const TICKS_PER_MILLI: i64 = 10_000;

/// How a client wants its ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdForm {
    Structured,
    Text,
}

impl IdForm {
    pub fn of(option: Option<&read_req::UuidOption>) -> Self {
        use read_req::uuid_option::Content;
        match option.and_then(|option| option.content.as_ref()) {
            Some(Content::String(())) => Self::Text,
            Some(Content::Structured(())) | None => Self::Structured,
        }
    }

    pub fn write(self, id: Uuid) -> proto::Uuid {
        let value = match self {
            Self::Text => uuid_proto::Value::String(id.to_string()),
            Self::Structured => {
                let (most, least) = id.as_u64_pair();
                uuid_proto::Value::Structured(uuid_proto::Structured {
                    most_significant_bits: most.cast_signed(),
                    least_significant_bits: least.cast_signed(),
                })
            }
        };
        proto::Uuid { value: Some(value) }
    }
}

/// An id, in either form.
pub(super) fn read_id(id: Option<&proto::Uuid>) -> Option<Uuid> {
    match id?.value.as_ref()? {
        uuid_proto::Value::String(text) => Uuid::parse_str(text).ok(),
        uuid_proto::Value::Structured(halves) => Some(Uuid::from_u64_pair(
            halves.most_significant_bits.cast_unsigned(),
            halves.least_significant_bits.cast_unsigned(),
        )),
    }
}

/// The name of a stream as a client gave it.
pub(super) fn read_stream_name(identifier: Option<&StreamIdentifier>) -> Result<String, Refusal> {
    let identifier = identifier.ok_or_else(|| malformed("the stream is missing"))?;
    let name = std::str::from_utf8(&identifier.stream_name);
    name.map(str::to_owned).map_err(|_| malformed("the stream's name is not text"))
}

pub(super) fn identifier(stream: &StreamName) -> StreamIdentifier {
    StreamIdentifier { stream_name: Bytes::copy_from_slice(stream.as_str().as_bytes()) }
}

/// A position, which is commit and prepare position in one.
pub(super) fn position(position: Position) -> proto::Position {
    proto::Position { commit_position: position.0, prepare_position: position.0 }
}

/// An event, as it is read.
pub(super) fn event(event: &Recorded, ids: IdForm) -> ReadResp {
    let ticks = event.time.as_millisecond() * TICKS_PER_MILLI;
    let metadata = HashMap::from([
        ("type".to_owned(), event.stored_name.to_string()),
        ("content-type".to_owned(), "application/json".to_owned()),
        ("created".to_owned(), ticks.to_string()),
    ]);
    let envelope = Envelope::new(&event.metadata, event.time);
    let recorded = RecordedEvent {
        id: Some(ids.write(event.id)),
        stream_identifier: Some(identifier(&event.stream)),
        stream_revision: event.revision,
        prepare_position: event.position.0,
        commit_position: event.position.0,
        metadata,
        // Strings, ids and a time always have a JSON form.
        custom_metadata: serde_json::to_vec(&envelope).map(Bytes::from).unwrap_or_default(),
        data: event.data.clone(),
    };
    answer(Content::Event(ReadEvent {
        event: Some(recorded),
        position: Some(read_resp::read_event::Position::CommitPosition(event.position.0)),
    }))
}

pub(super) fn answer(content: Content) -> ReadResp {
    ReadResp { content: Some(content) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_in_either_form() {
        let id = Uuid::now_v7();
        for form in [IdForm::Text, IdForm::Structured] {
            assert_eq!(read_id(Some(&form.write(id))), Some(id));
        }
        assert_eq!(read_id(Some(&proto::Uuid { value: None })), None);
        let nonsense = proto::Uuid { value: Some(uuid_proto::Value::String("x".into())) };
        assert_eq!(read_id(Some(&nonsense)), None);
    }
}
