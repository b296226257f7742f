//! `POST /shows/{showId}/cancel`

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use marquee_domain::ids::ShowId;

use crate::app::App;
use crate::auth::Partner;
use crate::endpoints::shows::ShowBody;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::{idempotency, wire};

/// Calls a show off: its live bookings are cancelled, and what was paid goes back.
#[utoipa::path(post, operation_id = "cancelShow", path = "/api/v1/shows/{showId}/cancel", tag = "partners", params(("showId" = String, Path)),
    security(("bearer" = [])),
    responses((status = 200, body = ShowBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    partner: Partner,
    Segments(show_id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let request = idempotency::request(&headers, &partner.user, "POST /shows/{showId}/cancel", &())?;
    let show_id = ShowId::parse(&show_id).map_err(|_| ApiError::not_found("show"))?;
    let answer = app.commands.cancel_show(&partner.ctx, &partner.id, &show_id, request).await?;
    Ok(wire::answered(StatusCode::OK, answer, |show| ShowBody::of(&show, true)))
}
