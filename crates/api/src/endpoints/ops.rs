//! Running the platform.

pub(crate) mod health;
pub(crate) mod projections;
