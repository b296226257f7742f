//! Money that does not add up.

use serde_json::json;

use super::case::{Case, inr};
use super::caught;
use crate::auditor::{Balance, balance};
use crate::journal::Act;

#[test]
fn money_that_does_not_add_up_is_caught() {
    caught("I6", |case| {
        case.find("booking.payment-pending", "bk_1")["data"]["pricing"]["total"] = json!(17_000);
    });
    caught("I6", |case| case.lose("refund.requested", "bk_2"));
    caught("I6", |case| case.lose("refund.succeeded", "bk_2"));
    caught("I6", |case| case.lose("booking.confirmed", "bk_1"));
    caught("I6", |case| case.lose("payment.succeeded", "bk_1"));
    caught("I6", |case| case.find("payment.succeeded", "bk_1")["data"]["amount"] = inr(100));
    caught("I6", |case| case.find("refund.requested", "bk_2")["data"]["amount"] = inr(99_000));
    caught("I6", |case| case.refund("bk_1", "12:30:00"));
    caught("I6", |case| {
        case.append("show-s", "12:30:00", "booking.cancelled", &json!({ "bookingId": "bk_1" }));
    });
}

#[test]
fn the_balance_of_a_sound_log_is_even() {
    let balance = balance(&Case::sound().events, "INR");
    let expected = Balance { captured: 54_000, returned: 22_400, remaining: 27_000, retained: 4_600 };
    assert_eq!(balance, expected);
    assert_eq!(balance.captured - balance.returned, balance.remaining + balance.retained);
}

#[test]
fn a_capture_told_twice_or_by_nobody_is_caught() {
    caught("I8", |case| {
        let again = case.find("payment.succeeded", "bk_1")["data"].clone();
        case.append("payment-bk_1", "12:20:00", "payment.succeeded", &again);
    });
    caught("I8", |case| case.journal.retain(|record| !matches!(record.act, Act::Notice { .. })));
}
