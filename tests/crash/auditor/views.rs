//! I7: what the server shows is what its log says, once the log is still.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Findings, Violation, booking, name, text};

/// What the log says of one show's seats and of every booking's status.
#[derive(Default)]
struct Fold<'a> {
    sold: BTreeMap<(&'a str, &'a str), &'a str>,
    house: BTreeSet<(&'a str, &'a str)>,
    bookings: BTreeMap<&'a str, (&'a str, Vec<&'a str>, &'static str)>,
}

fn fold(events: &[Value]) -> Fold<'_> {
    let mut fold = Fold::default();
    for event in events {
        let show = text(&event["stream"]).strip_prefix("show-").unwrap_or_default();
        let status = match name(event) {
            "booking.seats-locked" => {
                let (user, seats) = (text(&event["data"]["userId"]), seat_ids(event).collect());
                fold.bookings.insert(booking(event), (user, seats, "SEATS_LOCKED"));
                continue;
            }
            "booking.seats-cancelled" => {
                let gone: Vec<&str> = seat_ids(event).collect();
                if let Some(known) = fold.bookings.get_mut(booking(event)) {
                    known.1.retain(|seat| !gone.contains(seat));
                }
                fold.sold.retain(|(of, seat), _| *of != show || !gone.contains(seat));
                continue;
            }
            "show.seats-blocked" => {
                fold.house.extend(seat_ids(event).map(|seat| (show, seat)));
                continue;
            }
            "show.seats-released" => {
                for seat in seat_ids(event) {
                    fold.house.remove(&(show, seat));
                }
                continue;
            }
            "booking.payment-pending" => "PAYMENT_PENDING",
            "booking.confirmed" => "CONFIRMED",
            "booking.completed" => "COMPLETED",
            "booking.failed" => "FAILED",
            "booking.expired" => "EXPIRED",
            "booking.cancelled" => "CANCELLED",
            _ => continue,
        };
        let Some(known) = fold.bookings.get_mut(booking(event)) else { continue };
        known.2 = status;
        for seat in known.1.iter().copied() {
            match status {
                "CONFIRMED" | "COMPLETED" => _ = fold.sold.insert((show, seat), booking(event)),
                "CANCELLED" if fold.sold.get(&(show, seat)) == Some(&booking(event)) => {
                    _ = fold.sold.remove(&(show, seat));
                }
                _ => {}
            }
        }
    }
    fold
}

fn seat_ids(event: &Value) -> impl Iterator<Item = &str> {
    event["data"]["seatIds"].as_array().into_iter().flatten().map(text)
}

/// Compares a seat map of a show with the log: every seat of a paid booking is SOLD, every one that the house keeps BLOCKED,
/// every other AVAILABLE.
pub fn seats_agree(events: &[Value], map: &Value) -> Vec<Violation> {
    let mut found = Findings::default();
    let fold = fold(events);
    let show = text(&map["showId"]);
    let rows = map["seatMap"]["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    for seat in rows.iter().flat_map(|row| row["seats"].as_array().into_iter().flatten()) {
        let id = text(&seat["seatId"]);
        let expected = match (fold.sold.contains_key(&(show, id)), fold.house.contains(&(show, id))) {
            (true, _) => "SOLD",
            (false, true) => "BLOCKED",
            (false, false) => "AVAILABLE",
        };
        found.check(seat["status"] == expected, "I7", || {
            format!("{show} {id} is {expected} in the log: {seat}")
        });
    }
    found.check(!rows.is_empty(), "I7", || format!("{show} has no seats"));
    found.0
}

/// Compares a user's list of bookings with the log.
pub fn bookings_agree(events: &[Value], user: &str, listed: &[Value]) -> Vec<Violation> {
    let mut found = Findings::default();
    let mut shown: BTreeMap<&str, &str> = BTreeMap::new();
    for entry in listed {
        let again = shown.insert(text(&entry["bookingId"]), text(&entry["status"]));
        found.check(again.is_none(), "I7", || format!("{user} is shown {} twice", entry["bookingId"]));
    }
    let fold = fold(events);
    let mine = fold.bookings.iter().filter(|(_, (owner, ..))| *owner == user);
    let expected: BTreeMap<&str, &str> = mine.map(|(id, (.., status))| (*id, *status)).collect();
    for (id, status) in &expected {
        let seen = shown.get(id);
        found.check(seen == Some(status), "I7", || {
            format!("{user}: {id} is {status} in the log, {seen:?} in the list")
        });
    }
    found.check(shown.len() == expected.len(), "I7", || {
        format!("{user} is shown {} of {}", shown.len(), expected.len())
    });
    found.0
}
