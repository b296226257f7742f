//! What a theatre gives back of a cancelled booking, as its body has it.

use marquee_domain::cancel_policy::{CancelPolicy, CancelTier};
use marquee_domain::pricing::{MajorAmount, Percent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a customer who cancels gets back.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CancelPolicyBody {
    /// From the most `hoursBefore` to the least, at most 10. The first whose hours before the start are still ahead holds; where none
    /// does, or there is none, a paid booking cannot be cancelled.
    tiers: Vec<CancelTierBody>,
}

/// What goes back until so long before the start.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CancelTierBody {
    /// Until so many hours before the start, exclusive; at most 8760.
    hours_before: u32,
    /// How much of what was paid for a seat goes back, from 0 to 100.
    #[schema(value_type = f64)]
    refund_percent: Percent,
    /// What is kept of that for each ticket, in major units of the show's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>)]
    fee_per_ticket: Option<MajorAmount>,
}

impl CancelPolicyBody {
    pub(crate) fn of(policy: &CancelPolicy) -> Self {
        let tier =
            |CancelTier { hours_before, refund_percent, fee_per_ticket }: &CancelTier| CancelTierBody {
                hours_before: *hours_before,
                refund_percent: *refund_percent,
                fee_per_ticket: fee_per_ticket.clone(),
            };
        Self { tiers: policy.tiers.iter().map(tier).collect() }
    }

    pub(super) fn policy(&self) -> CancelPolicy {
        let tier = |body: &CancelTierBody| CancelTier {
            hours_before: body.hours_before,
            refund_percent: body.refund_percent,
            fee_per_ticket: body.fee_per_ticket.clone(),
        };
        CancelPolicy { tiers: self.tiers.iter().map(tier).collect() }
    }
}
