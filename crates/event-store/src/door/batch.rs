//! `BatchAppend`: many appends over one call, each judged by itself.
//!
//! They are begun in the order in which they come, and the next does not wait until the last is durable.

use std::collections::HashMap;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
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
        let mut begun = FuturesUnordered::new();
        loop {
            let message = tokio::select! {
                message = messages.message(), if begun.len() < MAX_BEGUN => message?,
                Some(answer) = begun.next() => {
                    if tell.send(Ok(answer?)).await.is_err() {
                        return Ok(());
                    }
                    continue;
                }
            };
            let Some(message) = message else { break };
            let correlation_id = message.correlation_id.clone();
            if let Some(append) = complete(&mut open, message)? {
                // One that goes wherever the stream ends has to see where what came before it has gone.
                while !append.is_exact()
                    && let Some(answer) = begun.next().await
                {
                    if tell.send(Ok(answer?)).await.is_err() {
                        return Ok(());
                    }
                }
                begun.push(self.judge(append, correlation_id, client));
            }
        }
        while let Some(answer) = begun.next().await {
            if tell.send(Ok(answer?)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
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
