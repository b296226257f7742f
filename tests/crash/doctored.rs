//! The auditor itself is audited: it passes a sound log and catches every kind of doctored one.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::auditor::{Violation, audit, bookings_agree, prefix_kept, seats_agree};
use crate::journal::{Act, Outcome, Record};

const SETTLED: &str = "2026-02-01T13:00:00Z";

struct Case {
    journal: Vec<Record>,
    events: Vec<Value>,
}

fn record(user: &str, key: &str, act: Act, outcome: Outcome) -> Record {
    Record { user: user.into(), key: key.into(), act, outcome }
}

fn inr(minor: i64) -> Value {
    json!({ "minor": minor, "currency": "INR" })
}

impl Case {
    /// One booking paid and confirmed, one expired whose late money went back, one cancelled.
    fn sound() -> Self {
        let mut case = Self { journal: vec![], events: vec![] };
        let seat = |id: &str, kind: &str| json!({ "seatId": id, "type": kind });
        let seats = [("A1", "REGULAR"), ("A2", "REGULAR")].map(|(id, kind)| seat(id, kind)).to_vec();
        let others = ["A3", "A4", "A8", "A9", "B1"].map(|id| seat(id, "PREMIUM"));
        let seats = [seats, others.to_vec()].concat();
        let rows = json!([{ "rowLabel": "A", "seats": seats }]);
        let prices = json!({ "REGULAR": 9_000, "PREMIUM": 18_000 });
        let show = json!({
            "showId": "s", "cityId": "blr", "theatreId": "th_1", "timezone": "Asia/Kolkata", "currency": "INR", "format": "2D",
            "movieId": "mv_1", "startTime": "2026-02-01T18:30:00Z", "prices": prices, "rows": rows
        });
        case.append("show-s", "12:00:00", "show.scheduled", &show);
        case.lock("bk_1", "u_1", "k1", &["A1", "A2"], "12:00:01", "12:05:01");
        case.capture("bk_1", "12:01:00");
        case.append(
            "show-s",
            "12:01:01",
            "booking.confirmed",
            &json!({ "bookingId": "bk_1", "paymentId": "pay_bk_1" }),
        );
        case.lock("bk_2", "u_2", "k2", &["A3"], "12:02:00", "12:07:00");
        case.append("show-s", "12:07:02", "booking.expired", &json!({ "bookingId": "bk_2" }));
        case.capture("bk_2", "12:08:00");
        case.refund("bk_2", "12:08:01");
        case.lock("bk_3", "u_3", "k3", &["A3"], "12:09:00", "12:14:00");
        case.append("show-s", "12:10:00", "booking.cancelled", &json!({ "bookingId": "bk_3" }));
        let (booking, status) = ("bk_1".to_owned(), json!({ "bookingId": "bk_1", "status": "CONFIRMED" }));
        case.journal.push(record("u_1", "-", Act::Read { booking }, Outcome::Ok(status)));
        let cancelled = Outcome::Ok(json!({ "bookingId": "bk_3", "status": "CANCELLED" }));
        case.journal.push(record("u_3", "-", Act::Cancel { booking: "bk_3".into() }, cancelled));
        let refused = Outcome::Refused(409, "SEAT_LOCK_FAILED".into());
        case.journal.push(record(
            "u_4",
            "k4",
            Act::Book { show: "s".into(), seats: vec!["A1".into()] },
            refused,
        ));
        case.journal.push(record(
            "u_5",
            "k5",
            Act::Book { show: "s".into(), seats: vec!["A9".into()] },
            Outcome::Unknown,
        ));
        case
    }

    fn append(&mut self, stream: &str, time: &str, kind: &str, data: &Value) {
        let revision = self.events.iter().filter(|event| event["stream"] == stream).count();
        let position = self.events.len() * 10 + 1;
        self.events.push(json!({
            "eventId": format!("e{position}"), "stream": stream, "revision": revision, "position": position,
            "type": format!("{kind}.v1"), "time": format!("2026-02-01T{time}Z"), "data": data
        }));
    }

