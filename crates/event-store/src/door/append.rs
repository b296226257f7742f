//! `Append`: one stream, all or none, under what the client expects of it.

use futures_util::StreamExt;
use tonic::{Request, Response, Status, Streaming};

use super::proposal;
use super::proto::streams::append_req::Content;
use super::proto::streams::append_req::options::ExpectedStreamRevision;
use super::proto::streams::append_resp::success::{CurrentRevisionOption, PositionOption};
use super::proto::streams::append_resp::{Success, WrongExpectedVersion, wrong_expected_version as wrong};
use super::proto::streams::{AppendReq, AppendResp, ProposedMessage, append_resp};
use super::refusal::{MAX_APPEND, Refusal, malformed};
use super::service::Streams;
use super::wire::{position, read_stream_name};
use crate::port::{AppendError, Appended, Expected, NewEvent, Position};
use crate::stream::StreamName;

/// How often an append that expects nothing in particular is tried on a stream that others write to.
const MAX_TRIES: usize = 32;

/// What a client expects of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    NoStream,
    Revision(u64),
    /// Whatever is there.
    Any,
    /// At least one event.
    Exists,
}

/// How an append ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is there. `None` where nothing was appended to a stream that has nothing.
    Done(Option<Appended>),
    /// The stream is not as expected: its last revision, `None` where it has no events.
    Conflict(Option<u64>),
}

impl Streams {
    /// Whether clients may append.
    pub(super) fn writable(&self) -> Result<(), Refusal> {
        if self.writable { Ok(()) } else { Err(Refusal::Denied("this door is read-only")) }
    }

    /// `Append`.
    pub(super) async fn append_one(
        &self,
        request: Request<Streaming<AppendReq>>,
    ) -> Result<Response<AppendResp>, Status> {
        self.writable()?;
        let client = client_name(&request);
        let mut messages = request.into_inner();
        let Some(Content::Options(options)) = messages.message().await?.and_then(|message| message.content)
        else {
            return Err(malformed("the append does not begin with its options").into());
        };
        let stream = proposal::stream(&read_stream_name(options.stream_identifier.as_ref())?)?;
        let wanted = match options.expected_stream_revision {
            Some(ExpectedStreamRevision::Revision(revision)) => Wanted::Revision(revision),
            Some(ExpectedStreamRevision::NoStream(())) => Wanted::NoStream,
            Some(ExpectedStreamRevision::Any(())) => Wanted::Any,
            Some(ExpectedStreamRevision::StreamExists(())) => Wanted::Exists,
            None => return Err(malformed("the append says nothing of what it expects").into()),
        };
        let (mut proposals, mut size) = (Vec::new(), 0);
        while let Some(message) = messages.next().await {
            let Some(Content::ProposedMessage(proposed)) = message?.content else {
                return Err(malformed("the append has options twice, or an empty message").into());
            };
            size += size_of(&proposed);
            if size > MAX_APPEND {
                return Err(Refusal::TooLarge.into());
            }
            proposals.push(proposed);
        }
        let events = proposal::events(proposals, &*self.clock, &client)?;
        let result = match self.append_as_wanted(stream, wanted, events).await? {
            Outcome::Done(appended) => append_resp::Result::Success(success(appended)),
            Outcome::Conflict(current) => {
                append_resp::Result::WrongExpectedVersion(conflict(wanted, current))
            }
        };
        Ok(Response::new(AppendResp { result: Some(result) }))
    }

    /// Appends under an expectation, of which the log knows only the exact ones.
    pub(super) async fn append_as_wanted(
        &self,
        stream: StreamName,
        wanted: Wanted,
        events: Vec<NewEvent>,
    ) -> Result<Outcome, Refusal> {
        let exact = match wanted {
            Wanted::NoStream => Expected::NoStream,
            Wanted::Revision(revision) => Expected::Revision(revision),
            Wanted::Any | Wanted::Exists => return self.append_at_end(stream, wanted, events).await,
        };
        self.append_exactly(stream, exact, events).await
    }

    async fn append_exactly(
        &self,
        stream: StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Outcome, Refusal> {
        match self.store.append(stream, expected, events).await {
            Ok(appended) if appended.position == Position(0) => Ok(Outcome::Done(None)),
            Ok(appended) => Ok(Outcome::Done(Some(appended))),
            Err(AppendError::Conflict { current }) => Ok(Outcome::Conflict(current)),
            Err(AppendError::TooLarge) => Err(Refusal::TooLarge),
            Err(AppendError::Unavailable(reason)) => Err(Refusal::Unavailable(reason)),
        }
    }

    /// Appends wherever the stream ends. The same events that already end it are not appended twice.
    async fn append_at_end(
        &self,
        stream: StreamName,
        wanted: Wanted,
        events: Vec<NewEvent>,
    ) -> Result<Outcome, Refusal> {
        let mut conflict = Outcome::Conflict(None);
        for _ in 0..MAX_TRIES {
            let tail = self.store.read_stream_back(stream.clone(), None, events.len().max(1)).await?;
            let last = tail.first().map(|event| event.revision);
            if wanted == Wanted::Exists && last.is_none() {
                return Ok(Outcome::Conflict(None));
            }
            let again = !events.is_empty()
                && tail.len() == events.len()
                && tail.iter().rev().zip(&events).all(|(there, new)| there.id == new.id);
            if again && let Some(end) = tail.first() {
                return Ok(Outcome::Done(Some(Appended { revision: end.revision, position: end.position })));
            }
            let expected = last.map_or(Expected::NoStream, Expected::Revision);
            conflict = self.append_exactly(stream.clone(), expected, events.clone()).await?;
            if matches!(conflict, Outcome::Done(_)) {
                break;
            }
        }
        Ok(conflict)
    }
}

/// Who appends, where the event itself does not say.
pub(super) fn client_name<T>(request: &Request<T>) -> String {
    let name = request.metadata().get("connection-name").and_then(|name| name.to_str().ok());
    let name: String = name.unwrap_or("client").chars().take(100).collect();
    format!("kurrentdb:{name}")
}

pub(super) fn size_of(proposed: &ProposedMessage) -> usize {
    proposed.data.len() + proposed.custom_metadata.len()
}

pub(super) fn success(appended: Option<Appended>) -> Success {
    match appended {
        Some(appended) => Success {
            current_revision_option: Some(CurrentRevisionOption::CurrentRevision(appended.revision)),
            position_option: Some(PositionOption::Position(position(appended.position))),
        },
        None => Success {
            current_revision_option: Some(CurrentRevisionOption::NoStream(())),
            position_option: Some(PositionOption::NoPosition(())),
        },
    }
}

/// A conflict is an answer of this protocol, not an error.
fn conflict(wanted: Wanted, current: Option<u64>) -> WrongExpectedVersion {
    use wrong::{CurrentRevisionOption as Current, ExpectedRevisionOption as Told};
    WrongExpectedVersion {
        current_revision_option: Some(current.map_or(Current::CurrentNoStream(()), Current::CurrentRevision)),
        expected_revision_option: Some(match wanted {
            Wanted::NoStream => Told::ExpectedNoStream(()),
            Wanted::Revision(revision) => Told::ExpectedRevision(revision),
            Wanted::Any => Told::ExpectedAny(()),
            Wanted::Exists => Told::ExpectedStreamExists(()),
        }),
    }
}
