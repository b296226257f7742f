//! What a theatre gives back of a booking that its customer cancels.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::money::Currency;
use crate::pricing::{MajorAmount, Percent};

const MILLIS_PER_HOUR: i64 = 3_600_000;

/// A theatre's tiers. A show copies them when it is scheduled, so that nothing that happens to the theatre later touches a show
/// that is on sale. A theatre that says nothing gives everything back until the start; one whose policy has no tiers, nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelPolicy {
    /// The tiers, those furthest before the start first. The first whose hours are still ahead holds.
    pub tiers: Vec<CancelTier>,
}

/// What is given back until so long before the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelTier {
    /// It holds until so many hours before the start, exclusive.
    pub hours_before: u32,
    /// How much of what a seat was paid for goes back.
    pub refund_percent: Percent,
    /// What is kept of that for each ticket, in major units of the show's currency; never more than there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_per_ticket: Option<MajorAmount>,
}

impl CancelPolicy {
    /// Most tiers.
    pub const MOST_TIERS: usize = 10;
    /// Furthest before the start that a tier may end, in hours: a year.
    pub const MOST_HOURS: u32 = 8_760;

    /// The tier that holds at an instant; `None` where nothing can be cancelled for money any more.
    pub fn tier(&self, now: Timestamp, start: Timestamp) -> Option<&CancelTier> {
        let left = start.as_millisecond().saturating_sub(now.as_millisecond());
        self.tiers.iter().find(|tier| left > i64::from(tier.hours_before) * MILLIS_PER_HOUR)
    }

    /// What makes no sense in it.
    pub fn fault(&self) -> Option<CancelPolicyFault> {
        let falling =
            |pair: &[CancelTier]| matches!(pair, [one, next] if one.hours_before > next.hours_before);
        if self.tiers.len() > Self::MOST_TIERS {
            Some(CancelPolicyFault::TooManyTiers)
        } else if self.tiers.iter().any(|tier| tier.hours_before > Self::MOST_HOURS) {
            Some(CancelPolicyFault::TooEarly)
        } else if !self.tiers.windows(2).all(falling) {
            Some(CancelPolicyFault::Order)
        } else {
            None
        }
    }
}

impl CancelTier {
    /// What goes back of a seat that was paid for with so much, in minor units.
    pub fn refund_of(&self, paid: i64, currency: &Currency) -> i64 {
        let fee = self.fee_per_ticket.as_ref().map_or(0, |fee| fee.rounded(currency));
        self.refund_percent.share_of(paid).saturating_sub(fee).max(0)
    }
}

/// What makes no sense in a theatre's policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CancelPolicyFault {
    /// More than anybody reads.
    #[error("a cancel policy has at most {} tiers", CancelPolicy::MOST_TIERS)]
    TooManyTiers,
    /// A tier that no booking is early enough for.
    #[error("hoursBefore is at most {}", CancelPolicy::MOST_HOURS)]
    TooEarly,
    /// A tier that could never hold, or not where it stands.
    #[error("the tiers go from the most hoursBefore to the least, each once")]
    Order,
}
