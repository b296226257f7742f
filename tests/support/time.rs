//! The tests' own clock: they check the server's from outside.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

/// The time zone of the city that the tests build.
pub const TIMEZONE: &str = "Asia/Kolkata";

/// Now, as the client knows it.
#[expect(clippy::disallowed_methods, reason = "a client outside the server has a clock of its own")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// `hour:minute` in the city, some days from today.
pub fn in_days(days: i64, hour: i8, minute: i8) -> Zoned {
    let today = now().to_zoned(TimeZone::get(TIMEZONE).unwrap()).date();
    let day = today.checked_add(Span::new().days(days)).unwrap();
    day.at(hour, minute, 0, 0).to_zoned(TimeZone::get(TIMEZONE).unwrap()).unwrap()
}

/// RFC 3339 with the city's offset, as the contract writes times.
pub fn rfc3339(time: &Zoned) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// Reads an RFC 3339 time.
pub fn parse(text: &serde_json::Value) -> Timestamp {
    let text = text.as_str().unwrap_or_else(|| panic!("not a time: {text}"));
    text.parse().unwrap_or_else(|error| panic!("not an RFC 3339 time: {text}: {error}"))
}

/// Sleeps until an instant, and one millisecond.
pub async fn until(instant: Timestamp) {
    let left = instant.duration_since(now()).as_millis();
    tokio::time::sleep(Duration::from_millis(u64::try_from(left).unwrap_or(0) + 1)).await;
}

/// Asks again and again until there is an answer; panics with `what` after the bound.
pub async fn eventually<T>(within: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
