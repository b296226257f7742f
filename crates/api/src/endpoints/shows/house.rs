//! `POST /shows/{showId}/seats/block`, `POST /shows/{showId}/seats/release`

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use marquee_domain::ids::{SeatId, ShowId};
use marquee_domain::show::{SeatsBlocked, SeatsReleased};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Partner;
use crate::body::Json;
use crate::endpoints::{id, text};
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::{idempotency, wire};

/// Seats of a show, all or none.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HouseSeats {
    seat_ids: Vec<String>,
    /// Such as `press`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The seats that were asked for, and what was done with them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HouseSeatsNow {
    show_id: String,
    seat_ids: Vec<String>,
    /// `BLOCKED` or `RELEASED`.
    status: &'static str,
}

impl HouseSeats {
    fn parsed(&self) -> Result<(Vec<SeatId>, Option<SmolStr>), ApiError> {
        let seats = self.seat_ids.iter().map(|seat| id("seatIds", seat, SeatId::parse));
        let reason = self.reason.as_deref().map(|reason| text("reason", reason)).transpose()?;
        Ok((seats.collect::<Result<_, _>>()?, reason))
    }

    fn now(self, show: &ShowId, status: &'static str) -> HouseSeatsNow {
        HouseSeatsNow { show_id: show.to_string(), seat_ids: self.seat_ids, status }
    }
}

/// Keeps free seats for the house: nobody can book them until they are released. Seats that are blocked stay so.
#[utoipa::path(post, operation_id = "blockSeats", path = "/api/v1/shows/{showId}/seats/block", tag = "partners", request_body = HouseSeats,
    params(("showId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = HouseSeatsNow), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope)))]
pub(crate) async fn block(
    State(app): State<App>,
    partner: Partner,
    Segments(show_id): Segments<String>,
    headers: HeaderMap,
    Json(body): Json<HouseSeats>,
) -> Result<Response, ApiError> {
    let request = idempotency::request(&headers, &partner.user, "POST /shows/{showId}/seats/block", &body)?;
    let show_id = ShowId::parse(&show_id).map_err(|_| ApiError::not_found("show"))?;
    let (seat_ids, reason) = body.parsed()?;
    let seats = SeatsBlocked { seat_ids, reason, request };
    let answer = app.commands.block_seats(&partner.ctx, &partner.id, &show_id, seats).await?;
    Ok(wire::answered(StatusCode::OK, answer, |()| body.now(&show_id, "BLOCKED")))
}

/// Gives seats that the house keeps back to the sale. Seats that it does not keep stay as they are.
#[utoipa::path(post, operation_id = "releaseSeats", path = "/api/v1/shows/{showId}/seats/release", tag = "partners", request_body = HouseSeats,
    params(("showId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = HouseSeatsNow), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn release(
    State(app): State<App>,
    partner: Partner,
    Segments(show_id): Segments<String>,
    headers: HeaderMap,
    Json(body): Json<HouseSeats>,
) -> Result<Response, ApiError> {
    let request = idempotency::request(&headers, &partner.user, "POST /shows/{showId}/seats/release", &body)?;
    let show_id = ShowId::parse(&show_id).map_err(|_| ApiError::not_found("show"))?;
    let (seat_ids, reason) = body.parsed()?;
    let seats = SeatsReleased { seat_ids, reason, request };
    let answer = app.commands.release_seats(&partner.ctx, &partner.id, &show_id, seats).await?;
    Ok(wire::answered(StatusCode::OK, answer, |()| body.now(&show_id, "RELEASED")))
}
