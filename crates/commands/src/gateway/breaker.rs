//! The circuit breaker: a gateway that keeps failing is left alone for a while, so that nobody waits for it in vain.

use std::time::{Duration, Instant};

/// Failures in a row that open it.
const MOST_FAILURES: u32 = 5;
/// How long it stays open, and how long a trial call has before another is let through.
const COOL_DOWN: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Calls go through.
    Closed { failures: u32 },
    /// None does.
    Open { until: Instant },
    /// One was let through on trial. A caller may give up and tell nothing: at this instant the next one is let through.
    HalfOpen { until: Instant },
}

/// Whether a gateway is called at all. The clock is the caller's.
#[derive(Debug)]
pub(super) struct Breaker(State);

impl Breaker {
    pub(super) fn new() -> Self {
        Self(State::Closed { failures: 0 })
    }

    /// Whether a call may go through now.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        match self.0 {
            State::Closed { .. } => true,
            State::Open { until } | State::HalfOpen { until } if until <= now => {
                self.0 = State::HalfOpen { until: now + COOL_DOWN };
                true
            }
            State::Open { .. } | State::HalfOpen { .. } => false,
        }
    }

    /// The gateway answered, if only by refusing.
    pub(super) fn answered(&mut self) {
        self.0 = State::Closed { failures: 0 };
    }

    /// It did not answer, or failed.
    pub(super) fn failed(&mut self, now: Instant) {
        self.0 = match self.0 {
            State::Closed { failures } if failures + 1 < MOST_FAILURES => {
                State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } | State::HalfOpen { .. } => State::Open { until: now + COOL_DOWN },
            // Calls that were under way when it opened do not keep it open.
            open @ State::Open { .. } => open,
        };
    }

    /// As the metric has it: 0 closed, 1 half-open, 2 open.
    pub(super) fn level(&self) -> f64 {
        match self.0 {
            State::Closed { .. } => 0.0,
            State::HalfOpen { .. } => 1.0,
            State::Open { .. } => 2.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> (Breaker, Instant) {
        let (mut breaker, now) = (Breaker::new(), Instant::now());
        for _ in 0..MOST_FAILURES {
            assert!(breaker.admits(now));
            breaker.failed(now);
        }
        (breaker, now)
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_in_between_does_not_let_them_add_up() {
        let (mut breaker, now) = opened();
        assert!(!breaker.admits(now) && !breaker.admits(now + COOL_DOWN / 2));
        let mut breaker_of_a_shaky_gateway = Breaker::new();
        for _ in 0..3 {
            (1..MOST_FAILURES).for_each(|_| breaker_of_a_shaky_gateway.failed(now));
            breaker_of_a_shaky_gateway.answered();
        }
        assert!(breaker_of_a_shaky_gateway.admits(now));
    }

    #[test]
    fn after_a_while_one_call_is_let_through_and_decides() {
        let (mut breaker, now) = opened();
        let later = now + COOL_DOWN;
        assert!(breaker.admits(later) && !breaker.admits(later), "one alone");
        breaker.failed(later);
        assert!(!breaker.admits(later + COOL_DOWN / 2));
        let again = later + COOL_DOWN;
        assert!(breaker.admits(again));
        breaker.answered();
        assert!(breaker.admits(again) && breaker.admits(again) && breaker.level() == 0.0);
    }

    #[test]
    fn a_trial_that_nobody_waited_for_does_not_keep_it_shut_for_ever() {
        let (mut breaker, now) = opened();
        assert!(breaker.admits(now + COOL_DOWN));
        assert!(breaker.admits(now + COOL_DOWN * 2));
    }
}
