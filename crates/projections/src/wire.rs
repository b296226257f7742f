//! How the read side writes times.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::TimeZone;

static SECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(0));
static MILLIS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// An instant as RFC 3339 with the offset of its place, `2026-02-01T18:30:00+05:30`; with milliseconds where it has some.
pub fn local_time(time: Timestamp, timezone: &TimeZone) -> String {
    let printer = if time.as_millisecond() % 1_000 == 0 { &SECONDS } else { &MILLIS };
    printer.timestamp_with_offset_to_string(&time, timezone.to_offset(time))
}

/// The time zone of an IANA name; UTC where this machine does not know it.
pub(crate) fn timezone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}
