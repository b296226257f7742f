//! Tickets at the door of a partner's theatre.

use std::sync::Arc;

use jiff::Timestamp;
use marquee_domain::ids::{BookingId, PartnerId};
use marquee_domain::request::Request;
use marquee_domain::show::{Booking, RedeemTicket, Rejection, ShowCommand, ShowDetails};
use smol_str::SmolStr;

use crate::bookings::{BookingAnswer, booking_answer};
use crate::context::{Answer, Context};
use crate::error::CommandError;
use crate::writer::Seen;
use crate::{Commands, counters};

/// Somebody at the door lets the bearers of a ticket in.
#[derive(Debug, Clone)]
pub struct RedeemAtDoor {
    /// The booking whose ticket it is.
    pub booking_id: BookingId,
    /// The gate, in the partner's words.
    pub gate: Option<SmolStr>,
    /// The request that asks.
    pub request: Option<Request>,
}

/// A booking's ticket as its show's stream has it.
#[derive(Debug, Clone)]
pub struct TicketSnapshot {
    /// The booking.
    pub booking: Arc<Booking>,
    /// Its show.
    pub show: Arc<ShowDetails>,
    /// When it was looked at.
    pub now: Timestamp,
}

impl Commands {
    /// Redeems a ticket of a partner's own show, once.
    pub async fn redeem_ticket(
        &self,
        ctx: &Context,
        partner: &PartnerId,
        redeem: RedeemAtDoor,
    ) -> Result<Answer<BookingAnswer>, CommandError> {
        let show_id = redeem.booking_id.show().ok_or(CommandError::NotFound("ticket"))?;
        known_ticket(self.own_show(partner, &show_id).await)?;
        let RedeemAtDoor { booking_id, gate, request } = redeem;
        let doors_open_millis = u64::try_from(self.inner.config.doors_open.as_millis()).unwrap_or(u64::MAX);
        let command =
            ShowCommand::RedeemTicket(RedeemTicket { booking_id, gate, doors_open_millis, request });
        let decided = known_ticket(self.inner.writers.decide(&show_id, command, ctx.metadata()).await);
        match &decided {
            Ok(decided) if !decided.replayed => metrics::counter!(counters::TICKETS_REDEEMED).increment(1),
            Err(CommandError::Show(Rejection::AlreadyRedeemed { .. })) => {
                metrics::counter!(counters::TICKETS_REDEEMED_AGAIN).increment(1);
            }
            Ok(_) | Err(_) => {}
        }
        booking_answer(decided?)
    }

    /// A booking of a partner's own show, for whoever looks at its ticket.
    pub async fn ticket(&self, partner: &PartnerId, id: &BookingId) -> Result<TicketSnapshot, CommandError> {
        let show_id = id.show().ok_or(CommandError::NotFound("ticket"))?;
        let (partner, id) = (partner.clone(), id.clone());
        let look = move |seen: Seen<'_>| {
            let screening = seen.show.screening()?;
            if screening.details.partner_id != partner {
                return Err(CommandError::NotYours);
            }
            let booking = Arc::clone(screening.booking(&id)?);
            Ok(TicketSnapshot { booking, show: Arc::clone(&screening.details), now: seen.now })
        };
        known_ticket(self.inner.writers.read(&show_id, look).await?)
    }
}

/// A ticket of a show or a booking that does not exist does not exist either.
fn known_ticket<T>(result: Result<T, CommandError>) -> Result<T, CommandError> {
    result.map_err(|error| match error {
        CommandError::Show(Rejection::UnknownShow | Rejection::UnknownBooking) => {
            CommandError::NotFound("ticket")
        }
        other => other,
    })
}
