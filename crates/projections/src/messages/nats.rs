//! NATS `JetStream`. The stream is its own cursor: its last message says where in the log it stands.
//!
//! Each message is published on the condition that it comes right after the one before it: the first of a batch after the
//! sequence that the stream was seen to end with, each further one after the id of the one before. So a batch may be
//! under way all at once and still be stored in order, nobody can come in between, and a stream that was wiped refuses
//! what would leave a gap. Sequences alone would not do: whatever came in between would shift them, and the second
//! message of a batch could take the place of the first.

mod stream;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{ContextBuilder, PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::{ConnectOptions, HeaderMap, ServerAddr};
use futures_util::future::BoxFuture;
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use self::stream::Last;
use super::bus::{BusError, MessageBus, Origin, Outgoing};

/// The stream that all messages lie in.
pub const STREAM: &str = "MARQUEE";
/// How long a message stays in the stream, where nobody has set the stream up otherwise.
const KEEPS: Duration = Duration::from_hours(7 * 24);

/// Messages that are under way at once.
const IN_FLIGHT: usize = 512;
/// The stream's end and its last message are asked for one after the other, and must fit.
const ATTEMPTS_TO_STAND: u32 = 8;
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
const FIRST_RECONNECT: Duration = Duration::from_millis(50);
const LAST_RECONNECT: Duration = Duration::from_secs(2);

const POSITION: &str = "Marquee-Position";
const FROM_STREAM: &str = "Marquee-Stream";
const REVISION: &str = "Marquee-Revision";

/// Where NATS is, and who is calling.
#[derive(Clone)]
pub struct NatsConfig {
    servers: Vec<ServerAddr>,
    credentials: Option<NatsCredentials>,
    authority: Option<PathBuf>,
}

/// How Marquee proves itself, where the URL does not say.
#[derive(Clone, PartialEq, Eq)]
pub enum NatsCredentials {
    /// A user with a password.
    User {
        /// Who.
        user: String,
        /// Their password.
        password: String,
    },
    /// A token.
    Token(String),
}

/// The URL is not one of NATS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the URL of a NATS server: {0}")]
pub struct InvalidNatsUrl(String);

impl NatsConfig {
    /// One server, or several of one cluster by commas: `nats://a:4222,nats://b:4222`; `tls://` for TLS. A user and a
    /// password, or a token, may stand before the host; what is given apart goes before.
    pub fn new(urls: &str, credentials: Option<NatsCredentials>) -> Result<Self, InvalidNatsUrl> {
        let mut credentials = credentials;
        let mut servers = vec![];
        for url in urls.split(',').map(str::trim) {
            let parts = url.split_once("://").filter(|(scheme, _)| ["nats", "tls"].contains(scheme));
            let Some((scheme, rest)) = parts else {
                return Err(InvalidNatsUrl("it begins with neither nats:// nor tls://".into()));
            };
            // The client would write the user and the password of an address into its log: it is not given them.
            let (user, address) =
                rest.rsplit_once('@').map_or((None, rest), |(user, address)| (Some(user), address));
            credentials = credentials.or_else(|| user.and_then(credentials_in));
            let server = format!("{scheme}://{address}").parse();
            servers.push(server.map_err(|error: std::io::Error| InvalidNatsUrl(error.to_string()))?);
        }
        Ok(Self { servers, credentials, authority: None })
    }

    /// Servers are also believed whose certificate this authority has signed: a PEM file, beside what the system believes.
    #[must_use]
    pub fn believing(mut self, authority: PathBuf) -> Self {
        self.authority = Some(authority);
        self
    }
}

/// `user:password`, or a token.
fn credentials_in(user_info: &str) -> Option<NatsCredentials> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some(match user_info.split_once(':') {
        Some((user, password)) => NatsCredentials::User { user: decoded(user), password: decoded(password) },
        None => NatsCredentials::Token(decoded(user_info)),
    })
    .filter(|_| !user_info.is_empty())
}

impl std::fmt::Debug for NatsConfig {
    /// Without passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let servers = self.servers.iter().map(|server| format!("{}:{}", server.host(), server.port()));
        f.debug_list().entries(servers).finish()
    }
}

/// A stream of NATS `JetStream`.
pub struct NatsBus {
    config: NatsConfig,
    /// The connection; `None` before the first.
    context: Mutex<Option<Context>>,
    /// The sequence of the last message of the stream, as it was last seen; `None` where that is not known.
    last: Mutex<Option<u64>>,
}

impl NatsBus {
    /// A bus that connects when it is first asked for.
    pub fn new(config: NatsConfig) -> Self {
        Self { config, context: Mutex::default(), last: Mutex::default() }
    }

    /// The connection, where it holds.
    fn connected(&self) -> Option<Context> {
        let context = self.context.lock().unwrap_or_else(PoisonError::into_inner).clone();
        context.filter(|context| match context.client().connection_state() {
            State::Connected => true,
            State::Pending | State::Disconnected => false,
        })
    }

