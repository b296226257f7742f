//! The newest events, in memory: what followers read while they are live.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use crate::envelope::Recorded;
use crate::port::{Page, Position, TypeFilter};

/// Most events kept.
const MAX_EVENTS: usize = 64 * 1024;
/// Most payload kept, in bytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Most events looked at under one hold of the lock.
const MAX_LOOKED_AT: usize = 4_096;

/// A ring of events, contiguous by position up to the head.
#[derive(Debug)]
pub(super) struct Tail(RwLock<Ring>);

#[derive(Debug)]
struct Ring {
    events: VecDeque<Arc<Recorded>>,
    bytes: usize,
    head: Position,
}

impl Ring {
    /// The position before the first event kept.
    fn before_first(&self) -> u64 {
        self.head.0 - self.events.len() as u64
    }
}

impl Tail {
    /// An empty tail of a log that ends at `head`.
    pub fn new(head: Position) -> Self {
        Self(RwLock::new(Ring { events: VecDeque::new(), bytes: 0, head }))
    }

    /// Adds what was committed, next after the head.
    pub fn publish(&self, batch: &[Arc<Recorded>]) {
        let mut dropped = Vec::new();
        let mut ring = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for event in batch {
            ring.bytes += event.data.len();
            ring.head = event.position;
            ring.events.push_back(Arc::clone(event));
        }
        while ring.events.len() > MAX_EVENTS || ring.bytes > MAX_BYTES {
            let Some(event) = ring.events.pop_front() else { break };
            ring.bytes -= event.data.len();
            dropped.push(event);
        }
        // The last handle of an event frees it; readers need not wait for that.
        drop(ring);
        drop(dropped);
    }

    /// Reads on from `after`; `None` where that lies before what is kept.
    pub fn read(&self, after: Position, limit: usize, filter: &TypeFilter) -> Option<Page> {
        let ring = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if after >= ring.head || limit == 0 {
            return Some(Page { events: vec![], next: after });
        }
        let skip = usize::try_from(after.0.checked_sub(ring.before_first())?).ok()?;
        let mut events = Vec::with_capacity(limit.min(MAX_LOOKED_AT).min(ring.events.len() - skip));
        let mut next = after;
        for event in ring.events.range(skip..).take(MAX_LOOKED_AT) {
            next = event.position;
            if filter.matches(&event.stored_name) {
                events.push(Arc::clone(event));
                if events.len() == limit {
                    break;
                }
            }
        }
        Some(Page { events, next })
    }
}
