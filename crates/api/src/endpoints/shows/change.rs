//! `PATCH /shows/{showId}`

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use marquee_commands::ShowPatch;
use marquee_domain::ids::ShowId;
use marquee_domain::show::SalesBound;
use marquee_domain::theatre::SeatType;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Partner;
use crate::body::Json;
use crate::endpoints::shows::{ShowBody, prices};
use crate::endpoints::text;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::{idempotency, wire};

/// What of a show to change.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PatchBody {
    /// RFC 3339.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_time: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    /// Major units; types that are not named keep their price.
    #[schema(value_type = BTreeMap<String, f64>)]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    prices: BTreeMap<SeatType, wire::Major>,
    /// RFC 3339; null takes it away.
    #[schema(value_type = Option<String>)]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    sales_from: Option<SalesBound>,
    /// RFC 3339; null takes it away.
    #[schema(value_type = Option<String>)]
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    sales_until: Option<SalesBound>,
}

/// Tells a field that is null from one that is not there.
fn given<'de, D: Deserializer<'de>>(field: D) -> Result<Option<SalesBound>, D::Error> {
    SalesBound::deserialize(field).map(Some)
}

/// Changes some of a show's facts. Bookings keep the price that they were made at.
#[utoipa::path(patch, operation_id = "changeShow", path = "/api/v1/shows/{showId}", tag = "partners", request_body = PatchBody,
    params(("showId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ShowBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope)))]
pub(crate) async fn change(
    State(app): State<App>,
    partner: Partner,
    Segments(show_id): Segments<String>,
    headers: HeaderMap,
    Json(body): Json<PatchBody>,
) -> Result<Response, ApiError> {
    let request = idempotency::request(&headers, &partner.user, "PATCH /shows/{showId}", &body)?;
    let show_id = ShowId::parse(&show_id).map_err(|_| ApiError::not_found("show"))?;
    let patch = ShowPatch {
        start_time: body.start_time,
        language: body.language.as_deref().map(|language| text("language", language)).transpose()?,
        format: body.format.as_deref().map(|format| text("format", format)).transpose()?,
        prices: prices(&body.prices),
        sales_from: body.sales_from,
        sales_until: body.sales_until,
        request,
    };
    let answer = app.commands.change_show(&partner.ctx, &partner.id, &show_id, patch).await?;
    Ok(wire::answered(StatusCode::OK, answer, |show| ShowBody::of(&show, false)))
}
