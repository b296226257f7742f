//! The log. One port, the envelope and codec around each event, and its adapters.

pub mod clock;
pub mod codec;
pub mod conformance;
pub mod door;
pub mod embedded;
mod envelope;
pub mod identity;
pub mod kurrent;
pub mod lease;
pub mod migrate;
mod port;
mod stream;
mod wire;

pub use envelope::{Metadata, Recorded};
pub use port::{
    AppendError, Appended, EventStore, Expected, Follower, NewEvent, Outage, Page, Position, ReadError,
    TypeFilter,
};
pub use stream::{CATEGORIES, StreamName};
