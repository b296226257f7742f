//! The queue in the data directory: a file of its own, which consumers read by position.
//!
//! Its last message is the cursor. A power cut may take the last commits back, and the cursor with them: the log has it
//! all.

mod file;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use marquee_event_store::Position;
use rusqlite::Connection;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use self::file::QueueFile;
use super::bus::{BusError, MessageBus, Origin, Outgoing};

/// What the queue holds at most; the oldest messages go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long a message stays, from when its event happened.
    pub age: Duration,
    /// How many stay.
    pub messages: u64,
}

impl Default for Retention {
    /// A week, and half a million messages: some 400 MB.
    fn default() -> Self {
        Self { age: Duration::from_hours(7 * 24), messages: 500_000 }
    }
}

/// A message in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The place of its event in the log: read on after it.
    pub position: Position,
    /// The event that it tells of.
    pub event_id: Uuid,
    /// Its subject.
    pub subject: String,
    /// The message as JSON.
    pub body: Bytes,
}

/// The queue in the data directory. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddedBus(Arc<Inner>);

struct Inner {
    path: PathBuf,
    retention: Retention,
    file: Mutex<QueueFile>,
    reader: Mutex<Option<Connection>>,
}

impl EmbeddedBus {
    /// Opens `messages.sqlite` in a directory; makes it where it is missing, and anew where it cannot be read.
    pub fn open(dir: &Path, retention: Retention) -> Result<Self, BusError> {
        let path = dir.join("messages.sqlite");
        let file = QueueFile::open(&path, retention).or_else(|error| {
            tracing::error!(%error, path = %path.display(), "the queue of messages cannot be read; it is made again from the log");
            file::remove(&path)?;
            QueueFile::open(&path, retention)
        });
        let file = Mutex::new(file.map_err(|error| out(&error))?);
        Ok(Self(Arc::new(Inner { path, retention, file, reader: Mutex::default() })))
    }

    /// Messages after a position (exclusive), the oldest first, at most `limit`.
    pub async fn read(&self, after: Position, limit: usize) -> Result<Vec<Queued>, BusError> {
        self.blocking(move |inner| {
            let mut reader = lock(&inner.reader);
            let connection = match reader.take() {
                Some(connection) => connection,
                None => file::open_reader(&inner.path)?,
            };
            let messages = file::read(&connection, after, limit)?;
            *reader = Some(connection);
            Ok(messages)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, BusError> {
        let inner = Arc::clone(&self.0);
        let worked = spawn_blocking(move || work(&inner)).await;
        worked.map_err(|error| out(&error))?.map_err(|error| match error {
            QueueError::Moved => BusError::Moved("another publisher wrote to the queue".into()),
            QueueError::Io(_) | QueueError::Sqlite(_) | QueueError::OtherTables(_) => out(&error),
        })
    }
}

impl MessageBus for EmbeddedBus {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn keeps(&self) -> Duration {
        self.0.retention.age
    }

    fn last(&self) -> BoxFuture<'_, Result<Option<Origin>, BusError>> {
        Box::pin(self.blocking(|inner| lock(&inner.file).last()))
    }

    fn publish(&self, messages: Vec<Outgoing>) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(self.blocking(move |inner| lock(&inner.file).publish(&messages)))
    }

    fn begin_again(&self) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(self.blocking(|inner| lock(&inner.file).clear()))
    }
}

/// Why the queue's file cannot be used.
#[derive(Debug, thiserror::Error)]
enum QueueError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("its tables are of version {0}")]
    OtherTables(i64),
    #[error("another publisher wrote to it")]
    Moved,
}

fn out(error: &dyn std::error::Error) -> BusError {
    BusError::Unavailable(error.to_string())
}

/// A panic while it was held leaves nothing half done: `SQLite` rolls back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
