//! Expected revisions, and what an append leaves behind.

use std::collections::HashSet;
use std::sync::Arc;

use super::{expired, ids_of, recorded_ids, some_events, some_stream, whole_stream};
use crate::port::{AppendError, Appended, EventStore, Expected, Position};

pub(super) async fn a_stream_numbers_its_events_from_zero_in_the_order_appended(store: Arc<dyn EventStore>) {
    let (stream, events) = (some_stream(), some_events(5));
    let first = store.append(stream.clone(), Expected::NoStream, events[..2].to_vec()).await.unwrap();
    let second = store.append(stream.clone(), Expected::Revision(1), events[2..].to_vec()).await.unwrap();
    assert_eq!((first.revision, second.revision), (1, 4));
    assert!(second.position > first.position);
    let read = whole_stream(&*store, &stream).await;
    assert_eq!(recorded_ids(&read), ids_of(&events));
    assert_eq!(read.iter().map(|event| event.revision).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!((read[1].position, read[4].position), (first.position, second.position));
    assert!(read.is_sorted_by(|a, b| a.position < b.position), "positions follow revisions");
}

pub(super) async fn an_existing_stream_refuses_a_writer_that_expects_none(store: Arc<dyn EventStore>) {
    let stream = some_stream();
    store.append(stream.clone(), Expected::NoStream, some_events(3)).await.unwrap();
    let refused = store.append(stream.clone(), Expected::NoStream, some_events(1)).await;
    assert_eq!(refused, Err(AppendError::Conflict { current: Some(2) }));
    assert_eq!(whole_stream(&*store, &stream).await.len(), 3);
}

pub(super) async fn a_missing_stream_refuses_a_writer_that_expects_a_revision(store: Arc<dyn EventStore>) {
    let stream = some_stream();
    let refused = store.append(stream.clone(), Expected::Revision(0), some_events(1)).await;
    assert_eq!(refused, Err(AppendError::Conflict { current: None }));
    assert!(whole_stream(&*store, &stream).await.is_empty());
}

pub(super) async fn a_writer_ahead_of_the_stream_is_refused(store: Arc<dyn EventStore>) {
    let stream = some_stream();
    store.append(stream.clone(), Expected::NoStream, some_events(2)).await.unwrap();
    let refused = store.append(stream.clone(), Expected::Revision(5), some_events(1)).await;
    assert_eq!(refused, Err(AppendError::Conflict { current: Some(1) }));
    assert_eq!(whole_stream(&*store, &stream).await.len(), 2);
}

pub(super) async fn a_late_second_writer_conflicts_and_writes_nothing(store: Arc<dyn EventStore>) {
    let stream = some_stream();
    store.append(stream.clone(), Expected::NoStream, some_events(1)).await.unwrap();
    let (winner, late) = (some_events(1), some_events(1));
    store.append(stream.clone(), Expected::Revision(0), winner.clone()).await.unwrap();
    let head = *store.head().borrow();
    let refused = store.append(stream.clone(), Expected::Revision(0), late).await;
    assert_eq!(refused, Err(AppendError::Conflict { current: Some(1) }));
    assert_eq!(*store.head().borrow(), head, "a refused append moves nothing");
    assert_eq!(whole_stream(&*store, &stream).await[1].id, winner[0].id);
}

pub(super) async fn an_append_of_several_events_is_all_or_nothing(store: Arc<dyn EventStore>) {
    let (stream, rivals) = (some_stream(), 16);
    let tries: Vec<_> = (0..rivals).map(|_| some_events(7)).collect();
    let running: Vec<_> = tries
        .iter()
        .map(|events| {
            let (store, stream, events) = (Arc::clone(&store), stream.clone(), events.clone());
            tokio::spawn(async move { store.append(stream, Expected::NoStream, events).await })
        })
        .collect();
    let mut won = Vec::new();
    for (rival, events) in running.into_iter().zip(&tries) {
        match rival.await.unwrap() {
            Ok(appended) => {
                assert_eq!(appended.revision, 6);
                won.push(ids_of(events));
            }
            Err(error) => assert_eq!(error, AppendError::Conflict { current: Some(6) }),
        }
    }
    assert_eq!(won, [recorded_ids(&whole_stream(&*store, &stream).await)], "one append, and all of it");
}

pub(super) async fn appending_nothing_answers_the_end_or_a_conflict(store: Arc<dyn EventStore>) {
    let stream = some_stream();
    let end = store.append(stream.clone(), Expected::NoStream, some_events(2)).await.unwrap();
    assert_eq!(store.append(stream.clone(), Expected::Revision(1), vec![]).await, Ok(end));
    let refused = store.append(stream.clone(), Expected::Revision(0), vec![]).await;
    assert_eq!(refused, Err(AppendError::Conflict { current: Some(1) }));
    let refused = store.append(some_stream(), Expected::Revision(0), vec![]).await;
    assert_eq!(refused, Err(AppendError::Conflict { current: None }));
    let nowhere = Appended { revision: 0, position: Position(0) };
    assert_eq!(store.append(some_stream(), Expected::NoStream, vec![]).await, Ok(nowhere));
}

pub(super) async fn of_sixty_four_appenders_exactly_one_wins_each_revision(store: Arc<dyn EventStore>) {
    let (stream, mut winners) = (some_stream(), Vec::new());
    for revision in 0..8 {
        let expected = Expected::after(revision);
        let rivals: Vec<_> = (0..64)
            .map(|rival| {
                let (store, stream) = (Arc::clone(&store), stream.clone());
                let event = expired(&format!("bk_sh_5001_{rival}"));
                tokio::spawn(async move { (event.id, store.append(stream, expected, vec![event]).await) })
            })
            .collect();
        let mut won = Vec::new();
        for rival in rivals {
            match rival.await.unwrap() {
                (id, Ok(appended)) => {
                    assert_eq!(appended.revision, revision);
                    won.push(id);
                }
                (_, Err(error)) => assert_eq!(error, AppendError::Conflict { current: Some(revision) }),
            }
        }
        assert_eq!(won.len(), 1, "winners of revision {revision}");
        winners.append(&mut won);
    }
    assert_eq!(recorded_ids(&whole_stream(&*store, &stream).await), winners);
}

pub(super) async fn appenders_to_many_streams_all_succeed(store: Arc<dyn EventStore>) {
    let appenders: Vec<_> = (0..64)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let stream = some_stream();
                let mut positions = Vec::new();
                for count in 0..10 {
                    let appended =
                        store.append(stream.clone(), Expected::after(count), some_events(1)).await.unwrap();
                    assert_eq!(appended.revision, count);
                    positions.push(appended.position);
                }
                let read = whole_stream(&*store, &stream).await;
                assert_eq!(read.iter().map(|event| event.position).collect::<Vec<_>>(), positions);
                positions
            })
        })
        .collect();
    let mut positions = HashSet::new();
    for appender in appenders {
        positions.extend(appender.await.unwrap());
    }
    assert_eq!(positions.len(), 640, "no position is given twice");
}
