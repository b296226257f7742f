//! Appends over calls that stay open.
//!
//! The client (1.2.0) leaves Nagle's algorithm on, and sends the head and the body of a call apart: the body waits until the server
//! has acknowledged the head, which systems put off for 40 ms. In a batch append's call that is open already an append is one
//! message, and its answer is the acknowledgement.
//!
//! But there the client knows no refusal from another, and any ends the call with all that is under way in it. So nothing is decided
//! here but success: whatever else happens, the caller appends by a call of its own, with the ids that it has tried here.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use kurrentdb::{
    BatchAppendClient, BatchAppendOptions, BatchWriteResult, Client, Error, EventData, StreamState,
};
use tokio::time::Instant;

use crate::stream::StreamName;

/// Calls side by side: an append that is refused takes along those of a few streams, not of all.
const CALLS: usize = 8;
/// Longest that an append may take here; what is left of its time is for a call of its own.
const APPEND: Duration = Duration::from_secs(2);
/// Most payload of an append that goes here, in bytes: one that is larger would hold up the others.
pub(super) const MAX_SIZE: usize = 64 * 1024;
/// After so many appends without an answer, one after another, none goes here for [`SILENCE`]: each has cost its caller [`APPEND`],
/// and a proxy that holds calls back will go on so.
const MAX_UNANSWERED: u32 = 3;
const SILENCE: Duration = Duration::from_secs(60);
/// No stream of a log has this name.
const NOWHERE: &str = "no-stream";

/// The open calls of one client.
pub(super) struct Sessions {
    calls: [Mutex<State>; CALLS],
    unanswered: Mutex<Unanswered>,
}

#[derive(Default)]
struct Unanswered {
    /// One after another.
    count: u32,
    /// Until when nothing goes here.
    until: Option<Instant>,
}

/// How far an append has come.
#[derive(Debug, PartialEq)]
pub(super) enum Tried {
    Written(BatchWriteResult),
    /// It may have been written.
    Sent,
    NotSent,
}

#[derive(Default)]
enum State {
    #[default]
    Closed,
    Open(Arc<Session>),
    /// The server has no batch appends.
    Unknown,
}

impl Sessions {
    pub fn new() -> Self {
        Self { calls: Default::default(), unanswered: Mutex::default() }
    }

    pub async fn append(
        &self,
        client: &Client,
        stream: &StreamName,
        expected: StreamState,
        events: &[EventData],
    ) -> Tried {
        if self.unanswered().until.is_some_and(|until| Instant::now() < until) {
            return Tried::NotSent;
        }
        let (call, deadline) = (call_of(stream), Instant::now() + APPEND);
        let session = match tokio::time::timeout_at(deadline, self.session(call, client)).await {
            Ok(Some(session)) => session,
            Ok(None) => return Tried::NotSent,
            Err(_) => {
                self.is_unanswered();
                return Tried::NotSent;
            }
        };
        let answer =
            tokio::time::timeout_at(deadline, session.append(stream, expected, events.to_vec())).await;
        match answer {
            Ok(answer) => {
                *self.unanswered() = Unanswered::default();
                match answer {
                    Ok(written) => Tried::Written(written),
                    Err(error) => {
                        tracing::debug!(%stream, %error, "a batch append has ended");
                        self.let_go(call, &session);
                        Tried::Sent
                    }
                }
            }
            Err(_) => {
                tracing::debug!(%stream, "a batch append has no answer");
                self.let_go(call, &session);
                self.is_unanswered();
                Tried::Sent
            }
        }
    }

    fn is_unanswered(&self) {
        let mut unanswered = self.unanswered();
        unanswered.count += 1;
        if unanswered.count >= MAX_UNANSWERED {
            tracing::warn!("KurrentDB does not answer batch appends; plain ones are used for a minute");
            *unanswered = Unanswered { count: 0, until: Some(Instant::now() + SILENCE) };
        }
    }

    fn unanswered(&self) -> MutexGuard<'_, Unanswered> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self, call: usize) -> MutexGuard<'_, State> {
        self.calls[call].lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn session(&self, call: usize, client: &Client) -> Option<Arc<Session>> {
        match &*self.state(call) {
            State::Open(session) => return Some(Arc::clone(session)),
            State::Unknown => return None,
            State::Closed => {}
        }
        let opened = client.batch_append(&BatchAppendOptions::default()).await;
        let opened = opened.map(Session::new);
        let mut state = self.state(call);
        match opened {
            // Another may have opened it meanwhile.
            Ok(opened) => {
                if matches!(*state, State::Closed) {
                    *state = State::Open(Arc::new(opened));
                }
            }
            Err(Error::UnsupportedFeature) => *state = State::Unknown,
            Err(_) => return None,
        }
        match &*state {
            State::Open(session) => Some(Arc::clone(session)),
            State::Closed | State::Unknown => None,
        }
    }

    fn let_go(&self, call: usize, session: &Arc<Session>) {
        let mut state = self.state(call);
        if matches!(&*state, State::Open(open) if Arc::ptr_eq(open, session)) {
            *state = State::Closed;
        }
    }
}

fn call_of(stream: &StreamName) -> usize {
    let mut hasher = DefaultHasher::new();
    stream.as_str().hash(&mut hasher);
    usize::try_from(hasher.finish() % CALLS as u64).unwrap_or_default()
}

/// A call that is open.
struct Session {
    client: Option<BatchAppendClient>,
    ended: AtomicBool,
}

impl Session {
    fn new(client: BatchAppendClient) -> Self {
        Self { client: Some(client), ended: AtomicBool::new(false) }
    }

