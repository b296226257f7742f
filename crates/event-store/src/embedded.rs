//! The log on an embedded SQLite file: one writer thread, one commit for all that waits.

mod data_dir;
mod error;
mod store;

pub use data_dir::{DataDir, DataDirError};
pub use error::OpenError;
pub use store::EmbeddedStore;
