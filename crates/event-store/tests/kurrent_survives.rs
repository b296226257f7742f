//! What the adapter makes of a server that is away, comes back, or answers into the void.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/door.rs"]
mod door;
#[path = "common/line.rs"]
mod line;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use door::{Served, some_event, some_stream, store, url};
use line::Line;
use marquee_domain::show::{BookingFailed, ShowEvent};
use marquee_event_store::clock::SystemClock;
use marquee_event_store::kurrent::{KurrentStore, Seeds};
use marquee_event_store::{
    AppendError, Appended, EventStore, Expected, Follower, NewEvent, Position, StreamName,
};

/// An address that nobody listens on.
async fn nobody() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Appends again and again, the same ids under the same expected revision, until it is known to be there.
async fn append_at_last(
    store: &KurrentStore,
    stream: &StreamName,
    expected: Expected,
    events: &[NewEvent],
) -> Appended {
    let began = Instant::now();
    loop {
        match store.append(stream.clone(), expected, events.to_vec()).await {
            Ok(appended) => return appended,
            Err(AppendError::Unavailable(_)) if began.elapsed() < Duration::from_secs(30) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_connection_that_fails_is_tried_again() {
    let served = Served::open(true).await;
    let line = Line::to(served.listen).await;
    line.cut();
    let opening = tokio::spawn({
        let url = url(&[line.listen]);
        async move { store(&url).await }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!opening.is_finished(), "there is nothing to open yet");
    line.restore();
    let store = opening.await.unwrap();
    store.append(some_stream(), Expected::NoStream, vec![some_event()]).await.unwrap();
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_is_told_as_such() {
    let seeds = Seeds::parse(&url(&[nobody().await])).unwrap();
    let opened = KurrentStore::open(seeds, Arc::new(SystemClock), Duration::from_millis(500)).await;
    let error = opened.err().unwrap().to_string();
    assert!(error.contains("cannot be reached"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_comes_back_and_nothing_is_lost() {
    let served = Served::open(true).await;
    let line = Line::to(served.listen).await;
    let store = store(&url(&[line.listen])).await;
    let following = {
        let mut follower = Follower::new(Arc::new(store.clone()), Position(0));
        tokio::spawn(async move {
            let mut seen = Vec::new();
            while seen.len() < 60 {
                match follower.next_page(7).await {
                    Ok(page) => seen.extend(page.events),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
            seen
        })
    };
    let (stream, mut ids) = (some_stream(), Vec::new());
    for round in 0..3 {
        for n in 0..20 {
            let event = some_event();
            ids.push(event.id);
            if n == 10 {
                line.cut();
                let began = Instant::now();
                let refused =
                    store.append(stream.clone(), Expected::after(round * 20 + n), vec![event.clone()]).await;
                assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
                assert!(began.elapsed() < Duration::from_secs(8), "a caller is not kept waiting");
                assert!(store.outage().is_some(), "the outage is told");
                assert!(store.read_stream(stream.clone(), 0, 1).await.is_err());
                line.restore();
            }
            let appended = append_at_last(&store, &stream, Expected::after(round * 20 + n), &[event]).await;
            assert_eq!(appended.revision, round * 20 + n);
        }
    }
    let seen = tokio::time::timeout(Duration::from_secs(30), following).await.unwrap().unwrap();
    assert_eq!(seen.iter().map(|event| event.id).collect::<Vec<_>>(), ids, "each event once, in order");
    assert_eq!(store.outage(), None);
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_answer_is_lost_is_found_by_appending_it_again() {
    let served = Served::open(true).await;
    let line = Line::to(served.listen).await;
    let store = store(&url(&[line.listen])).await;
    let (stream, events) = (some_stream(), vec![some_event(), some_event()]);
    store.append(stream.clone(), Expected::NoStream, vec![some_event()]).await.unwrap();
    line.mute();
    let lost = store.append(stream.clone(), Expected::Revision(0), events.clone()).await;
    assert!(matches!(lost, Err(AppendError::Unavailable(_))), "{lost:?}");
    line.cut();
    line.restore();
    let appended = append_at_last(&store, &stream, Expected::Revision(0), &events).await;
    let there = served.log.read_stream(stream, 0, 10).await.unwrap();
    assert_eq!(there.len(), 3, "it is there once");
    assert_eq!((appended.revision, appended.position), (2, there[2].position));
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seeds_are_tried_in_turn_at_the_start_and_when_one_dies() {
    let served = Served::open(true).await;
    let (first, second) = (Line::to(served.listen).await, Line::to(served.listen).await);
    let store = store(&url(&[nobody().await, first.listen, second.listen])).await;
    let (stream, mut appended) = (some_stream(), HashSet::new());
    for n in 0..6 {
        match n {
            2 => first.cut(),
            4 => {
                first.restore();
                second.cut();
            }
            _ => {}
        }
        appended.insert(append_at_last(&store, &stream, Expected::after(n), &[some_event()]).await.position);
    }
    assert_eq!(appended.len(), 6);
    assert_eq!(served.log.read_stream(stream, 0, 10).await.unwrap().len(), 6);
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_no_reason_to_connect_again() {
    let served = Served::open(false).await;
    let store = store(&served.url()).await;
    let refused = store.append(some_stream(), Expected::NoStream, vec![some_event()]).await;
    let Err(AppendError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("denied"), "{reason}");
    assert_eq!(store.outage(), None);
    assert!(store.read_stream(some_stream(), 0, 1).await.unwrap().is_empty());
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_node_would_read_or_no_server_take_is_not_sent() {
    let served = Served::open(true).await;
    let store = store(&served.url()).await;
    let foreign = store.append(StreamName::new("orders-1"), Expected::NoStream, vec![some_event()]).await;
    assert!(matches!(foreign, Err(AppendError::Unavailable(_))), "{foreign:?}");
    let failed = |n: usize| {
        let failed = BookingFailed { booking_id: "bk_sh_1_1".into(), reason: "x".repeat(n).into() };
        NewEvent { event: ShowEvent::from(failed).into(), ..some_event() }
    };
    let stream = some_stream();
    let large =
        store.append(stream.clone(), Expected::NoStream, vec![failed(700_000), failed(700_000)]).await;
    assert_eq!(large, Err(AppendError::TooLarge));
    store.append(stream.clone(), Expected::NoStream, vec![failed(700_000)]).await.unwrap();
    assert_eq!(served.log.read_stream(stream, 0, 10).await.unwrap().len(), 1);
    served.close().await;
}

/// The client sends the head of a call and then its body, which the system holds back until the head is acknowledged: some 40 ms.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_waits_for_no_acknowledgement_that_is_put_off() {
    let served = Served::open(true).await;
    let store = store(&served.url()).await;
    let (stream, mut took) = (some_stream(), Vec::new());
    for n in 0..41 {
        let began = Instant::now();
        store.append(stream.clone(), Expected::after(n), vec![some_event()]).await.unwrap();
        took.push(began.elapsed());
    }
    took.sort();
    assert!(took[20] < Duration::from_millis(30), "{took:?}");
    served.close().await;
}

/// In the client, one that is refused takes along all that are under way in the same call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_beside_those_that_conflict_are_written_once_and_told_so() {
    let served = Served::open(true).await;
    let store = store(&served.url()).await;
    let writing = (0..64).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let (stream, mut ids) = (some_stream(), Vec::new());
            for n in 0..10 {
                let event = some_event();
                ids.push(event.id);
                let appended = store.append(stream.clone(), Expected::after(n), vec![event]).await.unwrap();
                assert_eq!(appended.revision, n);
                let late = store.append(stream.clone(), Expected::NoStream, vec![some_event()]).await;
                assert_eq!(late, Err(AppendError::Conflict { current: Some(n) }));
            }
            (stream, ids)
        })
    });
    for written in futures_util::future::join_all(writing).await {
        let (stream, ids) = written.unwrap();
        let there = served.log.read_stream(stream, 0, 100).await.unwrap();
        assert_eq!(there.iter().map(|event| event.id).collect::<Vec<_>>(), ids);
    }
    assert_eq!(store.outage(), None, "a conflict is no reason to connect again");
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_cut_in_the_middle_has_each_event_once() {
    let served = Served::open(true).await;
    let line = Line::to(served.listen).await;
    let store = store(&url(&[line.listen])).await;
    let (stream, events) = (some_stream(), (0..500).map(|_| some_event()).collect::<Vec<_>>());
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    served.log.append(stream.clone(), Expected::NoStream, events).await.unwrap();
    let mut head = store.head();
    head.wait_for(|head| *head == *served.log.head().borrow()).await.unwrap();
    for bytes in [100, 10_000, 60_000, 100_000] {
        line.cut_after(bytes);
        let there = store.read_stream(stream.clone(), 0, 1_000).await.unwrap();
        assert_eq!(there.iter().map(|event| event.id).collect::<Vec<_>>(), ids, "cut after {bytes} bytes");
        assert!(!line.will_break(), "{bytes} bytes are more than the read has");
    }
    served.close().await;
}
