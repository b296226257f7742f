//! The clock: the one thing about time that comes from outside.

use jiff::Timestamp;
use marquee_domain::time;

/// Tells the time, to the millisecond. Injected, so that tests can move it.
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> Timestamp {
        time::to_millis(Timestamp::now())
    }
}
