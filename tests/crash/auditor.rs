//! Judges a journal and an exported log. Knows names of events and of their fields, and no code of the server.

mod acknowledged;
mod bookings;
mod log;
mod money;
mod prices;
mod redemptions;
mod views;

use jiff::Timestamp;
use serde_json::Value;

use crate::journal::Record;

pub use log::prefix_kept;
pub use money::{Balance, balance};
pub use views::{bookings_agree, seats_agree};

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which: `I1` no seat twice, `I2` durable, `I3` the log, `I4` states, `I5` idempotent, `I6` money, `I7` views,
    /// `I8` notices,
    /// `I10` deadlines.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

/// All violations, none where every promise was kept.
///
/// `settled` is a time by which the server has had five quiet seconds since the last deadline: what is owed is done by then.
pub fn audit(journal: &[Record], events: &[Value], settled: Timestamp) -> Vec<Violation> {
    let mut found = Findings::default();
    log::check(events, &mut found);
    bookings::check(events, settled, &mut found);
    money::check(events, &mut found);
    prices::check(events, &mut found);
    redemptions::check(events, &mut found);
    acknowledged::check(journal, events, &mut found);
    found.0
}

/// The prices and redemptions of a log that do not follow from it.
pub fn prices_of(events: &[Value]) -> Vec<Violation> {
    let mut found = Findings::default();
    prices::check(events, &mut found);
    redemptions::check(events, &mut found);
    found.0
}

#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, invariant: &'static str, what: impl Into<String>) {
        self.0.push(Violation { invariant, what: what.into() });
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

fn time(value: &Value) -> Option<Timestamp> {
    text(value).parse().ok()
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
