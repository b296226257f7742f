//! `GET /tickets/{ticketId}/verify`

use axum::Json;
use axum::extract::State;
use marquee_commands::{CommandError, TicketSnapshot};
use marquee_domain::ids::{SeatId, TicketId};
use marquee_domain::show::{BookingStatus, tickets_end};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Partner;
use crate::endpoints::tickets::Shown;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::{Params, Segments};
use crate::tickets::Scanned;
use crate::wire::local;

/// What was scanned.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ScannedParams {
    /// The text of the QR code. It may also stand in the place of the ticket's id.
    token: Option<String>,
}

/// A ticket, or why it is none.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerifiedBody {
    /// It was issued, its booking stands, and its show is not over. It stays valid once it is redeemed: `redeemedAt` says so.
    valid: bool,
    /// Why it is not: `MALFORMED`, `UNKNOWN_KEY`, `BAD_SIGNATURE` (a forgery, or another house's), `OTHER_TICKET` (the token is not
    /// of the ticket that the path names), `UNKNOWN_TICKET`, `NOT_CONFIRMED`, `CANCELLED`, `SHOW_OVER`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    booking_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    show_id: Option<String>,
    /// The seats that its booking has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    seat_ids: Option<Vec<SeatId>>,
    /// `true`: what was scanned is from before some of its seats were cancelled; a ticket was issued since for the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    reissued: Option<bool>,
    /// The seats that it names and its booking has no more: nobody may sit there with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    cancelled_seat_ids: Option<Vec<SeatId>>,
    /// When it let its bearers in, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    redeemed_at: Option<String>,
    /// Where it was redeemed.
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<String>,
}

impl VerifiedBody {
    fn refused(reason: &'static str, ticket_id: Option<&TicketId>) -> Self {
        Self { reason: Some(reason), ticket_id: ticket_id.map(ToString::to_string), ..Self::default() }
    }

    fn of(ticket_id: &TicketId, scanned: Option<&Scanned>, snapshot: TicketSnapshot) -> Self {
        let TicketSnapshot { booking, show, now } = snapshot;
        let reason = match booking.status(now) {
            BookingStatus::Confirmed | BookingStatus::Completed => {
                (now >= tickets_end(show.end_time)).then_some("SHOW_OVER")
            }
            BookingStatus::Cancelled => Some("CANCELLED"),
            BookingStatus::SeatsLocked
            | BookingStatus::PaymentPending
            | BookingStatus::Failed
            | BookingStatus::Expired => Some("NOT_CONFIRMED"),
        };
        let redeemed = booking.redeemed.as_ref();
        let cancelled_seat_ids = scanned.and_then(|scanned| scanned.cancelled_seats(&booking));
        Self {
            valid: reason.is_none(),
            reason,
            ticket_id: Some(ticket_id.to_string()),
            booking_id: Some(booking.id.to_string()),
            show_id: Some(show.show_id.to_string()),
            seat_ids: Some(booking.seat_ids.clone()),
            reissued: cancelled_seat_ids.is_some().then_some(true),
            cancelled_seat_ids,
            redeemed_at: redeemed.map(|redeemed| local(redeemed.at, &show.timezone)),
            gate: redeemed.and_then(|redeemed| redeemed.gate.as_ref()).map(ToString::to_string),
        }
    }
}

/// Whether a ticket of one of the caller's shows is good, by its id or by what was scanned. It lets nobody in: redeeming does.
#[utoipa::path(get, operation_id = "verifyTicket", path = "/api/v1/tickets/{ticketId}/verify", tag = "tickets",
    params(("ticketId" = String, Path, description = "its id, or its token"), ScannedParams), security(("bearer" = [])),
    responses((status = 200, body = VerifiedBody), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope, description = "no ticket has this id")))]
pub(crate) async fn verify(
    State(app): State<App>,
    partner: Partner,
    Segments(shown): Segments<String>,
    Params(params): Params<ScannedParams>,
) -> Result<Json<VerifiedBody>, ApiError> {
    let (ticket, mut scanned) = match Shown::read(&app, &shown)? {
        Shown::Named(ticket) => (ticket, None),
        Shown::Scanned(Ok(scanned)) => (scanned.ticket_id.clone(), Some(scanned)),
        Shown::Scanned(Err(reason)) => return Ok(Json(VerifiedBody::refused(reason.as_str(), None))),
    };
    if let Some(token) = &params.token {
        match app.tickets.read(token) {
            Ok(of_token) if of_token.ticket_id == ticket => scanned = Some(of_token),
            Ok(_) => return Ok(Json(VerifiedBody::refused("OTHER_TICKET", Some(&ticket)))),
            Err(reason) => return Ok(Json(VerifiedBody::refused(reason.as_str(), Some(&ticket)))),
        }
    }
    let booking = ticket.booking().ok_or_else(|| ApiError::not_found("ticket"))?;
    match app.commands.ticket(&partner.id, &booking).await {
        Ok(snapshot) => Ok(Json(VerifiedBody::of(&ticket, scanned.as_ref(), snapshot))),
        // Whoever has scanned something asks what it is, and is told.
        Err(CommandError::NotFound(_)) if scanned.is_some() => {
            Ok(Json(VerifiedBody::refused("UNKNOWN_TICKET", Some(&ticket))))
        }
        Err(error) => Err(error.into()),
    }
}