    fn lock(&mut self, id: &str, user: &str, key: &str, seats: &[&str], time: &str, expires: &str) {
        let expires = format!("2026-02-01T{expires}Z");
        let data = json!({ "bookingId": id, "userId": user, "seatIds": seats, "expiresAt": expires, "idempotencyKey": key });
        self.append("show-s", time, "booking.seats-locked", &data);
        let pricing = json!({ "currency": "INR", "subtotal": 18_000, "discount": 0, "fees": 0, "tax": 0, "total": 18_000 });
        self.append(
            "show-s",
            time,
            "booking.payment-pending",
            &json!({ "bookingId": id, "pricing": pricing }),
        );
        let seats = seats.iter().map(|seat| (*seat).to_owned()).collect();
        let act = Act::Book { show: "s".into(), seats };
        self.journal.push(record(user, key, act, Outcome::Ok(json!({ "bookingId": id }))));
    }

    fn capture(&mut self, id: &str, time: &str) {
        let (stream, payment) = (format!("payment-{id}"), format!("pay_{id}"));
        self.append(
            &stream,
            time,
            "payment.initiated",
            &json!({ "bookingId": id, "paymentId": payment, "amount": inr(18_000) }),
        );
        self.append(&stream, time, "payment.intent-created", &json!({ "paymentId": payment }));
        self.append(
            &stream,
            time,
            "payment.succeeded",
            &json!({ "bookingId": id, "paymentId": payment, "amount": inr(18_000) }),
        );
        let (user, booking) = ("gateway", id.to_owned());
        let paid = Outcome::Ok(json!({ "paymentId": payment }));
        self.journal.push(record(user, &format!("p{id}"), Act::Pay { booking: booking.clone() }, paid));
        self.journal.push(record(
            user,
            &format!("n{id}"),
            Act::Notice { booking, captured: true },
            Outcome::Ok(json!({})),
        ));
    }

    fn refund(&mut self, id: &str, time: &str) {
        let (stream, refund) = (format!("payment-{id}"), format!("rf_{id}"));
        self.append(&stream, time, "refund.requested", &json!({ "refundId": refund, "amount": inr(18_000) }));
        self.append(&stream, time, "refund.succeeded", &json!({ "refundId": refund }));
    }

    /// A rule that was there long before the last booking: every node had heard of it.
    fn insert_rule(&mut self, stream: &str, kind: &str, data: &Value) {
        self.append(stream, "12:15:00", kind, data);
        let rule = self.events.pop().unwrap();
        let at = self.index("booking.seats-locked", "bk_4");
        self.events.insert(at, rule);
        for (number, event) in self.events.iter_mut().enumerate() {
            let late = if number > at { 100_000 } else { 0 };
            event["position"] = json!(late + 10 * number + 1);
        }
    }

    fn audit(&self) -> Vec<Violation> {
        audit(&self.journal, &self.events, SETTLED.parse().unwrap())
    }

    /// The first event of this name about this booking, or in its payment stream.
    fn find(&mut self, kind: &str, id: &str) -> &mut Value {
        let index = self.index(kind, id);
        &mut self.events[index]
    }

    fn index(&self, kind: &str, id: &str) -> usize {
        let stored = format!("{kind}.v1");
        let about =
            |event: &Value| event["data"]["bookingId"] == id || event["stream"] == format!("payment-{id}");
        self.events.iter().position(|event| event["type"] == stored && about(event)).unwrap()
    }

    /// Takes an event out as if it had never been: the revisions after it close up.
    fn lose(&mut self, kind: &str, id: &str) {
        let lost = self.events.remove(self.index(kind, id));
        for event in self.events.iter_mut().filter(|event| event["stream"] == lost["stream"]) {
            let revision = event["revision"].as_u64().unwrap();
            if Some(revision) > lost["revision"].as_u64() {
                event["revision"] = json!(revision - 1);
            }
        }
    }
}

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

