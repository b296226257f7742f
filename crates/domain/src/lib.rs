//! What may happen in a cinema.
//!
//! Architecture invariant: nothing here does I/O, reads a clock, awaits, or draws a random number. Time and ids arrive
//! with the command, which is what makes every rule an ordinary test.

mod decider;
mod event;

pub mod cancel_policy;
pub mod catalogue;
pub mod customer;
pub mod ids;
pub mod money;
pub mod offer;
pub mod payment;
pub mod policy;
pub mod pricing;
pub mod redemption;
pub mod request;
pub mod schedule;
pub mod seat_rules;
pub mod show;
pub mod theatre;
pub mod time;

pub use decider::Decider;
pub use event::Event;
