//! Judges a journal and an exported log. Knows names of events and of their fields, and no code of the server.

mod acknowledged;
mod views;

use jiff::Timestamp;
use marquee_audit::invariants::Invariants;
use serde_json::Value;

use crate::journal::Record;

pub use marquee_audit::invariants::{Balance, Violation};
pub use views::{bookings_agree, seats_agree};

/// All violations, none where every promise was kept.
///
/// `settled` is a time by which the server has had five quiet seconds since the last deadline: what is owed is done by then.
pub fn audit(journal: &[Record], events: &[Value], settled: Timestamp) -> Vec<Violation> {
    let mut found = Findings(read(events).finish(Some(settled)));
    acknowledged::check(journal, events, &mut found);
    found.0
}

/// What of a log's history does not follow from it, however unsettled it is.
pub fn history(events: &[Value]) -> Vec<Violation> {
    read(events).finish(None)
}

/// The sums of a whole log in one currency.
pub fn balance(events: &[Value], currency: &str) -> Balance {
    read(events).balance(currency)
}

fn read(events: &[Value]) -> Invariants {
    let mut invariants = Invariants::default();
    for event in events {
        invariants.event(event);
    }
    invariants
}

/// What was once read stays as it was.
pub fn prefix_kept(earlier: &[Value], later: &[Value]) -> Vec<Violation> {
    let mut found = Findings::default();
    found.check(later.len() >= earlier.len(), "I3", || {
        format!("{} events were {}", later.len(), earlier.len())
    });
    for (before, after) in earlier.iter().zip(later) {
        found.check(before == after, "I3", || format!("{}: was {}", place(after), place(before)));
    }
    found.0
}

#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, invariant: &'static str, what: impl Into<String>) {
        self.0.push(Violation { invariant, position: None, what: what.into() });
    }

    fn check(&mut self, kept: bool, invariant: &'static str, what: impl FnOnce() -> String) {
        if !kept {
            self.add(invariant, what());
        }
    }
}

/// An event's name without its version.
fn name(event: &Value) -> &str {
    let stored = text(&event["type"]);
    stored.rsplit_once(".v").map_or(stored, |(name, _)| name)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn booking(event: &Value) -> &str {
    text(&event["data"]["bookingId"])
}

/// Where an event lies, for people.
fn place(event: &Value) -> String {
    format!(
        "{} at {} ({} {})",
        text(&event["type"]),
        event["position"],
        text(&event["stream"]),
        event["revision"]
    )
}
