//! How answers are written.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use marquee_commands::Answer;
use marquee_domain::money::{Currency, Money};
use marquee_domain::time::Timestamp;
use marquee_event_store::Position;
use marquee_projections::local_time;
use serde::{Serialize, Serializer};

const LOG_POSITION: HeaderName = HeaderName::from_static("x-log-position");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// An amount as the wire has it: a number in major units.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Amount(pub Money);

impl Amount {
    pub fn new(minor: i64, currency: &Currency) -> Self {
        Self(Money::new(minor, currency.clone()))
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.to_major();
        match text.parse::<i64>() {
            Ok(whole) => serializer.serialize_i64(whole),
            // The shortest decimal that reads back as this number is the text itself: amounts have few digits.
            Err(_) => serializer.serialize_f64(text.parse().map_err(serde::ser::Error::custom)?),
        }
    }
}

/// An instant with the offset of a place.
pub(crate) fn local(time: Timestamp, timezone: &str) -> String {
    local_time(time, &TimeZone::get(timezone).unwrap_or(TimeZone::UTC))
}

/// A write's answer, with where the log has it.
pub(crate) fn written(
    status: StatusCode,
    position: Position,
    replayed: bool,
    body: impl Serialize,
) -> Response {
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(LOG_POSITION, HeaderValue::from(position.0));
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// The same for a command's answer, with its body made of its value.
pub(crate) fn answered<T, B: Serialize>(
    status: StatusCode,
    answer: Answer<T>,
    body: impl FnOnce(T) -> B,
) -> Response {
    let Answer { value, position, replayed } = answer;
    written(status, position, replayed, body(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_number_in_major_units() {
        for (minor, json) in [(30_200, "302"), (30_250, "302.5"), (42_005, "420.05"), (10, "0.1"), (0, "0")] {
            assert_eq!(serde_json::to_string(&Amount::new(minor, &Currency::inr())).unwrap(), json);
        }
    }
}
