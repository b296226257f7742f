//! Reads the log ahead of the database: while that takes in a page, the next is read and decoded on another core.

use std::sync::Arc;

use marquee_event_store::{EventStore, Page, Position, ReadError, TypeFilter};
use tokio::task::JoinHandle;

/// Where a making reads its events from.
pub(super) struct Pages {
    store: Arc<dyn EventStore>,
    limit: usize,
    ahead: Option<(Position, Ahead)>,
}

type Ahead = JoinHandle<Result<Page, ReadError>>;

impl Pages {
    /// At most `limit` events a page, or one answer of the store more.
    pub fn new(store: Arc<dyn EventStore>, limit: usize) -> Self {
        Self { store, limit, ahead: None }
    }

    /// The events after a position. Begins to read those after them.
    pub async fn after(&mut self, position: Position) -> Result<Page, ReadError> {
        let ahead = self.ahead.take().filter(|(after, _)| *after == position).map(|(_, ahead)| ahead);
        let reading = ahead.unwrap_or_else(|| self.begin(position));
        let page = reading.await.map_err(|error| ReadError::Unavailable(error.to_string()))??;
        // What follows live comes in small pieces; those are better gathered.
        if page.events.len() >= self.limit {
            self.ahead = Some((page.next, self.begin(page.next)));
        }
        Ok(page)
    }

    fn begin(&self, after: Position) -> Ahead {
        let (store, limit) = (Arc::clone(&self.store), self.limit);
        tokio::spawn(async move {
            let page = read(&*store, after, limit).await?;
            let decoding = tokio::task::spawn_blocking(move || {
                for recorded in &page.events {
                    // What cannot be decoded is found again, and parked, where it is applied.
                    let _ = recorded.event();
                }
                page
            });
            decoding.await.map_err(|error| ReadError::Unavailable(error.to_string()))
        })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if let Some((_, ahead)) = &self.ahead {
            ahead.abort();
        }
    }
}

/// A store may answer less than it was asked for.
async fn read(store: &dyn EventStore, after: Position, limit: usize) -> Result<Page, ReadError> {
    let mut page = Page { events: vec![], next: after };
    while page.events.len() < limit && page.next < *store.head().borrow() {
        let read = store.read_all(page.next, limit - page.events.len(), TypeFilter::All).await?;
        if read.next <= page.next {
            break;
        }
        page.next = read.next;
        page.events.extend(read.events);
    }
    Ok(page)
}
