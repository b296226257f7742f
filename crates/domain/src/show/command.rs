//! What is wanted of a show, and why it may be refused.

use jiff::Timestamp;
use smol_str::SmolStr;

use crate::ids::{BookingId, IdempotencyKey, OfferCode, PaymentId, SeatId, UserId};
use crate::pricing::{CouponRefused, PriceTerms};
use crate::request::{KeyReused, Request};
use crate::seat_rules::SeatRule;
use crate::show::booking::BookingStatus;
use crate::show::event::{
    ClientInfo, SeatsBlocked, SeatsReleased, ShowCancelled, ShowChanged, ShowScheduled,
};
use crate::show::hoarding::HoardingLimits;
use crate::show::seating::SeatWish;

/// Most seats in one booking.
pub const MAX_SEATS_PER_BOOKING: usize = 10;

/// Locks seats for a customer: begins a booking.
#[derive(Debug, Clone, PartialEq)]
pub struct LockSeats {
    /// The id that the booking gets, if it begins.
    pub booking_id: BookingId,
    /// Who wants them.
    pub user_id: UserId,
    /// The seats.
    pub seats: SeatChoice,
    /// The rules that make its price.
    pub terms: PriceTerms,
    /// The redemptions that the terms say are claimed may be gone at this instant.
    pub lock_before: Option<Timestamp>,
    /// The client that asks.
    pub client: Option<ClientInfo>,
    /// The caller's key.
    pub idempotency_key: IdempotencyKey,
    /// A hash of the parsed body.
    pub fingerprint: SmolStr,
    /// How long the lock lasts, in milliseconds.
    pub ttl_millis: u64,
    /// What keeps one customer from holding a hall without buying.
    pub hoarding: HoardingLimits,
}

/// The seats of a booking, all or none.
#[derive(Debug, Clone, PartialEq)]
pub enum SeatChoice {
    /// The customer has chosen.
    These(Vec<SeatId>),
    /// The best that are free when the booking is decided.
    Best(SeatWish),
}

impl From<Vec<SeatId>> for SeatChoice {
    fn from(seats: Vec<SeatId>) -> Self {
        Self::These(seats)
    }
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

/// A customer wants the seats of a booking held for longer.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtendLock {
    /// The booking.
    pub booking_id: BookingId,
    /// Who asks: only its owner may.
    pub user_id: UserId,
    /// The request that asks.
    pub request: Option<Request>,
}

/// What is wanted of a show.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "commands live for one decision, and few wait at a time")]
pub enum ShowCommand {
    /// Schedules it.
    Schedule(ShowScheduled),
    /// Changes some of its facts.
    Change(ChangeShow),
    /// Replaces all of its facts that can change: each is named, with a price for every type that has one.
    Replace(ShowChanged),
    /// Calls it off, with every live booking.
    Cancel(ShowCancelled),
    /// Keeps free seats for the house, all or none. Those that it keeps already are no matter.
    BlockSeats(SeatsBlocked),
    /// Gives seats that the house keeps back to the sale. Those that it does not keep are no matter.
    ReleaseSeats(SeatsReleased),
    /// Begins a booking.
    LockSeats(LockSeats),
    /// Holds the seats of a booking for longer, where the theatre offers that, once.
    ExtendLock(ExtendLock),
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
    /// A sale that would go on after the show's start.
    #[error("the sale would end after the start of the show")]
    SoldAfterStart,
    /// A sale that would begin when it is over.
    #[error("the sale would begin when it is over")]
    NeverOnSale,
    /// The sale has not begun: it begins then.
    #[error("the show is not on sale yet")]
    NotYetOnSale(Timestamp),
    /// The sale is over since then.
    #[error("the show is no longer on sale")]
    NoLongerOnSale(Timestamp),
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
    /// Somebody else has some of them.
    #[error("one or more seats are no longer available")]
    SeatsUnavailable {
        /// Those.
        seats: Vec<SeatId>,
        /// As many of the same types, side by side in the same row, that are free.
        instead: Option<Vec<SeatId>>,
    },
    /// The theatre's rules on seats do not let them be booked so.
    #[error("{rule}")]
    AgainstSeatRule {
        /// The rule.
        rule: SeatRule,
        /// The seats for which it refuses.
        seats: Vec<SeatId>,
        /// Seats that it would let be booked.
        instead: Option<Vec<SeatId>>,
    },
    /// So many seats that suit the wish are not free, or not beside each other.
    #[error("there are no such seats left")]
    NoSeatsFit,
    /// The offer does not apply.
    #[error("coupon {0} does not apply: {1}")]
    CouponRefused(OfferCode, CouponRefused),
    /// It took so long from the claim of a redemption to the seats that the claim may be gone.
    #[error("the claim of an offer's redemption has lapsed")]
    ClaimLapsed,
    /// The customer holds as many locks of this show as one may.
    #[error("too many live seat locks in this show")]
    TooManyLocks {
        /// The first of them ends then.
        retry_after_millis: u64,
    },
    /// The customer has let as many locks of this show lapse as one may.
    #[error("too many seat locks of this show were not paid for")]
    TooManyLapsedLocks {
        /// One of them is forgotten then.
        retry_after_millis: u64,
    },
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
    /// The theatre does not let locks be extended.
    #[error("the theatre does not hold seats for longer")]
    ExtensionNotOffered,
    /// The lock was extended before.
    #[error("the seat lock was extended before")]
    AlreadyExtended,
    /// The lock lasts until the show starts, or longer.
    #[error("the show starts before a longer lock would end")]
    StartsTooSoon,
    /// The booking has no lock to extend.
    #[error("the seat lock of a booking that is {0} cannot be extended")]
    NotExtendable(BookingStatus),
    /// The key was used for another body.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
}

impl ShowCommand {
    /// The request that a change of the show itself carries.
    pub(super) fn request(&self) -> Option<&Request> {
        match self {
            Self::Schedule(scheduled) => scheduled.request.as_ref(),
            Self::Change(ChangeShow(changed)) | Self::Replace(changed) => changed.request.as_ref(),
            Self::Cancel(cancelled) => cancelled.request.as_ref(),
            Self::BlockSeats(blocked) => blocked.request.as_ref(),
            Self::ReleaseSeats(released) => released.request.as_ref(),
            Self::ExtendLock(extend) => extend.request.as_ref(),
            Self::LockSeats(_)
            | Self::Confirm { .. }
            | Self::Fail { .. }
            | Self::CancelBooking(_)
            | Self::ExpireDue
            | Self::CompleteDue => None,
        }
    }
}
