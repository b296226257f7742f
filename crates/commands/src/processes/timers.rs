//! Deadlines: writes `booking.expired` soon after a lock ends, and `booking.completed` after the show does.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use marquee_domain::Event;
use marquee_domain::ids::ShowId;
use marquee_domain::show::{Rejection, ShowCommand, ShowEvent};
use marquee_event_store::lease::Tenancy;
use marquee_event_store::{Follower, Metadata, Recorded};
use smol_str::SmolStr;

use crate::Commands;
use crate::error::CommandError;
use crate::processes::state::ProcessState;
use crate::processes::{CONCURRENCY, ProcessesError, STANDBY_MEMORY, next_page, note_position};

const PROCESS: &str = "deadlines";
/// Between two looks at what is due. A lock's end is written down within a second or two; five are allowed.
const TICK: Duration = Duration::from_millis(250);
const MILLIS_PER_SECOND: i64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum TimerKind {
    Expire,
    Complete,
}

impl TimerKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Expire => "expire",
            Self::Complete => "complete",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Expire, Self::Complete].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Something to do for a show at an instant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    pub due: Timestamp,
    pub kind: TimerKind,
    pub show: ShowId,
}

impl Timer {
    fn of(event: &Event, show: impl Fn() -> Option<ShowId>) -> Option<Self> {
        let Event::Show(event) = event else { return None };
        let (due, kind) = match event {
            ShowEvent::SeatsLocked(locked) => (locked.expires_at, TimerKind::Expire),
            ShowEvent::LockExtended(extended) => (extended.expires_at, TimerKind::Expire),
            ShowEvent::Scheduled(scheduled) => (scheduled.show.end_time, TimerKind::Complete),
            ShowEvent::Changed(changed) => (changed.end_time?, TimerKind::Complete),
            ShowEvent::Cancelled(_)
            | ShowEvent::SeatsBlocked(_)
            | ShowEvent::SeatsReleased(_)
            | ShowEvent::PaymentPending(_)
            | ShowEvent::Confirmed(_)
            | ShowEvent::Failed(_)
            | ShowEvent::Expired(_)
            | ShowEvent::BookingCancelled(_)
            | ShowEvent::Completed(_) => return None,
        };
        Some(Self { due: next_second(due), kind, show: show()? })
    }
}

/// The whole second at or after an instant: all the deadlines of a show within a second are one timer.
fn next_second(time: Timestamp) -> Timestamp {
    let millis = time.as_millisecond();
    let up = millis.saturating_add(MILLIS_PER_SECOND - 1).div_euclid(MILLIS_PER_SECOND) * MILLIS_PER_SECOND;
    Timestamp::from_millisecond(up).unwrap_or(time)
}

pub(super) struct TimerProcess {
    commands: Commands,
    state: ProcessState,
    follower: Follower,
    timers: BTreeSet<Timer>,
    tenancy: Tenancy,
}

impl TimerProcess {
    pub(super) fn new(
        commands: Commands,
        state: ProcessState,
        tenancy: Tenancy,
    ) -> Result<Self, ProcessesError> {
        let checkpoint = state.checkpoint(PROCESS, *commands.inner.store.head().borrow())?;
        let timers = state.timers()?.into_iter().collect();
        let follower = Follower::new(Arc::clone(&commands.inner.store), checkpoint);
        Ok(Self { commands, state, follower, timers, tenancy })
    }

    pub(super) async fn run(mut self) {
        // What is not kept yet: the checkpoint must not pass it.
        let (mut set, mut fired): (Vec<Timer>, Vec<Timer>) = (vec![], vec![]);
        loop {
            let page = next_page(&mut self.follower, PROCESS, TICK).await;
            set.extend(page.events.iter().filter_map(|recorded| self.set(recorded)));
            fired.extend(self.fire().await);
            if set.is_empty() && fired.is_empty() && page.events.is_empty() {
                continue;
            }
            note_position(PROCESS, page.next);
            match self.state.save(PROCESS, page.next, set.clone(), fired.clone()).await {
                Ok(()) => {
                    set.clear();
                    fired.clear();
                }
                Err(error) => {
                    tracing::error!(process = PROCESS, %error, "the checkpoint cannot be kept; it is tried again");
                }
            }
            // What follows live comes in small pieces; gathering them costs nothing that matters to a deadline.
            tokio::time::sleep(TICK).await;
        }
    }

    fn set(&mut self, recorded: &Recorded) -> Option<Timer> {
        // An event that cannot be read is the views' alarm to raise; there is no deadline in it to act on.
        let event = recorded.event().ok()?;
        let timer = Timer::of(event, || recorded.stream.as_show())?;
        self.timers.insert(timer.clone()).then_some(timer)
    }

    /// Acts on what is due, and returns what needs no acting on any more.
    async fn fire(&mut self) -> Vec<Timer> {
        let now = self.commands.inner.clock.now();
        let due = |timers: &BTreeSet<Timer>, by: Timestamp| -> Vec<Timer> {
            timers.iter().take_while(|timer| timer.due <= by).cloned().collect()
        };
        let fired: Vec<Timer> = if self.tenancy.should_act() {
            let due = due(&self.timers, now);
            // One act does all that is due of its kind in a show: after a standby of hours there may be much.
            let last: HashMap<(TimerKind, ShowId), Timer> =
                due.iter().map(|timer| ((timer.kind, timer.show.clone()), timer.clone())).collect();
            let commands = &self.commands;
            let done = stream::iter(last.into_values())
                .map(|timer| async move { act(commands, &timer).await.then_some((timer.kind, timer.show)) });
            let done: HashSet<(TimerKind, ShowId)> =
                done.buffer_unordered(CONCURRENCY).filter_map(|done| async { done }).collect().await;
            due.into_iter().filter(|timer| done.contains(&(timer.kind, timer.show.clone()))).collect()
        } else {
            due(&self.timers, now - STANDBY_MEMORY)
        };
        for timer in &fired {
            self.timers.remove(timer);
        }
        fired
    }
}

/// Whether the timer is done with.
async fn act(commands: &Commands, timer: &Timer) -> bool {
    let metadata = Arc::new(Metadata {
        actor: SmolStr::new_static("process:deadlines"),
        correlation_id: SmolStr::from(format!(
            "{}-{}-{}",
            timer.kind.as_str(),
            timer.show,
            timer.due.as_second()
        )),
        causation_id: None,
    });
    loop {
        let command = match timer.kind {
            TimerKind::Expire => ShowCommand::ExpireDue,
            TimerKind::Complete => ShowCommand::CompleteDue,
        };
        match commands.inner.writers.decide(&timer.show, command, Arc::clone(&metadata)).await {
            Ok(decided) if decided.replayed => return true,
            Ok(_more_may_be_due) => {}
            Err(CommandError::Show(Rejection::UnknownShow)) => return true,
            Err(error) => {
                tracing::warn!(show = %timer.show, kind = timer.kind.as_str(), %error, "a deadline waits for the store");
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_never_due_before_the_deadline() {
        for millis in [0, 1, 999, 1_000, 1_001] {
            let deadline = Timestamp::from_millisecond(millis).unwrap();
            let due = next_second(deadline);
            assert!(due >= deadline && due.as_millisecond() - millis < 1_000);
        }
    }
}
