//! Redemptions of an offer that has limits.
//!
//! A redemption is claimed before the seats are locked, and released when the booking ends unpaid or is cancelled. So there are never
//! more bookings with the offer than it allows.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Decider;
use crate::event::events;
use crate::ids::{BookingId, IdempotencyKey, OfferCode, ShowId, UserId};
use crate::offer::OfferLimits;
use crate::time;

/// Between two attempts of one request, in milliseconds, where they come at once: an attempt is known by its `lockBefore`.
const APART_MILLIS: u64 = 1;
/// How long a booking may take from its claim to its seat lock, in milliseconds. Later its claim may be gone.
pub const CLAIM_MILLIS: u64 = 60_000;

/// A booking claimed a redemption, or claimed it again: each attempt of a request to begin the booking is written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedemptionClaimed {
    /// The offer.
    pub code: OfferCode,
    /// The booking that is to have it.
    pub booking_id: BookingId,
    /// Whose it is.
    pub user_id: UserId,
    /// The key of the booking's request, whose attempts share one redemption.
    pub idempotency_key: IdempotencyKey,
    /// This attempt must have its seats before this, by which it is known.
    pub lock_before: Timestamp,
}

/// A booking gave its redemption back, or some attempts to begin it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedemptionReleased {
    /// The offer.
    pub code: OfferCode,
    /// The booking.
    pub booking_id: BookingId,
    /// The attempts that were given up, while others go on; where there are none, the redemption is free.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Timestamp>,
}

events! {
    /// What happened to the redemptions of an offer.
    RedemptionEvent {
        Claimed(RedemptionClaimed) = "redemption.claimed.v1",
        Released(RedemptionReleased) = "redemption.released.v1",
    }
}

/// Why a claim is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedemptionRejection {
    /// All have been redeemed.
    #[error("offer {0} has been redeemed as often as it may be")]
    Exhausted(OfferCode),
    /// The customer has redeemed it as often as one may.
    #[error("offer {0} has been redeemed as often as one customer may")]
    ExhaustedForUser(OfferCode),
}

/// What is wanted of an offer's redemptions.
#[derive(Debug, Clone, PartialEq)]
pub enum RedemptionCommand {
    /// Claims one.
    Claim {
        /// The offer.
        code: OfferCode,
        /// The booking that is to have it. The same request again keeps the booking that it named first.
        booking_id: BookingId,
        /// Whose it is.
        user_id: UserId,
        /// The key of the booking's request.
        idempotency_key: IdempotencyKey,
        /// What the offer allows.
        limits: OfferLimits,
    },
    /// Gives one back.
    Release {
        /// The offer.
        code: OfferCode,
        /// The booking.
        booking_id: BookingId,
        /// Which attempts to begin it give up.
        attempts: Attempts,
    },
}

/// Attempts to begin a booking with a redemption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempts {
    /// All: the booking is over, or has begun without the redemption.
    All,
    /// This one: another attempt of the same request may be about to lock the seats.
    This(Timestamp),
    /// Those that had to have their seats by this instant. A later one is none of the caller's knowledge.
    Until(Timestamp),
}

/// A redemption that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The booking.
    pub booking_id: BookingId,
    /// The attempts to begin it, by when each must have its seats.
    pub attempts: BTreeSet<Timestamp>,
}

/// A request, as a claim remembers it. One key may begin a booking in each of several shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Claimant {
    user: UserId,
    show: Option<ShowId>,
    key: IdempotencyKey,
}

impl Claimant {
    fn new(user: &UserId, booking: &BookingId, key: &IdempotencyKey) -> Self {
        Self { user: user.clone(), show: booking.show(), key: key.clone() }
    }
}

/// The redemptions of an offer that count now.
#[derive(Debug, Clone, Default)]
pub struct Redemptions {
    claims: HashMap<Claimant, Claim>,
    by_booking: HashMap<BookingId, Claimant>,
    by_user: HashMap<UserId, u32>,
}

