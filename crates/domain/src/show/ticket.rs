//! Tickets at the door.

use jiff::Timestamp;

use crate::show::Screening;
use crate::show::booking::BookingStatus;
use crate::show::command::{RedeemTicket, Rejection};
use crate::show::decide::Decision;
use crate::show::event::TicketRedeemed;
use crate::time;

/// How long after the show's end its tickets are still redeemed, in milliseconds: a film may run late, and a scanner be behind.
pub const LATE_ENTRY_MILLIS: u64 = 30 * 60 * 1_000;

/// The instant from which a ticket lets nobody in, by the end of its show.
pub fn tickets_end(show_end: Timestamp) -> Timestamp {
    time::after(show_end, LATE_ENTRY_MILLIS)
}

/// When the tickets of a show are redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doors {
    /// From then on.
    pub open: Timestamp,
    /// Before then.
    pub close: Timestamp,
}

impl Screening {
    /// When its tickets are redeemed, where that begins so long before its start.
    pub fn doors(&self, open_millis: u64) -> Doors {
        Doors {
            open: time::before(self.details.start_time, open_millis),
            close: tickets_end(self.details.end_time),
        }
    }

    pub(super) fn redeem(&self, now: Timestamp, redeem: &RedeemTicket) -> Decision {
        let booking = self.booking(&redeem.booking_id)?;
        let ticket_id = match (booking.ticket(), booking.status(now)) {
            (Some(ticket), BookingStatus::Confirmed | BookingStatus::Completed) => ticket.clone(),
            (_, status) => return Err(Rejection::NotRedeemable(status)),
        };
        let timezone = || self.details.timezone.clone();
        if let Some(redeemed) = &booking.redeemed {
            return Err(Rejection::AlreadyRedeemed { redeemed: redeemed.clone(), timezone: timezone() });
        }
        let doors = self.doors(redeem.doors_open_millis);
        if now < doors.open || now >= doors.close {
            return Err(Rejection::DoorsClosed { doors, timezone: timezone() });
        }
        let RedeemTicket { booking_id, gate, request, doors_open_millis: _ } = redeem.clone();
        Ok(vec![TicketRedeemed { ticket_id, booking_id, redeemed_at: now, gate, request }.into()])
    }
}
