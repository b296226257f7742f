//! Reading what gateways write, whichever it is.

use jiff::Timestamp;
use marquee_domain::money::{Currency, Money};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::gateway::GatewayError;

/// The note that names a booking, on all that is made at a gateway for it. What lacks it is not Marquee's.
pub(super) const BOOKING_NOTE: &str = "bookingId";
/// The note that names a payment, on its refunds.
pub(super) const PAYMENT_NOTE: &str = "paymentId";
/// The note that names a refund.
pub(super) const REFUND_NOTE: &str = "refundId";

/// One of an object's notes. Where there are none, a gateway may write null or an empty list.
pub(super) fn note<'a>(notes: &'a Value, name: &str) -> Option<&'a str> {
    notes.get(name).and_then(Value::as_str).filter(|note| !note.is_empty())
}

/// An amount in minor units, of a currency in either case.
pub(super) fn money(minor: i64, currency: &str) -> Option<Money> {
    Some(Money::new(minor, Currency::parse(&currency.to_ascii_uppercase())?))
}

/// A Unix time; none where there is only a 0.
pub(super) fn unix(seconds: i64) -> Option<Timestamp> {
    (seconds > 0).then(|| Timestamp::from_second(seconds).ok()).flatten()
}

/// An answer as it should be. One that is not may be another's, in between: it is asked for again.
pub(super) fn read<T: DeserializeOwned>(answer: Value) -> Result<T, GatewayError> {
    serde_json::from_value(answer)
        .map_err(|error| GatewayError::Unavailable(format!("an answer that cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn notes_may_be_missing_in_every_way() {
        for notes in
            [Value::Null, json!([]), json!({}), json!({ "bookingId": "" }), json!({ "bookingId": 7 })]
        {
            assert_eq!(note(&notes, BOOKING_NOTE), None, "{notes}");
        }
        assert_eq!(note(&json!({ "bookingId": "bk_1" }), BOOKING_NOTE), Some("bk_1"));
    }
}
