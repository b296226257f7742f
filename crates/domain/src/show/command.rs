//! What is wanted of a show, and why it may be refused.

use smol_str::SmolStr;

use crate::ids::{BookingId, IdempotencyKey, PaymentId, SeatId, UserId};
use crate::request::{KeyReused, Request};
use crate::show::booking::BookingStatus;
use crate::show::event::{ClientInfo, ShowCancelled, ShowChanged, ShowScheduled};

/// Most seats in one booking.
pub const MAX_SEATS_PER_BOOKING: usize = 10;

/// Locks seats for a customer: begins a booking.
#[derive(Debug, Clone, PartialEq)]
pub struct LockSeats {
    /// The id that the booking gets, if it begins.
    pub booking_id: BookingId,
    /// Who wants them.
    pub user_id: UserId,
    /// The seats, all or none.
    pub seat_ids: Vec<SeatId>,
    /// An offer's code.
    pub coupon_code: Option<SmolStr>,
    /// The client that asks.
    pub client: Option<ClientInfo>,
    /// The caller's key.
    pub idempotency_key: IdempotencyKey,
    /// A hash of the parsed body.
    pub fingerprint: SmolStr,
    /// How long the lock lasts, in milliseconds.
    pub ttl_millis: u64,
    /// Most live locks that one user may hold in one show; `None` for no limit.
    pub live_locks_per_user: Option<u32>,
}

/// Changes some of a show's facts.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeShow(pub ShowChanged);

/// A customer cancels a booking.
#[derive(Debug, Clone, PartialEq)]
pub struct CancelBooking {
    /// The booking.
    pub booking_id: BookingId,
    /// Who asks: only its owner may.
    pub user_id: UserId,
}

/// What is wanted of a show.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "commands live for one decision, and few wait at a time")]
pub enum ShowCommand {
    /// Schedules it.
    Schedule(ShowScheduled),
    /// Changes some of its facts.
    Change(ChangeShow),
    /// Calls it off, with every live booking.
    Cancel(ShowCancelled),
    /// Begins a booking.
    LockSeats(LockSeats),
    /// A booking's payment has come. At or after the deadline it does not confirm: it writes down that the booking expired.
    Confirm {
        /// The booking.
        booking_id: BookingId,
        /// What paid for it.
        payment_id: PaymentId,
    },
    /// A booking's payment has failed for good.
    Fail {
        /// The booking.
        booking_id: BookingId,
        /// Why, in a word.
        reason: SmolStr,
    },
    /// A customer cancels.
    CancelBooking(CancelBooking),
    /// Writes down every deadline that has passed.
    ExpireDue,
    /// Completes the confirmed bookings of a show that is over.
    CompleteDue,
}

/// Why a command is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// No such show.
    #[error("there is no such show")]
    UnknownShow,
    /// The show's id is taken.
    #[error("the show is already scheduled")]
    AlreadyScheduled,
    /// A start that has passed.
    #[error("the show would start in the past")]
    StartsInThePast,
    /// A type of seat that has no price.
    #[error("a type of seat has no price")]
    Unpriced,
    /// A price of nothing or less: a gateway takes no payment of it, and a refund would pay the house.
    #[error("a price is not more than zero")]
    PriceNotPositive,
    /// The show was called off.
    #[error("the show was cancelled")]
    ShowCancelled,
    /// The show has begun.
    #[error("the show has started")]
    ShowStarted,
    /// The show has ended.
    #[error("the show is over")]
    ShowOver,
    /// A booking of no seats.
    #[error("at least one seat is needed")]
    NoSeats,
    /// A booking of more than [`MAX_SEATS_PER_BOOKING`] seats.
    #[error("at most {MAX_SEATS_PER_BOOKING} seats go into one booking")]
    TooManySeats,
    /// A seat is named twice.
    #[error("a seat is named twice")]
    DuplicateSeats(Vec<SeatId>),
    /// The show has no such seats.
    #[error("the show has no such seats")]
    UnknownSeats(Vec<SeatId>),
    /// Somebody else has them.
    #[error("one or more seats are no longer available")]
    SeatsUnavailable(Vec<SeatId>),
    /// No such offer, or it does not apply.
    #[error("coupon {0} does not apply")]
    UnknownCoupon(SmolStr),
    /// The customer holds as many locks of this show as one may.
    #[error("too many live seat locks in this show")]
    TooManyLocks,
    /// No such booking.
    #[error("there is no such booking")]
    UnknownBooking,
    /// It is somebody else's.
    #[error("the booking belongs to somebody else")]
    NotYours,
    /// The booking's seat lock has ended.
    #[error("the booking has expired")]
    BookingExpired,
    /// The booking cannot be paid for, or cannot take the money that came.
    #[error("a booking that is {0} cannot be paid for")]
    NotPayable(BookingStatus),
    /// The booking cannot be cancelled.
    #[error("a booking that is {0} cannot be cancelled")]
    NotCancellable(BookingStatus),
    /// The key was used for another body.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
}

impl ShowCommand {
    /// The request that a change of the show itself carries.
    pub(super) fn request(&self) -> Option<&Request> {
        match self {
            Self::Schedule(scheduled) => scheduled.request.as_ref(),
            Self::Change(ChangeShow(changed)) => changed.request.as_ref(),
            Self::Cancel(cancelled) => cancelled.request.as_ref(),
            Self::LockSeats(_)
            | Self::Confirm { .. }
            | Self::Fail { .. }
            | Self::CancelBooking(_)
            | Self::ExpireDue
            | Self::CompleteDue => None,
        }
    }
}
