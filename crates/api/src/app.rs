//! What every handler reaches.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use marquee_commands::Commands;
use marquee_event_store::clock::Clock;
use marquee_event_store::{EventStore, Position};
use marquee_notifications::Notifications;
use marquee_projections::messages::{EmbeddedBus, Messages};
use marquee_projections::{Behind, View, Views};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::Verifier;
use crate::cursor::Cursors;
use crate::error::ApiError;
use crate::limit::Limiter;
use crate::tickets::Tickets;
use crate::{endpoints, trace};

/// How long a read waits for its view to reach `X-Min-Log-Position`.
const MIN_POSITION_PATIENCE: Duration = Duration::from_secs(2);
/// Most open seat streams.
const MOST_STREAMS: usize = 2_000;

/// Whose tokens are good.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// The shared secret of HS256, the one algorithm that is accepted.
    pub secret: Vec<u8>,
    /// The issuer that tokens must name.
    pub issuer: String,
    /// The audience that tokens must name.
    pub audience: String,
}

/// How the edge behaves.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Origins that a customer may be sent back to after paying.
    pub return_origins: Vec<String>,
    /// Where this server listens: the sandbox gateway sends its notices there, past whatever stands before it.
    pub listen: SocketAddr,
    /// Requests a second of one client; `None` for no limit.
    pub rate_limit: Option<u32>,
    /// Whose tokens are good.
    pub jwt: JwtConfig,
    /// The keys of tickets: the first signs, all verify.
    pub ticket_keys: Vec<TicketKey>,
}

/// An Ed25519 key of tickets.
#[derive(Clone)]
pub struct TicketKey {
    /// What the operator knows it by.
    pub name: String,
    /// The pair, as PKCS#8.
    pub pkcs8: Vec<u8>,
}

impl std::fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// Why the edge cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A key of tickets is not an Ed25519 key.
    #[error("{0} is not an Ed25519 key in PKCS#8")]
    TicketKey(String),
    /// Nothing signs tickets.
    #[error("there is no key that signs tickets")]
    NoTicketKey,
}

/// What is told to the outside.
#[derive(Clone)]
pub struct Outbound {
    /// The publisher at work.
    pub publisher: Messages,
    /// The queue, where messages go to the one in the data directory.
    pub queue: Option<EmbeddedBus>,
    /// What customers are told.
    pub notifications: Notifications,
}

/// What every handler reaches. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// What an [`App`] shares.
pub struct Inner {
    pub(crate) config: ApiConfig,
    pub(crate) commands: Commands,
    pub(crate) views: Views,
    pub(crate) outbound: Outbound,
    pub(crate) store: Arc<dyn EventStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) verifier: Verifier,
    pub(crate) cursors: Cursors,
    pub(crate) limiter: Option<Limiter>,
    pub(crate) tickets: Tickets,
    pub(crate) streams: Arc<Semaphore>,
    /// The server is closing.
    pub(crate) closing: CancellationToken,
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// The edge over a write side and a read side.
    pub fn new(
        config: ApiConfig,
        commands: Commands,
        views: Views,
        outbound: Outbound,
        store: Arc<dyn EventStore>,
        clock: Arc<dyn Clock>,
        metrics: PrometheusHandle,
    ) -> Result<Self, AppError> {
        let verifier = Verifier::new(&config.jwt);
        let cursors = Cursors::new(&config.jwt.secret);
        let limiter = config.rate_limit.and_then(Limiter::new);
        let tickets = Tickets::new(&config.ticket_keys)?;
        let streams = Arc::new(Semaphore::new(MOST_STREAMS));
        let inner = Inner {
            config,
            commands,
            views,
            outbound,
            store,
            clock,
            metrics,
            verifier,
            cursors,
            limiter,
            tickets,
            streams,
            closing: CancellationToken::new(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Every route.
    pub fn router(&self) -> Router {
        let router = endpoints::router().layer(axum::middleware::from_fn(trace::trace));
        router.with_state(self.clone())
    }

    /// Waits until a view has all that the log had when this was called: what seems not to exist may only be new.
    pub(crate) async fn catch_up(&self, view: View) -> Result<(), ApiError> {
        let head = *self.store.head().borrow();
        let waited = self.views.wait_for(view, head, MIN_POSITION_PATIENCE).await;
        waited.map_err(|behind| ApiError::unavailable(&behind.to_string()))
    }

    /// Waits until a view has what the caller has seen already (`X-Min-Log-Position`).
    pub(crate) async fn wait(&self, view: View, headers: &HeaderMap) -> Result<(), ApiError> {
        let waited = self.reached(view, headers).await?;
        waited.map_err(|behind| ApiError::unavailable(&behind.to_string()))
    }

    /// The same, for who has somewhere else to look where the view is behind.
    pub(crate) async fn reached(
        &self,
        view: View,
        headers: &HeaderMap,
    ) -> Result<Result<(), Behind>, ApiError> {
        let Some(min) = headers.get("x-min-log-position") else { return Ok(Ok(())) };
        let min = min.to_str().ok().and_then(|text| text.parse().ok());
        let min =
            Position(min.ok_or_else(|| ApiError::invalid("X-Min-Log-Position", "must be a log position"))?);
        Ok(self.views.wait_for(view, min, self.patience(view)).await)
    }

    /// Nobody waits for a view whose server is out.
    fn patience(&self, view: View) -> Duration {
        if self.views.is_out(view) { Duration::ZERO } else { MIN_POSITION_PATIENCE }
    }
}
