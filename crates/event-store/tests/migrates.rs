//! A log that is copied to KurrentDB is there, event by event; an interrupted copy goes on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/door.rs"]
mod door;
#[path = "common/line.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod line;

use std::sync::Arc;
use std::time::Duration;

use door::{Served, some_event, some_stream, store, url};
use line::Line;
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::migrate::{MigrateError, Migration};
use marquee_event_store::{EventStore, Expected, Position, Recorded, StreamName, TypeFilter};

/// A log of some shows, payments of their bookings, and other streams between.
async fn some_log(dir: &std::path::Path) -> Arc<EmbeddedStore> {
    let store = Arc::new(EmbeddedStore::open(&DataDir::lock(dir).unwrap()).unwrap());
    let streams =
        ["show-sh_1", "payment-bk_sh_1_a", "show-sh_2", "city-blr", "payment-unmatched-x", "show-sh_3"];
    for round in 0..40 {
        for (n, stream) in streams.iter().enumerate() {
            let events = (0..=(round + n as u64) % 3).map(|_| some_event()).collect();
            let end = store.read_stream_back(StreamName::new(*stream), None, 1).await.unwrap();
            let expected = end.first().map_or(Expected::NoStream, |event| Expected::Revision(event.revision));
            store.append(StreamName::new(*stream), expected, events).await.unwrap();
        }
    }
    store
}

async fn whole(store: &dyn EventStore) -> Vec<Arc<Recorded>> {
    let (head, mut next, mut events) = (*store.head().borrow(), Position(0), vec![]);
    while next < head {
        let page = store.read_all(next, 1_000, TypeFilter::All).await.unwrap();
        next = page.next;
        events.extend(page.events);
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_log_is_there_event_by_event_and_a_second_copy_changes_nothing() {
    let (home, served) = (tempfile::tempdir().unwrap(), Served::open(true).await);
    let log = some_log(home.path()).await;
    let originals = whole(&*log).await;
    for _ in 0..2 {
        let migration = Migration::new(log.clone(), store(&served.url()).await);
        let mut told = Position(0);
        migration.copy(|position| told = position).await.unwrap();
        assert_eq!(told, *log.head().borrow());
        assert_eq!(migration.verify(|_| {}).await.unwrap(), originals.len() as u64);
        assert_eq!(whole(&*served.log).await.len(), originals.len());
    }
    let others = |events: &[Arc<Recorded>]| {
        let others = events.iter().filter(|event| !event.stream.as_str().starts_with("show-"));
        others.filter(|event| event.stream.as_payment().is_none()).map(|event| event.id).collect::<Vec<_>>()
    };
    assert_eq!(others(&whole(&*served.log).await), others(&originals), "in the order of the log");
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_interrupted_goes_on() {
    let (home, served) = (tempfile::tempdir().unwrap(), Served::open(true).await);
    let log = some_log(home.path()).await;
    let line = Line::to(served.listen).await;
    let interrupted = tokio::spawn({
        let migration = Migration::new(log.clone(), store(&url(&[line.listen])).await);
        async move { migration.copy(|_| {}).await }
    });
    while *served.log.head().borrow() < Position(50) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    line.cut();
    interrupted.abort();
    let copied = whole(&*served.log).await.len();
    let all = whole(&*log).await.len();
    assert!((50..all).contains(&copied), "{copied} of {all}");

    let migration = Migration::new(log.clone(), store(&served.url()).await);
    let unfinished = migration.verify(|_| {}).await;
    assert!(matches!(unfinished, Err(MigrateError::Missing { .. })), "{unfinished:?}");
    migration.copy(|_| {}).await.unwrap();
    assert_eq!(migration.verify(|_| {}).await.unwrap(), all as u64);
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_not_the_log_is_told() {
    let (home, served) = (tempfile::tempdir().unwrap(), Served::open(true).await);
    let log = some_log(home.path()).await;
    let target = store(&served.url()).await;
    target.append(StreamName::new("show-sh_1"), Expected::NoStream, vec![some_event()]).await.unwrap();
    let migration = Migration::new(log.clone(), target.clone());
    migration.copy(|_| {}).await.unwrap();
    let told = migration.verify(|_| {}).await;
    assert!(matches!(&told, Err(MigrateError::Differs { what: "is another", .. })), "{told:?}");

    let served = Served::open(true).await;
    let target = store(&served.url()).await;
    target.append(some_stream(), Expected::NoStream, vec![some_event()]).await.unwrap();
    let migration = Migration::new(log, target);
    migration.copy(|_| {}).await.unwrap();
    let told = migration.verify(|_| {}).await;
    assert!(matches!(&told, Err(MigrateError::Differs { what: "is not in this log", .. })), "{told:?}");
}
