//! The store.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{DataDir, OpenError};
use crate::envelope::Recorded;
use crate::port::{AppendError, Appended, EventStore, Expected, NewEvent, Page, Position, ReadError, TypeFilter};
use crate::stream::StreamName;

/// The embedded log. Clones share it.
#[derive(Clone)]
pub struct EmbeddedStore {
    head: watch::Sender<Position>,
    fatal: watch::Sender<Option<String>>,
}

impl EmbeddedStore {
    /// Opens the log of a data directory, and makes an empty one where there is none.
    pub fn open(_dir: &DataDir) -> Result<Self, OpenError> {
        Ok(Self { head: watch::Sender::new(Position(0)), fatal: watch::Sender::new(None) })
    }

    /// Tells why the store has stopped for good, once it has. The process must then end.
    pub fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.fatal.subscribe()
    }

    /// Writes what waits, moves the WAL into the file and stops. Appends after this are `Unavailable`.
    pub async fn close(&self) {}
}

impl EventStore for EmbeddedStore {
    fn append(&self, _: StreamName, _: Expected, _: Vec<NewEvent>) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async { Err(AppendError::Unavailable(String::new())) })
    }

    fn read_stream(&self, _: StreamName, _: u64, _: usize) -> BoxFuture<'_, Result<Vec<Arc<Recorded>>, ReadError>> {
        Box::pin(async { Err(ReadError::Unavailable(String::new())) })
    }

    fn read_all(&self, _: Position, _: usize, _: TypeFilter) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async { Err(ReadError::Unavailable(String::new())) })
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }
}
