//! I3: the log itself.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde_json::Value;

use super::{Findings, place, text, time};

/// Positions grow, event ids are unique, revisions have no gap, a stream's time never runs backwards.
#[derive(Default)]
pub(super) struct Log {
    last: Option<u64>,
    ids: HashSet<Box<str>>,
    streams: HashMap<Box<str>, (u64, Option<Timestamp>)>,
}

impl Log {
    pub(super) fn event(&mut self, event: &Value, found: &mut Findings) {
        let position = event["position"].as_u64();
        let last = self.last;
        found.check(position.is_some() && last < position, "I3", || {
            format!("{}: after position {last:?}", place(event))
        });
        self.last = position;
        let id = text(&event["eventId"]);
        found.check(!id.is_empty() && self.ids.insert(id.into()), "I3", || {
            format!("{}: event id {id} again", place(event))
        });
        let at = time(&event["time"]);
        found.check(at.is_some(), "I3", || format!("{}: no time", place(event)));
        let stream = text(&event["stream"]);
        if !self.streams.contains_key(stream) {
            self.streams.insert(stream.into(), (0, None));
        }
        let Some((next, before)) = self.streams.get_mut(stream) else { return };
        found.check(event["revision"].as_u64() == Some(*next), "I3", || {
            format!("{}: expected {next}", place(event))
        });
        found.check(*before <= at, "I3", || format!("{}: time runs backwards", place(event)));
        (*next, *before) = (*next + 1, at);
    }
}
