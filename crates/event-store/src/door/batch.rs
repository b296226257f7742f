//! `BatchAppend`: many appends over one call, each judged by itself.
//!
//! They are begun in the order in which they come, and the next does not wait until the last is durable.

use std::collections::HashMap;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tonic::{Code, Request, Response, Status, Streaming};
use uuid::Uuid;

use super::append::{Outcome, Wanted, client_name, size_of, success};
use super::proposal;
use super::proto::streams::batch_append_req::{Options, options::ExpectedStreamPosition as Told};
use super::proto::streams::batch_append_resp::{ExpectedStreamPosition, Result as Answer};
use super::proto::streams::{BatchAppendReq, BatchAppendResp, ProposedMessage};
use super::proto::wrong_expected_version::{
    CurrentStreamRevisionOption as Current, ExpectedStreamPositionOption as Expectation,
};
use super::proto::{self, WrongExpectedVersion};
use super::refusal::{MAX_APPEND, Refusal, malformed};
use super::service::{Answers, Streams, answers};
use super::wire::{read_id, read_stream_name};

/// Answers that may wait for a client to take them.
const ANSWERS: usize = 16;
/// Appends of one call that may be on their way into the log.
const MAX_BEGUN: usize = 256;
/// Bytes of them that may be.
const MAX_BEGUN_SIZE: usize = 8 * MAX_APPEND;
/// Appends that a client may have begun and not ended.
const MAX_OPEN: usize = 64;

/// An append whose last part has not come.
struct Open {
    options: Options,
    proposals: Vec<ProposedMessage>,
    size: usize,
}

impl Open {
    /// Whether it says at which revision.
    fn is_exact(&self) -> bool {
        match self.options.expected_stream_position {
            Some(Told::StreamPosition(_) | Told::NoStream(())) => true,
            Some(Told::Any(()) | Told::StreamExists(())) | None => false,
        }
    }
}

/// Adds a part to its append; the append, once no other part is to come.
fn complete(open: &mut HashMap<Uuid, Open>, message: BatchAppendReq) -> Result<Option<Open>, Refusal> {
    let id =
        read_id(message.correlation_id.as_ref()).ok_or_else(|| malformed("the correlation id is no UUID"))?;
    // The options come with the first part alone.
    let mut append = match (open.remove(&id), message.options) {
        (Some(append), _) => append,
        (None, Some(options)) => Open { options, proposals: vec![], size: 0 },
        (None, None) => return Err(malformed("the append does not begin with its options")),
    };
    append.size += message.proposed_messages.iter().map(size_of).sum::<usize>();
    append.proposals.extend(message.proposed_messages);
    match (message.is_final, append.size > MAX_APPEND) {
        (true, _) => Ok(Some(append)),
        // What is still to come of it has no options, and would end the call: so does this.
        (false, true) => Err(Refusal::TooLarge),
        (false, false) if open.len() == MAX_OPEN => {
            Err(malformed("too many appends are begun and not ended"))
        }
        (false, false) => {
            open.insert(id, append);
            Ok(None)
        }
    }
}

/// Why no more is taken from a call.
enum Ended {
    /// Its client has no more to append, or listens no longer.
    Over,
    Refused(Status),
}

/// The appends of a call that are on their way into the log.
struct Begun<'a, F> {
    appends: FuturesUnordered<F>,
    /// Of what they append, in bytes.
    size: usize,
    tell: &'a mpsc::Sender<Result<BatchAppendResp, Status>>,
}

impl<F: Future<Output = Judged>> Begun<'_, F> {
    fn has_room(&self) -> bool {
        self.appends.len() < MAX_BEGUN && self.size < MAX_BEGUN_SIZE
    }

    async fn answer(&mut self, (size, answer): Judged) -> Result<(), Ended> {
        self.size -= size;
        let answer = answer.map_err(Ended::Refused)?;
        self.tell.send(Ok(answer)).await.map_err(|_| Ended::Over)
    }

    async fn answer_all(&mut self) -> Result<(), Ended> {
        let mut refused = Ok(());
        while let Some(answer) = self.appends.next().await {
            match self.answer(answer).await {
                Err(Ended::Over) => return Err(Ended::Over),
                answered => refused = refused.and(answered),
            }
        }
        refused
    }
}

/// The size of an append and its answer.
type Judged = (usize, Result<BatchAppendResp, Status>);

