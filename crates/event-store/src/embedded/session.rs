//! One append within the transaction of its group.

use std::sync::Arc;

use bytes::Bytes;
use crc32fast::Hasher;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Statement, params};
use smol_str::SmolStr;

use super::cache::{Stream, StreamCache};
use super::row::{Fields, checksum_at};
use crate::codec;
use crate::envelope::Recorded;
use crate::port::{AppendError, Appended, Expected, NewEvent, Position};
use crate::stream::StreamName;

/// Most payload in one append, in bytes.
pub(super) const MAX_APPEND: usize = 1024 * 1024;

/// An append, ready for the file but for its positions. Made in the caller's task, for the writer has no time to encode.
pub(super) struct Prepared {
    stream: StreamName,
    expected: Expected,
    events: Vec<PreparedEvent>,
}

struct PreparedEvent {
    new: NewEvent,
    time: Timestamp,
    data: Bytes,
    hash: Hasher,
}

impl Prepared {
    /// Encodes the events and hashes what is known of them.
    pub fn new(stream: StreamName, expected: Expected, events: Vec<NewEvent>) -> Result<Self, AppendError> {
        let mut bytes = 0;
        let mut prepared = Vec::with_capacity(events.len());
        for (revision, new) in (expected.next()..).zip(events) {
            // Only a payload that has no JSON form fails here, and nothing was written: it can never be stored.
            let data =
                codec::encode(&new.event).map_err(|error| AppendError::Unavailable(error.to_string()))?;
            bytes += data.len();
            if bytes > MAX_APPEND {
                return Err(AppendError::TooLarge);
            }
            let millis = new.time.as_millisecond();
            let fields = Fields {
                stream: stream.as_str(),
                revision,
                id: new.id,
                stored_name: new.event.stored_name(),
                millis,
                actor: &new.metadata.actor,
                correlation: &new.metadata.correlation_id,
                causation: new.metadata.causation_id,
                data: &data,
            };
            let hash = fields.hash();
            // Live readers see the millisecond that the file keeps, not a finer time.
            let time = Timestamp::from_millisecond(millis).unwrap_or(new.time);
            prepared.push(PreparedEvent { new, time, data, hash });
        }
        Ok(Self { stream, expected, events: prepared })
    }

    /// How many events it has.
    pub fn len(&self) -> usize {
        self.events.len()
    }
}

/// How an append ended, so far as the transaction goes; nobody is told before that is durable.
pub(super) type Outcome = Result<Appended, AppendError>;

/// The writer's statements and what it knows of the log.
pub(super) struct Session<'c> {
    insert_event: Statement<'c>,
    insert_stream: Statement<'c>,
    find_stream: Statement<'c>,
    find_ids: Statement<'c>,
    cache: StreamCache,
    head: Position,
}