    /// The connection, made where there is none. One that is cut mends itself, but for some causes it gives up for good:
    /// it is not waited for.
    async fn context(&self) -> Result<Context, BusError> {
        if let Some(context) = self.connected() {
            return Ok(context);
        }
        let context = self.connect().await?;
        *self.context.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.clone());
        Ok(context)
    }

    async fn connect(&self) -> Result<Context, BusError> {
        let mut options = ConnectOptions::new()
            .name("marquee")
            .connection_timeout(CONNECT_PATIENCE)
            .reconnect_delay_callback(|attempts| {
                let doublings = u32::try_from(attempts).unwrap_or(u32::MAX).min(10);
                FIRST_RECONNECT.saturating_mul(2_u32.pow(doublings)).min(LAST_RECONNECT)
            });
        options = match self.config.credentials.clone() {
            Some(NatsCredentials::User { user, password }) => options.user_and_password(user, password),
            Some(NatsCredentials::Token(token)) => options.token(token),
            None => options,
        };
        if let Some(authority) = self.config.authority.clone() {
            options = options.add_root_certificates(authority);
        }
        let client = options.connect(&self.config.servers[..]).await.map_err(|error| out(&error))?;
        Ok(ContextBuilder::new().timeout(ANSWER_PATIENCE).max_ack_inflight(2 * IN_FLIGHT).build(client))
    }

    async fn stand(&self) -> Result<Option<Origin>, BusError> {
        self.see(None);
        let context = self.context().await?;
        for _ in 0..ATTEMPTS_TO_STAND {
            let stream = stream::ensure(&context).await?;
            let end = stream.cached_info().state.last_sequence;
            match stream::last_message(&stream, end).await? {
                Last::Message(origin) => {
                    self.see(Some(end));
                    return Ok(Some(origin));
                }
                Last::None => {
                    self.see(Some(end));
                    return Ok(None);
                }
                Last::Moving => {}
            }
        }
        Err(BusError::Moved("others write to it all the while".into()))
    }

    async fn store(&self, messages: &[Outgoing]) -> Result<(), BusError> {
        let context = self.connected().ok_or_else(|| BusError::Unavailable("not connected".into()))?;
        let mut from = 0;
        while from < messages.len() {
            let last =
                self.seen().ok_or_else(|| BusError::Moved("it is yet to be asked where it stands".into()))?;
            let until = messages.len().min(from + IN_FLIGHT);
            let Sent { stored, last, repeats, failed } = send(&context, &messages[from..until], last).await;
            self.see(Some(last));
            from += stored;
            match failed {
                None => {}
                // It has had some of these already: the one before the next is not its last. The next is the first now.
                Some(error) if error.kind() == PublishErrorKind::WrongLastMessageId && repeats > 0 => {}
                Some(error) => {
                    self.see(None);
                    return Err(match error.kind() {
                        PublishErrorKind::WrongLastSequence
                        | PublishErrorKind::WrongLastMessageId
                        | PublishErrorKind::StreamNotFound => BusError::Moved(error.to_string()),
                        PublishErrorKind::TimedOut
                        | PublishErrorKind::BrokenPipe
                        | PublishErrorKind::MaxAckPending
                        | PublishErrorKind::MaxPayloadExceeded
                        | PublishErrorKind::Other => out(&error),
                    });
                }
            }
        }
        Ok(())
    }

    fn seen(&self) -> Option<u64> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see(&self, last: Option<u64>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }
}

impl MessageBus for NatsBus {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn keeps(&self) -> Duration {
        KEEPS
    }

    fn last(&self) -> BoxFuture<'_, Result<Option<Origin>, BusError>> {
        Box::pin(self.stand())
    }

    fn publish(&self, messages: Vec<Outgoing>) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(async move { self.store(&messages).await })
    }

    /// Nothing is deleted: others may not have read it yet. What follows comes after it.
    fn begin_again(&self) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What became of messages that were sent together.
struct Sent {
    /// How many of the first are in the stream.
    stored: usize,
    /// The sequence of the stream's last message.
    last: u64,
    /// How many of those the stream had already.
    repeats: usize,
    /// Why the next one is not.
    failed: Option<PublishError>,
}

async fn send(context: &Context, messages: &[Outgoing], mut last: u64) -> Sent {
    let mut under_way: Vec<PublishAckFuture> = Vec::with_capacity(messages.len());
    let mut failed = None;
    let mut before: Option<Uuid> = None;
    for message in messages {
        let publish = dressed(message);
        let publish = match before {
            None => publish.expected_last_sequence(last),
            Some(id) => publish.expected_last_message_id(id.hyphenated().to_string()),
        };
        before = Some(message.origin.event_id);
        match context.send_publish(message.subject, publish).await {
            Ok(ack) => under_way.push(ack),
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let (mut stored, mut repeats) = (0, 0);
    for ack in under_way {
        match ack.await {
            Ok(ack) => {
                stored += 1;
                repeats += usize::from(ack.duplicate);
                // Of a repeat it is where it lay already, which may be further back.
                last = last.max(ack.sequence);
            }
            // The rest was refused with it: each is to come right after the one before.
            Err(error) => return Sent { stored, last, repeats, failed: Some(error) },
        }
    }
    Sent { stored, last, repeats, failed }
}

fn dressed(message: &Outgoing) -> PublishMessage {
    let origin = &message.origin;
    let mut headers = HeaderMap::new();
    headers.insert(POSITION, origin.position.to_string());
    headers.insert(FROM_STREAM, origin.stream.as_str());
    headers.insert(REVISION, origin.revision.to_string());
    PublishMessage::build()
        .payload(message.body.clone())
        .headers(headers)
        .message_id(origin.event_id.hyphenated().to_string())
        .expected_stream(STREAM)
}

fn out(error: &dyn std::error::Error) -> BusError {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !reason.contains(&inner_text) {
            reason = format!("{reason}: {inner_text}");
        }
        cause = inner.source();
    }
    BusError::Unavailable(reason)
}
