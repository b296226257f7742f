//! The auditor itself is audited: it passes a sound log and catches every kind of doctored one.

mod bookings;
mod case;
mod money;
mod prices;

use serde_json::json;

use self::case::Case;
use crate::auditor::{bookings_agree, prefix_kept, seats_agree};

/// Doctors a sound log, and expects the auditor to name this invariant.
#[track_caller]
fn caught(invariant: &str, doctor: impl FnOnce(&mut Case)) {
    let mut case = Case::sound();
    doctor(&mut case);
    let found = case.audit();
    assert!(
        found.iter().any(|violation| violation.invariant == invariant),
        "{invariant} is not in {found:?}"
    );
}

#[test]
fn a_sound_log_passes() {
    assert_eq!(Case::sound().audit(), []);
}

#[test]
fn a_lost_acknowledged_event_is_caught() {
    caught("I2", |case| {
        case.lose("booking.payment-pending", "bk_3");
        case.lose("booking.cancelled", "bk_3");
        case.lose("booking.seats-locked", "bk_3");
    });
    caught("I2", |case| case.lose("booking.confirmed", "bk_1"));
    caught("I2", |case| case.lose("booking.cancelled", "bk_3"));
    caught("I2", |case| case.lose("payment.initiated", "bk_1"));
    caught("I2", |case| case.lose("payment.intent-created", "bk_1"));
    caught("I2", |case| case.lose("payment.succeeded", "bk_2"));
}

#[test]
fn an_effect_of_a_refused_request_is_caught() {
    caught("I2", |case| {
        case.lock("bk_9", "u_4", "k4", &["B1"], "12:20:00", "12:25:00");
        case.journal.pop();
    });
}

#[test]
fn a_log_that_says_otherwise_than_the_answer_is_caught() {
    caught("I2", |case| case.find("booking.seats-locked", "bk_3")["data"]["seatIds"] = json!(["A4"]));
    caught("I2", |case| case.find("booking.seats-locked", "bk_3")["data"]["userId"] = json!("u_9"));
}

#[test]
fn a_broken_log_is_caught() {
    caught("I3", |case| case.events[3]["eventId"] = case.events[2]["eventId"].clone());
    caught("I3", |case| case.events[3]["position"] = case.events[2]["position"].clone());
    caught("I3", |case| case.events.swap(3, 4));
    caught("I3", |case| case.events[2]["revision"] = json!(7));
    caught("I3", |case| _ = case.events.remove(2));
    caught("I3", |case| case.find("booking.confirmed", "bk_1")["time"] = json!("2026-02-01T11:00:00Z"));
}

#[test]
fn a_rewritten_or_shortened_past_is_caught() {
    let before = Case::sound().events;
    let mut after = before.clone();
    assert_eq!(prefix_kept(&before[..5], &after), []);
    after[4]["data"]["seatIds"] = json!(["Z1"]);
    assert_eq!(prefix_kept(&before, &after).len(), 1);
    assert_eq!(prefix_kept(&before, &before[..5]).len(), 1);
}

#[test]
fn a_view_that_says_otherwise_than_the_log_is_caught() {
    let events = Case::sound().events;
    let map = |a1: &str, a3: &str| {
        let seats = json!([{ "seatId": "A1", "status": a1 }, { "seatId": "A2", "status": "SOLD" }, { "seatId": "A3", "status": a3 }]);
        json!({ "showId": "s", "seatMap": { "rows": [{ "rowLabel": "A", "seats": seats }] } })
    };
    assert_eq!(seats_agree(&events, &map("SOLD", "AVAILABLE")), []);
    assert_eq!(seats_agree(&events, &map("AVAILABLE", "AVAILABLE")).len(), 1);
    assert_eq!(seats_agree(&events, &map("SOLD", "LOCKED")).len(), 1);
    assert_eq!(seats_agree(&events, &json!({ "showId": "s" })).len(), 1);

    let row = |c2: &str| {
        let seats = json!([{ "seatId": "C1", "status": "SOLD" }, { "seatId": "C2", "status": c2 }]);
        json!({ "showId": "s", "seatMap": { "rows": [{ "rowLabel": "C", "seats": seats }] } })
    };
    assert_eq!(seats_agree(&events, &row("AVAILABLE")), []);
    assert_eq!(seats_agree(&events, &row("SOLD")).len(), 1, "a seat that was given back");

    let mut kept = Case::sound();
    kept.append("show-s", "12:20:00", "show.seats-blocked", &json!({ "seatIds": ["A3", "A4"] }));
    kept.append("show-s", "12:20:01", "show.seats-released", &json!({ "seatIds": ["A4"] }));
    assert_eq!(kept.audit(), []);
    assert_eq!(seats_agree(&kept.events, &map("SOLD", "BLOCKED")), []);
    assert_eq!(seats_agree(&kept.events, &map("SOLD", "AVAILABLE")).len(), 1);

    let expired = json!({ "bookingId": "bk_2", "status": "EXPIRED" });
    let pending = json!({ "bookingId": "bk_2", "status": "PAYMENT_PENDING" });
    let others = json!({ "bookingId": "bk_1", "status": "CONFIRMED" });
    assert_eq!(bookings_agree(&events, "u_2", std::slice::from_ref(&expired)), []);
    assert_eq!(bookings_agree(&events, "u_2", &[pending]).len(), 1);
    assert_ne!(bookings_agree(&events, "u_2", &[]), []);
    assert_ne!(bookings_agree(&events, "u_2", &[expired.clone(), expired.clone()]), []);
    assert_ne!(bookings_agree(&events, "u_2", &[expired, others]), []);
}
