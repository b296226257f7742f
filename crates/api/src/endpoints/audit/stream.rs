//! `GET /audit/streams/{stream}/events`

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use marquee_event_store::StreamName;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::Auditor;
use crate::endpoints::audit::{EventsBody, MOST, PAGE, answer};
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::{Params, Segments, page_size};

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamParams {
    /// A revision, inclusive.
    from: Option<String>,
    /// At most 1,000.
    limit: Option<String>,
}

/// The events of a stream.
#[utoipa::path(get, operation_id = "listStreamEvents", path = "/api/v1/audit/streams/{stream}/events", tag = "audit",
    params(("stream" = String, Path), StreamParams), security(("bearer" = [])),
    responses((status = 200, body = EventsBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn stream(
    State(app): State<App>,
    _: Auditor,
    Segments(stream): Segments<String>,
    Params(params): Params<StreamParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let from: u64 = params
        .from
        .map_or(Ok(0), |from| from.parse())
        .map_err(|_| ApiError::invalid("from", "must be a revision"))?;
    let limit = page_size(params.limit.as_deref(), PAGE, MOST)?;
    let stream = StreamName::new(stream);
    let events = app.store.read_stream(stream.clone(), from, limit).await?;
    if events.is_empty() && (from == 0 || app.store.read_stream(stream, 0, 1).await?.is_empty()) {
        return Err(ApiError::not_found("stream"));
    }
    let next = (events.len() == limit).then(|| from + limit as u64);
    answer(&headers, &events, next)
}
