//! Some tickets free with others.

use serde::{Deserialize, Serialize};

use super::OfferRule;
use crate::money::Currency;

/// In each full group of `buy + free` tickets, the dearest first, the cheapest `free` cost nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BuyXGetY {
    /// Paid for in each group.
    pub buy: u8,
    /// Free in each group.
    pub free: u8,
}

impl OfferRule for BuyXGetY {
    fn fault(&self) -> Option<&'static str> {
        (self.buy == 0 || self.free == 0).then_some("buy and free must be at least 1")
    }

    fn discount(&self, prices: &[i64], _: &Currency) -> i64 {
        let (buy, free) = (usize::from(self.buy), usize::from(self.free));
        prices.chunks_exact((buy + free).max(1)).flat_map(|group| group.iter().skip(buy)).sum()
    }
}
