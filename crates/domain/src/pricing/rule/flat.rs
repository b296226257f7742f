//! An amount, once for a booking.

use serde::{Deserialize, Serialize};

use super::OfferRule;
use crate::money::Currency;
use crate::pricing::MajorAmount;

/// An amount off a booking, never more than its tickets cost. Of no use where tickets cost another currency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlatOff {
    /// How much, in major units.
    pub amount: MajorAmount,
    /// Of what.
    #[serde(default = "Currency::inr")]
    pub currency: Currency,
}

impl OfferRule for FlatOff {
    fn fault(&self) -> Option<&'static str> {
        match self.amount.minor(&self.currency) {
            Some(1..) => None,
            Some(_) => Some("amount must be more than 0"),
            None => Some("amount is finer than the currency's minor unit, or too large"),
        }
    }

    fn discount(&self, prices: &[i64], currency: &Currency) -> i64 {
        let minor = self.amount.minor(currency).filter(|_| *currency == self.currency);
        minor.unwrap_or_default().min(prices.iter().sum())
    }
}
