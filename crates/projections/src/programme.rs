//! Which shows are not over, by the log's own time.

use std::collections::BTreeSet;

use jiff::Timestamp;
use marquee_domain::ids::ShowId;

/// A show stays in memory for this long after its end: its last events, such as the completion of its bookings, and its
/// last readers come within minutes. Far longer than clocks differ.
const GRACE_MILLIS: i64 = 60 * 60 * 1_000;

/// The shows that a memory view keeps.
///
/// A show is over once an event anywhere in the log is an hour past the show's end. That is a matter of the log alone: two
/// makings of a view let go of the same shows at the same positions, whenever they are made, and their hashes agree.
#[derive(Debug, Clone)]
pub(crate) struct Programme {
    /// The latest time of any event, in milliseconds since 1970.
    log_time: i64,
    ends: BTreeSet<(i64, ShowId)>,
}

impl Default for Programme {
    fn default() -> Self {
        Self::at(i64::MIN)
    }
}

impl Programme {
    /// No show yet, at a time of the log.
    pub fn at(log_time: i64) -> Self {
        Self { log_time, ends: BTreeSet::new() }
    }

    pub fn log_time(&self) -> i64 {
        self.log_time
    }

    /// Moves to the time of an event. Times of different streams may run backwards; this does not.
    pub fn reach(&mut self, time: Timestamp) {
        self.log_time = self.log_time.max(time.as_millisecond());
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
        let (end, _) = self.ends.first()?;
        if end.saturating_add(GRACE_MILLIS) > self.log_time {
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

    #[test]
    fn a_show_is_let_go_an_hour_after_its_end_as_it_now_stands() {
        let mut programme = Programme::default();
        programme.add(&"early".into(), at(0));
        programme.add(&"late".into(), at(1_000));
        programme.add(&"moved".into(), at(0));
        programme.moved(&"moved".into(), at(0), at(5_000));
        programme.reach(at(GRACE_MILLIS - 1));
        assert_eq!(programme.let_go(), None);
        programme.reach(at(GRACE_MILLIS + 1_000));
        programme.reach(at(0));
        assert_eq!(programme.let_go(), Some("early".into()));
        assert_eq!(programme.let_go(), Some("late".into()));
        assert_eq!(programme.let_go(), None);
        programme.reach(at(GRACE_MILLIS + 5_000));
        assert_eq!(programme.let_go(), Some("moved".into()));
    }

    #[test]
    fn a_show_without_end_is_never_over() {
        let mut programme = Programme::default();
        programme.add(&"endless".into(), Timestamp::MAX);
        programme.reach(Timestamp::MAX);
        assert_eq!(programme.let_go(), None);
    }
}
