//! `GET /bookings/{bookingId}`

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use marquee_commands::BookingSnapshot;
use marquee_domain::ids::UserId;
use marquee_domain::payment::RefundStatus;
use marquee_domain::show::{BookingState, BookingStatus};
use marquee_domain::time::Timestamp;
use marquee_projections::{BookingRow, View};

use crate::app::App;
use crate::auth::Customer;
use crate::endpoints::bookings::{
    BookingBody, BookingShow, PricingBody, TicketBody, booking_id as booking_id_of, refund,
};
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::tickets::TicketClaims;
use crate::wire::local;

/// A booking of the caller.
#[utoipa::path(get, operation_id = "getBooking", path = "/api/v1/bookings/{bookingId}", tag = "bookings", params(("bookingId" = String, Path)),
    security(("bearer" = [])),
    responses((status = 200, body = BookingBody), (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn read(
    State(app): State<App>,
    customer: Customer,
    Segments(booking_id): Segments<String>,
    headers: HeaderMap,
) -> Result<Json<BookingBody>, ApiError> {
    let reached = app.reached(View::Bookings, &headers).await?;
    let id = booking_id_of(&booking_id)?;
    let now = app.clock.now();
    let row = match reached {
        Ok(()) => app.views.bookings.get(&id).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the bookings view is out; a booking is read from its stream");
            None
        }),
        Err(behind) => {
            tracing::debug!(%behind, "the bookings view is behind; a booking is read from its stream");
            None
        }
    };
    // What is not final may have moved on since the view saw it: its stream knows.
    let settled = row.filter(|row| match row.status {
        BookingStatus::Completed | BookingStatus::Failed | BookingStatus::Expired => true,
        // What it was owed once may be more by now.
        BookingStatus::Cancelled => row.confirmed_at.is_none(),
        BookingStatus::SeatsLocked | BookingStatus::PaymentPending | BookingStatus::Confirmed => false,
    });
    let body = if let Some(row) = settled {
        own(&customer, &row.user_id)?;
        of_row(&app, &row, now)?
    } else {
        let snapshot = app.commands.booking(&id).await?;
        own(&customer, &snapshot.booking.user_id)?;
        of_snapshot(&app, &snapshot, now)?
    };
    Ok(Json(body))
}

pub(super) fn own(customer: &Customer, owner: &UserId) -> Result<(), ApiError> {
    if customer.user == *owner {
        Ok(())
    } else {
        Err(ApiError::forbidden("The booking belongs to somebody else."))
    }
}

fn of_snapshot(app: &App, snapshot: &BookingSnapshot, now: Timestamp) -> Result<BookingBody, ApiError> {
    let BookingSnapshot { booking, show, refund: back, position: _ } = snapshot;
    let mut body = BookingBody::new(booking, show, booking.status(now).as_str());
    let confirmed = match &booking.state {
        BookingState::Confirmed { ticket, at, .. }
        | BookingState::Completed { ticket, confirmed_at: at, .. } => Some((ticket, *at)),
        BookingState::SeatsLocked
        | BookingState::PaymentPending
        | BookingState::Failed
        | BookingState::Expired
        | BookingState::Cancelled { .. } => None,
    };
    if let Some((ticket_id, at)) = confirmed {
        body.confirmed_at = Some(local(at, &show.timezone));
        let claims = TicketClaims::of(ticket_id, booking, show);
        body.ticket = Some(TicketBody {
            ticket_id: ticket_id.to_string(),
            qr_code_data: app.tickets.sign(&claims)?,
            seat_ids: booking.seat_ids.clone(),
        });
    }
    body.refund = back.as_ref().map(|back| refund(refund_status(back.status), &back.amount));
    Ok(body)
}

fn refund_status(status: RefundStatus) -> &'static str {
    match status {
        RefundStatus::Initiated => "INITIATED",
        RefundStatus::Succeeded => "SUCCEEDED",
        RefundStatus::Failed => "FAILED",
    }
}

/// A booking as the view has it.
pub(crate) fn of_row(app: &App, row: &BookingRow, now: Timestamp) -> Result<BookingBody, ApiError> {
    let status = row.status_at(now);
    let ticket = match (&row.ticket_id, status) {
        (Some(ticket_id), BookingStatus::Confirmed | BookingStatus::Completed) => {
            let (booking_id, show_id) = (&row.booking_id, &row.show_id);
            let claims = TicketClaims::new(ticket_id, booking_id, show_id, &row.seat_ids, row.end_time);
            Some(TicketBody {
                ticket_id: ticket_id.to_string(),
                qr_code_data: app.tickets.sign(&claims)?,
                seat_ids: row.seat_ids.clone(),
            })
        }
        _ => None,
    };
    let confirmed = row.confirmed_at.filter(|_| ticket.is_some());
    Ok(BookingBody {
        booking_id: row.booking_id.clone(),
        status: status.as_str(),
        expires_at: local(row.expires_at, &row.timezone),
        show: BookingShow {
            show_id: row.show_id.clone(),
            theatre_id: row.theatre_id.to_string(),
            start_time: local(row.start_time, &row.timezone),
        },
        seats: row.seat_ids.clone(),
        pricing: row.pricing.as_ref().map(PricingBody::from),
        confirmed_at: confirmed.map(|at| local(at, &row.timezone)),
        ticket,
        refund: row.refund.as_ref().map(|back| {
            let status = match back.status {
                marquee_projections::RefundStatus::Initiated => RefundStatus::Initiated,
                marquee_projections::RefundStatus::Succeeded => RefundStatus::Succeeded,
                marquee_projections::RefundStatus::Failed => RefundStatus::Failed,
            };
            refund(refund_status(status), &back.amount)
        }),
    })
}
