//! Redemptions of an offer that has limits.
//!
//! A redemption is claimed before the seats are locked, and released when the booking ends unpaid or is cancelled. So there are never
//! more bookings with the offer than it allows.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Decider;
use crate::event::events;
use crate::ids::{BookingId, IdempotencyKey, OfferCode, ShowId, UserId};
use crate::offer::OfferLimits;
use crate::time;

/// How long a booking may take from its claim to its seat lock, in milliseconds. Later its claim may be gone.
pub const CLAIM_MILLIS: u64 = 60_000;

/// A booking claimed a redemption.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedemptionClaimed {
    /// The offer.
    pub code: OfferCode,
    /// The booking that is to have it.
    pub booking_id: BookingId,
    /// Whose it is.
    pub user_id: UserId,
    /// The key of the booking's request: the same request claims once.
    pub idempotency_key: IdempotencyKey,
    /// The booking must have its seats before this.
    pub lock_before: Timestamp,
}

/// A booking gave its redemption back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedemptionReleased {
    /// The offer.
    pub code: OfferCode,
    /// The booking.
    pub booking_id: BookingId,
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
    },
}

/// A redemption that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The booking.
    pub booking_id: BookingId,
    /// The booking must have its seats before this.
    pub lock_before: Timestamp,
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

    /// Whether one more would pass what the offer allows to all, whoever asks.
    pub fn is_exhausted(&self, limits: &OfferLimits) -> bool {
        limits.total.is_some_and(|total| self.count() >= total as usize)
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
                if let Some(claim) = self.claim(user_id, booking_id, idempotency_key) {
                    // Renewed, so that a request that is made again after long can still lock its seats.
                    let lapsed = claim.lock_before <= now;
                    let renewed = RedemptionClaimed {
                        code: code.clone(),
                        booking_id: claim.booking_id.clone(),
                        user_id: user_id.clone(),
                        idempotency_key: idempotency_key.clone(),
                        lock_before: time::after(now, CLAIM_MILLIS),
                    };
                    return Ok(if lapsed { vec![renewed.into()] } else { vec![] });
                }
                if self.is_exhausted(limits) {
                    return Err(RedemptionRejection::Exhausted(code.clone()));
                }
                let of_user = self.by_user.get(user_id).copied().unwrap_or_default();
                if limits.per_user.is_some_and(|most| of_user >= most) {
                    return Err(RedemptionRejection::ExhaustedForUser(code.clone()));
                }
                let claimed = RedemptionClaimed {
                    code: code.clone(),
                    booking_id: booking_id.clone(),
                    user_id: user_id.clone(),
                    idempotency_key: idempotency_key.clone(),
                    lock_before: time::after(now, CLAIM_MILLIS),
                };
                Ok(vec![claimed.into()])
            }
            RedemptionCommand::Release { code, booking_id } => {
                let released = RedemptionReleased { code: code.clone(), booking_id: booking_id.clone() };
                let claimed = self.by_booking.contains_key(booking_id);
                Ok(if claimed { vec![released.into()] } else { vec![] })
            }
        }
    }

    fn evolve(&mut self, event: &RedemptionEvent) {
        match event {
            RedemptionEvent::Claimed(claimed) => {
                let whose = Claimant::new(&claimed.user_id, &claimed.booking_id, &claimed.idempotency_key);
                let claim =
                    Claim { booking_id: claimed.booking_id.clone(), lock_before: claimed.lock_before };
                if self.claims.insert(whose.clone(), claim).is_none() {
                    *self.by_user.entry(claimed.user_id.clone()).or_default() += 1;
                }
                self.by_booking.insert(claimed.booking_id.clone(), whose);
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