/// The sound case with a fourth booking of two seats, by an offer and a policy.
fn priced(doctor: impl FnOnce(&mut Case)) -> Vec<Violation> {
    let mut case = Case::sound();
    let offer = json!({
        "code": "HALF", "rule": { "kind": "NTH_TICKET_PERCENT", "nth": 2, "percent": 50.01 }, "active": true, "automatic": false,
        "stackable": false, "conditions": { "daysOfWeek": ["MON"], "startsFrom": "23:00", "startsTo": "02:00" },
        "limits": { "total": 5 }
    });
    case.append("offer-HALF", "12:15:00", "offer.created", &offer);
    let policy = json!({ "scope": "city:blr", "feePerTicket": 10.005, "taxPercent": 18, "taxOn": "ALL" });
    case.append("policy-city:blr", "12:15:00", "policy.set", &policy);
    let claim = json!({ "code": "HALF", "bookingId": "bk_4", "userId": "u_6", "lockBefore": "a" });
    case.append("redemption-HALF", "12:16:00", "redemption.claimed", &claim);
    case.lock("bk_4", "u_6", "k6", &["B1", "A9"], "12:58:00", "13:03:00");
    let pricing = json!({
        "currency": "INR", "subtotal": 36_000, "discount": 9_002, "fees": 2_002, "tax": 5_220, "total": 34_220,
        "appliedOffers": [{ "code": "HALF", "version": 0, "discount": 9_002, "limited": true }],
        "policy": { "scope": "city:blr", "version": 0 }
    });
    case.find("booking.payment-pending", "bk_4")["data"]["pricing"] = pricing;
    doctor(&mut case);
    case.audit()
}

#[test]
fn a_price_that_does_not_follow_from_the_rules_is_caught() {
    type Doctor = fn(&mut Case);
    assert_eq!(priced(|_| {}), []);
    let doctors: [(&str, Doctor); 12] = [
        ("another seat price", |case| case.events[0]["data"]["prices"]["PREMIUM"] = json!(17_000)),
        ("a changed seat price", |case| {
            let at = case.index("booking.seats-locked", "bk_4");
            let mut changed = case.events[at].clone();
            changed["type"] = json!("show.changed.v1");
            changed["data"] = json!({ "prices": { "PREMIUM": 20_000 } });
            case.events.insert(at, changed);
        }),
        ("another share", |case| rule(case, "offer.created")["rule"]["percent"] = json!(50)),
        ("a rule that was switched off", |case| rule(case, "offer.created")["active"] = json!(false)),
        ("a rule that had ended", |case| {
            rule(case, "offer.created")["validTo"] = json!("2026-02-01T12:57:00Z");
        }),
        ("another day", |case| {
            rule(case, "offer.created")["conditions"]["daysOfWeek"] = json!(["SUN"]);
        }),
        ("another time", |case| rule(case, "offer.created")["conditions"]["startsTo"] = json!("00:00")),
        ("another fee", |case| rule(case, "policy.set")["feePerTicket"] = json!(10)),
        ("another tax", |case| rule(case, "policy.set")["taxOn"] = json!("NET")),
        ("another place", |case| rule(case, "policy.set")["scope"] = json!("city:bom")),
        ("no redemption", |case| rule(case, "redemption.claimed")["bookingId"] = json!("bk_none")),
        ("another version", |case| {
            let event = case.find("booking.payment-pending", "bk_4");
            event["data"]["pricing"]["appliedOffers"][0]["version"] = json!(1);
        }),
    ];
    for (what, doctor) in doctors {
        let found = priced(doctor);
        assert!(found.iter().any(|violation| violation.invariant == "I6"), "{what}: {found:?}");
    }
    let charged = priced(|case| {
        let amount = json!({ "minor": 34_221, "currency": "INR" });
        let asked = json!({ "bookingId": "bk_4", "paymentId": "pay_bk_4", "amount": amount });
        case.append("payment-bk_4", "12:59:00", "payment.initiated", &asked);
    });
    assert!(charged.iter().any(|violation| violation.what.contains("34221")), "{charged:?}");
}

