//! `POST /bookings/{bookingId}/extend`

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use marquee_commands::ExtendLock;
use marquee_domain::show::BookingStatus;

use crate::app::App;
use crate::auth::Customer;
use crate::endpoints::bookings::{BookingBody, booking_id as booking_id_of};
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::{idempotency, wire};

/// Holds the seats of a booking of the caller for longer, once, where its theatre offers that.
#[utoipa::path(post, operation_id = "extendBooking", path = "/api/v1/bookings/{bookingId}/extend", tag = "bookings", params(("bookingId" = String, Path)),
    security(("bearer" = [])),
    responses((status = 200, body = BookingBody), (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope),
        (status = 409, body = ErrorEnvelope, description = "`ALREADY_EXTENDED`"), (status = 410, body = ErrorEnvelope),
        (status = 422, body = ErrorEnvelope, description = "`SEAT_RULE`: not offered; `NOT_EXTENDABLE`: nothing is held")))]
pub(crate) async fn extend(
    State(app): State<App>,
    customer: Customer,
    Segments(booking_id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let booking_id = booking_id_of(&booking_id)?;
    // Keys are kept with the show: that of another booking must not pass for this one's.
    let request =
        idempotency::request(&headers, &customer.user, "POST /bookings/{bookingId}/extend", &booking_id)?;
    let extend = ExtendLock { booking_id, user_id: customer.user, request };
    let answer = app.commands.extend_lock(&customer.ctx, extend).await?;
    Ok(wire::answered(StatusCode::OK, answer, |extended| {
        BookingBody::new(&extended.booking, &extended.show, BookingStatus::PaymentPending.as_str())
    }))
}
