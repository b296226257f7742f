//! Why a booking costs what it does, as one column holds it.

use marquee_domain::pricing::{AppliedOffer, AppliedPolicy, PassedOver, Pricing};
use serde::{Deserialize, Serialize};

/// The offers and the policy that made a price.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Reasons {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    applied: Vec<AppliedOffer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    passed_over: Vec<PassedOver>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<AppliedPolicy>,
}

impl Reasons {
    /// Those of a price; none where nothing but the seats makes it.
    pub fn of(pricing: Option<&Pricing>) -> Option<Self> {
        let Pricing { applied_offers, passed_over, policy, .. } = pricing?;
        let plain = applied_offers.is_empty() && passed_over.is_empty() && policy.is_none();
        (!plain).then(|| Self {
            applied: applied_offers.clone(),
            passed_over: passed_over.clone(),
            policy: policy.clone(),
        })
    }

    /// The price with its reasons.
    pub fn explain(self, pricing: Pricing) -> Pricing {
        let Self { applied, passed_over, policy } = self;
        Pricing { applied_offers: applied, passed_over, policy, ..pricing }
    }
}
