//! Proves a log whole before it is served: `SQLite`'s own structure, each event's checksum, and no gap anywhere.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use rusqlite::Connection;

use super::OpenError;
use super::row::{self, COLUMNS, RowError};
use super::schema::refused;
use crate::port::Position;

/// What a proven log holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verified {
    /// Its last event.
    pub head: Position,
}

/// Reads everything once. Never repairs: the first damage is named and the log refused.
pub(super) fn verify(conn: &Connection, file: &Path) -> Result<Verified, OpenError> {
    let structure = quick_check(conn);
    // The rows come even where the structure is broken, for they can name the event that is hit.
    let rows = verify_events(conn, file);
    match (structure, rows) {
        (Ok(()), Ok((head, keys))) => {
            verify_indexes(conn, file, &keys)?;
            Ok(Verified { head })
        }
        (Err(reason), Ok(_)) => Err(OpenError::Corrupt { path: file.to_owned(), position: None, reason }),
        (_, Err(found)) => Err(found),
    }
}

/// `quick_check` proves the trees and the page lists; that indexes agree with their tables it leaves to us.
fn quick_check(conn: &Connection) -> Result<(), String> {
    match conn.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)) {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(answer) => Err(answer),
        Err(error) => Err(error.to_string()),
    }
}

/// Order-free sums over the keys of each table, which its index must reach too.
struct Keys {
    hasher: RandomState,
    events: u64,
    streams: u64,
}

/// A stream as far as the pass has come.
struct Seen {
    name: String,
    next: u64,
}

fn verify_events(conn: &Connection, file: &Path) -> Result<(Position, Keys), OpenError> {
    let mut keys = Keys { hasher: RandomState::new(), events: 0, streams: 0 };
    let mut streams: HashMap<i64, Seen> = HashMap::new();
    let mut head = Position(0);
    let pass = || -> Result<(), RowError> {
        let mut statement = conn.prepare("SELECT id, name FROM streams NOT INDEXED ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (key, name): (i64, String) = (row.get(0)?, row.get(1)?);
            keys.streams = keys.streams.wrapping_add(keys.hasher.hash_one((name.as_str(), key)));
            streams.insert(key, Seen { name, next: 0 });
        }
        Ok(())
    };
    run(pass, file, None)?;

    let corrupt =
        |position, reason| OpenError::Corrupt { path: file.to_owned(), position: Some(position), reason };
    let sql =
        format!("SELECT {COLUMNS} FROM events e LEFT JOIN streams s ON s.id = e.stream ORDER BY e.position");
    let mut statement = conn.prepare(&sql).map_err(|error| refused(file, &error))?;
    let mut rows = statement.query([]).map_err(|error| refused(file, &error))?;
    loop {
        let expected = Position(head.0 + 1);
        let Some(row) = run(|| Ok(rows.next()?), file, Some(expected))? else { break };
        let event = run(|| row::read(row), file, Some(expected))?;
        if event.position != expected {
            return Err(corrupt(
                expected,
                format!("the event is missing; the next is at {}", event.position),
            ));
        }
        let revision = event.fields.revision;
        let known = streams.get_mut(&event.stream_key).filter(|seen| seen.name == event.fields.stream);
        let Some(seen) = known.filter(|seen| seen.next == revision) else {
            let reason =
                format!("revision {revision} of {} does not follow the one before", event.fields.stream);
            return Err(corrupt(expected, reason));
        };
        seen.next += 1;
        keys.events =
            keys.events.wrapping_add(keys.hasher.hash_one((event.stream_key, revision, expected.0)));
        head = expected;
    }
    Ok((head, keys))
}

/// Each index leads to the rows of its table, to all of them, and in order; else a read would skip or mistake events.
fn verify_indexes(conn: &Connection, file: &Path, keys: &Keys) -> Result<(), OpenError> {
    let pass = || -> Result<bool, RowError> {
        let sql = "SELECT stream, revision, position FROM events INDEXED BY events_by_stream ORDER BY stream, revision";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        let (mut sum, mut last) = (0_u64, None);
        while let Some(row) = rows.next()? {
            let (stream, revision, position): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if last >= Some((stream, revision)) {
                return Ok(false);
            }
            last = Some((stream, revision));
            let key = (stream, revision.cast_unsigned(), position.cast_unsigned());
            sum = sum.wrapping_add(keys.hasher.hash_one(key));
        }
        let sql = "SELECT name, id FROM streams INDEXED BY streams_by_name ORDER BY name";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        let (mut names, mut last) = (0_u64, None);
        while let Some(row) = rows.next()? {
            let (name, key): (String, i64) = (row.get(0)?, row.get(1)?);
            names = names.wrapping_add(keys.hasher.hash_one((name.as_str(), key)));
            if last.as_ref() >= Some(&name) {
                return Ok(false);
            }
            last = Some(name);
        }
        Ok(sum == keys.events && names == keys.streams)
    };
    if run(pass, file, None)? {
        return Ok(());
    }
    let reason = "an index does not agree with its table".to_owned();
    Err(OpenError::Corrupt { path: file.to_owned(), position: None, reason })
}

/// Runs a step of the pass; what fails is damage at `position`, unless the system itself failed.
fn run<T>(
    step: impl FnOnce() -> Result<T, RowError>,
    file: &Path,
    position: Option<Position>,
) -> Result<T, OpenError> {
    step().map_err(|error| {
        let reason = error.to_string();
        match error {
            RowError::Checksum(_) => OpenError::Corrupt { path: file.to_owned(), position, reason },
            RowError::Sql(error) => match refused(file, &error) {
                OpenError::Corrupt { path, reason, .. } => OpenError::Corrupt { path, position, reason },
                other
                @ (OpenError::Foreign { .. } | OpenError::NewerSchema { .. } | OpenError::Io { .. }) => other,
            },
        }
    })
}
