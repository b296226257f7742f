//! Running the platform.

pub(crate) mod health;
pub(crate) mod messages;
pub(crate) mod notifications;
pub(crate) mod projections;
pub(crate) mod refunds;
pub(crate) mod replay;
