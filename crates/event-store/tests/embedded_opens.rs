//! Opening the embedded log: what it keeps, what it refuses, and how it says so.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "common/log.rs"]
mod log;

use std::path::Path;

use log::{everything, fill, open, some_event};
use marquee_event_store::embedded::{DataDir, DataDirError, EmbeddedStore, OpenError};
use marquee_event_store::{AppendError, EventStore, Expected, Position, StreamName};

fn open_error(path: &Path) -> OpenError {
    let dir = DataDir::lock(path).unwrap();
    EmbeddedStore::open(&dir).map(|_| ()).unwrap_err()
}

fn edit(path: &Path, sql: &str) {
    rusqlite::Connection::open(path.join("log.sqlite")).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_reopened_log_keeps_everything_and_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let (dir, store) = open(root.path());
    fill(&store, 50).await;
    let before = everything(&store).await;
    store.close().await;
    drop((store, dir));
    let (_dir, store) = open(root.path());
    assert_eq!(*store.head().borrow(), Position(100));
    assert_eq!(everything(&store).await, before);
    fill(&store, 10).await;
    let after = everything(&store).await;
    assert_eq!((after.len(), &after[..100]), (120, &before[..]));
}

#[tokio::test]
async fn closing_leaves_no_write_ahead_log_and_refuses_later_appends() {
    let root = tempfile::tempdir().unwrap();
    let (_dir, store) = open(root.path());
    fill(&store, 3).await;
    store.close().await;
    let wal = std::fs::metadata(root.path().join("log.sqlite-wal")).map_or(0, |meta| meta.len());
    assert_eq!(wal, 0);
    let refused =
        store.append(StreamName::new("show-sh_9"), Expected::NoStream, vec![some_event("bk_1")]).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    assert_eq!(everything(&store).await.len(), 6, "what is there can still be read");
    store.close().await;
}

#[test]
fn a_second_holder_of_the_directory_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("made/on/the/way");
    let held = DataDir::lock(&path).unwrap();
    let error = DataDir::lock(&path).unwrap_err();
    let DataDirError::InUse { path: named, pid } = &error else { panic!("{error:?}") };
    assert_eq!((named, *pid), (&path, Some(std::process::id())));
    assert!(error.to_string().contains("in use by the process"), "{error}");
    drop(held);
    assert!(DataDir::lock(&path).is_ok(), "the lock goes with its holder");
}

#[cfg(unix)]
#[test]
fn the_directory_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let dir = DataDir::lock(&root.path().join("data")).unwrap();
    assert_eq!(std::fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn the_directory_stays_locked_while_a_store_is_open_in_it() {
    let root = tempfile::tempdir().unwrap();
    let (dir, store) = open(root.path());
    drop(dir);
    assert!(matches!(DataDir::lock(root.path()), Err(DataDirError::InUse { .. })));
    drop(store);
    assert!(DataDir::lock(root.path()).is_ok());
}

#[test]
fn a_file_that_is_no_log_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("log.sqlite");
    for foreign in [&b"not a database, but somebody's notes"[..], &[0xff; 8192][..]] {
        std::fs::write(&file, foreign).unwrap();
        assert!(matches!(open_error(root.path()), OpenError::Foreign { .. }));
        assert_eq!(std::fs::read(&file).unwrap(), foreign);
    }
    std::fs::remove_file(&file).unwrap();
    edit(root.path(), "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')");
    let before = std::fs::read(&file).unwrap();
    let error = open_error(root.path());
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("is not a Marquee log"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_log_of_a_newer_release_is_refused() {
    let root = tempfile::tempdir().unwrap();
    drop(open(root.path()));
    edit(root.path(), "PRAGMA user_version = 9");
    let error = open_error(root.path());
    assert!(matches!(error, OpenError::NewerSchema { found: 9, known: 1, .. }), "{error}");
}

#[test]
fn an_empty_file_is_a_new_log_but_not_beside_a_full_write_ahead_log() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("log.sqlite"), b"").unwrap();
    drop(open(root.path()));
    std::fs::write(root.path().join("log.sqlite"), b"").unwrap();
    std::fs::write(root.path().join("log.sqlite-wal"), b"something").unwrap();
    assert!(matches!(open_error(root.path()), OpenError::Corrupt { .. }));
}

/// Each damage is done behind the log's back, and named by the position that it hits.
#[tokio::test]
async fn a_damaged_log_is_refused_at_its_position() {
    let damages = [
        ("DELETE FROM events WHERE position = 7", 7),
        ("DELETE FROM events WHERE position <= 4", 1),
        ("UPDATE events SET data = x'7b7d' WHERE position = 9", 9),
        ("UPDATE events SET time = time + 1 WHERE position = 3", 3),
        ("UPDATE events SET actor = 'customer:u_1' WHERE position = 20", 20),
        ("UPDATE events SET causation = NULL WHERE position = 11", 11),
        ("UPDATE events SET id = x'00' WHERE position = 12", 12),
        ("UPDATE events SET revision = 90 WHERE position = 13", 13),
        ("UPDATE events SET stream = 99 WHERE position = 1", 1),
        ("UPDATE streams SET name = 'show-sh_x' WHERE id = 2", 3),
        ("DELETE FROM streams WHERE id = 2", 3),
        ("UPDATE events SET position = 21 WHERE position = 20", 20),
    ];
    for (damage, position) in damages {
        let root = tempfile::tempdir().unwrap();
        let (dir, store) = open(root.path());
        fill(&store, 10).await;
        drop((store, dir));
        edit(root.path(), damage);
        let error = open_error(root.path());
        assert!(
            matches!(error, OpenError::Corrupt { position: Some(found), .. } if found == Position(position)),
            "{damage}: {error}"
        );
        assert!(error.to_string().contains(&format!("at position {position}")), "{error}");
    }
}

#[tokio::test]
async fn tables_that_are_not_as_made_are_refused() {
    for change in [
        "DROP INDEX events_by_stream",
        "DROP TABLE streams",
        "CREATE TABLE more (id)",
        "PRAGMA user_version = 0",
    ] {
        let root = tempfile::tempdir().unwrap();
        drop(open(root.path()));
        edit(root.path(), change);
        assert!(matches!(open_error(root.path()), OpenError::Corrupt { .. }), "{change}");
    }
}
