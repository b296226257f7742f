//! The log. One port, the envelope and codec around each event, and its adapters.

pub mod clock;
pub mod codec;
pub mod conformance;
pub mod embedded;
mod envelope;
pub mod lease;
mod port;
mod stream;

pub use envelope::{Metadata, Recorded};
pub use port::{
    AppendError, Appended, EventStore, Expected, Follower, NewEvent, Page, Position, ReadError, TypeFilter,
};
pub use stream::StreamName;
