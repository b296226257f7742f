//! Instants, to the millisecond.

pub use jiff::Timestamp;

/// Cuts an instant to the millisecond: what the wire, the log and the deadline comparison all agree on.
pub fn to_millis(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// `time` less `millis`, held at the beginning of time.
pub fn before(time: Timestamp, millis: u64) -> Timestamp {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(time.as_millisecond().saturating_sub(millis)).unwrap_or(Timestamp::MIN)
}

/// `time` plus `millis`, held at the end of time rather than overflowing.
pub fn after(time: Timestamp, millis: u64) -> Timestamp {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(time.as_millisecond().saturating_add(millis)).unwrap_or(Timestamp::MAX)
}