impl Redemptions {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.claims.len()
    }

    /// What a request that begins a booking in a show has claimed; `booking` is any of that show.
    pub fn claim(&self, user: &UserId, booking: &BookingId, key: &IdempotencyKey) -> Option<&Claim> {
        self.claims.get(&Claimant::new(user, booking, key))
    }

    /// Whether one more would pass what the offer allows to all; and to a customer, where it is known who asks.
    pub fn is_exhausted(&self, limits: &OfferLimits, user: Option<&UserId>) -> bool {
        let of_user = |user| self.by_user.get(user).copied().unwrap_or_default();
        limits.total.is_some_and(|total| self.count() >= total as usize)
            || limits.per_user.zip(user).is_some_and(|(most, user)| of_user(user) >= most)
    }

    fn release(
        &self,
        code: &OfferCode,
        booking_id: &BookingId,
        attempts: Attempts,
    ) -> Option<RedemptionReleased> {
        let claim = self.claims.get(self.by_booking.get(booking_id)?)?;
        let given_up: Vec<Timestamp> = match attempts {
            Attempts::All => claim.attempts.iter().copied().collect(),
            Attempts::This(attempt) => claim.attempts.get(&attempt).into_iter().copied().collect(),
            Attempts::Until(last) => claim.attempts.range(..=last).copied().collect(),
        };
        let whole = given_up.len() == claim.attempts.len();
        let released = RedemptionReleased {
            code: code.clone(),
            booking_id: booking_id.clone(),
            attempts: if whole { vec![] } else { given_up.clone() },
        };
        (!given_up.is_empty()).then_some(released)
    }
}

impl Decider for Redemptions {
    type Command = RedemptionCommand;
    type Event = RedemptionEvent;
    type Rejection = RedemptionRejection;

    fn decide(
        &self,
        now: Timestamp,
        command: &RedemptionCommand,
    ) -> Result<Vec<RedemptionEvent>, RedemptionRejection> {
        match command {
            RedemptionCommand::Claim { code, booking_id, user_id, idempotency_key, limits } => {
                let lock_before = time::after(now, CLAIM_MILLIS);
                if let Some(claim) = self.claim(user_id, booking_id, idempotency_key) {
                    let last = claim.attempts.last().map(|last| time::after(*last, APART_MILLIS));
                    let again = RedemptionClaimed {
                        code: code.clone(),
                        booking_id: claim.booking_id.clone(),
                        user_id: user_id.clone(),
                        idempotency_key: idempotency_key.clone(),
                        lock_before: last.map_or(lock_before, |last| last.max(lock_before)),
                    };
                    return Ok(vec![again.into()]);
                }
                if self.is_exhausted(limits, None) {
                    return Err(RedemptionRejection::Exhausted(code.clone()));
                }
                if self.is_exhausted(limits, Some(user_id)) {
                    return Err(RedemptionRejection::ExhaustedForUser(code.clone()));
                }
                let claimed = RedemptionClaimed {
                    code: code.clone(),
                    booking_id: booking_id.clone(),
                    user_id: user_id.clone(),
                    idempotency_key: idempotency_key.clone(),
                    lock_before,
                };
                Ok(vec![claimed.into()])
            }
            RedemptionCommand::Release { code, booking_id, attempts } => {
                Ok(self.release(code, booking_id, *attempts).into_iter().map(Into::into).collect())
            }
        }
    }

    fn evolve(&mut self, event: &RedemptionEvent) {
        match event {
            RedemptionEvent::Claimed(claimed) => {
                let whose = Claimant::new(&claimed.user_id, &claimed.booking_id, &claimed.idempotency_key);
                let claim = self.claims.entry(whose.clone()).or_insert_with(|| {
                    *self.by_user.entry(claimed.user_id.clone()).or_default() += 1;
                    Claim { booking_id: claimed.booking_id.clone(), attempts: BTreeSet::new() }
                });
                claim.attempts.insert(claimed.lock_before);
                self.by_booking.insert(claimed.booking_id.clone(), whose);
            }
            RedemptionEvent::Released(released) if !released.attempts.is_empty() => {
                let whose = self.by_booking.get(&released.booking_id);
                if let Some(claim) = whose.and_then(|whose| self.claims.get_mut(whose)) {
                    claim.attempts.retain(|attempt| !released.attempts.contains(attempt));
                }
            }
            RedemptionEvent::Released(released) => {
                let Some(whose) = self.by_booking.remove(&released.booking_id) else { return };
                self.claims.remove(&whose);
                if let Some(count) = self.by_user.get_mut(&whose.user) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        self.by_user.remove(&whose.user);
                    }
                }
            }
        }
    }
}
