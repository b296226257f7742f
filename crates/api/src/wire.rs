//! How answers are written.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use marquee_commands::Answer;
use marquee_domain::money::{Currency, Decimal, Money};
use marquee_domain::time::Timestamp;
use marquee_event_store::Position;
use marquee_projections::local_time;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

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
        number(self.0.to_major(), serializer)
    }
}

/// A number in major units as it was sent, before its currency is known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Major(pub Decimal);

impl<'de> Deserialize<'de> for Major {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let number = Decimal::parse(raw.get());
        number.map(Self).ok_or_else(|| D::Error::custom("a number in major units is expected"))
    }
}

impl Serialize for Major {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        number(self.0.to_string(), serializer)
    }
}

/// Writes a number digit for digit: a binary fraction in between could change it.
fn number<S: Serializer>(digits: String, serializer: S) -> Result<S::Ok, S::Error> {
    RawValue::from_string(digits).map_err(S::Error::custom)?.serialize(serializer)
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
        for (minor, json) in [
            (30_200, "302"),
            (30_250, "302.5"),
            (42_005, "420.05"),
            (10, "0.1"),
            (0, "0"),
            (i64::MAX, "92233720368547758.07"),
            (-5, "-0.05"),
        ] {
            assert_eq!(serde_json::to_string(&Amount::new(minor, &Currency::inr())).unwrap(), json);
        }
    }

    #[test]
    fn a_number_in_major_units_is_read_digit_for_digit() {
        let read = |json: &str| serde_json::from_str::<Major>(json).map(|major| major.0.to_string());
        for (json, digits) in [
            ("302", "302"),
            (" 302.50 ", "302.5"),
            ("1e3", "1000"),
            ("99999999999999.99", "99999999999999.99"),
            ("0.30000000000000001", "0.30000000000000001"),
        ] {
            assert_eq!(read(json).unwrap(), digits);
        }
        for bad in ["\"302\"", "null", "[1]", "{}", "true", "NaN", "0302", "1."] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_number_has_one_fingerprint() {
        let fingerprint =
            |json: &str| crate::idempotency::fingerprint(&serde_json::from_str::<Major>(json).unwrap());
        assert_eq!(fingerprint("302.50"), fingerprint("302.5"));
        assert_eq!(fingerprint("302.0"), fingerprint("302"));
        assert_ne!(fingerprint("0.3"), fingerprint("0.30000000000000001"));
    }
}
