//! `PUT /shows/{showId}`

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use marquee_commands::ShowReplacement;
use marquee_domain::ids::ShowId;
use marquee_domain::show::SalesWindow;
use marquee_domain::theatre::SeatType;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Partner;
use crate::body::Json;
use crate::endpoints::shows::{ShowBody, prices};
use crate::endpoints::text;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::{idempotency, wire};

/// All of a show that can change.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReplaceBody {
    /// RFC 3339.
    #[schema(value_type = String)]
    start_time: Timestamp,
    language: String,
    format: String,
    /// Major units for every type of seat that has a price.
    #[schema(value_type = BTreeMap<String, f64>)]
    prices: BTreeMap<SeatType, wire::Major>,
    /// RFC 3339. It can be booked from then on; at once where none is given.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sales_from: Option<Timestamp>,
    /// RFC 3339. It can be booked until then; until its start where none is given.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sales_until: Option<Timestamp>,
}

/// Replaces all of a show's facts that can change. Bookings keep the price that they were made at.
#[utoipa::path(put, operation_id = "replaceShow", path = "/api/v1/shows/{showId}", tag = "partners", request_body = ReplaceBody,
    params(("showId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ShowBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope)))]
pub(crate) async fn replace(
    State(app): State<App>,
    partner: Partner,
    Segments(show_id): Segments<String>,
    headers: HeaderMap,
    Json(body): Json<ReplaceBody>,
) -> Result<Response, ApiError> {
    let request = idempotency::request(&headers, &partner.user, "PUT /shows/{showId}", &body)?;
    let show_id = ShowId::parse(&show_id).map_err(|_| ApiError::not_found("show"))?;
    let replacement = ShowReplacement {
        start_time: body.start_time,
        language: text("language", &body.language)?,
        format: text("format", &body.format)?,
        prices: prices(&body.prices),
        sales: SalesWindow { from: body.sales_from, until: body.sales_until },
        request,
    };
    let answer = app.commands.replace_show(&partner.ctx, &partner.id, &show_id, replacement).await?;
    Ok(wire::answered(StatusCode::OK, answer, |show| ShowBody::of(&show, false)))
}
