//! The newest events, in memory: what followers read while they are live, so that ten views cost the server one subscription.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use crate::envelope::Recorded;
use crate::port::{Page, Position, TypeFilter};

/// Most events kept.
const MAX_EVENTS: usize = 32 * 1024;
/// Most payload kept, in bytes.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Most events looked at under one hold of the lock.
const MAX_LOOKED_AT: usize = 4_096;

/// A ring of events: all that lie after one position, up to another. Positions have gaps here.
#[derive(Debug, Default)]
pub(super) struct Tail {
    ring: RwLock<Ring>,
    until: watch::Sender<Position>,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Arc<Recorded>>,
    bytes: usize,
    /// The events after this are kept.
    after: Position,
}

impl Tail {
    /// Begins anew, empty, at a position.
    pub fn begin(&self, at: Position) {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        *ring = Ring { after: at, ..Ring::default() };
        self.until.send_replace(at);
    }

    /// The position up to which events have been delivered.
    pub fn until(&self) -> Position {
        *self.until.borrow()
    }

    /// Adds the next event. One that was delivered before is passed over.
    pub fn push(&self, event: Arc<Recorded>) {
        if event.position <= self.until() {
            return;
        }
        let (position, mut dropped) = (event.position, Vec::new());
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.bytes += event.data.len();
        ring.events.push_back(event);
        while ring.events.len() > MAX_EVENTS || ring.bytes > MAX_BYTES {
            let Some(event) = ring.events.pop_front() else { break };
            ring.bytes -= event.data.len();
            ring.after = event.position;
            dropped.push(event);
        }
        drop(ring);
        self.until.send_replace(position);
    }

    /// Whether all events after `after` are kept, or are yet to come.
    pub fn covers(&self, after: Position) -> bool {
        after >= self.ring.read().unwrap_or_else(PoisonError::into_inner).after
    }

    /// Waits for delivery to reach a position, for so long. True where it has.
    pub async fn reaches(&self, position: Position, patience: Duration) -> bool {
        let mut until = self.until.subscribe();
        tokio::time::timeout(patience, until.wait_for(|until| *until >= position))
            .await
            .is_ok_and(|reached| reached.is_ok())
    }

    /// Reads on from `after` up to `until`; `None` where that begins before what is kept.
    pub fn read(&self, after: Position, until: Position, limit: usize, filter: &TypeFilter) -> Option<Page> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        if after < ring.after {
            return None;
        }
        let skip = ring.events.partition_point(|event| event.position <= after);
        let mut page = Page { events: vec![], next: after };
        let wanted = ring.events.range(skip..).take_while(|event| event.position <= until);
        for event in wanted.take(MAX_LOOKED_AT) {
            page.next = event.position;
            if filter.matches(&event.stored_name) {
                page.events.push(Arc::clone(event));
                if page.events.len() == limit {
                    break;
                }
            }
        }
        Some(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Metadata;
    use crate::stream::StreamName;

    const END: Position = Position(u64::MAX);

    fn event(position: u64) -> Arc<Recorded> {
        Arc::new(Recorded::new(
            Position(position),
            StreamName::new("show-sh_1"),
            0,
            uuid::Uuid::nil(),
            "booking.expired.v1".into(),
            jiff::Timestamp::UNIX_EPOCH,
            Metadata::default(),
            bytes::Bytes::from_static(b"{}"),
            None,
        ))
    }

    fn positions(page: &Page) -> Vec<u64> {
        page.events.iter().map(|event| event.position.0).collect()
    }

    #[test]
    fn positions_with_gaps_are_read_in_order_and_once() {
        let tail = Tail::default();
        tail.begin(Position(100));
        for position in [107, 130, 130, 107, 131, 900] {
            tail.push(event(position));
        }
        assert!(tail.read(Position(99), END, 10, &TypeFilter::All).is_none(), "what lies before is not kept");
        let page = tail.read(Position(100), END, 10, &TypeFilter::All).unwrap();
        assert_eq!(positions(&page), [107, 130, 131, 900]);
        let page = tail.read(Position(110), END, 2, &TypeFilter::All).unwrap();
        assert_eq!((positions(&page), page.next), (vec![130, 131], Position(131)));
        let page = tail.read(Position(100), Position(130), 10, &TypeFilter::All).unwrap();
        assert_eq!(positions(&page), [107, 130], "what is not to be seen yet is not read");
        assert!(tail.read(Position(900), END, 2, &TypeFilter::All).unwrap().events.is_empty());
    }

    #[test]
    fn a_full_ring_forgets_the_oldest() {
        let tail = Tail::default();
        tail.begin(Position(0));
        for position in 1..=MAX_EVENTS as u64 + 5 {
            tail.push(event(position * 3));
        }
        assert!(!tail.covers(Position(14)) && tail.covers(Position(15)));
        assert_eq!(positions(&tail.read(Position(15), END, 1, &TypeFilter::All).unwrap()), [18]);
    }
}
