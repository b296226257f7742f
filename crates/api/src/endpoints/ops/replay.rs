//! `POST /ops/notifications/{notificationId}/replay`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::app::App;
use crate::auth::Ops;
use crate::endpoints::ops::notifications::{NotificationBody, blocking};
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;

/// Has a dead letter tried again, as if for the first time. What was sent is never sent again.
#[utoipa::path(post, operation_id = "replayNotification", path = "/api/v1/ops/notifications/{notificationId}/replay", tag = "ops",
    params(("notificationId" = String, Path)), security(("bearer" = [])),
    responses((status = 202, description = "it is tried again", body = NotificationBody), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope), (status = 409, description = "it is no dead letter", body = ErrorEnvelope)))]
pub(crate) async fn replay(
    State(app): State<App>,
    _: Ops,
    Segments(id): Segments<String>,
) -> Result<(StatusCode, Json<NotificationBody>), ApiError> {
    let notifications = app.outbound.notifications.clone();
    let replayed = blocking(move || notifications.replay(&id)).await??;
    Ok((StatusCode::ACCEPTED, Json(replayed.into())))
}
