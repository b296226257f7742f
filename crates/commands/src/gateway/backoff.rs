//! How long to wait before a call is made again: exponential, with full jitter, so that callers that failed together do
//! not come back together.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LAST: Duration = Duration::from_secs(2);
/// Doubling more often than this is past the last pause anyway.
const MOST_DOUBLINGS: u32 = 8;

/// The pause after an attempt, the first being 0; `share` is random, from 0 to 1.
pub(super) fn pause(attempt: u32, share: f64) -> Duration {
    (FIRST * 2_u32.pow(attempt.min(MOST_DOUBLINGS))).min(LAST).mul_f64(share.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_bound_and_any_share_of_it_may_come() {
        let most: Vec<u128> = (0..6).map(|attempt| pause(attempt, 1.0).as_millis()).collect();
        assert_eq!(most, [200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(pause(3, 0.0), Duration::ZERO);
        assert_eq!(pause(3, 0.5), Duration::from_millis(800));
        let mut dice = fastrand::Rng::with_seed(7);
        let pauses: Vec<Duration> = (0..100).map(|_| pause(2, dice.f64())).collect();
        assert!(pauses.iter().all(|pause| *pause < Duration::from_millis(800)));
        assert!(pauses.iter().any(|pause| *pause < Duration::from_millis(200)), "full jitter");
    }
}
