//! I1, I4, I5 and I10: seats, states, one effect a key, deadlines.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Findings, booking, name, place, text, time};

/// How late an expiry may be written down.
const GRACE: SignedDuration = SignedDuration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    SeatsLocked,
    PaymentPending,
    Confirmed,
    Completed,
    Failed,
    Expired,
    Cancelled,
}

struct Held {
    state: State,
    seats: Vec<String>,
    expires: Option<Timestamp>,
    extended: bool,
    redeemed: bool,
}

/// Follows every booking and every seat through every prefix of the log.
pub fn check(events: &[Value], settled: Timestamp, found: &mut Findings) {
    let mut bookings: BTreeMap<&str, Held> = BTreeMap::new();
    let mut owners: BTreeMap<(&str, String), &str> = BTreeMap::new();
    let mut keys: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for event in events {
        house(event, &mut owners, found);
        extended(event, &mut bookings, found);
        redeemed(event, &mut bookings, found);
        seats_cancelled(event, &mut bookings, &mut owners, found);
        let Some(entered) = state_of(name(event)) else { continue };
        let (show, id) = (text(&event["stream"]), booking(event));
        if entered == State::SeatsLocked {
            let key = (text(&event["data"]["userId"]), text(&event["data"]["idempotencyKey"]));
            let first = keys.insert(key, id);
            found.check(first.is_none(), "I5", || {
                format!("{}: key {key:?} made {first:?} already", place(event))
            });
            found.check(!bookings.contains_key(id), "I4", || format!("{}: {id} began twice", place(event)));
            let seats = event["data"]["seatIds"].as_array().map(Vec::as_slice).unwrap_or_default();
            found.check(!seats.is_empty(), "I1", || format!("{}: no seats", place(event)));
            let seats: Vec<String> = seats.iter().map(|seat| text(seat).to_owned()).collect();
            for seat in &seats {
                let owner = owners.insert((show, seat.clone()), id);
                found.check(owner.is_none(), "I1", || {
                    format!("{}: seat {seat} is held by {owner:?}", place(event))
                });
            }
            let expires = time(&event["data"]["expiresAt"]);
            found.check(expires > time(&event["time"]), "I10", || {
                format!("{}: expires at once", place(event))
            });
            bookings.insert(id, Held { state: entered, seats, expires, extended: false, redeemed: false });
            continue;
        }
        let Some(held) = bookings.get_mut(id) else {
            found.add("I4", format!("{}: {id} never began", place(event)));
            continue;
        };
        found
            .check(allowed(held.state, entered), "I4", || format!("{}: from {:?}", place(event), held.state));
        let at = time(&event["time"]);
        if entered == State::Confirmed {
            found.check(at < held.expires, "I10", || {
                format!("{}: confirmed at or after {:?}", place(event), held.expires)
            });
        }
        if entered == State::Expired {
            found.check(at >= held.expires, "I10", || {
                format!("{}: expired before {:?}", place(event), held.expires)
            });
        }
        held.state = entered;
        if matches!(entered, State::Failed | State::Expired | State::Cancelled) {
            for seat in &held.seats {
                owners.remove(&(show, seat.clone()));
            }
        }
    }
    for (id, held) in &bookings {
        let pending = matches!(held.state, State::SeatsLocked | State::PaymentPending);
        let overdue = held.expires.is_none_or(|expires| expires + GRACE < settled);
        found.check(!(pending && overdue), "I10", || {
            format!("{id} still holds {:?} at {settled}", held.seats)
        });
        found.check(held.state != State::SeatsLocked, "I4", || format!("{id} was never priced"));
    }
}

