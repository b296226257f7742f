//! `GET /bookings`

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use marquee_projections::View;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Customer;
use crate::endpoints::bookings::BookingBody;
use crate::endpoints::bookings::read::of_row;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::{Params, page_size};

const PAGE: usize = 20;
const MOST: usize = 100;

/// Which bookings.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    limit: Option<String>,
    cursor: Option<String>,
}

/// Some of the caller's bookings, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BookingsBody {
    bookings: Vec<BookingBody>,
    /// Reads on from here.
    next_cursor: Option<String>,
}

/// The caller's bookings, the newest first.
#[utoipa::path(get, operation_id = "listBookings", path = "/api/v1/bookings", tag = "bookings", params(ListParams), security(("bearer" = [])),
    responses((status = 200, body = BookingsBody), (status = 400, body = ErrorEnvelope)))]
pub(crate) async fn list(
    State(app): State<App>,
    customer: Customer,
    Params(params): Params<ListParams>,
    headers: HeaderMap,
) -> Result<Json<BookingsBody>, ApiError> {
    app.wait(View::Bookings, &headers).await?;
    let limit = u32::try_from(page_size(params.limit.as_deref(), PAGE, MOST)?).unwrap_or_default();
    let page = app.views.bookings.list(&customer.user, params.cursor.as_deref(), limit).await?;
    let now = app.clock.now();
    let bookings = page.bookings.iter().map(|row| of_row(&app, row, now)).collect::<Result<_, _>>()?;
    Ok(Json(BookingsBody { bookings, next_cursor: page.next_cursor }))
}
