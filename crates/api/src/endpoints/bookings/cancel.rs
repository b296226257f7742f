//! `POST /bookings/{bookingId}/cancel`

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use marquee_commands::CancelBooking;
use marquee_domain::ids::BookingId;
use marquee_domain::show::BookingStatus;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Customer;
use crate::endpoints::bookings::{RefundBody, booking_id as booking_id_of, refund};
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::{idempotency, wire};

/// A cancelled booking.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelledBody {
    #[schema(value_type = String)]
    booking_id: BookingId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund: Option<RefundBody>,
}

/// Cancels a booking of the caller. What was paid goes back.
#[utoipa::path(post, operation_id = "cancelBooking", path = "/api/v1/bookings/{bookingId}/cancel", tag = "bookings", params(("bookingId" = String, Path)),
    security(("bearer" = [])),
    responses((status = 200, body = CancelledBody), (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope),
        (status = 422, body = ErrorEnvelope)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    customer: Customer,
    Segments(booking_id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    // Cancelling twice is cancelling once, so that a key, if one is sent, only has to be sound.
    idempotency::key(&headers)?;
    let cancel = CancelBooking { booking_id: booking_id_of(&booking_id)?, user_id: customer.user };
    let answer = app.commands.cancel_booking(&customer.ctx, cancel).await?;
    Ok(wire::answered(StatusCode::OK, answer, |cancelled| CancelledBody {
        booking_id: cancelled.booking.id.clone(),
        status: BookingStatus::Cancelled.as_str(),
        refund: cancelled.refund.as_ref().map(|back| refund("INITIATED", &back.amount)),
    }))
}