/// A lock is extended once, by its holder, before it ends.
fn extended(event: &Value, bookings: &mut BTreeMap<&str, Held>, found: &mut Findings) {
    if name(event) != "booking.lock-extended" {
        return;
    }
    let (id, at, until) = (booking(event), time(&event["time"]), time(&event["data"]["expiresAt"]));
    let sound = bookings.get_mut(id).is_some_and(|held| {
        let sound = held.state == State::PaymentPending && !held.extended;
        let sound = sound && at < held.expires && held.expires < until;
        (held.extended, held.expires) = (true, until);
        sound
    });
    found.check(sound, "I10", || format!("{}: {id} could not be extended", place(event)));
}

/// A ticket lets in once, while its booking stands.
fn redeemed(event: &Value, bookings: &mut BTreeMap<&str, Held>, found: &mut Findings) {
    if name(event) != "ticket.redeemed" {
        return;
    }
    let id = booking(event);
    let first = bookings.get_mut(id).is_some_and(|held| {
        let stands = matches!(held.state, State::Confirmed | State::Completed);
        stands && !std::mem::replace(&mut held.redeemed, true)
    });
    found.check(first, "I4", || format!("{}: {id} could not be redeemed", place(event)));
}

/// A confirmed booking loses some of its seats, which are free then, and keeps others.
fn seats_cancelled<'a>(
    event: &'a Value,
    bookings: &mut BTreeMap<&'a str, Held>,
    owners: &mut BTreeMap<(&'a str, String), &'a str>,
    found: &mut Findings,
) {
    if name(event) != "booking.seats-cancelled" {
        return;
    }
    let (show, id) = (text(&event["stream"]), booking(event));
    let seats: Vec<&str> = event["data"]["seatIds"].as_array().into_iter().flatten().map(text).collect();
    for seat in &seats {
        let owner = owners.remove(&(show, (*seat).to_owned()));
        found.check(owner == Some(id), "I1", || format!("{}: {seat} is held by {owner:?}", place(event)));
    }
    let sound = bookings.get_mut(id).is_some_and(|held| {
        held.seats.retain(|seat| !seats.contains(&seat.as_str()));
        held.state == State::Confirmed && !seats.is_empty() && !held.seats.is_empty()
    });
    found.check(sound, "I4", || format!("{}: {id} could not lose {seats:?}", place(event)));
}

/// A seat that the house keeps belongs to nobody else.
fn house<'a>(event: &'a Value, owners: &mut BTreeMap<(&'a str, String), &'a str>, found: &mut Findings) {
    const HOUSE: &str = "the house";
    let show = text(&event["stream"]);
    let seats = event["data"]["seatIds"].as_array().into_iter().flatten();
    let seats = seats.map(|seat| (show, text(seat).to_owned()));
    match name(event) {
        "show.seats-blocked" => seats.for_each(|seat| {
            let owner = owners.insert(seat, HOUSE);
            found.check(owner.is_none(), "I1", || format!("{}: {owner:?} has a seat of them", place(event)));
        }),
        "show.seats-released" => seats.for_each(|seat| {
            let owner = owners.remove(&seat);
            found.check(owner == Some(HOUSE), "I1", || {
                format!("{}: {owner:?} has a seat of them", place(event))
            });
        }),
        _ => {}
    }
}

fn state_of(name: &str) -> Option<State> {
    Some(match name {
        "booking.seats-locked" => State::SeatsLocked,
        "booking.payment-pending" => State::PaymentPending,
        "booking.confirmed" => State::Confirmed,
        "booking.completed" => State::Completed,
        "booking.failed" => State::Failed,
        "booking.expired" => State::Expired,
        "booking.cancelled" => State::Cancelled,
        _ => return None,
    })
}

fn allowed(from: State, to: State) -> bool {
    use State::{Cancelled, Completed, Confirmed, Expired, Failed, PaymentPending, SeatsLocked};
    match from {
        SeatsLocked => matches!(to, PaymentPending | Failed | Expired | Cancelled),
        PaymentPending => matches!(to, Confirmed | Failed | Expired | Cancelled),
        Confirmed => matches!(to, Completed | Cancelled),
        Completed | Failed | Expired | Cancelled => false,
    }
}
