//! `GET /shows/{showId}/seats`

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use marquee_domain::ids::ShowId;
use marquee_projections::View;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Public;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;

/// A seat map. Its bytes are rendered by the view; this is their shape.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes bytes that the view renders")]
pub(crate) struct SeatMapBody {
    show_id: String,
    theatre_id: String,
    screen_name: String,
    start_time: String,
    /// It can be booked from then on, where that is not at once.
    sales_from: Option<String>,
    /// It can be booked until then, where that is not its start.
    sales_until: Option<String>,
    seat_map: SeatMapRows,
}

/// The rows of a hall.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes bytes that the view renders")]
pub(crate) struct SeatMapRows {
    rows: Vec<SeatMapRow>,
}

/// A row.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes bytes that the view renders")]
pub(crate) struct SeatMapRow {
    row_label: String,
    seats: Vec<SeatMapSeat>,
}

/// A seat.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes bytes that the view renders")]
pub(crate) struct SeatMapSeat {
    seat_id: String,
    #[schema(rename = "type")]
    seat_type: String,
    price: f64,
    /// Widths of a seat that are empty to its left.
    gap_before: Option<u8>,
    /// `AVAILABLE`, `LOCKED`, `SOLD` or `BLOCKED`.
    status: String,
    lock_expires_at: Option<String>,
}

/// The seats of a show, as they are at this instant.
#[utoipa::path(get, operation_id = "getSeats", path = "/api/v1/shows/{showId}/seats", tag = "browse", params(("showId" = String, Path)),
    responses((status = 200, body = SeatMapBody), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn seats(
    State(app): State<App>,
    _: Public,
    Segments(show_id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    app.wait(View::SeatMaps, &headers).await?;
    let show = ShowId::new(show_id);
    let map = app.views.seat_maps.rendered(&show, app.clock.now()).await?;
    let map = map.ok_or_else(|| ApiError::not_found("show"))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], map.body).into_response())
}
