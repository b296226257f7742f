//! What must hold of every history, recomputed event by event: no seat has two owners, bookings take allowed steps alone, money adds
//! up, prices follow from their rules.

mod bookings;
mod log;
mod money;
mod prices;
mod redemptions;

use jiff::Timestamp;
use serde_json::Value;

pub use money::Balance;

/// Most violations that are told one by one: a log that is broken throughout must not fill the memory.
const MOST_TOLD: usize = 10_000;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which: `I1` no seat twice, `I2` durable, `I3` the log, `I4` states, `I5` idempotent, `I6` money, `I7` views, `I8` notices,
    /// `I10` deadlines.
    pub invariant: &'static str,
    /// The position of the event that breaks it; `None` where it is broken by what is not there.
    pub position: Option<u64>,
    /// What was seen.
    pub what: String,
}

/// All that is known of a history that has been read so far. Its memory grows with bookings and rules, not with events.
#[derive(Default)]
pub struct Invariants {
    found: Findings,
    log: log::Log,
    bookings: bookings::Bookings,
    money: money::Money,
    prices: prices::Prices,
    redemptions: redemptions::Redemptions,
}

impl Invariants {
    /// Takes the next event of the log, as auditors are shown it.
    pub fn event(&mut self, event: &Value) {
        let found = &mut self.found;
        found.at = event["position"].as_u64();
        self.log.event(event, found);
        self.bookings.event(event, found);
        self.money.event(event, found);
        self.prices.event(event, found);
        self.redemptions.event(event, found);
    }

    /// How many promises were found broken up to now.
    pub fn broken(&self) -> usize {
        self.found.count
    }

    /// The violations, none where every promise was kept; the first 10,000 of them.
    ///
    /// `settled` is a time by which whoever writes the log has had five quiet seconds since the last deadline, and has done what is
    /// owed. Without it, whether something was done in time is not judged, nor whether all that is owed back was returned.
    pub fn finish(mut self, settled: Option<Timestamp>) -> Vec<Violation> {
        self.found.at = None;
        if let Some(settled) = settled {
            self.bookings.settled(settled, &mut self.found);
            self.money.settled(&mut self.found);
        }
        self.found.told
    }

    /// The sums of money in one currency.
    pub fn balance(&self, currency: &str) -> Balance {
        self.money.balance(currency)
    }

    /// The currencies in which money came in.
    pub fn currencies(&self) -> impl Iterator<Item = &str> {
        self.money.currencies()
    }
}

/// What is wrong, as it is found.
#[derive(Default)]
struct Findings {
    at: Option<u64>,
    told: Vec<Violation>,
    count: usize,
}

impl Findings {
    fn add(&mut self, invariant: &'static str, what: impl Into<String>) {
        self.count += 1;
        if self.told.len() < MOST_TOLD {
            self.told.push(Violation { invariant, position: self.at, what: what.into() });
        }
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
