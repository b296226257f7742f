//! Reads: from memory where followers are live, else from the server. A connection that broke is tried once more.

use std::sync::Arc;
use std::time::Duration;

use kurrentdb::{Error, ReadAllOptions, ReadStream, ReadStreamOptions, StreamPosition};

use super::Shared;
use super::connector::Lease;
use super::events::recorded;
use super::failure::Failure;
use super::follow::{ours, place};
use crate::envelope::Recorded;
use crate::port::{Page, Position, ReadError, TypeFilter};
use crate::stream::StreamName;

/// Longest that the server may take for the next event of a read.
const NEXT: Duration = Duration::from_secs(10);
/// Longest that a reader waits for the subscription to deliver what is known to be there. Past it the server is asked.
const DELIVERY: Duration = Duration::from_millis(250);
/// Most events looked at for one page.
const MAX_LOOKED_AT: usize = 4_096;

/// What is asked of the server.
enum Ask {
    Stream(StreamName, ReadStreamOptions),
    All(Box<ReadAllOptions>),
}

impl Shared {
    pub(super) async fn read_stream(
        &self,
        stream: &StreamName,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Recorded>>, ReadError> {
        let options =
            ReadStreamOptions::default().position(StreamPosition::Position(from)).forwards().max_count(limit);
        self.stream(stream, options, limit).await
    }

    pub(super) async fn read_stream_back(
        &self,
        stream: &StreamName,
        from: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Arc<Recorded>>, ReadError> {
        let from = from.map_or(StreamPosition::End, StreamPosition::Position);
        let options = ReadStreamOptions::default().position(from).backwards().max_count(limit);
        self.stream(stream, options, limit).await
    }

    async fn stream(
        &self,
        stream: &StreamName,
        options: ReadStreamOptions,
        limit: usize,
    ) -> Result<Vec<Arc<Recorded>>, ReadError> {
        if limit == 0 {
            return Ok(vec![]);
        }
        let mut events = Vec::new();
        self.ask(&Ask::Stream(stream.clone(), options), |event| {
            match event {
                Some(event) => events.push(event),
                // The read was cut, and begins anew where it began.
                None => events.clear(),
            }
            events.len() < limit
        })
        .await?;
        Ok(events)
    }

    /// A page of what was delivered, where that reaches the head.
    pub(super) fn read_delivered(&self, after: Position, limit: usize, filter: &TypeFilter) -> Option<Page> {
        let head = *self.head.borrow();
        if limit == 0 || after >= head {
            return Some(Page { events: vec![], next: after });
        }
        if self.tail.until() < head { None } else { self.tail.read(after, head, limit, filter) }
    }

    pub(super) async fn read_all(
        &self,
        after: Position,
        limit: usize,
        filter: &TypeFilter,
    ) -> Result<Page, ReadError> {
        let head = *self.head.borrow();
        if limit == 0 || after >= head {
            return Ok(Page { events: vec![], next: after });
        }
        if self.tail.covers(after)
            && self.tail.reaches(head, DELIVERY).await
            && let Some(page) = self.tail.read(after, head, limit, filter)
        {
            return Ok(page);
        }
        // One more, for the position itself is read too.
        let count = limit.min(MAX_LOOKED_AT).saturating_add(1);
        let options =
            ReadAllOptions::default().position(place(after)).forwards().filter(ours()).max_count(count);
        let (mut page, mut seen) = (Page { events: vec![], next: after }, 0);
        self.ask(&Ask::All(Box::new(options)), |event| {
            let Some(event) = event else {
                (page, seen) = (Page { events: vec![], next: after }, 0);
                return true;
            };
            seen += 1;
            if event.position > after {
                page.next = event.position;
                if filter.matches(&event.stored_name) {
                    page.events.push(event);
                }
            }
            page.events.len() < limit
        })
        .await?;
        if seen < count && page.events.len() < limit {
            page.next = page.next.max(head);
        }
        Ok(page)
    }

    pub(super) async fn read_all_back(
        &self,
        before: Option<Position>,
        limit: usize,
        filter: &TypeFilter,
    ) -> Result<Page, ReadError> {
        let from = match before {
            None => StreamPosition::End,
            Some(Position(0)) => return Ok(Page::default()),
            Some(before) => place(before),
        };
        let start = before.unwrap_or(Position(u64::MAX));
        if limit == 0 {
            return Ok(Page { events: vec![], next: start });
        }
        let options =
            ReadAllOptions::default().position(from).backwards().filter(ours()).max_count(MAX_LOOKED_AT);
        let (mut page, mut seen) = (Page { events: vec![], next: start }, 0);
        self.ask(&Ask::All(Box::new(options)), |event| {
            let Some(event) = event else {
                (page, seen) = (Page { events: vec![], next: start }, 0);
                return true;
            };
            seen += 1;
            page.next = event.position;
            if filter.matches(&event.stored_name) {
                page.events.push(event);
            }
            page.events.len() < limit
        })
        .await?;
        if seen < MAX_LOOKED_AT && page.events.len() < limit {
            page.next = Position(0);
        }
        Ok(page)
    }

    /// Reads until `take` wants no more; it is handed `None` where the read begins anew.
    async fn ask(
        &self,
        ask: &Ask,
        mut take: impl FnMut(Option<Arc<Recorded>>) -> bool,
    ) -> Result<(), ReadError> {
        let mut failure = Failure::Broken("there is no connection to KurrentDB".into());
        for _ in 0..3 {
            let Some(lease) = self.connector.get().await else { break };
            failure = match read(&lease, ask, &mut take).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            match &failure {
                Failure::Broken(_) => self.connector.broken(&lease),
                Failure::NotLeader => tokio::time::sleep(Duration::from_millis(100)).await,
                Failure::Refused(_) | Failure::TooLarge => break,
            }
            take(None);
        }
        Err(ReadError::Unavailable(failure.to_string()))
    }
}

async fn read(
    lease: &Lease,
    ask: &Ask,
    take: &mut impl FnMut(Option<Arc<Recorded>>) -> bool,
) -> Result<(), Failure> {
    let begun = in_time(async {
        match ask {
            Ask::Stream(stream, options) => lease.client.read_stream(stream.as_str(), options).await,
            Ask::All(options) => lease.client.read_all(options).await,
        }
    });
    let mut reading: ReadStream = match begun.await? {
        Ok(reading) => reading,
        Err(Error::ResourceNotFound) => return Ok(()),
        Err(error) => return Err(Failure::of(&error)),
    };
    loop {
        match in_time(reading.next()).await? {
            Ok(Some(event)) => {
                let Some(event) = event.event else { continue };
                if !take(Some(Arc::new(recorded(event)))) {
                    return Ok(());
                }
            }
            Ok(None) | Err(Error::ResourceNotFound) => return Ok(()),
            Err(error) => return Err(Failure::of(&error)),
        }
    }
}

async fn in_time<T>(call: impl Future<Output = T>) -> Result<T, Failure> {
    let late = |_| Failure::Broken("KurrentDB does not answer".into());
    tokio::time::timeout(NEXT, call).await.map_err(late)
}
