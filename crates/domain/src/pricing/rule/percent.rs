//! A share of the whole.

use serde::{Deserialize, Serialize};

use super::OfferRule;
use crate::money::Currency;
use crate::pricing::Percent;

/// A share off every ticket, rounded once for the booking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PercentOff {
    /// The share.
    pub percent: Percent,
}

impl OfferRule for PercentOff {
    fn fault(&self) -> Option<&'static str> {
        self.percent.is_zero().then_some("percent must be more than 0")
    }

    fn discount(&self, prices: &[i64], _: &Currency) -> i64 {
        self.percent.share_of(prices.iter().sum())
    }
}
