//! Reading a stream, and the whole log.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use marquee_domain::Event;
use marquee_domain::payment::{PaymentEvent, RefundFailed};
use uuid::Uuid;

use super::{ids_of, recorded_ids, some_events, some_stream, some_time, whole_log, whole_stream};
use crate::codec::{self, DecodeError};
use crate::envelope::{Metadata, Recorded};
use crate::port::{EventStore, Expected, NewEvent, Position, TypeFilter};

pub(super) async fn a_stream_is_read_from_a_revision_up_to_a_limit(store: Arc<dyn EventStore>) {
    let (stream, events) = (some_stream(), some_events(10));
    store.append(stream.clone(), Expected::NoStream, events.clone()).await.unwrap();
    for (from, limit, expected) in [
        (0, 3, 0..3),
        (4, 2, 4..6),
        (8, 100, 8..10),
        (9, 1, 9..10),
        (10, 5, 10..10),
        (11, 5, 10..10),
        (0, 0, 0..0),
    ] {
        let read = store.read_stream(stream.clone(), from, limit).await.unwrap();
        assert_eq!(recorded_ids(&read), ids_of(&events[expected]), "from {from}, at most {limit}");
        assert!(read.iter().all(|event| event.stream == stream));
    }
}

pub(super) async fn a_missing_stream_is_empty(store: Arc<dyn EventStore>) {
    assert!(whole_stream(&*store, &some_stream()).await.is_empty());
    assert!(store.read_stream(some_stream(), 7, 10).await.unwrap().is_empty());
}

pub(super) async fn a_stream_is_read_backwards_from_a_revision_or_its_end(store: Arc<dyn EventStore>) {
    let (stream, events) = (some_stream(), some_events(6));
    store.append(stream.clone(), Expected::NoStream, events.clone()).await.unwrap();
    let back = |revisions: &[usize]| revisions.iter().map(|n| events[*n].id).collect::<Vec<_>>();
    for (from, limit, expected) in [
        (None, 2, vec![5, 4]),
        (None, 100, vec![5, 4, 3, 2, 1, 0]),
        (Some(3), 2, vec![3, 2]),
        (Some(0), 5, vec![0]),
        (Some(99), 1, vec![5]),
        (None, 0, vec![]),
    ] {
        let read = store.read_stream_back(stream.clone(), from, limit).await.unwrap();
        assert_eq!(recorded_ids(&read), back(&expected), "from {from:?}, at most {limit}");
    }
    assert!(store.read_stream_back(some_stream(), None, 10).await.unwrap().is_empty());
}

pub(super) async fn the_log_is_read_backwards_before_a_position_or_from_its_end(store: Arc<dyn EventStore>) {
    let (older, newer, refund) = (some_events(3), some_events(3), refund_failed());
    store.append(some_stream(), Expected::NoStream, older.clone()).await.unwrap();
    store.append(some_stream(), Expected::NoStream, vec![refund.clone()]).await.unwrap();
    let end = store.append(some_stream(), Expected::NoStream, newer.clone()).await.unwrap();
    let mut expected = ids_of(&[older, vec![refund.clone()], newer].concat());
    expected.reverse();

    let page = store.read_all_back(None, 7, TypeFilter::All).await.unwrap();
    assert_eq!(recorded_ids(&page.events), expected);
    assert_eq!(page.events[0].position, end.position);
    let page = store.read_all_back(Some(end.position), 6, TypeFilter::All).await.unwrap();
    assert_eq!(recorded_ids(&page.events), expected[1..], "the position itself is not read");

    let wanted = TypeFilter::Prefix("refund.".into());
    let (mut before, mut found) = (None, vec![]);
    while found.is_empty() {
        let page = store.read_all_back(before, 1, wanted.clone()).await.unwrap();
        assert!(before.is_none_or(|before| page.next < before), "a page leads on");
        assert!(!page.events.is_empty() || page.next > Position(0), "the event is there");
        before = Some(page.next);
        found = page.events;
    }
    assert_eq!(recorded_ids(&found), [refund.id]);
    let (mut before, mut count) = (None, 0);
    while before != Some(Position(0)) {
        let page = store.read_all_back(before, 100, TypeFilter::All).await.unwrap();
        assert!(page.events.is_sorted_by(|a, b| a.position > b.position), "newest first");
        count += page.events.len();
        before = Some(page.next);
    }
    assert!(count >= 7, "the beginning is reached");
}

pub(super) async fn the_log_is_read_in_order_after_a_position_exclusive(store: Arc<dyn EventStore>) {
    let before = *store.head().borrow();
    let (one, other) = (some_stream(), some_stream());
    let events = some_events(4);
    let batch = |n: usize| vec![events[n].clone()];
    let first = store.append(one.clone(), Expected::NoStream, batch(0)).await.unwrap();
    store.append(other.clone(), Expected::NoStream, batch(1)).await.unwrap();
    store.append(one, Expected::Revision(0), batch(2)).await.unwrap();
    let last = store.append(other, Expected::Revision(0), batch(3)).await.unwrap();

    let page = store.read_all(before, 100, TypeFilter::All).await.unwrap();
    assert_eq!(recorded_ids(&page.events), ids_of(&events));
    assert!(page.events.is_sorted_by(|a, b| a.position < b.position));
    assert_eq!(page.next, last.position);
    let page = store.read_all(first.position, 2, TypeFilter::All).await.unwrap();
    assert_eq!(recorded_ids(&page.events), ids_of(&events[1..3]));
    assert_eq!(page.next, page.events[1].position, "a full page leads on from its last event");
    let page = store.read_all(last.position, 100, TypeFilter::All).await.unwrap();
    assert!(page.events.is_empty() && page.next == last.position, "nothing comes after the last");
}

