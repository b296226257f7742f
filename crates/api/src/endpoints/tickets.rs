//! Tickets at the door.

pub(crate) mod redeem;
pub(crate) mod verify;

use marquee_domain::ids::TicketId;

use crate::app::App;
use crate::error::ApiError;
use crate::tickets::{NoTicket, Scanned};

/// What stands for a ticket in a path: its id, or the token that a scanner read.
enum Shown {
    /// Its id: nothing proves that whoever shows it holds the ticket.
    Named(TicketId),
    /// Its token.
    Scanned(Result<Scanned, NoTicket>),
}

impl Shown {
    fn read(app: &App, text: &str) -> Result<Self, ApiError> {
        match TicketId::parse_composed(text) {
            Some(ticket) => Ok(Self::Named(ticket)),
            None if text.starts_with("tkt_") => Err(ApiError::not_found("ticket")),
            None => Ok(Self::Scanned(app.tickets.read(text))),
        }
    }
}
