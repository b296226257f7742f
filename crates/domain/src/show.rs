//! A show and every booking of it: one aggregate, because a seat and the booking that owns it change together.

mod booking;
mod cancelling;
mod command;
mod decide;
mod event;
mod evolve;
mod hoarding;
mod house;
mod sales;
mod seating;
mod ticket;

pub use booking::{Begun, Booking, BookingState, BookingStatus, CancelledPart, Redeemed};
pub use command::{
    CancelBooking, ChangeShow, ExtendLock, LockSeats, MAX_SEATS_PER_BOOKING, RedeemTicket, Rejection,
    SeatChoice, ShowCommand,
};
pub use event::{
    BookingCancelled, BookingCompleted, BookingConfirmed, BookingExpired, BookingFailed,
    BookingPaymentPending, BookingSeatsCancelled, CancelledBy, ClientInfo, LockExtended, SeatsBlocked,
    SeatsLocked, SeatsReleased, ShowCancelled, ShowChanged, ShowDetails, ShowEvent, ShowScheduled,
    TicketRedeemed,
};
pub use hoarding::{HoardingLimits, LAPSED_MEMORY_MILLIS};
pub use sales::{SalesBound, SalesWindow};
pub use seating::{Near, SeatWish, Seating};
pub use ticket::{Doors, LATE_ENTRY_MILLIS, tickets_end};

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::ids::{BookingId, IdempotencyKey, SeatId, UserId};
use crate::request::{Answered, Request};
use crate::show::hoarding::Customer;
use crate::theatre::SeatType;

/// A show, or none yet.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "every show that is kept is a scheduled one")]
pub enum Show {
    /// No show was scheduled in this stream.
    #[default]
    Unscheduled,
    /// It was, and may since have been cancelled.
    Scheduled(Screening),
}

impl Show {
    /// The screening, once there is one.
    pub fn screening(&self) -> Result<&Screening, Rejection> {
        match self {
            Self::Unscheduled => Err(Rejection::UnknownShow),
            Self::Scheduled(screening) => Ok(screening),
        }
    }
}

/// A scheduled show with its seats and bookings.
#[derive(Debug, Clone, PartialEq)]
pub struct Screening {
    /// Its facts, as they now stand.
    pub details: Arc<ShowDetails>,
    /// Whether it was called off.
    pub cancelled: bool,
    seats: HashMap<SeatId, Seat>,
    house: BTreeSet<SeatId>,
    bookings: HashMap<BookingId, Arc<Booking>>,
    keys: HashMap<(UserId, IdempotencyKey), BookingId>,
    pending: BTreeSet<(Timestamp, BookingId)>,
    customers: HashMap<UserId, Customer>,
    confirmed: BTreeSet<BookingId>,
    answered: Arc<Answered>,
}

/// A seat, and the booking that last took it and has not let go in the log.
#[derive(Debug, Clone, PartialEq)]
struct Seat {
    seat_type: SeatType,
    holder: Option<BookingId>,
}

impl Screening {
    /// A booking of this show.
    pub fn booking(&self, id: &BookingId) -> Result<&Arc<Booking>, Rejection> {
        self.bookings.get(id).ok_or(Rejection::UnknownBooking)
    }

    /// The booking that a customer's key began.
    pub fn booking_by_key(&self, user: &UserId, key: &IdempotencyKey) -> Option<&Arc<Booking>> {
        self.bookings.get(self.keys.get(&(user.clone(), key.clone()))?)
    }

    /// Every booking that was ever made, in no order.
    pub fn bookings(&self) -> impl Iterator<Item = &Arc<Booking>> {
        self.bookings.values()
    }

    /// The booking that owns a seat at an instant; `None` where it is free or there is no such seat.
    pub fn owner(&self, seat: &SeatId, now: Timestamp) -> Option<&BookingId> {
        let holder = self.seats.get(seat)?.holder.as_ref()?;
        self.bookings.get(holder)?.holds_seats(now).then_some(holder)
    }

    /// Whether the house keeps a seat for itself.
    pub fn is_blocked(&self, seat: &SeatId) -> bool {
        self.house.contains(seat)
    }

    /// Whether a customer could take a seat at an instant.
    pub fn is_free(&self, seat: &SeatId, now: Timestamp) -> bool {
        !self.is_blocked(seat) && self.owner(seat, now).is_none()
    }

    /// Whether a change of the show itself was asked for before, by its key.
    pub fn has_answered(&self, request: Option<&Request>) -> bool {
        !matches!(self.answered.seen(request), Ok(false))
    }

    /// The earliest deadline of a booking that awaits its payment, passed or not.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.pending.first().map(|(deadline, _)| *deadline)
    }

    /// Whether a confirmed booking waits for the end of the show.
    pub fn has_confirmed(&self) -> bool {
        !self.confirmed.is_empty()
    }
}
