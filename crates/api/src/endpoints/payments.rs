//! Payments.

pub(crate) mod initiate;
pub(crate) mod pay_page;
pub(crate) mod webhook;
