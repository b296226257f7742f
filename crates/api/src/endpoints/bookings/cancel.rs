//! `POST /bookings/{bookingId}/cancel`

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use marquee_commands::{CancelAnswer, CancelBooking};
use marquee_domain::ids::{BookingId, SeatId};
use marquee_domain::show::BookingStatus;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Customer;
use crate::body::optional_json;
use crate::endpoints::bookings::{PricingBody, RefundBody, booking_id as booking_id_of, refund};
use crate::endpoints::id;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::wire::Amount;
use crate::{idempotency, wire};

/// What of a booking to cancel. No body is all of it.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CancelBody {
    /// These seats alone; with them, an `Idempotency-Key` is required. All the seats that it has are the booking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seat_ids: Option<Vec<String>>,
}

/// A booking that was cancelled, or some of whose seats were.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CancelledBody {
    #[schema(value_type = String)]
    booking_id: BookingId,
    /// `CANCELLED`, or `CONFIRMED` where it goes on with the rest of its seats.
    status: &'static str,
    /// What goes back by this.
    #[serde(skip_serializing_if = "Option::is_none")]
    refund: Option<RefundBody>,
    /// What is kept by this of what was paid, in major units.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    retained: Option<Amount>,
    /// The seats that it still has, where it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    seats: Option<Vec<SeatId>>,
    /// What those cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pricing: Option<PricingBody>,
}

impl From<CancelAnswer> for CancelledBody {
    fn from(CancelAnswer { booking, refund: back, retained, part }: CancelAnswer) -> Self {
        let status = if part.is_some() { BookingStatus::Confirmed } else { BookingStatus::Cancelled };
        Self {
            booking_id: booking.id.clone(),
            status: status.as_str(),
            refund: back.as_ref().map(|amount| refund("INITIATED", amount)),
            retained: retained.map(Amount),
            pricing: part.as_ref().map(|part| PricingBody::from(&part.pricing)),
            seats: part.map(|part| part.seats_left),
        }
    }
}

/// Cancels a booking of the caller, or some seats of one that is paid for. What goes back of what was paid, the theatre's policy says.
#[utoipa::path(post, operation_id = "cancelBooking", path = "/api/v1/bookings/{bookingId}/cancel", tag = "bookings",
    params(("bookingId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body(content = Option<CancelBody>), security(("bearer" = [])),
    responses((status = 200, body = CancelledBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope),
        (status = 422, body = ErrorEnvelope, description = "`NOT_CANCELLABLE`: it is over, or some seats of what is not paid for, or the `cancelPolicy` gives nothing back")))]
pub(crate) async fn cancel(
    State(app): State<App>,
    customer: Customer,
    Segments(booking_id): Segments<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let headers = request.headers().clone();
    let body: CancelBody = optional_json(request).await?.unwrap_or_default();
    let booking_id = booking_id_of(&booking_id)?;
    let seat_ids = body.seat_ids.as_ref().map(|seats| {
        let seats = seats.iter().map(|seat| id("seatIds", seat, SeatId::parse));
        seats.collect::<Result<Vec<_>, _>>()
    });
    // Cancelling a whole booking twice is cancelling it once, so that a key, if one is sent, only has to be sound.
    if seat_ids.is_some() {
        idempotency::required_key(&headers)?;
    }
    let route = "POST /bookings/{bookingId}/cancel";
    let request = idempotency::request(&headers, &customer.user, route, &(&booking_id, &body))?;
    let cancel =
        CancelBooking { booking_id, user_id: customer.user, seat_ids: seat_ids.transpose()?, request };
    let answer = app.commands.cancel_booking(&customer.ctx, cancel).await?;
    Ok(wire::answered(StatusCode::OK, answer, CancelledBody::from))
}
