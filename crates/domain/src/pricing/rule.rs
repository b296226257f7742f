//! What an offer takes off, by kinds.
//!
//! A new kind is a file beside the others, which says what its rule holds and what it takes off, and a line in `kinds!`.

mod buy_x_get_y;
mod flat;
mod nth_ticket_percent;
mod percent;

use serde::{Deserialize, Serialize};

use crate::money::Currency;

/// What every kind of rule answers.
pub trait OfferRule {
    /// Why the rule makes no sense, if it makes none.
    fn fault(&self) -> Option<&'static str>;

    /// What it takes off, in minor units, of tickets at these prices, the dearest first. At most their sum; 0 where it does not apply.
    fn discount(&self, prices: &[i64], currency: &Currency) -> i64;
}

macro_rules! kinds {
    ($($file:ident::$rule:ident = $kind:literal,)*) => {
        /// What an offer takes off.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", deny_unknown_fields)]
        #[expect(missing_docs, reason = "each kind carries its own documentation")]
        pub enum Rule {
            $(#[serde(rename = $kind)] $rule($file::$rule),)*
        }

        $(pub use $file::$rule;)*

        impl OfferRule for Rule {
            fn fault(&self) -> Option<&'static str> {
                match self {
                    $(Self::$rule(rule) => rule.fault(),)*
                }
            }

            fn discount(&self, prices: &[i64], currency: &Currency) -> i64 {
                let discount = match self {
                    $(Self::$rule(rule) => rule.discount(prices, currency),)*
                };
                discount.clamp(0, prices.iter().sum())
            }
        }
    };
}

kinds! {
    percent::PercentOff = "PERCENT",
    flat::FlatOff = "FLAT",
    nth_ticket_percent::NthTicketPercent = "NTH_TICKET_PERCENT",
    buy_x_get_y::BuyXGetY = "BUY_X_GET_Y",
}