impl<'c> Session<'c> {
    /// Statements over the writing connection.
    pub fn new(conn: &'c Connection, head: Position) -> rusqlite::Result<Self> {
        Ok(Self {
            insert_event: conn.prepare("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?,
            insert_stream: conn.prepare("INSERT INTO streams (name) VALUES (?1)")?,
            find_stream: conn.prepare(
                "SELECT s.id, (SELECT max(e.revision) FROM events e WHERE e.stream = s.id) FROM streams s WHERE s.name = ?1",
            )?,
            find_ids: conn.prepare(
                "SELECT id, position FROM events WHERE stream = ?1 AND revision BETWEEN ?2 AND ?3 ORDER BY revision",
            )?,
            cache: StreamCache::default(),
            head,
        })
    }

    /// The last event written, committed or not.
    pub fn head(&self) -> Position {
        self.head
    }

    /// Goes back to the last commit.
    pub fn rolled_back(&mut self, head: Position) {
        self.cache.clear();
        self.head = head;
    }

    /// Checks the expectation and writes the events, onto `written` too. An error is the file's, and ends the group.
    pub fn append(
        &mut self,
        append: Prepared,
        written: &mut Vec<Arc<Recorded>>,
    ) -> rusqlite::Result<Outcome> {
        let found = self.find(&append.stream)?;
        let end = found.map_or(Expected::NoStream, |stream| Expected::Revision(stream.last));
        if end != append.expected {
            return self.append_again(&append, found);
        }
        let key = match (found, append.events.is_empty()) {
            (Some(stream), false) => stream.key,
            (None, false) => self.insert_stream.insert(params![append.stream.as_str()])?,
            (Some(stream), true) => {
                return Ok(self.end_of(stream)?.ok_or(AppendError::Conflict { current: Some(stream.last) }));
            }
            (None, true) => return Ok(Ok(Appended { revision: 0, position: Position(0) })),
        };
        let mut revision = append.expected.next();
        for event in append.events {
            let position = Position(self.head.0 + 1);
            let (recorded, checksum) = event.record(position, append.stream.clone(), revision);
            self.insert(key, &recorded, checksum)?;
            written.push(Arc::new(recorded));
            self.head = position;
            revision += 1;
        }
        let last = revision - 1;
        self.cache.put(&append.stream, Stream { key, last });
        Ok(Ok(Appended { revision: last, position: self.head }))
    }

    fn insert(&mut self, key: i64, event: &Recorded, checksum: u32) -> rusqlite::Result<()> {
        let metadata = &event.metadata;
        self.insert_event.execute(params![
            event.position.0.cast_signed(),
            key,
            event.revision.cast_signed(),
            event.id.as_bytes(),
            event.stored_name.as_str(),
            event.time.as_millisecond(),
            metadata.actor.as_str(),
            metadata.correlation_id.as_str(),
            metadata.causation_id.as_ref().map(uuid::Uuid::as_bytes),
            &event.data[..],
            checksum,
        ])?;
        Ok(())
    }

    fn find(&mut self, name: &StreamName) -> rusqlite::Result<Option<Stream>> {
        if let Some(known) = self.cache.get(name) {
            return Ok(Some(known));
        }
        let found = self
            .find_stream
            .query_row(params![name.as_str()], |row| {
                Ok(Stream { key: row.get(0)?, last: row.get::<_, i64>(1)?.cast_unsigned() })
            })
            .optional()?;
        if let Some(stream) = found {
            self.cache.put(name, stream);
        }
        Ok(found)
    }

    /// An append that is not at the end of its stream: it succeeds again where every id already lies just there.
    fn append_again(&mut self, append: &Prepared, found: Option<Stream>) -> rusqlite::Result<Outcome> {
        let conflict = Ok(Err(AppendError::Conflict { current: found.map(|stream| stream.last) }));
        let Some(stream) = found else { return conflict };
        let first = append.expected.next();
        let last = first + append.events.len() as u64;
        if append.events.is_empty() || last > stream.last + 1 {
            return conflict;
        }
        let range = params![stream.key, first.cast_signed(), (last - 1).cast_signed()];
        let mut rows = self.find_ids.query(range)?;
        let mut position = Position(0);
        for event in &append.events {
            match rows.next()? {
                Some(row) if row.get::<_, [u8; 16]>(0)? == *event.new.id.as_bytes() => {
                    position = Position(row.get::<_, i64>(1)?.cast_unsigned());
                }
                Some(_) | None => return conflict,
            }
        }
        Ok(Ok(Appended { revision: last - 1, position }))
    }

    fn end_of(&mut self, stream: Stream) -> rusqlite::Result<Option<Appended>> {
        let last = stream.last.cast_signed();
        let mut rows = self.find_ids.query(params![stream.key, last, last])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(Appended {
            revision: stream.last,
            position: Position(row.get::<_, i64>(1)?.cast_unsigned()),
        }))
    }
}

impl PreparedEvent {
    /// The event at its place, and its checksum there.
    fn record(self, position: Position, stream: StreamName, revision: u64) -> (Recorded, u32) {
        let Self { new, time, data, hash } = self;
        let stored_name = SmolStr::new_static(new.event.stored_name());
        let metadata = (*new.metadata).clone();
        let recorded = Recorded::new(
            position,
            stream,
            revision,
            new.id,
            stored_name,
            time,
            metadata,
            data,
            Some(new.event),
        );
        (recorded, checksum_at(hash, position))
    }
}
