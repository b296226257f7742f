//! The file: its marks, its tables, and the connections to it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::verify::{self, Verified};
use super::{OpenError, wal};

/// `MRQE`: what tells a log of Marquee from any other `SQLite` file.
const APPLICATION_ID: i32 = 0x4d52_5145;
/// The only schema so far. A later one is reached by migrating on open.
const SCHEMA_VERSION: i64 = 1;

/// `INTEGER PRIMARY KEY` is the b-tree's own key, so events lie in log order and an append touches the last page alone.
/// The stream is a number, so that the unique index stays small. There is no index on ids: they are compared only
/// where a re-append claims them to be.
const TABLES: [&str; 4] = [
    "CREATE TABLE streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
    "CREATE UNIQUE INDEX streams_by_name ON streams (name)",
    "CREATE TABLE events (position INTEGER PRIMARY KEY, stream INTEGER NOT NULL, revision INTEGER NOT NULL, \
     id BLOB NOT NULL, type TEXT NOT NULL, time INTEGER NOT NULL, actor TEXT NOT NULL, correlation TEXT NOT NULL, \
     causation BLOB, data BLOB NOT NULL, checksum INTEGER NOT NULL)",
    "CREATE UNIQUE INDEX events_by_stream ON events (stream, revision)",
];

/// The log's file in a data directory.
pub(super) fn file_in(dir: &Path) -> PathBuf {
    dir.join("log.sqlite")
}

/// The file's write-ahead log.
pub(super) fn wal_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Opens the file for its one writer: made where it is missing, else proven whole.
pub(super) fn open(file: &Path) -> Result<(Connection, Verified), OpenError> {
    let fresh = inspect(file)?;
    wal::check(&wal_of(file))?;
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = connect(file, flags).map_err(|error| refused(file, &error))?;
    if fresh {
        create(&mut conn).map_err(|error| refused(file, &error))?;
    }
    check_marks(&conn, file)?;
    let verified = verify::verify(&conn, file)?;
    // What a crash left in the WAL may never have been synced. It has now been read, so it must last before anyone acts on it.
    checkpoint(&conn, "TRUNCATE").map_err(|error| refused(file, &error))?;
    Ok((conn, verified))
}

/// A connection that only reads.
pub(super) fn open_reader(file: &Path) -> rusqlite::Result<Connection> {
    connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// A connection that moves the WAL into the file.
pub(super) fn open_checkpointer(file: &Path) -> rusqlite::Result<Connection> {
    connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

fn connect(file: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(file, flags)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    // Closing must not write: after a failed sync nothing may be retried, and a refused file is left as it was.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
    Ok(conn)
}

/// How far a checkpoint came.
#[derive(Debug, Clone, Copy)]
pub(super) struct WalState {
    /// Pages in the WAL.
    pub pages: i64,
    /// Those of them that the file holds too.
    pub moved: i64,
}

/// Moves the WAL into the file: as far as it goes without waiting (`PASSIVE`), wholly (`TRUNCATE`), or not at all (`NOOP`).
pub(super) fn checkpoint(conn: &Connection, mode: &str) -> rusqlite::Result<WalState> {
    let mut statement = conn.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    statement.query_row([], |row| Ok(WalState { pages: row.get(1)?, moved: row.get(2)? }))
}

/// Looks at the bare bytes first, so that a foreign file is not even opened by `SQLite`. True where there is no log yet.
fn inspect(file: &Path) -> Result<bool, OpenError> {
    let io_error = |error: std::io::Error| OpenError::Io { path: file.to_owned(), reason: error.to_string() };
    let foreign = |reason: &str| Err(OpenError::Foreign { path: file.to_owned(), reason: reason.to_owned() });
    let mut header = Vec::new();
    match File::open(file) {
        Ok(handle) => handle.take(100).read_to_end(&mut header).map_err(io_error)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(io_error(error)),
    };
    if header.is_empty() {
        let wal = std::fs::metadata(wal_of(file)).map_or(0, |meta| meta.len());
        if wal > 0 {
            let reason = "the file is empty, yet its write-ahead log is not".to_owned();
            return Err(OpenError::Corrupt { path: file.to_owned(), position: None, reason });
        }
        return Ok(true);
    }
    if header.len() < 100 || !header.starts_with(b"SQLite format 3\0") {
        return foreign("it is no SQLite file");
    }
    // Application id: bytes 68 to 71, big-endian (SQLite file format, section 1.3.18).
    if header[68..72] != APPLICATION_ID.to_be_bytes() {
        return foreign("another application wrote it");
    }
    Ok(false)
}

/// All in one rollback-journal transaction, before the switch to WAL: a crash leaves an empty file or a whole one.
fn create(conn: &mut Connection) -> rusqlite::Result<()> {
    let transaction = conn.transaction()?;
    for statement in TABLES {
        transaction.execute_batch(statement)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

fn check_marks(conn: &Connection, file: &Path) -> Result<(), OpenError> {
    let version: i64 = conn
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| refused(file, &error))?;
    if version > SCHEMA_VERSION {
        return Err(OpenError::NewerSchema { path: file.to_owned(), found: version, known: SCHEMA_VERSION });
    }
    let tables = tables_of(conn).map_err(|error| refused(file, &error))?;
    // In any order: a copy that SQLite made may list them otherwise.
    let known =
        tables.len() == TABLES.len() && TABLES.iter().all(|table| tables.iter().any(|found| found == table));
    if version < SCHEMA_VERSION || !known {
        let reason = "its tables are not as Marquee made them".to_owned();
        return Err(OpenError::Corrupt { path: file.to_owned(), position: None, reason });
    }
    let mode: String = conn
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(|error| refused(file, &error))?;
    if mode != "wal" {
        let reason = format!("its file system gives no write-ahead log (journal mode {mode})");
        return Err(OpenError::Io { path: file.to_owned(), reason });
    }
    Ok(())
}

fn tables_of(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    conn.prepare("SELECT sql FROM sqlite_schema ORDER BY rowid")?.query_map([], |row| row.get(0))?.collect()
}

/// What a failure of `SQLite` while opening says of the file.
pub(super) fn refused(file: &Path, error: &rusqlite::Error) -> OpenError {
    let (path, reason) = (file.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign { path, reason },
        // No code: a value of a type that was never written.
        Some(ErrorCode::DatabaseCorrupt) | None => OpenError::Corrupt { path, position: None, reason },
        Some(_) => OpenError::Io { path, reason },
    }
}
