//! An append whose answer was lost is appended again, under the same ids.

use std::sync::Arc;

use super::{ids_of, recorded_ids, some_events, some_stream, whole_stream};
use crate::port::{AppendError, EventStore, Expected};

pub(super) async fn the_same_append_again_gives_the_same_answer_and_writes_nothing(
    store: Arc<dyn EventStore>,
) {
    let (stream, events) = (some_stream(), some_events(3));
    let first = store.append(stream.clone(), Expected::NoStream, events.clone()).await.unwrap();
    let head = *store.head().borrow();
    assert_eq!(store.append(stream.clone(), Expected::NoStream, events.clone()).await, Ok(first));
    assert_eq!(*store.head().borrow(), head);
    assert_eq!(recorded_ids(&whole_stream(&*store, &stream).await), ids_of(&events));
}

pub(super) async fn the_same_append_again_succeeds_after_later_events(store: Arc<dyn EventStore>) {
    let (stream, events) = (some_stream(), some_events(2));
    store.append(stream.clone(), Expected::NoStream, some_events(1)).await.unwrap();
    let original = store.append(stream.clone(), Expected::Revision(0), events.clone()).await.unwrap();
    store.append(stream.clone(), Expected::Revision(2), some_events(4)).await.unwrap();
    store.append(some_stream(), Expected::NoStream, some_events(1)).await.unwrap();
    assert_eq!(store.append(stream.clone(), Expected::Revision(0), events).await, Ok(original));
    assert_eq!(whole_stream(&*store, &stream).await.len(), 7);
}

pub(super) async fn a_partly_matching_append_conflicts(store: Arc<dyn EventStore>) {
    let (stream, events) = (some_stream(), some_events(3));
    store.append(stream.clone(), Expected::NoStream, events.clone()).await.unwrap();
    let conflict = Err(AppendError::Conflict { current: Some(2) });
    let longer = [events.clone(), some_events(1)].concat();
    assert_eq!(
        store.append(stream.clone(), Expected::NoStream, longer).await,
        conflict,
        "one more than is there"
    );
    let mut other_last = events.clone();
    other_last[2] = some_events(1).remove(0);
    assert_eq!(
        store.append(stream.clone(), Expected::NoStream, other_last).await,
        conflict,
        "another last one"
    );
    let mut other_first = events.clone();
    other_first[0] = some_events(1).remove(0);
    assert_eq!(
        store.append(stream.clone(), Expected::NoStream, other_first).await,
        conflict,
        "another first one"
    );
    assert_eq!(recorded_ids(&whole_stream(&*store, &stream).await), ids_of(&events));
}

pub(super) async fn the_same_ids_in_another_order_conflict(store: Arc<dyn EventStore>) {
    let (stream, mut events) = (some_stream(), some_events(2));
    store.append(stream.clone(), Expected::NoStream, events.clone()).await.unwrap();
    events.reverse();
    let refused = store.append(stream.clone(), Expected::NoStream, events).await;
    assert_eq!(refused, Err(AppendError::Conflict { current: Some(1) }));
}

pub(super) async fn known_ids_at_another_revision_conflict(store: Arc<dyn EventStore>) {
    let (stream, events) = (some_stream(), some_events(3));
    store.append(stream.clone(), Expected::NoStream, events.clone()).await.unwrap();
    let refused = store.append(stream.clone(), Expected::NoStream, events[1..].to_vec()).await;
    assert_eq!(refused, Err(AppendError::Conflict { current: Some(2) }));
    let refused = store.append(stream.clone(), Expected::Revision(1), events[1..].to_vec()).await;
    assert_eq!(refused, Err(AppendError::Conflict { current: Some(2) }));
}

pub(super) async fn the_same_ids_in_another_stream_are_new_events(store: Arc<dyn EventStore>) {
    let (one, other, events) = (some_stream(), some_stream(), some_events(2));
    let first = store.append(one, Expected::NoStream, events.clone()).await.unwrap();
    let second = store.append(other.clone(), Expected::NoStream, events.clone()).await.unwrap();
    assert!(second.position > first.position);
    assert_eq!(recorded_ids(&whole_stream(&*store, &other).await), ids_of(&events));
}

pub(super) async fn concurrent_retries_of_one_append_write_it_once(store: Arc<dyn EventStore>) {
    let (stream, events) = (some_stream(), some_events(2));
    let retries: Vec<_> = (0..16)
        .map(|_| {
            let (store, stream, events) = (Arc::clone(&store), stream.clone(), events.clone());
            tokio::spawn(async move { store.append(stream, Expected::NoStream, events).await.unwrap() })
        })
        .collect();
    let mut answers = Vec::new();
    for retry in retries {
        answers.push(retry.await.unwrap());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "every retry gets the answer of the one append: {answers:?}");
    assert_eq!(recorded_ids(&whole_stream(&*store, &stream).await), ids_of(&events));
}
