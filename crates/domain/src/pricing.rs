//! What a booking costs, and why.

mod conditions;
mod number;
mod rule;
mod shares;
mod terms;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::ids::OfferCode;
use crate::money::{Currency, Money};
use crate::policy::PolicyScope;

pub use conditions::{Conditions, Day, TimeOfDay};
pub use number::{MajorAmount, Percent};
pub use rule::{BuyXGetY, FlatOff, NthTicketPercent, OfferRule, PercentOff, Rule};
pub use shares::Share;
pub use terms::{CouponRefused, PriceRules, PriceTerms, Versioned};

/// An offer that lowered a price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliedOffer {
    /// Its code.
    pub code: OfferCode,
    /// What it says it does.
    pub description: SmolStr,
    /// The version of its rule that was applied: the revision of its stream.
    pub version: u64,
    /// What it took off, in minor units. Not told of bookings that were made before it was kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub discount: i64,
    /// Whether it may be redeemed only so often, so that this booking has claimed a redemption.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub limited: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(minor: &i64) -> bool {
    *minor == 0
}

/// An offer that would have applied, and gave way to what saved more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PassedOver {
    /// Its code.
    pub code: OfferCode,
    /// The version of its rule.
    pub version: u64,
    /// What it would have taken off, in minor units.
    pub discount: i64,
}

/// The policy that made fees and tax.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppliedPolicy {
    /// Where it holds.
    pub scope: PolicyScope,
    /// Its version: the revision of its stream.
    pub version: u64,
}

/// A price in minor units: `total = subtotal - discount + fees + tax`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pricing {
    /// The currency of every amount.
    pub currency: Currency,
    /// The seats at their show's prices.
    pub subtotal: i64,
    /// What offers took off.
    pub discount: i64,
    /// Convenience fees.
    pub fees: i64,
    /// Tax.
    pub tax: i64,
    /// What is to be paid.
    pub total: i64,
    /// The offers that made the discount.
    #[serde(default)]
    pub applied_offers: Vec<AppliedOffer>,
    /// The offers that would have saved less.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    /// The policy that made fees and tax; none where no policy holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<AppliedPolicy>,
}

impl Pricing {
    /// The price of seats where no policy and no offer applies: no fee, no tax.
    pub fn of_seats(currency: Currency, prices: impl IntoIterator<Item = i64>) -> Self {
        let subtotal = prices.into_iter().sum();
        Self {
            currency,
            subtotal,
            discount: 0,
            fees: 0,
            tax: 0,
            total: subtotal,
            applied_offers: vec![],
            passed_over: vec![],
            policy: None,
        }
    }

    /// What is to be paid, with its currency.
    pub fn amount(&self) -> Money {
        Money::new(self.total, self.currency.clone())
    }

    /// Whether an offer that may be redeemed only so often made part of the price.
    pub fn is_limited(&self) -> bool {
        self.applied_offers.iter().any(|offer| offer.limited)
    }
}
