//! `GET /ops/notifications`

use axum::Json;
use axum::extract::State;
use marquee_notifications::{Entry, OutboxText, Query, QueueError, Status};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::OpsOrAuditor;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::{Params, page_size};

const PAGE: usize = 100;
const MOST: usize = 1_000;

/// Which notifications.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NotificationParams {
    booking_id: Option<String>,
    /// `PENDING`, `SENT`, `DEAD` or `SUPPRESSED`.
    status: Option<String>,
    /// At most 1,000.
    limit: Option<String>,
    cursor: Option<String>,
}

/// A notification to a customer. It tells neither whom nor where to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotificationBody {
    notification_id: String,
    event_id: String,
    booking_id: String,
    /// `BOOKING_CONFIRMED`, `BOOKING_CANCELLED`, `SEATS_CANCELLED`, `BOOKING_EXPIRED`, `SHOW_CHANGED`, `SHOW_CANCELLED`, `REFUND_INITIATED` or `REFUND_SUCCEEDED`.
    kind: &'static str,
    channel: &'static str,
    status: &'static str,
    attempts: u32,
    /// When this became of it.
    at: String,
    /// Why it was not sent, in a word, such as `smtp-550`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What it says, where no provider is set for its channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox: Option<OutboxBody>,
}

/// A text in the local outbox.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutboxBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    text: String,
}

/// Some notifications, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NotificationsBody {
    notifications: Vec<NotificationBody>,
    /// Reads on from here.
    next_cursor: Option<String>,
}

impl From<Entry> for NotificationBody {
    fn from(entry: Entry) -> Self {
        let outbox = |OutboxText { subject, text }| OutboxBody { subject, text };
        Self {
            notification_id: entry.id,
            event_id: entry.event_id.to_string(),
            booking_id: entry.booking_id,
            kind: entry.kind.as_str(),
            channel: entry.channel.as_str(),
            status: entry.status.as_str(),
            attempts: entry.attempts,
            at: entry.at.to_string(),
            reason: entry.reason,
            outbox: entry.outbox.map(outbox),
        }
    }
}

/// What customers were told, are to be told and could not be told, the newest first.
#[utoipa::path(get, operation_id = "listNotifications", path = "/api/v1/ops/notifications", tag = "ops", params(NotificationParams), security(("bearer" = [])),
    responses((status = 200, body = NotificationsBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope)))]
pub(crate) async fn list(
    State(app): State<App>,
    _: OpsOrAuditor,
    Params(params): Params<NotificationParams>,
) -> Result<Json<NotificationsBody>, ApiError> {
    let status = params.status.as_deref().map(|status| {
        let unknown = || ApiError::invalid("status", "must be PENDING, SENT, DEAD or SUPPRESSED");
        Status::parse(status).ok_or_else(unknown)
    });
    let limit = page_size(params.limit.as_deref(), PAGE, MOST)?;
    let list = ("notifications", &params.booking_id, &params.status);
    let before = params.cursor.as_deref().map(|cursor| app.cursors.open::<i64>(&list, cursor)).transpose()?;
    let query = Query {
        booking: params.booking_id.clone(),
        status: status.transpose()?,
        before,
        // One more than asked for tells whether there is more.
        limit: u32::try_from(limit).unwrap_or_default() + 1,
    };
    let notifications = app.outbound.notifications.clone();
    let mut entries = blocking(move || notifications.list(&query)).await?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next_cursor = entries.last().filter(|_| more).map(|last| app.cursors.seal(&list, &last.seq));
    Ok(Json(NotificationsBody { notifications: entries.into_iter().map(Into::into).collect(), next_cursor }))
}

/// Asks the queue's file off the threads that serve.
pub(crate) async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, QueueError> + Send + 'static,
) -> Result<T, ApiError> {
    let asked = tokio::task::spawn_blocking(ask).await;
    let asked = asked.map_err(|error| ApiError::unavailable(&error.to_string()))?;
    asked.map_err(|error| ApiError::unavailable(&error.to_string()))
}
