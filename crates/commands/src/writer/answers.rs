//! Where in the log a booking's answers are: what a client sends back to read its own write, and what a replay answers.

use std::collections::HashMap;

use marquee_domain::Event;
use marquee_domain::ids::BookingId;
use marquee_domain::show::ShowEvent;
use marquee_event_store::Position;

/// Positions of the events that answered for a booking.
#[derive(Clone, Copy)]
pub(super) struct Answers {
    /// Of the event that completed its creation.
    pub created: Position,
    /// Of its last event.
    pub last: Position,
}

/// What an event answers for a booking.
pub(super) enum Noted {
    Created(BookingId),
    Moved(BookingId),
}

impl Noted {
    pub fn of(event: &Event) -> Option<Self> {
        let Event::Show(event) = event else { return None };
        match event {
            ShowEvent::PaymentPending(event) => Some(Self::Created(event.booking_id.clone())),
            ShowEvent::LockExtended(event) => Some(Self::Moved(event.booking_id.clone())),
            ShowEvent::Confirmed(event) => Some(Self::Moved(event.booking_id.clone())),
            ShowEvent::Failed(event) => Some(Self::Moved(event.booking_id.clone())),
            ShowEvent::Expired(event) => Some(Self::Moved(event.booking_id.clone())),
            ShowEvent::BookingCancelled(event) => Some(Self::Moved(event.booking_id.clone())),
            ShowEvent::SeatsCancelled(event) => Some(Self::Moved(event.booking_id.clone())),
            ShowEvent::Completed(event) => Some(Self::Moved(event.booking_id.clone())),
            ShowEvent::TicketRedeemed(event) => Some(Self::Moved(event.booking_id.clone())),
            ShowEvent::Scheduled(_)
            | ShowEvent::Changed(_)
            | ShowEvent::Cancelled(_)
            | ShowEvent::SeatsBlocked(_)
            | ShowEvent::SeatsReleased(_)
            | ShowEvent::SeatsLocked(_) => None,
        }
    }
}

pub(super) fn note(answers: &mut HashMap<BookingId, Answers>, noted: Option<Noted>, position: Position) {
    match noted {
        Some(Noted::Created(booking)) => {
            answers.insert(booking, Answers { created: position, last: position });
        }
        Some(Noted::Moved(booking)) => {
            if let Some(known) = answers.get_mut(&booking) {
                known.last = position;
            }
        }
        None => {}
    }
}

/// Where the events of an append are in the log.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// Of the last one.
    pub end: Position,
    pub count: usize,
    pub counted: bool,
}

impl Span {
    pub const NOTHING: Self = Self { end: Position(0), count: 0, counted: true };

    /// The position of one event; where positions do not count events, that of the last, behind which it lies.
    pub fn place(self, index: usize) -> Position {
        if self.counted { Position(self.end.0 - (self.count - 1 - index) as u64) } else { self.end }
    }
}
