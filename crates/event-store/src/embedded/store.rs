//! The store: the port over the writer, the tail and the readers.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use super::reader::Readers;
use super::session::Prepared;
use super::tail::Tail;
use super::writer::{Message, Shared, Writer};
use super::{DataDir, OpenError, schema};
use crate::envelope::Recorded;
use crate::port::{
    AppendError, Appended, EventStore, Expected, NewEvent, Page, Position, ReadError, TypeFilter,
};
use crate::stream::StreamName;

/// Appends that may wait for the writer; a caller beyond them waits to be let in.
const MAX_WAITING: usize = 4_096;

/// The embedded log. Clones share it; when the last one goes, the writer finishes what waits and stops.
///
/// Install the metrics recorder before opening: the handles are taken then.
#[derive(Clone)]
pub struct EmbeddedStore(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    /// `None` only while dropping.
    writer: Option<mpsc::Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    others_append: AtomicBool,
    _lock: Arc<File>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.writer = None;
        // No writer outlives the lock on the directory.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl EmbeddedStore {
    /// Opens the log of a data directory, and makes an empty one where there is none. Reads the whole log once to prove it;
    /// blocks for as long.
    pub fn open(dir: &DataDir) -> Result<Self, OpenError> {
        let file = schema::file_in(dir.path());
        let (conn, verified) = schema::open(&file)?;
        let shared = Arc::new(Shared {
            tail: Tail::new(verified.head),
            head: watch::Sender::new(verified.head),
            fatal: watch::Sender::new(None),
        });
        let (writer, messages) = mpsc::channel(MAX_WAITING);
        let task = Writer { conn, file: file.clone(), shared: Arc::clone(&shared), messages };
        let thread = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || task.run())
            .map_err(|error| OpenError::Io { path: file.clone(), reason: error.to_string() })?;
        let readers = Arc::new(Readers::new(file));
        let inner = Inner {
            shared,
            readers,
            writer: Some(writer),
            thread: Some(thread),
            others_append: AtomicBool::new(false),
            _lock: dir.share(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Says that others will append through this process: from now on a fold from memory proves nothing here either.
    pub fn let_others_append(&self) {
        self.0.others_append.store(true, Ordering::Release);
    }

    /// Tells why the store has stopped for good, once it has. Every append is refused from then on, and the process must end:
    /// only a new start finds out what the disk holds.
    pub fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.0.shared.fatal.subscribe()
    }

    /// Finishes the appends that wait, moves the WAL into the file and stops the writer. Reads go on; appends after this are
    /// `Unavailable`.
    pub async fn close(&self) {
        let (closed, wait) = oneshot::channel();
        let Some(writer) = &self.0.writer else { return };
        if writer.send(Message::Close(closed)).await.is_ok() {
            let _ = wait.await;
        }
    }

    async fn send(&self, append: Prepared) -> Result<Appended, AppendError> {
        let gone = || AppendError::Unavailable("the event log is closed".into());
        let (answer, answered) = oneshot::channel();
        let writer = self.0.writer.as_ref().ok_or_else(gone)?;
        writer.send(Message::Append(append, answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl EventStore for EmbeddedStore {
    fn append(
        &self,
        stream: StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move { self.send(Prepared::new(stream, expected, events)?).await })
    }

    fn read_stream(
        &self,
        stream: StreamName,
        from: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Arc<Recorded>>, ReadError>> {
        Box::pin(async move { self.0.readers.stream(stream, from, limit).await })
    }

    fn read_stream_back(
        &self,
        stream: StreamName,
        from: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Arc<Recorded>>, ReadError>> {
        Box::pin(async move { self.0.readers.stream_back(stream, from, limit).await })
    }

    fn read_all(
        &self,
        after: Position,
        limit: usize,
        filter: TypeFilter,
    ) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async move {
            if let Some(page) = self.0.shared.tail.read(after, limit, &filter) {
                return Ok(page);
            }
            let head = *self.0.shared.head.borrow();
            self.0.readers.all(after, head, limit, filter).await
        })
    }

    fn read_all_back(
        &self,
        before: Option<Position>,
        limit: usize,
        filter: TypeFilter,
    ) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async move {
            let end = Position(self.0.shared.head.borrow().0 + 1);
            self.0.readers.all_back(before.map_or(end, |before| before.min(end)), limit, filter).await
        })
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.0.shared.head.subscribe()
    }

    fn shared(&self) -> bool {
        self.0.others_append.load(Ordering::Acquire)
    }
}
