//! Every nth ticket cheaper.

use serde::{Deserialize, Serialize};

use super::OfferRule;
use crate::money::Currency;
use crate::pricing::Percent;

/// A share off every nth ticket, the dearest counted first, so that the cheaper of each n is the one that is reduced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NthTicketPercent {
    /// Which of each so many.
    pub nth: u8,
    /// The share.
    pub percent: Percent,
}

impl OfferRule for NthTicketPercent {
    fn fault(&self) -> Option<&'static str> {
        match (self.nth, self.percent.is_zero()) {
            (0, _) => Some("nth must be at least 1"),
            (_, true) => Some("percent must be more than 0"),
            (_, false) => None,
        }
    }

    fn discount(&self, prices: &[i64], _: &Currency) -> i64 {
        let nth = usize::from(self.nth.max(1));
        self.percent.share_of(prices.iter().skip(nth - 1).step_by(nth).sum())
    }
}