pub(super) async fn pages_of_any_size_give_every_event_once(store: Arc<dyn EventStore>) {
    let before = *store.head().borrow();
    let mut ids = Vec::new();
    for count in [1, 4, 2, 9, 1] {
        let events = some_events(count);
        ids.extend(ids_of(&events));
        store.append(some_stream(), Expected::NoStream, events).await.unwrap();
    }
    for limit in [1, 2, 3, 7, 17, 1_000] {
        let read = whole_log(&*store, before, limit, &TypeFilter::All).await;
        assert_eq!(recorded_ids(&read), ids, "by pages of {limit}");
    }
}

fn refund_failed() -> NewEvent {
    let failed = RefundFailed { refund_id: "rf_1".into(), reason: "ACCOUNT_CLOSED".into() };
    NewEvent {
        id: Uuid::now_v7(),
        time: some_time(),
        event: PaymentEvent::from(failed).into(),
        metadata: Arc::new(Metadata {
            actor: "gateway:sandbox".into(),
            correlation_id: "req_é_\"quoted\"".into(),
            causation_id: Some(Uuid::now_v7()),
        }),
    }
}

pub(super) async fn a_filter_passes_its_types_and_next_passes_over_the_others(store: Arc<dyn EventStore>) {
    let before = *store.head().borrow();
    let refund = refund_failed();
    store.append(some_stream(), Expected::NoStream, some_events(5)).await.unwrap();
    store.append(some_stream(), Expected::NoStream, vec![refund.clone()]).await.unwrap();
    let end = store.append(some_stream(), Expected::NoStream, some_events(5)).await.unwrap();
    for name in ["refund.", "refund.failed.v1"] {
        let wanted = TypeFilter::Prefix(name.into());
        for limit in [1, 3, 100] {
            let read = whole_log(&*store, before, limit, &wanted).await;
            assert_eq!(recorded_ids(&read), [refund.id], "{name} by pages of {limit}");
        }
    }
    let none = TypeFilter::Prefix("refund.failed.v1.".into());
    assert!(whole_log(&*store, before, 3, &none).await.is_empty());
    let all = whole_log(&*store, before, 3, &TypeFilter::Prefix(String::new())).await;
    assert_eq!((all.len(), all[10].position), (11, end.position));
}

pub(super) async fn the_envelope_and_the_payload_come_back_as_they_went(store: Arc<dyn EventStore>) {
    let (before, stream) = (*store.head().borrow(), some_stream());
    let mut event = refund_failed();
    event.time = some_time() + std::time::Duration::from_nanos(1);
    let appended = store.append(stream.clone(), Expected::NoStream, vec![event.clone()]).await.unwrap();
    let from_stream = whole_stream(&*store, &stream).await.remove(0);
    let from_log = store.read_all(before, 1, TypeFilter::All).await.unwrap().events.remove(0);
    for read in [from_stream, from_log] {
        assert_eq!((read.position, read.revision), (appended.position, 0));
        assert_eq!((&read.stream, read.id), (&stream, event.id));
        assert_eq!(read.stored_name, "refund.failed.v1");
        assert_eq!(read.time, some_time(), "times are kept to the millisecond");
        assert_eq!(read.metadata, *event.metadata);
        assert_eq!(read.data, codec::encode(&event.event).unwrap());
        assert_eq!(read.event().unwrap(), &event.event);
    }
}

pub(super) async fn what_was_read_never_changes(store: Arc<dyn EventStore>) {
    let (before, stream) = (*store.head().borrow(), some_stream());
    store.append(stream.clone(), Expected::NoStream, some_events(5)).await.unwrap();
    let first = whole_log(&*store, before, 100, &TypeFilter::All).await;
    store.append(stream.clone(), Expected::Revision(4), some_events(5)).await.unwrap();
    store.append(some_stream(), Expected::NoStream, some_events(5)).await.unwrap();
    let again = whole_log(&*store, before, 100, &TypeFilter::All).await;
    for (first, again) in first.iter().zip(&again) {
        assert_eq!((first.position, first.id, &first.data), (again.position, again.id, &again.data));
    }
    assert_eq!((first.len(), again.len()), (5, 15));
}

/// What a newer release wrote is no error until somebody asks for the typed event; its bytes are there.
pub(super) async fn an_event_of_an_unknown_name_is_readable_raw(_: Arc<dyn EventStore>) {
    let data = Bytes::from_static(br#"{"seats":["A1"]}"#);
    let name = "booking.seats-swapped.v9";
    let read = Recorded::new(
        Position(1),
        some_stream(),
        0,
        Uuid::now_v7(),
        name.into(),
        Timestamp::UNIX_EPOCH,
        Metadata::default(),
        data.clone(),
        None,
    );
    assert_eq!(read.event().map(Event::stored_name), Err(DecodeError::UnknownName(name.into())));
    assert_eq!(read.data, data);
}
