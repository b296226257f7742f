//! Prices that do not follow from their rules.

use serde_json::{Value, json};

use super::case::Case;
use crate::auditor::Violation;

/// The sound case with one more booking of two seats, by an offer and a policy.
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
    let claim = json!({ "code": "HALF", "bookingId": "bk_7", "userId": "u_7", "lockBefore": "a" });
    case.append("redemption-HALF", "12:16:00", "redemption.claimed", &claim);
    case.lock("bk_7", "u_7", "k7", &["B1", "A9"], "12:58:00", "13:03:00");
    let pricing = json!({
        "currency": "INR", "subtotal": 36_000, "discount": 9_002, "fees": 2_002, "tax": 5_220, "total": 34_220,
        "appliedOffers": [{ "code": "HALF", "version": 0, "discount": 9_002, "limited": true }],
        "policy": { "scope": "city:blr", "version": 0 }
    });
    case.find("booking.payment-pending", "bk_7")["data"]["pricing"] = pricing;
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
            let at = case.index("booking.seats-locked", "bk_7");
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
            let event = case.find("booking.payment-pending", "bk_7");
            event["data"]["pricing"]["appliedOffers"][0]["version"] = json!(1);
        }),
    ];
    for (what, doctor) in doctors {
        let found = priced(doctor);
        assert!(found.iter().any(|violation| violation.invariant == "I6"), "{what}: {found:?}");
    }
    let charged = priced(|case| {
        let amount = json!({ "minor": 34_221, "currency": "INR" });
        let asked = json!({ "bookingId": "bk_7", "paymentId": "pay_bk_7", "amount": amount });
        case.append("payment-bk_7", "12:59:00", "payment.initiated", &asked);
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
            let again = json!({ "code": "HALF", "bookingId": "bk_5", "userId": "u_7", "lockBefore": "b" });
            case.append("redemption-HALF", "12:59:00", "redemption.claimed", &again);
        }),
        ("given back while its booking lives", |case| {
            let released = json!({ "code": "HALF", "bookingId": "bk_7" });
            case.append("redemption-HALF", "12:59:00", "redemption.released", &released);
        }),
        ("given back before its booking began", |case| {
            let at = case.index("booking.seats-locked", "bk_7");
            let mut released = case.events[at].clone();
            released["type"] = json!("redemption.released.v1");
            released["data"] = json!({ "code": "HALF", "bookingId": "bk_7" });
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
            let pricing = &mut case.find("booking.payment-pending", "bk_7")["data"]["pricing"];
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
