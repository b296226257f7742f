//! Faults under the embedded log: a torn write-ahead log, flipped bits, a log beyond what memory keeps.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "common/log.rs"]
mod log;

use std::path::Path;
use std::time::Duration;

use log::{everything, fill, open, seen, some_event};
use marquee_event_store::embedded::{DataDir, EmbeddedStore, OpenError};
use marquee_event_store::{AppendError, EventStore, Expected, Position, StreamName, TypeFilter};

fn image(from: &Path, to: &Path, wal: &[u8]) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::copy(from.join("log.sqlite"), to.join("log.sqlite")).unwrap();
    std::fs::write(to.join("log.sqlite-wal"), wal).unwrap();
    let _ = std::fs::remove_file(to.join("log.sqlite-shm"));
}

/// A crash may tear the end of the write-ahead log off anywhere. What is left is a prefix of the log, commits whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_torn_write_ahead_log_recovers_to_a_prefix_and_a_whole_one_to_all() {
    let root = tempfile::tempdir().unwrap();
    let live = root.path().join("live");
    let (_dir, store) = open(&live);
    fill(&store, 40).await;
    let acknowledged = everything(&store).await;
    let wal = std::fs::read(live.join("log.sqlite-wal")).unwrap();
    assert!(wal.len() > 100_000, "the log lies in its WAL still");

    let mut torn: Vec<_> = (0..wal.len()).step_by(wal.len() / 150).map(|end| wal[..end].to_vec()).collect();
    torn.extend((wal.len() - 60..wal.len()).map(|end| wal[..end].to_vec()));
    let mut garbage = wal.clone();
    let end = garbage.len();
    garbage[end - 512..].fill(0xa5);
    torn.push(garbage.clone());
    let mut garbage_after = wal.clone();
    garbage_after.extend([0x5a; 5_000]);

    let mut recovered = Vec::new();
    for wal in torn {
        let copy = tempfile::tempdir_in(root.path()).unwrap();
        image(&live, copy.path(), &wal);
        let (_dir, store) = open(copy.path());
        let events = everything(&store).await;
        assert_eq!(events, acknowledged[..events.len()], "a prefix, in order");
        assert_eq!(events.len() % 2, 0, "an append is whole or not there");
        recovered.push(events.len());
    }
    assert_eq!(recovered.first(), Some(&0));
    assert_eq!(
        recovered.last(),
        Some(&(acknowledged.len() - 2)),
        "garbage in the last commit costs that commit alone"
    );
    assert!(recovered.iter().any(|count| (1..acknowledged.len() - 2).contains(count)));
    for wal in [wal, garbage_after] {
        let copy = tempfile::tempdir_in(root.path()).unwrap();
        image(&live, copy.path(), &wal);
        let (_dir, store) = open(copy.path());
        assert_eq!(everything(&store).await, acknowledged, "every acknowledged event is there");
        fill(&store, 3).await;
        assert_eq!(
            everything(&store).await[..acknowledged.len()],
            acknowledged,
            "and the log goes on after it"
        );
    }
}

/// A frame that does not check is a torn tail only where nothing was committed after it. Else what follows was acknowledged,
/// and is not dropped in silence.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_ahead_log_that_is_damaged_before_its_last_commit_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let live = root.path().join("live");
    let (_dir, store) = open(&live);
    fill(&store, 40).await;
    let acknowledged = everything(&store).await;
    let wal = std::fs::read(live.join("log.sqlite-wal")).unwrap();
    let (mut refused, mut last_lost, mut unharmed) = (0, 0, 0);
    for (n, offset) in (0..32).chain((32..wal.len()).step_by(1_913)).enumerate() {
        let copy = tempfile::tempdir_in(root.path()).unwrap();
        let mut flipped = wal.clone();
        flipped[offset] ^= 1 << (n % 8);
        image(&live, copy.path(), &flipped);
        let dir = DataDir::lock(copy.path()).unwrap();
        match EmbeddedStore::open(&dir) {
            Err(error) => {
                assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
                refused += 1;
            }
            Ok(store) => {
                let events = everything(&store).await;
                if events == acknowledged {
                    unharmed += 1;
                } else {
                    assert_eq!(
                        events,
                        acknowledged[..acknowledged.len() - 2],
                        "byte {offset} cost more than the last commit"
                    );
                    last_lost += 1;
                }
            }
        }
    }
    assert!(
        refused > 20 * (last_lost + 1),
        "{refused} refused, {last_lost} lost the last commit, {unharmed} unharmed"
    );
}

/// One flipped bit either is refused or lies where nothing is kept. Never other data.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_refused_or_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (dir, store) = open(root.path());
    fill(&store, 120).await;
    let written = everything(&store).await;
    store.close().await;
    drop((store, dir));
    let whole = std::fs::read(root.path().join("log.sqlite")).unwrap();
    assert!(whole.len() > 50_000);

    // Every byte of the file's header and of some page headers, and others all over.
    let offsets = (0..140)
        .chain((0..whole.len()).step_by(311))
        .chain((4_096..whole.len()).step_by(4_096).flat_map(|page| page..page + 9));
    let (mut refused, mut named, mut unharmed) = (0, 0, 0);
    for (n, offset) in offsets.enumerate() {
        let copy = tempfile::tempdir_in(root.path()).unwrap();
        let mut bytes = whole.clone();
        bytes[offset] ^= 1 << (n % 8);
        std::fs::write(copy.path().join("log.sqlite"), bytes).unwrap();
        let dir = DataDir::lock(copy.path()).unwrap();
        match EmbeddedStore::open(&dir) {
            Err(error) => {
                refused += 1;
                named += usize::from(matches!(error, OpenError::Corrupt { position: Some(_), .. }));
            }
            Ok(store) => {
                unharmed += 1;
                assert_eq!(everything(&store).await, written, "byte {offset} was flipped unseen");
            }
        }
    }
    assert!(
        named > 100 && refused > named && unharmed > 0,
        "{refused} refused, {named} by position, {unharmed} unharmed"
    );
}

