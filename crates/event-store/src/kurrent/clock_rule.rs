//! A node whose clock is off writes nothing: deadlines would run by its time, and every stream's time never runs backwards.
//!
//! The server stamps each event when it writes it. The node's own appends, read back, show how far its clock is off.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::clock::Clock;
use crate::envelope::Recorded;
use crate::port::Outage;

/// How far a clock may be off.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(2);
/// The client cuts the server's times off at the second.
const CUT: SignedDuration = SignedDuration::from_secs(1);
/// A node that was found off may append again after this, to be found out once more.
const TRY_AGAIN: Duration = Duration::from_secs(10);
/// An append that was not read back by then has come while nobody followed the log, and will not be.
const FORGOTTEN: SignedDuration = SignedDuration::from_secs(10);

#[derive(Debug, Default)]
pub(super) struct ClockRule(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// An append that is to be read back, and when it was begun.
    probe: Option<(Uuid, Timestamp)>,
    off: Option<Outage>,
    try_again: Option<Timestamp>,
}

impl ClockRule {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with the clock.
    pub fn outage(&self) -> Option<Outage> {
        self.state().off.clone()
    }

    /// Whether the node may append; now and then one that is off may, to learn whether it still is.
    pub fn allows(&self, clock: &dyn Clock) -> Result<(), String> {
        let mut state = self.state();
        let Some(off) = &state.off else { return Ok(()) };
        let now = clock.now();
        if state.try_again.is_some_and(|again| now < again) {
            return Err(off.reason.clone());
        }
        state.try_again = now.checked_add(TRY_AGAIN).ok();
        Ok(())
    }

    /// Remembers an append that was begun at a time of this node's clock, and is new. One that is still to be read back stays: a busy
    /// node would remember another each time before it is.
    pub fn appended(&self, last: Uuid, began: Timestamp) {
        let mut state = self.state();
        let waiting = state.probe.is_some_and(|(_, probed)| {
            let waited = began.duration_since(probed);
            !waited.is_negative() && waited < FORGOTTEN
        });
        if !waiting {
            state.probe = Some((last, began));
        }
    }

    /// Looks at an event that was just delivered, with the server's stamp.
    pub fn seen(&self, event: &Recorded, stamped: Timestamp, clock: &dyn Clock) {
        let probe = self.state().probe.take_if(|(id, _)| *id == event.id);
        let Some((_, began)) = probe else { return };
        let now = clock.now();
        // The door of an embedded log has no stamp of its own and gives the event's time.
        let echoed = stamped.as_second() == event.time.as_second();
        let off = off_by(began, now, stamped).filter(|_| !echoed);
        let mut state = self.state();
        match off {
            None => state.off = None,
            Some(by) => {
                let reason = format!(
                    "this node's clock is {:.1} s {} the event store's, so it writes nothing",
                    by.abs().as_secs_f64(),
                    if by.is_negative() { "behind" } else { "ahead of" }
                );
                if state.off.is_none() {
                    tracing::error!(reason, "the clock is off");
                }
                let since = state.off.as_ref().map_or(now, |off| off.since);
                state.off = Some(Outage { since, reason });
                state.try_again = now.checked_add(TRY_AGAIN).ok();
            }
        }
    }
}

/// How far the clock is off for certain, where that is too far: the stamp lies between the begin of the append and its delivery, by
/// whichever clock.
fn off_by(began: Timestamp, delivered: Timestamp, stamped: Timestamp) -> Option<SignedDuration> {
    let ahead = began.duration_since(stamped) - CUT;
    let behind = stamped.duration_since(delivered);
    if ahead > TOLERANCE {
        Some(ahead)
    } else if behind > TOLERANCE {
        Some(-behind)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Metadata;
    use crate::port::Position;
    use crate::stream::StreamName;

    struct Stopped(Mutex<Timestamp>);

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_795_430_000_000 + millis).unwrap()
    }

    /// An event that was decided at 0 and stamped at so many milliseconds, delivered at 10.
    fn delivered(rule: &ClockRule, clock: &Stopped, stamped: i64) {
        let id = Uuid::now_v7();
        rule.appended(id, clock.now());
        deliver(rule, clock, id, stamped);
    }

    fn deliver(rule: &ClockRule, clock: &Stopped, id: Uuid, stamped: i64) {
        let event = Recorded::new(
            Position(1),
            StreamName::new("show-sh_1"),
            0,
            id,
            "booking.expired.v1".into(),
            clock.now(),
            Metadata::default(),
            bytes::Bytes::new(),
            None,
        );
        let later = clock.now() + SignedDuration::from_millis(10);
        *clock.0.lock().unwrap() = later;
        rule.seen(&event, at(stamped), clock);
    }

    #[test]
    fn a_clock_within_two_seconds_of_the_store_writes() {
        let rule = ClockRule::default();
        for stamped in [-2_900, -1_000, 0, 1_900] {
            delivered(&rule, &Stopped(Mutex::new(at(0))), stamped);
            assert_eq!(rule.outage(), None, "{stamped}");
        }
    }

    #[test]
    fn a_clock_that_is_off_writes_nothing_until_it_is_right_again() {
        for stamped in [-3_100, 2_100, 60_000] {
            let (rule, clock) = (ClockRule::default(), Stopped(Mutex::new(at(0))));
            delivered(&rule, &clock, stamped);
            assert!(rule.outage().is_some(), "{stamped}");
            assert!(rule.allows(&clock).is_err());
            *clock.0.lock().unwrap() = at(11_000);
            assert_eq!(rule.allows(&clock), Ok(()), "one append finds out");
            assert!(rule.allows(&clock).is_err(), "and one alone");
            delivered(&rule, &clock, 11_000);
            assert_eq!((rule.outage(), rule.allows(&clock)), (None, Ok(())));
        }
    }

    #[test]
    fn a_clock_that_is_off_is_found_out_by_a_node_that_never_stops_appending() {
        let (rule, clock) = (ClockRule::default(), Stopped(Mutex::new(at(0))));
        let ids: Vec<_> = (0..100).map(|_| Uuid::now_v7()).collect();
        for id in &ids {
            rule.appended(*id, clock.now());
        }
        deliver(&rule, &clock, ids[0], 60_000);
        assert!(rule.outage().is_some());
    }

    #[test]
    fn an_append_that_is_never_read_back_makes_way_for_another() {
        let (rule, clock) = (ClockRule::default(), Stopped(Mutex::new(at(0))));
        rule.appended(Uuid::now_v7(), clock.now());
        *clock.0.lock().unwrap() = at(10_000);
        delivered(&rule, &clock, 70_000);
        assert!(rule.outage().is_some());
    }
}
