//! The log on an embedded `SQLite` file: one writer thread, one commit for all that waits.

mod cache;
mod checkpoint;
mod data_dir;
mod error;
mod reader;
mod row;
mod schema;
mod session;
mod store;
mod tail;
mod verify;
mod wal;
mod writer;

pub use data_dir::{DataDir, DataDirError};
pub use error::OpenError;
pub use store::EmbeddedStore;
