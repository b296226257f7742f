//! Following the log live.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::{ids_of, recorded_ids, some_events, some_stream};
use crate::port::{EventStore, Expected, Follower, TypeFilter};

pub(super) async fn an_answered_append_is_at_or_before_the_head(store: Arc<dyn EventStore>) {
    for count in 1..20 {
        let appended = store.append(some_stream(), Expected::NoStream, some_events(count)).await.unwrap();
        assert!(*store.head().borrow() >= appended.position, "the head moves before the answer");
    }
}

pub(super) async fn the_head_moves_only_over_events_that_can_be_read(store: Arc<dyn EventStore>) {
    let mut head = store.head();
    let mut seen = *head.borrow_and_update();
    let appender = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut last = None;
            for _ in 0..50 {
                last = Some(store.append(some_stream(), Expected::NoStream, some_events(3)).await.unwrap());
            }
            last.unwrap().position
        })
    };
    let mut moves = 0;
    while !appender.is_finished() || head.has_changed().unwrap() {
        if tokio::time::timeout(Duration::from_millis(50), head.changed()).await.is_err() {
            continue;
        }
        let now = *head.borrow_and_update();
        assert!(now > seen, "the head only grows");
        let page = store.read_all(seen, usize::MAX, TypeFilter::All).await.unwrap();
        assert!(
            page.events.last().is_some_and(|event| event.position >= now),
            "an event lies at the head {now}"
        );
        for event in page.events {
            let from_stream = store.read_stream(event.stream.clone(), event.revision, 1).await.unwrap();
            assert_eq!(recorded_ids(&from_stream), [event.id], "what the head passed is in its stream");
        }
        seen = now;
        moves += 1;
    }
    assert_eq!(seen, appender.await.unwrap());
    assert!(moves > 0);
}

pub(super) async fn a_follower_waits_where_nothing_is_new(store: Arc<dyn EventStore>) {
    store.append(some_stream(), Expected::NoStream, some_events(1)).await.unwrap();
    let head = *store.head().borrow();
    let mut follower = Follower::new(Arc::clone(&store), head);
    let early = tokio::time::timeout(Duration::from_millis(50), follower.next_page(10)).await;
    assert!(early.is_err(), "there is nothing to hand out");
    let events = some_events(2);
    store.append(some_stream(), Expected::NoStream, events.clone()).await.unwrap();
    let page = tokio::time::timeout(Duration::from_secs(10), follower.next_page(10)).await.unwrap().unwrap();
    assert_eq!(recorded_ids(&page.events), ids_of(&events), "a wait that was given up loses nothing");
}

pub(super) async fn a_follower_catches_up_and_follows_live_without_gap_or_duplicate(
    store: Arc<dyn EventStore>,
) {
    let start = *store.head().borrow();
    let mut expected = HashSet::new();
    for _ in 0..20 {
        let events = some_events(25);
        expected.extend(ids_of(&events));
        store.append(some_stream(), Expected::NoStream, events).await.unwrap();
    }
    let appenders: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let (stream, mut ids) = (some_stream(), Vec::new());
                for count in 0..50 {
                    let events = some_events(2);
                    ids.extend(ids_of(&events));
                    store.append(stream.clone(), Expected::after(2 * count), events).await.unwrap();
                }
                ids
            })
        })
        .collect();
    let followers: Vec<_> = [1, 7, 512]
        .into_iter()
        .map(|limit| {
            let mut follower = Follower::new(Arc::clone(&store), start);
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while seen.len() < 1_300 {
                    seen.extend(follower.next_page(limit).await.unwrap().events);
                }
                seen
            })
        })
        .collect();
    for appender in appenders {
        expected.extend(appender.await.unwrap());
    }
    for follower in followers {
        let seen = tokio::time::timeout(Duration::from_mins(1), follower).await.unwrap().unwrap();
        assert!(seen.is_sorted_by(|a, b| a.position < b.position), "each position once, in order");
        assert_eq!(seen.len(), expected.len());
        assert_eq!(recorded_ids(&seen).into_iter().collect::<HashSet<_>>(), expected);
    }
}

pub(super) async fn a_follower_starts_where_it_is_told(store: Arc<dyn EventStore>) {
    let events = some_events(6);
    let middle = store.append(some_stream(), Expected::NoStream, events[..3].to_vec()).await.unwrap();
    let end = store.append(some_stream(), Expected::NoStream, events[3..].to_vec()).await.unwrap();
    let mut follower = Follower::new(Arc::clone(&store), middle.position);
    let page = follower.next_page(100).await.unwrap();
    assert_eq!(recorded_ids(&page.events), ids_of(&events[3..]));
    assert_eq!((follower.position(), follower.head()), (end.position, end.position));
}
