//! `POST /tickets/{ticketId}/redeem`

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use marquee_commands::{BookingAnswer, RedeemAtDoor};
use marquee_domain::ids::{SeatId, TicketId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Partner;
use crate::body::OptionalJson;
use crate::endpoints::text;
use crate::endpoints::tickets::Shown;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::tickets::Scanned;
use crate::wire::local;
use crate::{idempotency, wire};

/// Where somebody comes in.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RedeemBody {
    /// Such as `A`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gate: Option<String>,
}

/// A ticket that has let its bearers in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RedeemedBody {
    ticket_id: String,
    booking_id: String,
    show_id: String,
    /// The seats that its booking has now: its bearers sit there, whatever an older ticket names.
    #[schema(value_type = Vec<String>)]
    seat_ids: Vec<SeatId>,
    /// `true`: what was scanned is from before some of its seats were cancelled; a ticket was issued since for the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    reissued: Option<bool>,
    /// The seats that it names and its booking has no more: nobody may sit there with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    cancelled_seat_ids: Option<Vec<SeatId>>,
    redeemed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<String>,
}

impl RedeemedBody {
    fn new(ticket: &TicketId, scanned: Option<&Scanned>, answer: &BookingAnswer) -> Self {
        let BookingAnswer { booking, show } = answer;
        let redeemed = booking.redeemed.as_ref();
        let cancelled_seat_ids = scanned.and_then(|scanned| scanned.cancelled_seats(booking));
        Self {
            ticket_id: ticket.to_string(),
            booking_id: booking.id.to_string(),
            show_id: show.show_id.to_string(),
            seat_ids: booking.seat_ids.clone(),
            reissued: cancelled_seat_ids.is_some().then_some(true),
            cancelled_seat_ids,
            redeemed_at: redeemed.map(|redeemed| local(redeemed.at, &show.timezone)),
            gate: redeemed.and_then(|redeemed| redeemed.gate.as_ref()).map(ToString::to_string),
        }
    }
}

/// Lets the bearers of a ticket of one of the caller's shows in, once. The ticket is named by its id, or by what was scanned.
///
/// A ticket from before some of its seats were cancelled lets in to the rest: `reissued` and `cancelledSeatIds` say so.
#[utoipa::path(post, operation_id = "redeemTicket", path = "/api/v1/tickets/{ticketId}/redeem", tag = "tickets",
    params(("ticketId" = String, Path, description = "its id, or its token")), request_body(content = Option<RedeemBody>),
    security(("bearer" = [])),
    responses((status = 200, body = RedeemedBody), (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope),
        (status = 409, body = ErrorEnvelope, description = "`ALREADY_REDEEMED`, with `redeemedAt`"),
        (status = 422, body = ErrorEnvelope, description = "`DOORS_CLOSED`: too early or too late; `NOT_REDEEMABLE`: not paid, or cancelled; `INVALID_TICKET`: what was scanned is no ticket")))]
pub(crate) async fn redeem(
    State(app): State<App>,
    partner: Partner,
    Segments(shown): Segments<String>,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<RedeemBody>,
) -> Result<Response, ApiError> {
    let (ticket, scanned) = match Shown::read(&app, &shown)? {
        Shown::Named(ticket) => (ticket, None),
        Shown::Scanned(Ok(scanned)) => (scanned.ticket_id.clone(), Some(scanned)),
        Shown::Scanned(Err(reason)) => return Err(ApiError::invalid_ticket(reason)),
    };
    let body = body.unwrap_or_default();
    // Keys are kept with the show: that of another ticket must not pass for this one's.
    let of = (&ticket, &body);
    let request = idempotency::request(&headers, &partner.user, "POST /tickets/{ticketId}/redeem", &of)?;
    let gate = body.gate.as_deref().map(|gate| text("gate", gate)).transpose()?;
    let booking_id = ticket.booking().ok_or_else(|| ApiError::not_found("ticket"))?;
    let redeem = RedeemAtDoor { booking_id, gate, request };
    let answer = app.commands.redeem_ticket(&partner.ctx, &partner.id, redeem).await?;
    Ok(wire::answered(StatusCode::OK, answer, |redeemed| {
        RedeemedBody::new(&ticket, scanned.as_ref(), &redeemed)
    }))
}
