//! `GET /ops/messages`

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use marquee_event_store::Position;
use marquee_projections::messages::Queued;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::OpsOrAuditor;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::{Params, page_size};

const PAGE: usize = 100;
const MOST: usize = 1_000;

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MessageParams {
    /// A log position, exclusive.
    after: Option<String>,
    /// At most 1,000.
    limit: Option<String>,
}

/// A message in the queue.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageBody<'a> {
    /// Its subject, such as `marquee.booking.confirmed`.
    subject: &'a str,
    /// As it was published; `schemas/messages` describes it.
    #[schema(value_type = Object)]
    message: &'a RawValue,
}

/// Some messages.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessagesBody<'a> {
    messages: Vec<MessageBody<'a>>,
    /// Read on after this position. The one that was asked for where nothing is new.
    next: u64,
}

/// What was told to the outside, in log order. Only where messages go to the embedded queue.
#[utoipa::path(get, operation_id = "readMessages", path = "/api/v1/ops/messages", tag = "ops", params(MessageParams), security(("bearer" = [])),
    responses((status = 200, body = MessagesBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope),
        (status = 404, description = "messages go elsewhere", body = ErrorEnvelope)))]
pub(crate) async fn read(
    State(app): State<App>,
    _: OpsOrAuditor,
    Params(params): Params<MessageParams>,
) -> Result<Response, ApiError> {
    let after = params.after.map_or(Ok(0), |after| after.parse());
    let after = after.map_err(|_| ApiError::invalid("after", "must be a log position"))?;
    let limit = page_size(params.limit.as_deref(), PAGE, MOST)?;
    let Some(queue) = &app.outbound.queue else {
        return Err(ApiError::not_found("queue: messages go to NATS"));
    };
    let out = |reason: String| ApiError::unavailable(&reason);
    let queued = queue.read(Position(after), limit).await.map_err(|error| out(error.to_string()))?;
    let messages: Result<_, serde_json::Error> = queued.iter().map(MessageBody::of).collect();
    let next = queued.last().map_or(after, |last| last.position.0);
    let body = messages.and_then(|messages| serde_json::to_vec(&MessagesBody { messages, next }));
    let body = body.map_err(|error| out(format!("a message in the queue is not JSON: {error}")))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

impl<'a> MessageBody<'a> {
    fn of(queued: &'a Queued) -> Result<Self, serde_json::Error> {
        Ok(Self { subject: &queued.subject, message: serde_json::from_slice(&queued.body)? })
    }
}