/// What the first event of a name holds.
fn rule<'a>(case: &'a mut Case, kind: &str) -> &'a mut Value {
    let stored = format!("{kind}.v1");
    let event = case.events.iter_mut().find(|event| event["type"] == stored);
    &mut event.unwrap()["data"]
}

#[test]
fn a_redemption_past_its_limits_or_taken_from_a_booking_is_caught() {
    type Doctor = fn(&mut Case);
    let doctors: [(&str, Doctor); 3] = [
        ("more than one customer may", |case| {
            rule(case, "offer.created")["limits"] = json!({ "perUser": 1 });
            let again = json!({ "code": "HALF", "bookingId": "bk_5", "userId": "u_6", "lockBefore": "b" });
            case.append("redemption-HALF", "12:59:00", "redemption.claimed", &again);
        }),
        ("given back while its booking lives", |case| {
            let released = json!({ "code": "HALF", "bookingId": "bk_4" });
            case.append("redemption-HALF", "12:59:00", "redemption.released", &released);
        }),
        ("given back before its booking began", |case| {
            let at = case.index("booking.seats-locked", "bk_4");
            let mut released = case.events[at].clone();
            released["type"] = json!("redemption.released.v1");
            released["data"] = json!({ "code": "HALF", "bookingId": "bk_4" });
            case.events.insert(at, released);
        }),
    ];
    for (what, doctor) in doctors {
        let found = priced(doctor);
        assert!(found.iter().any(|violation| violation.what.contains("redemption")), "{what}: {found:?}");
    }
}

#[test]
fn a_rule_that_was_overlooked_is_caught() {
    type Doctor = fn(&mut Case);
    let doctors: [(&str, Doctor); 4] = [
        ("goes before", |case| {
            let narrower =
                json!({ "scope": "theatre:th_1", "feePerTicket": 0, "taxPercent": 0, "taxOn": "NET" });
            case.insert_rule("policy-theatre:th_1", "policy.set", &narrower);
        }),
        ("goes before", |case| {
            let pricing = &mut case.find("booking.payment-pending", "bk_4")["data"]["pricing"];
            (pricing["policy"], pricing["fees"], pricing["tax"]) = (Value::Null, json!(0), json!(0));
            pricing["total"] = json!(26_998);
            let policy = json!({ "scope": "default", "feePerTicket": 0, "taxPercent": 0, "taxOn": "NET" });
            case.insert_rule("policy-default", "policy.set", &policy);
        }),
        ("another version", |case| {
            let mut again = rule(case, "offer.created").clone();
            again["description"] = json!("the same, changed");
            case.insert_rule("offer-HALF", "offer.changed", &again);
        }),
        ("would have saved", |case| {
            let better = json!({
                "code": "MORE", "rule": { "kind": "PERCENT", "percent": 60 }, "active": true, "automatic": true,
                "stackable": false, "conditions": {}
            });
            case.insert_rule("offer-MORE", "offer.created", &better);
        }),
    ];
    for (what, doctor) in doctors {
        let found = priced(doctor);
        assert!(found.iter().any(|violation| violation.what.contains(what)), "{what}: {found:?}");
    }
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
fn a_capture_told_twice_or_by_nobody_is_caught() {
    caught("I8", |case| {
        let again = case.find("payment.succeeded", "bk_1")["data"].clone();
        case.append("payment-bk_1", "12:20:00", "payment.succeeded", &again);
    });
    caught("I8", |case| case.journal.retain(|record| !matches!(record.act, Act::Notice { .. })));
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
