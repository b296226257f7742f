//! What the queue holds.

use jiff::Timestamp;
use marquee_domain::customer::Channel;
use rusqlite::Row;
use rusqlite::types::Type;
use uuid::Uuid;

use crate::kind::Kind;
use crate::trigger::Trigger;

/// What became of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is to be delivered, now or again.
    Pending,
    /// Its provider took it.
    Sent,
    /// It is not tried again unless somebody says so.
    Dead,
    /// It is not to be delivered: the customer is not known, was erased, or does not want it.
    Suppressed,
}

impl Status {
    const ALL: [Self; 4] = [Self::Pending, Self::Sent, Self::Dead, Self::Suppressed];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Sent => "SENT",
            Self::Dead => "DEAD",
            Self::Suppressed => "SUPPRESSED",
        }
    }

    /// The status of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// What a customer would have read, in the local outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxText {
    /// Of an e-mail.
    pub subject: Option<String>,
    /// The text.
    pub text: String,
}

/// A notification as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the order of the list.
    pub seq: i64,
    /// It: the same event, channel and booking have the same for ever.
    pub id: String,
    /// The event that it tells of.
    pub event_id: Uuid,
    /// The booking that it is about.
    pub booking_id: String,
    /// What the customer is told of.
    pub kind: Kind,
    /// How.
    pub channel: Channel,
    /// What became of it.
    pub status: Status,
    /// How often a provider was asked.
    pub attempts: u32,
    /// When this came of it.
    pub at: Timestamp,
    /// Why it is not sent, in a word: never what a provider said, which may name the customer.
    pub reason: Option<String>,
    /// What it says, where it lies in the local outbox.
    pub outbox: Option<OutboxText>,
}

/// Which notifications.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Of one booking.
    pub booking: Option<String>,
    /// Of one status.
    pub status: Option<Status>,
    /// Before this place of the list.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// A notification to be kept.
#[derive(Debug, Clone)]
pub(crate) struct New {
    pub trigger: Trigger,
    pub channel: Channel,
    /// Why it is not to be delivered, where it is not.
    pub suppressed: Option<&'static str>,
    pub now: Timestamp,
}

/// A notification to be delivered.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub id: String,
    pub time: Timestamp,
    pub user: String,
    /// `None` where this release does not know it. What cannot be read spoils itself alone.
    pub kind: Option<Kind>,
    pub attempts: u32,
    /// As they were kept.
    pub facts: String,
}

pub(super) const COLUMNS: &str =
    "seq, id, event_id, booking, kind, channel, status, attempts, at, reason, subject, text";

pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let event_id: Vec<u8> = row.get(2)?;
    let text: Option<String> = row.get(11)?;
    let subject = row.get(10)?;
    Ok(Entry {
        seq: row.get(0)?,
        id: row.get(1)?,
        event_id: Uuid::from_slice(&event_id).map_err(|error| broken(2, error))?,
        booking_id: row.get(3)?,
        kind: named(row, 4, Kind::parse)?,
        channel: named(row, 5, Channel::parse)?,
        status: named(row, 6, Status::parse)?,
        attempts: row.get(7)?,
        at: time(row, 8)?,
        reason: row.get(9)?,
        outbox: text.map(|text| OutboxText { subject, text }),
    })
}

pub(super) fn due(row: &Row<'_>) -> rusqlite::Result<Due> {
    Ok(Due {
        id: row.get(0)?,
        time: Timestamp::from_millisecond(row.get(1)?).unwrap_or_default(),
        user: row.get(2)?,
        kind: Kind::parse(&row.get::<_, String>(3)?),
        attempts: row.get(4)?,
        facts: row.get(5)?,
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|error| broken(column, error))
}

fn named<T>(row: &Row<'_>, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let name: String = row.get(column)?;
    parse(&name).ok_or_else(|| broken(column, UnknownName))
}

fn broken(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

#[derive(Debug, thiserror::Error)]
#[error("a name that this release does not know")]
struct UnknownName;