#[tokio::test]
async fn an_append_beyond_a_mebibyte_is_too_large() {
    let root = tempfile::tempdir().unwrap();
    let (_dir, store) = open(root.path());
    let stream = StreamName::new("show-sh_1");
    let half = || some_event(&"b".repeat(600 * 1024));
    let refused = store.append(stream.clone(), Expected::NoStream, vec![half(), half()]).await;
    assert_eq!(refused, Err(AppendError::TooLarge));
    assert!(store.append(stream, Expected::NoStream, vec![half()]).await.is_ok());
}

/// The newest events are read from memory and the older ones from the file; a reader sees no seam between them.
#[tokio::test(flavor = "multi_thread")]
async fn what_memory_no_longer_holds_is_read_from_the_file() {
    let root = tempfile::tempdir().unwrap();
    let (dir, store) = open(root.path());
    fill(&store, 10).await;
    drop((store, dir));
    let (_dir, store) = open(root.path());
    let stream = StreamName::new("show-sh_long");
    // More than the tail keeps.
    for n in 0..70 {
        let events = (0..1_000).map(|_| some_event("bk_1")).collect();
        store.append(stream.clone(), Expected::after(n * 1_000), events).await.unwrap();
    }
    let (mut after, mut read) = (Position(0), 0);
    while after < Position(70_020) {
        let page = store.read_all(after, 3_000, TypeFilter::All).await.unwrap();
        for event in &page.events {
            read += 1;
            assert_eq!(event.position, Position(read), "each position once");
        }
        after = page.next;
    }
    let from_memory = store.read_all(Position(70_000), 20, TypeFilter::All).await.unwrap();
    let from_file = store.read_stream(stream, 69_980, 20).await.unwrap();
    let (from_memory, from_file): (Vec<_>, Vec<_>) = (
        from_memory.events.iter().map(|event| seen(event)).collect(),
        from_file.iter().map(|event| seen(event)).collect(),
    );
    assert_eq!(from_memory, from_file, "both say the same");
}

#[tokio::test]
async fn a_rare_type_is_found_by_bounded_pages() {
    let root = tempfile::tempdir().unwrap();
    let (dir, store) = open(root.path());
    for n in 0..60 {
        let events = (0..1_000).map(|_| some_event("bk_1")).collect();
        store.append(StreamName::new("show-sh_1"), Expected::after(n * 1_000), events).await.unwrap();
    }
    drop((store, dir));
    let (_dir, store) = open(root.path());
    let page = store.read_all(Position(0), 10, TypeFilter::Prefix("refund.".into())).await.unwrap();
    assert!(
        page.events.is_empty() && page.next > Position(0) && page.next < Position(60_000),
        "{:?}",
        page.next
    );
    let page = store.read_all(page.next, 10, TypeFilter::Prefix("refund.".into())).await.unwrap();
    assert!(page.events.is_empty() && page.next == Position(60_000));
}

/// A WAL that only grew would fill the disk and slow every read.
#[tokio::test(flavor = "multi_thread")]
async fn the_write_ahead_log_stays_bounded_under_load() {
    let root = tempfile::tempdir().unwrap();
    let (_dir, store) = open(root.path());
    let appenders: Vec<_> = (0..16)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let stream = StreamName::new(format!("show-sh_{n}"));
                for count in 0..60 {
                    let events = (0..4).map(|_| some_event(&"b".repeat(16_000))).collect();
                    store.append(stream.clone(), Expected::after(4 * count), events).await.unwrap();
                }
            })
        })
        .collect();
    for appender in appenders {
        tokio::time::timeout(Duration::from_mins(1), appender).await.unwrap().unwrap();
    }
    let wal = std::fs::metadata(root.path().join("log.sqlite-wal")).unwrap().len();
    let file = std::fs::metadata(root.path().join("log.sqlite")).unwrap().len();
    assert!(wal < 80 * 1024 * 1024, "{wal} bytes of WAL");
    assert!(file > 20 * 1024 * 1024, "{file} bytes were moved into the file");
}

/// SQLite's own copy lists the tables in another order than they were made in.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_sqlite_made_opens_with_every_event() {
    let root = tempfile::tempdir().unwrap();
    let (live, copy) = (root.path().join("live"), root.path().join("copy"));
    let (_dir, store) = open(&live);
    fill(&store, 20).await;
    std::fs::create_dir(&copy).unwrap();
    let log = rusqlite::Connection::open(live.join("log.sqlite")).unwrap();
    log.execute("VACUUM INTO ?1", [copy.join("log.sqlite").to_str().unwrap()]).unwrap();
    let (_copied, copied) = open(&copy);
    assert_eq!(everything(&copied).await, everything(&store).await);
}
