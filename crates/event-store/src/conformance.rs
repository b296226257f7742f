//! What every adapter of [`crate::EventStore`] must hold.
