//! I3: the log itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Findings, Violation, place, text, time};

/// Positions grow, event ids are unique, revisions have no gap, a stream's time never runs backwards.
pub fn check(events: &[Value], found: &mut Findings) {
    let mut last = None;
    let mut ids = BTreeSet::new();
    let mut streams = BTreeMap::new();
    for event in events {
        let position = event["position"].as_u64();
        found.check(position.is_some() && last < position, "I3", || {
            format!("{}: after position {last:?}", place(event))
        });
        last = position;
        let id = text(&event["eventId"]);
        found.check(!id.is_empty() && ids.insert(id), "I3", || {
            format!("{}: event id {id} again", place(event))
        });
        let at = time(&event["time"]);
        found.check(at.is_some(), "I3", || format!("{}: no time", place(event)));
        let (next, before) = streams.entry(text(&event["stream"])).or_insert((0, None));
        found.check(event["revision"].as_u64() == Some(*next), "I3", || {
            format!("{}: expected {next}", place(event))
        });
        found.check(*before <= at, "I3", || format!("{}: time runs backwards", place(event)));
        (*next, *before) = (*next + 1, at);
    }
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
