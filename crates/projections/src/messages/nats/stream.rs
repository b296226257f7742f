//! The stream: made where it is missing, mended where it lacks what Marquee rests on, asked for its last message.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, LastRawMessageErrorKind, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{Context, ErrorCode};
use marquee_event_store::{Position, StreamName};

use super::{FROM_STREAM, KEEPS, POSITION, REVISION, STREAM, out};
use crate::messages::bus::{BusError, Origin};
use crate::messages::message::Message;

const ALL_SUBJECTS: &str = "marquee.>";
/// How long the stream tells repeats by their id. Nothing rests on more: who publishes asks the stream where it stands.
const REPEATS_KNOWN_FOR: Duration = Duration::from_secs(120);
/// Messages that stay, where nobody has set the stream up otherwise.
const MOST_MESSAGES: i64 = 10_000_000;

/// As Marquee makes it. Replicas and limits are the operator's to change: they are left as they are found.
fn config() -> Config {
    Config {
        name: STREAM.into(),
        description: Some("What Marquee tells the outside".into()),
        subjects: vec![ALL_SUBJECTS.into()],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::Old,
        max_messages: MOST_MESSAGES,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_age: KEEPS,
        num_replicas: 1,
        duplicate_window: REPEATS_KNOWN_FOR,
        ..Config::default()
    }
}

/// The stream, with its state as it was a moment ago.
pub(super) async fn ensure(context: &Context) -> Result<Stream, BusError> {
    let stream = match context.get_stream(STREAM).await {
        Ok(stream) => stream,
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(code) if code.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                tracing::info!(stream = STREAM, "the stream of messages is made");
                context.create_stream(config()).await.map_err(|error| out(&error))?
            }
            GetStreamErrorKind::JetStream(_)
            | GetStreamErrorKind::EmptyName
            | GetStreamErrorKind::Request
            | GetStreamErrorKind::InvalidStreamName => return Err(out(&error)),
        },
    };
    let info = stream.cached_info();
    let takes_all = info.config.subjects.iter().any(|subject| subject == ALL_SUBJECTS || subject == ">");
    if !takes_all || info.config.duplicate_window < REPEATS_KNOWN_FOR {
        let mut mended = info.config.clone();
        if !takes_all {
            mended.subjects.retain(|subject| !subject.starts_with("marquee."));
            mended.subjects.push(ALL_SUBJECTS.into());
        }
        mended.duplicate_window = mended.duplicate_window.max(REPEATS_KNOWN_FOR);
        context.update_stream(mended).await.map_err(|error| out(&error))?;
    }
    Ok(stream)
}

/// The end of a stream.
pub(super) enum Last {
    /// The last message that Marquee put there.
    Message(Origin),
    /// Marquee has put none there that the stream still holds.
    None,
    /// Somebody wrote to it since its end was seen.
    Moving,
}

/// The last message that Marquee put into a stream which ended with the sequence `end`; whatever else lies on its
/// subjects is passed over.
pub(super) async fn last_message(stream: &Stream, end: u64) -> Result<Last, BusError> {
    match last_on(stream, ALL_SUBJECTS).await? {
        Some(found) if found.sequence > end => return Ok(Last::Moving),
        Some(Found { origin: Some(origin), .. }) => return Ok(Last::Message(origin)),
        Some(Found { origin: None, .. }) => {}
        None => return Ok(Last::None),
    }
    let mut newest = None;
    for subject in Message::SUBJECTS {
        let Some(found) = last_on(stream, subject).await? else { continue };
        if found.sequence > end {
            return Ok(Last::Moving);
        }
        let found = found.origin.map(|origin| (found.sequence, origin));
        newest = [newest, found].into_iter().flatten().max_by_key(|(sequence, _)| *sequence);
    }
    Ok(newest.map_or(Last::None, |(_, origin)| Last::Message(origin)))
}

struct Found {
    sequence: u64,
    /// `None` where it is somebody else's.
    origin: Option<Origin>,
}

async fn last_on(stream: &Stream, subject: &str) -> Result<Option<Found>, BusError> {
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some(Found { sequence: message.sequence, origin: origin(&message.headers) })),
        Err(error) => match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Ok(None),
            LastRawMessageErrorKind::InvalidSubject
            | LastRawMessageErrorKind::JetStream(_)
            | LastRawMessageErrorKind::Other => Err(out(&error)),
        },
    }
}

/// What a message of Marquee says of itself; `None` where it is somebody else's.
fn origin(headers: &HeaderMap) -> Option<Origin> {
    let header = |name: &str| headers.get(name).map(async_nats::HeaderValue::as_str);
    Some(Origin {
        event_id: header(NATS_MESSAGE_ID.as_ref())?.parse().ok()?,
        position: Position(header(POSITION)?.parse().ok()?),
        stream: StreamName::new(header(FROM_STREAM)?),
        revision: header(REVISION)?.parse().ok()?,
    })
}
