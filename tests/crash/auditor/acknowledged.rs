//! I2, I5 and I8: what the clients were told is what the log says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Findings, booking, name, text};
use crate::journal::{Act, Outcome, Record};

/// What of the log answers a client's question.
#[derive(Default)]
struct Facts<'a> {
    locked: BTreeMap<&'a str, &'a Value>,
    by_key: BTreeMap<(&'a str, &'a str), &'a str>,
    ended: BTreeSet<(&'a str, &'a str)>,
    initiated: BTreeMap<&'a str, Vec<&'a Value>>,
    intents: BTreeSet<&'a str>,
    captured: BTreeSet<&'a str>,
    failed: BTreeSet<&'a str>,
    /// The seats that bookings lost while they went on.
    lost: BTreeMap<&'a str, Vec<&'a Value>>,
}

fn read(events: &[Value]) -> Facts<'_> {
    let mut facts = Facts::default();
    for event in events {
        let (id, data) = (booking(event), &event["data"]);
        match name(event) {
            "booking.seats-locked" => {
                facts.locked.insert(id, event);
                facts.by_key.insert((text(&data["userId"]), text(&data["idempotencyKey"])), id);
            }
            kind @ ("booking.confirmed" | "booking.cancelled" | "booking.failed" | "booking.expired"
            | "booking.completed") => {
                facts.ended.insert((id, kind));
            }
            "booking.seats-cancelled" => facts.lost.entry(id).or_default().push(&data["seatIds"]),
            "payment.initiated" => facts.initiated.entry(id).or_default().push(event),
            "payment.intent-created" => _ = facts.intents.insert(text(&data["paymentId"])),
            "payment.succeeded" => _ = facts.captured.insert(id),
            "payment.failed" => _ = facts.failed.insert(id),
            _ => {}
        }
    }
    facts
}

/// Goes through the journal, record by record, and then through the captures that nobody told of.
pub fn check(journal: &[Record], events: &[Value], found: &mut Findings) {
    let facts = read(events);
    let mut outcomes: BTreeMap<(&str, &str), &Value> = BTreeMap::new();
    let mut noticed = BTreeSet::new();
    for record in journal {
        if let (Outcome::Ok(body), Act::Book { .. } | Act::Pay { .. } | Act::Cancel { .. }) =
            (&record.outcome, &record.act)
        {
            let first = *outcomes.entry((&record.user, &record.key)).or_insert(body);
            found.check(first == body, "I5", || format!("{record:?} was {first} before"));
        }
        match &record.act {
            Act::Book { seats, .. } => booked(record, seats, &facts, found),
            Act::Pay { booking } => paid(record, booking, &facts, found),
            Act::Notice { booking, captured } => {
                noticed.insert((booking.as_str(), *captured));
                if matches!(record.outcome, Outcome::Ok(_)) {
                    let kept = facts.captured.contains(booking.as_str())
                        || (!captured && facts.failed.contains(booking.as_str()));
                    found.check(kept, "I2", || format!("no event of the acknowledged {record:?}"));
                }
            }
            Act::Cancel { booking, seats } => {
                if let Outcome::Ok(body) = &record.outcome {
                    let lost = || facts.lost.get(booking.as_str()).into_iter().flatten();
                    let kept = match text(&body["status"]) {
                        "CONFIRMED" => lost().filter(|lost| ***lost == json!(seats)).count() == 1,
                        _ => facts.ended.contains(&(booking.as_str(), "booking.cancelled")),
                    };
                    found.check(kept, "I2", || format!("no event of the acknowledged {record:?}"));
                }
            }
            Act::Read { booking } => seen(record, booking, &facts, found),
        }
    }
    for booking in &facts.captured {
        found.check(noticed.contains(&(*booking, true)), "I8", || {
            format!("nobody told that {booking} was paid")
        });
    }
    for booking in &facts.failed {
        found.check(noticed.contains(&(*booking, false)), "I8", || {
            format!("nobody told that {booking} failed")
        });
    }
}

fn booked(record: &Record, seats: &[String], facts: &Facts<'_>, found: &mut Findings) {
    let by_key = facts.by_key.get(&(record.user.as_str(), record.key.as_str()));
    match &record.outcome {
        Outcome::Ok(body) => {
            let id = text(&body["bookingId"]);
            found.check(by_key == Some(&id), "I2", || format!("no event of the acknowledged {record:?}"));
            let data = facts.locked.get(id).map(|event| &event["data"]);
            let same =
                data.is_some_and(|data| data["seatIds"] == json!(seats) && data["userId"] == record.user);
            found.check(same, "I2", || format!("the log says otherwise than {record:?}: {data:?}"));
        }
        // A booking that was refused as expired had begun.
        Outcome::Refused(410, _) => {
            let expired = by_key.is_some_and(|id| facts.ended.contains(&(id, "booking.expired")));
            found.check(expired, "I2", || format!("no expiry of {record:?}"));
        }
        Outcome::Refused(..) => {
            found.check(by_key.is_none(), "I2", || format!("refused, and yet there: {record:?}"));
        }
        Outcome::Unknown => {}
    }
}

fn paid(record: &Record, booking: &str, facts: &Facts<'_>, found: &mut Findings) {
    let initiated = facts.initiated.get(booking).map(Vec::as_slice).unwrap_or_default();
    found.check(initiated.len() <= 1, "I5", || format!("{booking} is paid for twice"));
    if let Outcome::Ok(body) = &record.outcome {
        let payment = text(&body["paymentId"]);
        let kept = initiated.iter().any(|event| event["data"]["paymentId"] == payment)
            && facts.intents.contains(payment);
        found.check(kept, "I2", || format!("no event of the acknowledged {record:?}"));
    }
}

fn seen(record: &Record, booking: &str, facts: &Facts<'_>, found: &mut Findings) {
    let Outcome::Ok(body) = &record.outcome else { return };
    let event = match text(&body["status"]) {
        "CONFIRMED" => "booking.confirmed",
        "CANCELLED" => "booking.cancelled",
        "FAILED" => "booking.failed",
        "COMPLETED" => "booking.completed",
        // An expiry is told from the deadline on, and written down soon after: the settled log has it.
        "EXPIRED" => "booking.expired",
        _ => return,
    };
    found.check(facts.ended.contains(&(booking, event)), "I2", || {
        format!("no {event}, and yet seen: {record:?}")
    });
}