    async fn append(
        &self,
        stream: &StreamName,
        expected: StreamState,
        events: Vec<EventData>,
    ) -> kurrentdb::Result<BatchWriteResult> {
        let Some(client) = &self.client else { return Err(Error::ConnectionClosed) };
        let answer = client.append_to_stream(stream.as_str(), expected, events).await;
        if answer.is_err() {
            self.ended.store(true, Ordering::Relaxed);
        }
        answer
    }
}

/// The client never ends such a call by itself, but one refusal does.
impl Drop for Session {
    fn drop(&mut self) {
        if let Some(client) = self.client.take()
            && !*self.ended.get_mut()
        {
            // Sent as soon as it is polled. Nobody waits for the answer.
            let _ = client.append_to_stream(NOWHERE, StreamState::StreamExists, vec![]).now_or_never();
        }
    }
}

#[cfg(test)]
mod tests {
    use kurrentdb::{AppendToStreamOptions, ReadAllOptions, SubscribeToAllOptions};

    use super::super::stand_in::StandIn;
    use super::*;

    impl Tried {
        fn is_written(&self) -> bool {
            matches!(self, Self::Written(_))
        }
    }

    fn event() -> Vec<EventData> {
        vec![EventData::binary("booking.expired.v1", bytes::Bytes::new())]
    }

    async fn open_calls_become(stand_in: &StandIn, expected: usize) {
        let began = Instant::now();
        while stand_in.calls.load(Ordering::Relaxed) != expected {
            assert!(began.elapsed() < Duration::from_secs(10), "{:?} calls are open", stand_in.calls);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_call_stays_open_until_it_has_no_answer_or_nobody_appends_any_more() {
        let (stand_in, client, _serving) = StandIn::serve(true).await;
        let sessions = Sessions::new();
        let stream = StreamName::new("show-sh_1");
        for revision in 0..3 {
            let expected = StreamState::StreamRevision(revision);
            assert!(sessions.append(&client, &stream, expected, &event()).await.is_written());
        }
        open_calls_become(&stand_in, 1).await;
        stand_in.answers.send_replace(false);
        assert_eq!(sessions.append(&client, &stream, StreamState::NoStream, &event()).await, Tried::Sent);
        stand_in.answers.send_replace(true);
        open_calls_become(&stand_in, 0).await;
        assert!(sessions.append(&client, &stream, StreamState::NoStream, &event()).await.is_written());
        open_calls_become(&stand_in, 1).await;
        drop(sessions);
        open_calls_become(&stand_in, 0).await;
    }

    #[tokio::test]
    async fn a_server_that_never_answers_them_is_left_alone_for_a_while() {
        let (stand_in, client, _serving) = StandIn::serve(true).await;
        let (sessions, stream) = (Sessions::new(), StreamName::new("show-sh_1"));
        let append = async || sessions.append(&client, &stream, StreamState::NoStream, &event()).await;
        stand_in.answers.send_replace(false);
        for _ in 0..MAX_UNANSWERED {
            assert_eq!(append().await, Tried::Sent);
        }
        stand_in.answers.send_replace(true);
        assert_eq!(append().await, Tried::NotSent);
        tokio::time::pause();
        tokio::time::advance(SILENCE).await;
        tokio::time::resume();
        assert!(append().await.is_written());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_without_batch_appends_is_not_asked_for_them() {
        let (stand_in, client, _serving) = StandIn::serve(false).await;
        let (sessions, stream) = (Sessions::new(), StreamName::new("show-sh_1"));
        assert_eq!(sessions.append(&client, &stream, StreamState::NoStream, &event()).await, Tried::NotSent);
        assert_eq!(stand_in.calls.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_call_says_who_the_url_says_the_client_is() {
        let (stand_in, client, _serving) = StandIn::serve_to("marquee:s3cret@", true).await;
        let (sessions, stream) = (Sessions::new(), StreamName::new("show-sh_1"));
        assert!(sessions.append(&client, &stream, StreamState::NoStream, &event()).await.is_written());
        let options = AppendToStreamOptions::default().stream_state(StreamState::NoStream);
        client.append_to_stream(stream.as_str(), &options, event()).await.unwrap_err();
        client.read_all(&ReadAllOptions::default()).await.unwrap();
        let mut subscription = client.subscribe_to_all(&SubscribeToAllOptions::default()).await;
        super::super::spin::next(&mut subscription).await.unwrap().unwrap();
        // Of `marquee:s3cret`.
        let caller = Some("Basic bWFycXVlZTpzM2NyZXQ=".to_owned());
        let expected = ["batch append", "append", "read", "read"].map(|call| (call, caller.clone()));
        assert_eq!(*stand_in.callers.lock().unwrap(), expected);
    }
}