impl Streams {
    /// `BatchAppend`.
    pub(super) fn append_many(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Answers<BatchAppendResp>>, Refusal> {
        self.writable()?;
        let client = client_name(&request);
        let (tell, told) = mpsc::channel(ANSWERS);
        let (streams, messages) = (self.clone(), request.into_inner());
        tokio::spawn(async move {
            let stop = streams.stop.clone();
            let ended = tokio::select! {
                ended = streams.take_all(messages, &client, &tell) => ended,
                () = stop.cancelled() => Err(Status::unavailable("the door closes")),
            };
            if let Err(status) = ended {
                // Nobody is left to be told where this fails.
                let _ = tell.send(Err(status)).await;
            }
        });
        Ok(Response::new(answers(told)))
    }

    async fn take_all(
        &self,
        mut messages: Streaming<BatchAppendReq>,
        client: &str,
        tell: &mpsc::Sender<Result<BatchAppendResp, Status>>,
    ) -> Result<(), Status> {
        let mut open = HashMap::new();
        let mut begun = Begun { appends: FuturesUnordered::new(), size: 0, tell };
        let ended = loop {
            let message = tokio::select! {
                message = messages.message(), if begun.has_room() => message,
                Some(answer) = begun.appends.next() => match begun.answer(answer).await {
                    Ok(()) => continue,
                    Err(ended) => break ended,
                }
            };
            let message = match message {
                Ok(Some(message)) => message,
                Ok(None) => break Ended::Over,
                Err(status) => break Ended::Refused(status),
            };
            let correlation_id = message.correlation_id.clone();
            let append = match complete(&mut open, message) {
                Ok(Some(append)) => append,
                Ok(None) => continue,
                Err(refusal) => break Ended::Refused(refusal.into()),
            };
            let (size, exact) = (append.size, append.is_exact());
            // One that goes wherever the stream ends has to see where what came before it has gone, and has to be seen by what
            // comes after it.
            if !exact && let Err(ended) = begun.answer_all().await {
                break ended;
            }
            begun.size += size;
            begun.appends.push(self.judge(append, correlation_id, client).map(move |answer| (size, answer)));
            if !exact && let Err(ended) = begun.answer_all().await {
                break ended;
            }
        };
        // What was begun goes into the log whatever comes after it, so its client is told.
        match (ended, begun.answer_all().await) {
            (Ended::Refused(status), _) | (Ended::Over, Err(Ended::Refused(status))) => Err(status),
            (Ended::Over, Ok(()) | Err(Ended::Over)) => Ok(()),
        }
    }

    async fn judge(
        &self,
        append: Open,
        correlation_id: Option<proto::Uuid>,
        client: &str,
    ) -> Result<BatchAppendResp, Status> {
        let Options { stream_identifier, expected_stream_position, deadline_option: _ } = append.options;
        let (wanted, echoed) = match expected_stream_position {
            Some(Told::StreamPosition(revision)) => {
                (Wanted::Revision(revision), ExpectedStreamPosition::StreamPosition(revision))
            }
            Some(Told::NoStream(())) => (Wanted::NoStream, ExpectedStreamPosition::NoStream(())),
            Some(Told::Any(())) => (Wanted::Any, ExpectedStreamPosition::Any(())),
            Some(Told::StreamExists(())) => (Wanted::Exists, ExpectedStreamPosition::StreamExists(())),
            None => return Err(malformed("the append says nothing of what it expects").into()),
        };
        let name = read_stream_name(stream_identifier.as_ref())?;
        let outcome = async {
            let stream = proposal::stream(&name)?;
            let events = proposal::events(append.proposals, &*self.clock, client)?;
            self.append_as_wanted(stream, wanted, events).await
        };
        let answer = match outcome.await {
            Ok(Outcome::Done(appended)) => Answer::Success(success(appended)),
            Ok(Outcome::Conflict(current)) => Answer::Error(conflict(&name, wanted, current)),
            Err(refusal) => Answer::Error(refusal.detail()),
        };
        Ok(BatchAppendResp {
            correlation_id,
            stream_identifier,
            result: Some(answer),
            expected_stream_position: Some(echoed),
        })
    }
}

/// Here a conflict is an error, with what differs as its detail.
fn conflict(stream: &str, wanted: Wanted, current: Option<u64>) -> proto::Status {
    let expected = match wanted {
        Wanted::NoStream => Expectation::ExpectedNoStream(()),
        Wanted::Revision(revision) => Expectation::ExpectedStreamPosition(revision),
        Wanted::Any => Expectation::ExpectedAny(()),
        Wanted::Exists => Expectation::ExpectedStreamExists(()),
    };
    let detail = WrongExpectedVersion {
        current_stream_revision_option: Some(
            current.map_or(Current::CurrentNoStream(()), Current::CurrentStreamRevision),
        ),
        expected_stream_position_option: Some(expected),
    };
    proto::Status {
        code: Code::AlreadyExists as i32,
        message: format!("the stream {stream} is not at the expected revision"),
        details: Some(prost_types::Any {
            type_url: "type.googleapis.com/event_store.client.WrongExpectedVersion".to_owned(),
            value: prost::Message::encode_to_vec(&detail),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::proto::streams::ProposedMessage;
    use super::super::proto::{StreamIdentifier, uuid};
    use tokio_util::sync::CancellationToken;

    use super::super::{Door, DoorConfig};
    use super::*;
    use crate::clock::SystemClock;
    use crate::embedded::{DataDir, EmbeddedStore};

    fn id() -> proto::Uuid {
        proto::Uuid { value: Some(uuid::Value::String(Uuid::new_v4().to_string())) }
    }

    fn append(stream: &str, expected: Told) -> BatchAppendReq {
        let metadata = [("type", "booking.expired.v1"), ("content-type", "application/json")];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let event = ProposedMessage {
            id: Some(id()),
            metadata,
            custom_metadata: bytes::Bytes::from_static(
                br#"{"actor":"process:expiry","$correlationId":"req_1","time":"2026-11-23T10:00:00Z"}"#,
            ),
            data: bytes::Bytes::from_static(br#"{"bookingId":"bk_1"}"#),
        };
        BatchAppendReq {
            correlation_id: Some(id()),
            options: Some(Options {
                stream_identifier: Some(StreamIdentifier { stream_name: stream.as_bytes().to_vec().into() }),
                expected_stream_position: Some(expected),
                deadline_option: None,
            }),
            proposed_messages: vec![event],
            is_final: true,
        }
    }

    /// What a door on an empty log says to one call.
    async fn told(messages: Vec<BatchAppendReq>) -> Vec<Result<Option<Answer>, Code>> {
        let root = tempfile::tempdir().unwrap();
        let log = EmbeddedStore::open(&DataDir::lock(root.path()).unwrap()).unwrap();
        let config = DoorConfig { listen: "127.0.0.1:0".parse().unwrap(), writable: true };
        let door = Door::bind(config, Arc::new(log), Arc::new(SystemClock), CancellationToken::default())
            .await
            .unwrap();
        let url = format!("http://{}", door.listen());
        let serving = tokio::spawn(door.serve());
        let channel = tonic::transport::Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.unwrap();
        let request = Request::new(futures_util::stream::iter(messages));
        let path = tonic::codegen::http::uri::PathAndQuery::from_static(
            "/event_store.client.streams.Streams/BatchAppend",
        );
        let codec = tonic::codec::ProstCodec::<BatchAppendReq, BatchAppendResp>::default();
        let answers = client.streaming(request, path, codec).await.unwrap().into_inner();
        let answers =
            answers.map(|answer| answer.map(|it| it.result).map_err(|status| status.code())).collect();
        let answers = answers.await;
        serving.abort();
        answers
    }

    fn is_written(answer: &Result<Option<Answer>, Code>) -> bool {
        matches!(answer, Ok(Some(Answer::Success(_))))
    }

    #[tokio::test]
    async fn what_was_begun_before_a_malformed_message_is_answered() {
        let malformed = BatchAppendReq { correlation_id: None, ..append("show-sh_1", Told::NoStream(())) };
        let messages =
            vec![append("show-sh_1", Told::NoStream(())), append("show-sh_2", Told::NoStream(())), malformed];
        let answers = told(messages).await;
        assert!(
            matches!(&answers[..], [one, two, Err(Code::InvalidArgument)] if is_written(one) && is_written(two)),
            "{answers:?}"
        );
    }

    #[tokio::test]
    async fn appends_of_one_call_see_those_before_them_however_they_say_where() {
        let wanted = [
            Told::Any(()),
            Told::StreamPosition(0),
            Told::StreamExists(()),
            Told::StreamPosition(2),
            Told::Any(()),
            Told::StreamPosition(4),
        ];
        let answers = told(wanted.into_iter().map(|wanted| append("show-sh_1", wanted)).collect()).await;
        assert!(answers.len() == 6 && answers.iter().all(is_written), "{answers:?}");
    }
}
