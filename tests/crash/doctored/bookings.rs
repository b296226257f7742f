//! Bookings that cannot have been.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::case::{Case, SETTLED, inr};
use super::caught;
use crate::auditor::audit;
use crate::journal::Outcome;

#[test]
fn a_seat_sold_twice_is_caught() {
    caught("I1", |case| case.lock("bk_9", "u_9", "k9", &["A2"], "12:20:00", "12:25:00"));
    caught("I1", |case| case.find("booking.seats-locked", "bk_3")["data"]["seatIds"] = json!(["A1"]));
    let seats = json!({ "seatIds": ["A2"] });
    caught("I1", |case| case.append("show-s", "12:20:00", "show.seats-blocked", &seats));
    caught("I1", |case| case.append("show-s", "12:20:00", "show.seats-released", &seats));
    caught("I1", |case| {
        case.append("show-s", "12:20:00", "show.seats-blocked", &json!({ "seatIds": ["A8"] }));
        case.lock("bk_9", "u_9", "k9", &["A8"], "12:20:00", "12:25:00");
    });
    caught("I1", |case| case.lose("booking.expired", "bk_2"));
}

#[test]
fn a_forbidden_transition_is_caught() {
    let confirm = json!({ "bookingId": "bk_2", "paymentId": "pay_bk_2" });
    caught("I4", |case| case.append("show-s", "12:30:00", "booking.confirmed", &confirm));
    caught("I4", |case| {
        case.append("show-s", "12:30:00", "booking.cancelled", &json!({ "bookingId": "bk_3" }));
    });
    caught("I4", |case| {
        case.append("show-s", "12:30:00", "booking.completed", &json!({ "bookingId": "bk_3" }));
    });
    caught("I4", |case| {
        case.append("show-s", "12:30:00", "booking.expired", &json!({ "bookingId": "bk_none" }));
    });
    for id in ["bk_1", "bk_2", "bk_none"] {
        let redeemed = json!({ "bookingId": id });
        caught("I4", |case| case.append("show-s", "12:30:00", "ticket.redeemed", &redeemed));
    }
    caught("I4", |case| case.lose("booking.payment-pending", "bk_1"));
    caught("I4", |case| case.lose("booking.seats-locked", "bk_2"));
}

#[test]
fn two_effects_of_one_key_are_caught() {
    caught("I5", |case| case.lock("bk_9", "u_3", "k3", &["B1"], "12:20:00", "12:25:00"));
    caught("I5", |case| {
        let mut again = case.journal[0].clone();
        again.outcome = Outcome::Ok(json!({ "bookingId": "bk_other" }));
        case.journal.push(again);
    });
    caught("I5", |case| case.capture("bk_1", "12:20:00"));
    caught("I5", |case| case.refund("bk_2", "12:20:00"));
}

#[test]
fn a_lock_that_is_extended_twice_or_too_late_is_caught() {
    let extended = |until: &str| json!({ "bookingId": "bk_9", "expiresAt": format!("2026-02-01T{until}Z") });
    let young = |case: &mut Case| case.lock("bk_9", "u_9", "k9", &["B1"], "12:58:00", "13:03:00");
    let mut sound = Case::sound();
    young(&mut sound);
    sound.append("show-s", "12:59:00", "booking.lock-extended", &extended("13:05:00"));
    assert_eq!(sound.audit(), []);
    caught("I10", |case| {
        young(case);
        case.append("show-s", "12:59:00", "booking.lock-extended", &extended("13:05:00"));
        case.append("show-s", "12:59:30", "booking.lock-extended", &extended("13:07:00"));
    });
    caught("I10", |case| {
        young(case);
        case.append("show-s", "13:03:00", "booking.lock-extended", &extended("13:05:00"));
    });
}

#[test]
fn seats_that_are_given_back_wrongly_are_caught() {
    let part = |case: &mut Case, doctor: fn(&mut Value)| {
        doctor(&mut case.find("booking.seats-cancelled", "bk_4")["data"]);
    };
    caught("I6", |case| part(case, |data| data["refund"] = json!(4_401)));
    caught("I6", |case| part(case, |data| (data["refund"], data["retained"]) = (json!(9_000), json!(0))));
    caught("I6", |case| part(case, |data| data["pricing"]["total"] = json!(9_001)));
    caught("I6", |case| case.lose("booking.seats-cancelled", "bk_4"));
    caught("I6", |case| case.lose("refund.requested", "bk_4"));
    caught("I6", |case| case.find("refund.requested", "bk_4")["data"]["amount"] = inr(4_399));
    caught("I6", |case| {
        case.find("show.scheduled", "s")["data"]["startTime"] = json!("2026-02-01T13:13:00Z");
    });
    caught("I5", |case| part(case, |data| data["part"] = json!(2)));
    caught("I1", |case| part(case, |data| data["seatIds"] = json!(["A1"])));
    caught("I4", |case| part(case, |data| data["seatIds"] = json!(["C1", "C2"])));
    caught("I2", |case| part(case, |data| data["seatIds"] = json!(["C1"])));
    caught("I4", |case| {
        let mut again = case.find("booking.seats-cancelled", "bk_4")["data"].clone();
        again["bookingId"] = json!("bk_3");
        case.append("show-s", "12:30:00", "booking.seats-cancelled", &again);
    });
    // A booking that is ended says what goes back of what is left.
    let end = |refund: i64, retained: i64| json!({ "bookingId": "bk_4", "by": "CUSTOMER", "paid": true, "refund": refund, "retained": retained });
    caught("I6", |case| case.append("show-s", "12:30:00", "booking.cancelled", &end(18_000, 0)));
    caught("I6", |case| {
        case.append(
            "show-s",
            "12:30:00",
            "booking.cancelled",
            &json!({ "bookingId": "bk_4", "by": "SHOW", "paid": true }),
        );
    });
}

#[test]
fn a_missed_deadline_is_caught() {
    caught("I10", |case| case.find("booking.confirmed", "bk_1")["time"] = json!("2026-02-01T12:05:01Z"));
    caught("I10", |case| case.find("booking.expired", "bk_2")["time"] = json!("2026-02-01T12:06:59Z"));
    caught("I10", |case| case.lose("booking.expired", "bk_2"));
}

#[test]
fn a_lock_that_is_still_young_is_no_violation() {
    let mut case = Case::sound();
    case.lock("bk_9", "u_9", "k9", &["B1"], "12:58:00", "13:03:00");
    let settled: Timestamp = SETTLED.parse().unwrap();
    assert_eq!(audit(&case.journal, &case.events, settled), []);
}
