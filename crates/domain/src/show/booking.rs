//! A booking as its show's events tell it.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::ids::{BookingId, IdempotencyKey, PaymentId, SeatId, TicketId, UserId};
use crate::pricing::Pricing;
use crate::request::Request;
use crate::show::event::CancelledBy;

/// A booking.
#[derive(Debug, Clone, PartialEq)]
pub struct Booking {
    /// Its id.
    pub id: BookingId,
    /// Whose it is.
    pub user_id: UserId,
    /// Its seats, as they were asked for.
    pub seat_ids: Vec<SeatId>,
    /// The end of its seat lock.
    pub expires_at: Timestamp,
    /// The end that the lock had at first, where it was extended since.
    pub extended_from: Option<Timestamp>,
    /// The key that began it.
    pub idempotency_key: IdempotencyKey,
    /// A hash of the body that began it.
    pub fingerprint: SmolStr,
    /// What it costs; absent only between the two events that begin it.
    pub pricing: Option<Pricing>,
    /// The prices of the seats that it began with, in their order.
    pub(super) seat_prices: Vec<i64>,
    /// The seats that were cancelled since, time by time.
    pub parts: Vec<CancelledPart>,
    /// What it began with, where seats were cancelled since.
    pub begun: Option<Arc<Begun>>,
    /// How far it has come.
    pub state: BookingState,
    /// When its ticket was redeemed, if it was. Its state is the same before and after.
    pub redeemed: Option<Redeemed>,
}

/// A ticket was redeemed.
#[derive(Debug, Clone, PartialEq)]
pub struct Redeemed {
    /// When.
    pub at: Timestamp,
    /// At which gate, in the partner's words.
    pub gate: Option<SmolStr>,
}

/// What a booking began with.
#[derive(Debug, Clone, PartialEq)]
pub struct Begun {
    /// Its seats.
    pub seat_ids: Vec<SeatId>,
    /// Its price.
    pub pricing: Pricing,
}

/// Seats of a booking that were cancelled while others stayed.
#[derive(Debug, Clone, PartialEq)]
pub struct CancelledPart {
    /// Counts from 1.
    pub number: u32,
    /// What was owed back, in minor units.
    pub refund: i64,
    /// What was kept.
    pub retained: i64,
    /// The seats that stayed.
    pub seats_left: Vec<SeatId>,
    /// Their price.
    pub pricing: Pricing,
    /// The request that did it.
    pub request: Option<Request>,
}

/// How far a booking has come, by its events alone.
#[derive(Debug, Clone, PartialEq)]
pub enum BookingState {
    /// Its seats are locked; it is not priced yet.
    SeatsLocked,
    /// It awaits its payment.
    PaymentPending,
    /// It is paid.
    Confirmed {
        /// What paid for it.
        payment: PaymentId,
        /// Its ticket.
        ticket: TicketId,
        /// Since when.
        at: Timestamp,
    },
    /// Its show is over.
    Completed {
        /// What paid for it.
        payment: PaymentId,
        /// Its ticket.
        ticket: TicketId,
        /// When it was confirmed.
        confirmed_at: Timestamp,
    },
    /// Its payment failed.
    Failed,
    /// Its deadline passed.
    Expired,
    /// It was cancelled.
    Cancelled {
        /// Who did it.
        by: CancelledBy,
        /// Whether it had been paid for.
        paid: bool,
        /// What is owed back, in minor units; everything where it is absent.
        refund: Option<i64>,
        /// What is kept.
        retained: i64,
    },
}

/// The state of a booking as the world names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "documented at BookingState")]
pub enum BookingStatus {
    SeatsLocked,
    PaymentPending,
    Confirmed,
    Completed,
    Failed,
    Expired,
    Cancelled,
}

impl BookingStatus {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SeatsLocked => "SEATS_LOCKED",
            Self::PaymentPending => "PAYMENT_PENDING",
            Self::Confirmed => "CONFIRMED",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Expired => "EXPIRED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl fmt::Display for BookingStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Booking {
    /// Its status at an instant: a pending booking whose deadline has passed is expired, written down or not.
    pub fn status(&self, now: Timestamp) -> BookingStatus {
        match &self.state {
            BookingState::SeatsLocked | BookingState::PaymentPending if now >= self.expires_at => {
                BookingStatus::Expired
            }
            BookingState::SeatsLocked => BookingStatus::SeatsLocked,
            BookingState::PaymentPending => BookingStatus::PaymentPending,
            BookingState::Confirmed { .. } => BookingStatus::Confirmed,
            BookingState::Completed { .. } => BookingStatus::Completed,
            BookingState::Failed => BookingStatus::Failed,
            BookingState::Expired => BookingStatus::Expired,
            BookingState::Cancelled { .. } => BookingStatus::Cancelled,
        }
    }

    /// Whether its seats are its own at an instant.
    pub fn holds_seats(&self, now: Timestamp) -> bool {
        match self.status(now) {
            BookingStatus::SeatsLocked
            | BookingStatus::PaymentPending
            | BookingStatus::Confirmed
            | BookingStatus::Completed => true,
            BookingStatus::Failed | BookingStatus::Expired | BookingStatus::Cancelled => false,
        }
    }

    /// Its ticket, while it is worth one: from its payment on, unless it was cancelled.
    pub fn ticket(&self) -> Option<&TicketId> {
        match &self.state {
            BookingState::Confirmed { ticket, .. } | BookingState::Completed { ticket, .. } => Some(ticket),
            BookingState::SeatsLocked
            | BookingState::PaymentPending
            | BookingState::Failed
            | BookingState::Expired
            | BookingState::Cancelled { .. } => None,
        }
    }

    /// Whether it was confirmed for money.
    pub fn was_paid(&self) -> bool {
        match self.state {
            BookingState::Confirmed { .. } | BookingState::Completed { .. } => !self.is_free(),
            BookingState::Cancelled { paid, .. } => paid,
            BookingState::SeatsLocked
            | BookingState::PaymentPending
            | BookingState::Failed
            | BookingState::Expired => false,
        }
    }

    /// Whether offers left nothing to pay.
    pub fn is_free(&self) -> bool {
        self.first_pricing().is_some_and(|pricing| pricing.total == 0)
    }

    /// The seats that it began with.
    pub fn first_seats(&self) -> &[SeatId] {
        self.begun.as_ref().map_or(&self.seat_ids, |begun| &begun.seat_ids)
    }

    /// The price that it began with.
    pub fn first_pricing(&self) -> Option<&Pricing> {
        self.begun.as_ref().map(|begun| &begun.pricing).or(self.pricing.as_ref())
    }

    /// The part that a request cancelled.
    pub fn part_of(&self, request: &Request) -> Option<&CancelledPart> {
        self.parts.iter().find(|part| part.request.as_ref().is_some_and(|known| known.same_key(request)))
    }

    /// Whether no event has yet taken it out of its first states.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.state, BookingState::SeatsLocked | BookingState::PaymentPending)
    }
}
