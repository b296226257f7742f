//! One event as a row, and the checksum that tells a damaged one.

use crc32fast::Hasher;
use jiff::Timestamp;
use rusqlite::Row;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::envelope::{Metadata, Recorded};
use crate::port::Position;
use crate::stream::StreamName;

/// The columns of a whole event, in the order that [`read`] takes them; `e` is `events`, `s` is `streams`.
pub(super) const COLUMNS: &str = "e.position, e.revision, s.name, e.id, e.type, e.time, e.actor, e.correlation, \
                                  e.causation, e.data, e.checksum, e.stream";

/// Why a row is not the event that was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    /// A column holds what was never written there.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    /// It is another event than its checksum was made of.
    #[error("the checksum of the event at position {0} does not match")]
    Checksum(Position),
}

/// All that the checksum covers but the position, which is known last.
pub(super) struct Fields<'a> {
    pub stream: &'a str,
    pub revision: u64,
    pub id: Uuid,
    pub stored_name: &'a str,
    pub millis: i64,
    pub actor: &'a str,
    pub correlation: &'a str,
    pub causation: Option<Uuid>,
    pub data: &'a [u8],
}

impl Fields<'_> {
    /// The checksum of all this; finish it with [`checksum_at`].
    pub fn hash(&self) -> Hasher {
        let mut hasher = Hasher::new();
        // Lengths go in, so that no byte can pass from one column to the next unseen.
        for bytes in [self.stream, self.stored_name, self.actor, self.correlation] {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes.as_bytes());
        }
        hasher.update(&self.revision.to_le_bytes());
        hasher.update(&self.millis.to_le_bytes());
        hasher.update(self.id.as_bytes());
        hasher.update(&[u8::from(self.causation.is_some())]);
        hasher.update(self.causation.unwrap_or_default().as_bytes());
        hasher.update(self.data);
        hasher
    }
}

/// The checksum of an event at its position.
pub(super) fn checksum_at(mut hasher: Hasher, position: Position) -> u32 {
    hasher.update(&position.0.to_le_bytes());
    hasher.finalize()
}

/// The columns of a row, borrowed from it and proven by its checksum.
pub(super) struct CheckedRow<'a> {
    pub position: Position,
    pub stream_key: i64,
    pub fields: Fields<'a>,
}

/// Reads a row of [`COLUMNS`] and proves it.
pub(super) fn read<'a>(row: &'a Row<'_>) -> Result<CheckedRow<'a>, RowError> {
    let text = |column: usize| -> rusqlite::Result<&'a str> { Ok(row.get_ref(column)?.as_str()?) };
    let position = Position(row.get::<_, i64>(0)?.cast_unsigned());
    let fields = Fields {
        revision: row.get::<_, i64>(1)?.cast_unsigned(),
        stream: text(2)?,
        id: Uuid::from_bytes(row.get(3)?),
        stored_name: text(4)?,
        millis: row.get(5)?,
        actor: text(6)?,
        correlation: text(7)?,
        causation: row.get::<_, Option<[u8; 16]>>(8)?.map(Uuid::from_bytes),
        data: row.get_ref(9)?.as_blob().map_err(rusqlite::Error::from)?,
    };
    if row.get::<_, i64>(10)? != i64::from(checksum_at(fields.hash(), position)) {
        return Err(RowError::Checksum(position));
    }
    Ok(CheckedRow { position, stream_key: row.get(11)?, fields })
}

impl CheckedRow<'_> {
    /// The event as readers see it.
    pub fn record(&self) -> Recorded {
        let fields = &self.fields;
        Recorded::new(
            self.position,
            StreamName::new(fields.stream),
            fields.revision,
            fields.id,
            SmolStr::new(fields.stored_name),
            // Only what was a timestamp is ever stored, and the checksum holds.
            Timestamp::from_millisecond(fields.millis).unwrap_or_default(),
            Metadata {
                actor: SmolStr::new(fields.actor),
                correlation_id: SmolStr::new(fields.correlation),
                causation_id: fields.causation,
            },
            bytes::Bytes::copy_from_slice(fields.data),
            None,
        )
    }
}
