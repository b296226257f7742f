//! Reads from the file: what followers ask for before they are live, and streams.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::Semaphore;

use super::row::{self, COLUMNS};
use super::schema;
use crate::envelope::Recorded;
use crate::port::{Page, Position, ReadError, TypeFilter};
use crate::stream::StreamName;

/// Connections that read at once.
const CONNECTIONS: usize = 4;
/// Most rows that one page looks at, so that a rare type costs a bounded read.
const MAX_SCANNED: u64 = 50_000;

/// A few reading connections, opened as they are needed.
pub(super) struct Readers {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

/// Why a read failed, in words.
struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl Readers {
    /// Readers of a file.
    pub fn new(file: PathBuf) -> Self {
        Self { file, idle: Mutex::new(Vec::new()), permits: Semaphore::new(CONNECTIONS) }
    }

    /// Reads a stream forwards.
    pub async fn stream(
        self: &Arc<Self>,
        stream: StreamName,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Arc<Recorded>>, ReadError> {
        self.run(move |conn| read_stream(conn, &stream, from, limit)).await
    }

    /// Reads the log forwards from after `after`, up to `head`.
    pub async fn all(
        self: &Arc<Self>,
        after: Position,
        head: Position,
        limit: usize,
        filter: TypeFilter,
    ) -> Result<Page, ReadError> {
        self.run(move |conn| read_all(conn, after, head, limit, &filter)).await
    }

    /// Reads a stream backwards.
    pub async fn stream_back(
        self: &Arc<Self>,
        stream: StreamName,
        from: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Arc<Recorded>>, ReadError> {
        self.run(move |conn| read_stream_back(conn, &stream, from, limit)).await
    }

    /// Reads the log backwards from before `before`.
    pub async fn all_back(
        self: &Arc<Self>,
        before: Position,
        limit: usize,
        filter: TypeFilter,
    ) -> Result<Page, ReadError> {
        self.run(move |conn| read_all_back(conn, before, limit, &filter)).await
    }

    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, ReadError> {
        let unavailable = |error: &dyn std::fmt::Display| ReadError::Unavailable(error.to_string());
        let _permit = self.permits.acquire().await.map_err(|error| unavailable(&error))?;
        let readers = Arc::clone(self);
        let work = move || {
            let idle = readers.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let conn = match idle {
                Some(conn) => conn,
                None => schema::open_reader(&readers.file)?,
            };
            let answer = read(&conn)?;
            // A connection that failed is not kept.
            readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
            Ok(answer)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Failure(reason))) => Err(ReadError::Unavailable(reason)),
            Err(error) => Err(unavailable(&error)),
        }
    }
}

fn key_of(conn: &Connection, stream: &StreamName) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT id FROM streams WHERE name = ?1")?
        .query_row(params![stream.as_str()], |row| row.get(0))
        .optional()
}

fn read_stream(
    conn: &Connection,
    stream: &StreamName,
    from: u64,
    limit: usize,
) -> Result<Vec<Arc<Recorded>>, Failure> {
    let Ok(from) = i64::try_from(from) else { return Ok(vec![]) };
    let Some(key) = key_of(conn, stream)? else { return Ok(vec![]) };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM events e CROSS JOIN streams s ON s.id = e.stream \
         WHERE e.stream = ?1 AND e.revision >= ?2 ORDER BY e.revision LIMIT ?3"
    ))?;
    let mut rows = statement.query(params![key, from, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let event = row::read(row)?;
        if event.fields.stream != stream.as_str()
            || event.fields.revision != from.cast_unsigned() + events.len() as u64
        {
            return Err(Failure(format!("the log is damaged at position {}", event.position)));
        }
        events.push(Arc::new(event.record()));
    }
    Ok(events)
}

fn read_all(
    conn: &Connection,
    after: Position,
    head: Position,
    limit: usize,
    filter: &TypeFilter,
) -> Result<Page, Failure> {
    let until = head.0.min(after.0.saturating_add(MAX_SCANNED));
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM events e CROSS JOIN streams s ON s.id = e.stream \
         WHERE e.position > ?1 AND e.position <= ?2 ORDER BY e.position"
    ))?;
    let mut rows = statement.query(params![after.0.cast_signed(), until.cast_signed()])?;
    let mut page = Page { events: vec![], next: after };
    while page.next.0 < until && page.events.len() < limit {
        let expected = Position(page.next.0 + 1);
        let damaged = || Failure(format!("the log is damaged at position {expected}"));
        let event = row::read(rows.next()?.ok_or_else(damaged)?)?;
        if event.position != expected {
            return Err(damaged());
        }
        if filter.matches(event.fields.stored_name) {
            page.events.push(Arc::new(event.record()));
        }
        page.next = expected;
    }
    Ok(page)
}

fn read_stream_back(
    conn: &Connection,
    stream: &StreamName,
    from: Option<u64>,
    limit: usize,
) -> Result<Vec<Arc<Recorded>>, Failure> {
    let from = from.and_then(|from| i64::try_from(from).ok()).unwrap_or(i64::MAX);
    let Some(key) = key_of(conn, stream)? else { return Ok(vec![]) };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM events e CROSS JOIN streams s ON s.id = e.stream \
         WHERE e.stream = ?1 AND e.revision <= ?2 ORDER BY e.revision DESC LIMIT ?3"
    ))?;
    let mut rows = statement.query(params![key, from, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut events: Vec<Arc<Recorded>> = Vec::new();
    while let Some(row) = rows.next()? {
        let event = row::read(row)?;
        let follows = events.last().is_none_or(|newer| newer.revision == event.fields.revision + 1);
        if event.fields.stream != stream.as_str() || !follows {
            return Err(Failure(format!("the log is damaged at position {}", event.position)));
        }
        events.push(Arc::new(event.record()));
    }
    Ok(events)
}

fn read_all_back(
    conn: &Connection,
    before: Position,
    limit: usize,
    filter: &TypeFilter,
) -> Result<Page, Failure> {
    let from = before.0.saturating_sub(MAX_SCANNED).max(1);
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM events e CROSS JOIN streams s ON s.id = e.stream \
         WHERE e.position < ?1 AND e.position >= ?2 ORDER BY e.position DESC"
    ))?;
    let mut rows = statement.query(params![before.0.cast_signed(), from.cast_signed()])?;
    let mut page = Page { events: vec![], next: before };
    while page.next.0 > from && page.events.len() < limit {
        let expected = Position(page.next.0 - 1);
        let damaged = || Failure(format!("the log is damaged at position {expected}"));
        let event = row::read(rows.next()?.ok_or_else(damaged)?)?;
        if event.position != expected {
            return Err(damaged());
        }
        if filter.matches(event.fields.stored_name) {
            page.events.push(Arc::new(event.record()));
        }
        page.next = expected;
    }
    if page.next.0 <= 1 {
        page.next = Position(0);
    }
    Ok(page)
}
