//! `GET /audit/events`

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use marquee_event_store::{Position, TypeFilter};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::auth::Auditor;
use crate::endpoints::audit::{EventsBody, MOST, PAGE, answer};
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::{Params, page_size};

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogParams {
    /// A log position, exclusive.
    after: Option<String>,
    /// An exact name such as `booking.confirmed.v1`, or a prefix such as `booking.`.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    stored_name: Option<String>,
    /// At most 1,000.
    limit: Option<String>,
}

/// Every event, in log order.
#[utoipa::path(get, operation_id = "listEvents", path = "/api/v1/audit/events", tag = "audit", params(LogParams), security(("bearer" = [])),
    responses((status = 200, body = EventsBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope)))]
pub(crate) async fn log(
    State(app): State<App>,
    _: Auditor,
    Params(params): Params<LogParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = params.after.map_or(Ok(0), |after| after.parse());
    let mut next = Position(after.map_err(|_| ApiError::invalid("after", "must be a log position"))?);
    let limit = page_size(params.limit.as_deref(), PAGE, MOST)?;
    let filter = params.stored_name.map_or(TypeFilter::All, TypeFilter::Prefix);
    let head = *app.store.head().borrow();
    let mut events = Vec::new();
    while events.len() < limit && next < head {
        let page = app.store.read_all(next, limit - events.len(), filter.clone()).await?;
        if page.next <= next {
            break;
        }
        next = page.next;
        events.extend(page.events);
    }
    let more = (events.len() == limit).then(|| events.last().map(|last| last.position.0)).flatten();
    answer(&headers, &events, more)
}
