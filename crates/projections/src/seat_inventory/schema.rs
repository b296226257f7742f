//! The tables, and how the file is opened.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::views::ViewsError;

/// The version of these tables. A file of another version is made again from the log.
const VERSION: i64 = 4;

/// Shows are numbered as they come, so that rows and keys stay small. Bookings lie in the order in which they began, for
/// that is how their ids grow: a page of events then touches a few neighbouring leaves, not one leaf a show. The key of `seats` is the second lock: no two live bookings own one seat of a show.
const TABLES: &str = "
    CREATE TABLE checkpoint (id INTEGER PRIMARY KEY CHECK (id = 0), position INTEGER NOT NULL);
    INSERT INTO checkpoint VALUES (0, 0);
    CREATE TABLE parked (stream TEXT PRIMARY KEY, position INTEGER NOT NULL, error TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE shows (
        show INTEGER PRIMARY KEY,
        show_id TEXT NOT NULL UNIQUE,
        theatre_id TEXT NOT NULL,
        start_time INTEGER NOT NULL,
        end_time INTEGER NOT NULL,
        timezone TEXT NOT NULL,
        cancelled INTEGER NOT NULL
    );
    CREATE TABLE bookings (
        show INTEGER NOT NULL,
        booking TEXT NOT NULL,
        user_id TEXT NOT NULL,
        began INTEGER NOT NULL,
        position INTEGER NOT NULL,
        status INTEGER NOT NULL,
        seats TEXT NOT NULL,
        expires_at INTEGER NOT NULL,
        currency TEXT,
        subtotal INTEGER, discount INTEGER, fees INTEGER, tax INTEGER, total INTEGER,
        offers TEXT,
        confirmed_at INTEGER,
        ticket_id TEXT,
        refund_id TEXT, refund_status INTEGER, refund_amount INTEGER, refund_currency TEXT,
        refunds TEXT,
        PRIMARY KEY (booking, show)
    ) WITHOUT ROWID;
    CREATE INDEX bookings_of_user ON bookings (user_id, began);
    CREATE INDEX refunds_of_show ON bookings (show) WHERE refund_id IS NOT NULL OR refunds IS NOT NULL;
    CREATE TABLE seats (
        show INTEGER NOT NULL,
        seat TEXT NOT NULL,
        booking TEXT NOT NULL,
        PRIMARY KEY (show, seat)
    ) WITHOUT ROWID;
";

/// Opens the file for its one writer, with its tables. A file of another version, or one that is no database, is an
/// error: it is a view, and is made again.
pub(super) fn open_writer(path: &Path) -> Result<Connection, ViewsError> {
    let mut db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(5))?;
    // Losing the last commits to a power cut is no loss: the checkpoint goes with them, and the log has it all.
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "normal")?;
    // A checkpoint of the file costs two fsyncs, which those who book would wait behind: few and large.
    db.pragma_update(None, "wal_autocheckpoint", 16_384)?;
    db.pragma_update(None, "cache_size", -65_536)?;
    db.pragma_update(None, "temp_store", "memory")?;
    db.set_prepared_statement_cache_capacity(32);
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found == VERSION {
        return Ok(db);
    }
    let empty: bool =
        db.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    if !empty {
        return Err(ViewsError::Corrupt(format!("version {found} of the tables, not {VERSION}")));
    }
    let transaction = db.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(db)
}

/// Opens the file to read from it.
pub(super) fn open_reader(path: &Path) -> Result<Connection, ViewsError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.pragma_update(None, "query_only", true)?;
    db.pragma_update(None, "cache_size", -8_192)?;
    Ok(db)
}
