//! How fast gateways are asked to pay back: a called-off show must not look like an attack to them.

use std::collections::HashMap;
use std::time::Duration;

use smol_str::SmolStr;
use tokio::time::Instant;

/// A rate, for each gateway by itself.
pub(super) struct Pace {
    /// Between two calls; `None` where nothing holds them up.
    interval: Option<Duration>,
    /// When a gateway that is never asked would have been asked last.
    next: HashMap<SmolStr, Instant>,
}

impl Pace {
    /// So many calls a second, after a rest as many at once; no limit where there is none.
    pub(super) fn new(per_second: Option<u32>) -> Self {
        let interval = per_second.map(|rate| Duration::from_secs(1) / rate.max(1));
        Self { interval, next: HashMap::new() }
    }

    /// Whether a gateway may be asked now. Counts the call that is then made.
    pub(super) fn allows(&mut self, provider: &SmolStr, now: Instant) -> bool {
        let Some(interval) = self.interval else { return true };
        let next = self.next.entry(provider.clone()).or_insert(now);
        // What was not used for longer than a second is lost.
        let rested = now.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        let due = (*next).max(rested);
        if due > now {
            return false;
        }
        *next = due + interval;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gateway_is_asked_so_often_a_second_and_a_rest_is_no_credit_for_later() {
        let (mut pace, began) = (Pace::new(Some(20)), Instant::now() + Duration::from_secs(60));
        let mut calls = |provider: &str, from: u64, until: u64| {
            let ticks = (from..until).step_by(10).map(|millis| began + Duration::from_millis(millis));
            ticks.map(|now| (0..50).filter(|_| pace.allows(&provider.into(), now)).count()).sum::<usize>()
        };
        assert_eq!(calls("A", 0, 10_000), 200);
        assert_eq!(calls("B", 0, 1_000), 20);
        // After a minute without a call there is one second's worth at once, and no more.
        assert_eq!(calls("A", 70_000, 70_010), 21);
        assert_eq!(calls("A", 70_010, 71_010), 20);
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let mut pace = Pace::new(None);
        assert!((0..1_000).all(|_| pace.allows(&"A".into(), Instant::now())));
    }
}
