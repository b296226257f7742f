//! Offers, fees and taxes, and what seats would cost.

pub(crate) mod offers;
pub(crate) mod policies;
pub(crate) mod quote;
