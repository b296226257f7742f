//! What a booking costs, and why.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::money::{Currency, Money};

/// An offer that lowered a price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliedOffer {
    /// Its code.
    pub code: SmolStr,
    /// What it says it does.
    pub description: SmolStr,
    /// The version of its rule that was applied: the revision of its stream.
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
}

impl Pricing {
    /// The price of seats where no policy and no offer applies: no fee, no tax.
    pub fn of_seats(currency: Currency, prices: impl IntoIterator<Item = i64>) -> Self {
        let subtotal = prices.into_iter().sum();
        Self { currency, subtotal, discount: 0, fees: 0, tax: 0, total: subtotal, applied_offers: vec![] }
    }

    /// What is to be paid, with its currency.
    pub fn amount(&self) -> Money {
        Money::new(self.total, self.currency.clone())
    }
}
