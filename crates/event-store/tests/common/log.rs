//! What the tests of the embedded log share.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use marquee_domain::show::{BookingExpired, ShowEvent};
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::{
    EventStore, Expected, Metadata, NewEvent, Position, Recorded, StreamName, TypeFilter,
};
use uuid::Uuid;

pub fn open(path: &Path) -> (DataDir, EmbeddedStore) {
    let dir = DataDir::lock(path).unwrap();
    let store = EmbeddedStore::open(&dir).unwrap();
    (dir, store)
}

pub fn some_event(booking: &str) -> NewEvent {
    NewEvent {
        id: Uuid::now_v7(),
        time: Timestamp::from_millisecond(1_795_430_096_123).unwrap(),
        event: ShowEvent::from(BookingExpired { booking_id: booking.into() }).into(),
        metadata: Arc::new(Metadata {
            actor: "process:expiry".into(),
            correlation_id: "req_1".into(),
            causation_id: Some(Uuid::now_v7()),
        }),
    }
}

/// Appends two events to each of some streams, turn by turn, one append after the other.
pub async fn fill(store: &EmbeddedStore, appends: u64) {
    const STREAMS: u64 = 7;
    for n in 0..appends {
        let stream = StreamName::new(format!("show-sh_{}", n % STREAMS));
        let events = vec![some_event(&format!("bk_{n}_a")), some_event(&format!("bk_{n}_b"))];
        let already = store.read_stream(stream.clone(), 0, usize::MAX).await.unwrap().len() as u64;
        store.append(stream, Expected::after(already), events).await.unwrap();
    }
}

/// All that a reader can see of an event.
pub type Seen = (Position, String, u64, Uuid, String, Timestamp, Metadata, Vec<u8>);

pub fn seen(event: &Recorded) -> Seen {
    (
        event.position,
        event.stream.to_string(),
        event.revision,
        event.id,
        event.stored_name.to_string(),
        event.time,
        event.metadata.clone(),
        event.data.to_vec(),
    )
}

/// The whole log, and every stream of it read by itself as well.
pub async fn everything(store: &EmbeddedStore) -> Vec<Seen> {
    let head = *store.head().borrow();
    let (mut after, mut log) = (Position(0), Vec::new());
    while after < head {
        let page = store.read_all(after, 500, TypeFilter::All).await.unwrap();
        after = page.next;
        log.extend(page.events.iter().map(|event| seen(event)));
    }
    let mut streams: Vec<_> = log.iter().map(|event| event.1.clone()).collect();
    streams.sort();
    streams.dedup();
    let mut by_stream = Vec::new();
    for stream in streams {
        let events = store.read_stream(StreamName::new(stream), 0, usize::MAX).await.unwrap();
        by_stream.extend(events.iter().map(|event| seen(event)));
    }
    by_stream.sort_by_key(|event| event.0);
    assert_eq!(by_stream, log, "the streams hold what the log holds");
    log
}
