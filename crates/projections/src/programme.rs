//! Which shows are not over, by the log's own time.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use marquee_domain::ids::ShowId;

/// A show stays in memory for this long after its end: its last events, such as the completion of its bookings, and its
/// last readers come within minutes. Far longer than clocks differ.
const GRACE_MILLIS: i64 = 60 * 60 * 1_000;

/// So many events in a row must say that it is over: what a clock that was wrong for a moment wrote lets go of nothing.
const WITNESSES: usize = 32;

/// The shows that a memory view keeps.
///
/// A show is over once the latest events of the log, of whatever stream, were all decided an hour after the show's end or
/// later. That is a matter of the log alone: two makings of a view let go of the same shows at the same positions, whenever
/// they are made, and their hashes agree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Programme {
    /// When the latest events were decided, in milliseconds since 1970.
    times: VecDeque<i64>,
    ends: BTreeSet<(i64, ShowId)>,
}

impl Programme {
    /// No show yet, where the latest events of the log were decided at these times.
    pub fn at(times: impl IntoIterator<Item = i64>) -> Self {
        Self { times: times.into_iter().collect(), ends: BTreeSet::new() }
    }

    /// When the latest events were decided.
    pub fn times(&self) -> Vec<i64> {
        self.times.iter().copied().collect()
    }

    /// Moves to the time of the next event.
    pub fn reach(&mut self, time: Timestamp) {
        if self.times.len() >= WITNESSES {
            self.times.pop_front();
        }
        self.times.push_back(time.as_millisecond());
    }

    /// Takes up a show.
    pub fn add(&mut self, show: &ShowId, end: Timestamp) {
        self.ends.insert((end.as_millisecond(), show.clone()));
    }

    /// A show ends at another time than it did.
    pub fn moved(&mut self, show: &ShowId, from: Timestamp, to: Timestamp) {
        self.ends.remove(&(from.as_millisecond(), show.clone()));
        self.add(show, to);
    }

    /// A show that is over; each is named once.
    pub fn let_go(&mut self) -> Option<ShowId> {
        let over_at = self.ends.first()?.0.saturating_add(GRACE_MILLIS);
        // The newest first: it says no for nearly every event.
        if self.times.len() < WITNESSES || self.times.iter().rev().any(|time| *time < over_at) {
            return None;
        }
        self.ends.pop_first().map(|(_, show)| show)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    fn reach(programme: &mut Programme, millis: i64, events: usize) {
        for _ in 0..events {
            programme.reach(at(millis));
        }
    }

    #[test]
    fn a_show_is_let_go_an_hour_after_its_end_as_it_now_stands() {
        let mut programme = Programme::default();
        programme.add(&"early".into(), at(0));
        programme.add(&"late".into(), at(1_000));
        programme.add(&"moved".into(), at(0));
        programme.moved(&"moved".into(), at(0), at(5_000));
        reach(&mut programme, GRACE_MILLIS - 1, WITNESSES);
        assert_eq!(programme.let_go(), None);
        reach(&mut programme, GRACE_MILLIS + 1_000, WITNESSES);
        assert_eq!(programme.let_go(), Some("early".into()));
        assert_eq!(programme.let_go(), Some("late".into()));
        assert_eq!(programme.let_go(), None);
        reach(&mut programme, GRACE_MILLIS + 5_000, WITNESSES);
        assert_eq!(programme.let_go(), Some("moved".into()));
    }

    #[test]
    fn a_clock_that_is_wrong_for_a_moment_lets_go_of_nothing() {
        let mut programme = Programme::default();
        programme.add(&"tonight".into(), at(0));
        let a_century_late = 100 * 365 * 24 * GRACE_MILLIS;
        reach(&mut programme, a_century_late, WITNESSES - 1);
        assert_eq!(programme.let_go(), None, "the log has just begun");
        reach(&mut programme, 0, 1);
        reach(&mut programme, a_century_late, WITNESSES - 1);
        assert_eq!(programme.let_go(), None);
        reach(&mut programme, a_century_late, 1);
        assert_eq!(programme.let_go(), Some("tonight".into()));
    }

    #[test]
    fn a_show_without_end_is_never_over() {
        let mut programme = Programme::default();
        programme.add(&"endless".into(), Timestamp::MAX);
        for _ in 0..WITNESSES {
            programme.reach(Timestamp::MAX);
        }
        assert_eq!(programme.let_go(), None);
    }
}
