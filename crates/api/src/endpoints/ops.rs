//! Running the platform.

pub(crate) mod health;
pub(crate) mod messages;
pub(crate) mod projections;
pub(crate) mod refunds;
