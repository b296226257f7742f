//! `POST /theatres/{theatreId}/screens`, `PUT /theatres/{theatreId}/screens/{screenId}`

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use marquee_commands::Commands;
use marquee_domain::ids::{ScreenId, SeatId, TheatreId};
use marquee_domain::theatre::{LayoutRow, LayoutSeat, ScreenAdded, ScreenChanged, ScreenDetails, SeatType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Partner;
use crate::body::Json;
use crate::endpoints::{id, text};
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::{idempotency, wire};

const MOST_SEATS: usize = 2_000;

/// A seat of a screen.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SeatBody {
    seat_id: String,
    /// `REGULAR`, `PREMIUM`, `RECLINER`, `WHEELCHAIR` or `COMPANION`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    seat_type: SeatType,
    /// Widths of a seat that are empty to its left. Seats with a gap between them are not beside each other.
    #[serde(default, skip_serializing_if = "is_zero")]
    gap_before: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(gap: &u8) -> bool {
    *gap == 0
}

/// A row of a screen.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RowBody {
    row_label: String,
    seats: Vec<SeatBody>,
}

/// A screen.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScreenBody {
    /// Assigned where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    screen_id: Option<String>,
    name: String,
    rows: Vec<RowBody>,
}

impl ScreenBody {
    fn details(&self, theatre_id: TheatreId, screen_id: ScreenId) -> Result<ScreenDetails, ApiError> {
        if self.rows.iter().map(|row| row.seats.len()).sum::<usize>() > MOST_SEATS {
            return Err(ApiError::invalid("rows", "at most 2000 seats fit a screen"));
        }
        let seat = |seat: &SeatBody| {
            Ok(LayoutSeat {
                seat_id: id("seatId", &seat.seat_id, SeatId::parse)?,
                seat_type: seat.seat_type,
                gap_before: seat.gap_before,
            })
        };
        let row = |row: &RowBody| {
            let seats = row.seats.iter().map(seat).collect::<Result<_, ApiError>>()?;
            Ok(LayoutRow { row_label: text("rowLabel", &row.row_label)?, seats })
        };
        let rows = self.rows.iter().map(row).collect::<Result<_, ApiError>>()?;
        Ok(ScreenDetails { screen_id, theatre_id, name: text("name", &self.name)?, rows })
    }
}

pub(super) fn body(screen: &ScreenDetails) -> ScreenBody {
    let seat = |seat: &LayoutSeat| SeatBody {
        seat_id: seat.seat_id.to_string(),
        seat_type: seat.seat_type,
        gap_before: seat.gap_before,
    };
    let row = |row: &LayoutRow| RowBody {
        row_label: row.row_label.to_string(),
        seats: row.seats.iter().map(seat).collect(),
    };
    ScreenBody {
        screen_id: Some(screen.screen_id.to_string()),
        name: screen.name.to_string(),
        rows: screen.rows.iter().map(row).collect(),
    }
}

/// Adds a screen to a theatre of the partner.
#[utoipa::path(post, operation_id = "createScreen", path = "/api/v1/theatres/{theatreId}/screens", tag = "partners", request_body = ScreenBody,
    params(("theatreId" = String, Path)), security(("bearer" = [])),
    responses((status = 201, description = "added"), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope)))]
pub(crate) async fn add(
    State(app): State<App>,
    partner: Partner,
    Segments(theatre_id): Segments<String>,
    headers: HeaderMap,
    Json(screen): Json<ScreenBody>,
) -> Result<Response, ApiError> {
    let request =
        idempotency::request(&headers, &partner.user, "POST /theatres/{theatreId}/screens", &screen)?;
    let theatre_id = TheatreId::parse(&theatre_id).map_err(|_| ApiError::not_found("theatre"))?;
    let screen_id = match &screen.screen_id {
        Some(given) => id("screenId", given, ScreenId::parse)?,
        None => ScreenId::new(Commands::new_id("sc", request.as_ref())),
    };
    let screen = screen.details(theatre_id, screen_id)?;
    let answer = app.commands.add_screen(&partner.ctx, &partner.id, ScreenAdded { screen, request }).await?;
    Ok(wire::answered(
        StatusCode::CREATED,
        answer,
        |screen| serde_json::json!({ "screenId": screen.screen_id }),
    ))
}

/// Replaces a screen's facts. Shows that are scheduled keep the layout that they copied.
#[utoipa::path(put, operation_id = "replaceScreen", path = "/api/v1/theatres/{theatreId}/screens/{screenId}", tag = "partners", request_body = ScreenBody,
    params(("theatreId" = String, Path), ("screenId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = ScreenBody), (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn replace(
    State(app): State<App>,
    partner: Partner,
    Segments((theatre_id, screen_id)): Segments<(String, String)>,
    headers: HeaderMap,
    Json(screen): Json<ScreenBody>,
) -> Result<Response, ApiError> {
    let route = "PUT /theatres/{theatreId}/screens/{screenId}";
    let request = idempotency::request(&headers, &partner.user, route, &screen)?;
    if screen.screen_id.as_ref().is_some_and(|given| *given != screen_id) {
        return Err(ApiError::invalid("screenId", "differs from the path's"));
    }
    let theatre_id = TheatreId::parse(&theatre_id).map_err(|_| ApiError::not_found("theatre"))?;
    let screen_id = ScreenId::parse(&screen_id).map_err(|_| ApiError::not_found("screen"))?;
    let screen = screen.details(theatre_id, screen_id)?;
    let answer =
        app.commands.change_screen(&partner.ctx, &partner.id, ScreenChanged { screen, request }).await?;
    Ok(wire::answered(StatusCode::OK, answer, |screen| body(&screen)))
}
