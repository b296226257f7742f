//! `GET /shows/{showId}`

use axum::extract::State;
use axum::http::HeaderMap;
use marquee_domain::ids::ShowId;
use marquee_projections::View;

use crate::app::App;
use crate::auth::Public;
use crate::endpoints::shows::ShowBody;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;

/// A show's facts, also once it is over.
#[utoipa::path(get, operation_id = "getShow", path = "/api/v1/shows/{showId}", tag = "browse", params(("showId" = String, Path)),
    responses((status = 200, body = ShowBody), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn read(
    State(app): State<App>,
    _: Public,
    Segments(show_id): Segments<String>,
    headers: HeaderMap,
) -> Result<axum::Json<ShowBody>, ApiError> {
    app.wait(View::SeatMaps, &headers).await?;
    let show = app.views.seat_maps.show(&ShowId::new(show_id)).await?;
    let show = show.ok_or_else(|| ApiError::not_found("show"))?;
    Ok(axum::Json(ShowBody::of(&show.details, show.cancelled)))
}
