//! Requests a second of one client.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use smol_str::SmolStr;

use crate::error::ApiError;

/// Between two clearings of clients that have been quiet, in requests.
const CLEAR_EVERY: u32 = 10_000;

/// A client, as the limit counts it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Client {
    /// By its token.
    Subject(SmolStr),
    /// By its address, where it has none that is good.
    Address(Option<IpAddr>),
}

/// The limit.
pub struct Limiter {
    clients: DefaultKeyedRateLimiter<Client>,
    clock: DefaultClock,
    seen: AtomicU32,
}

impl Limiter {
    /// At most so many a second of one client, evenly after the first second's worth.
    pub fn new(per_second: u32) -> Option<Self> {
        let quota = Quota::per_second(NonZeroU32::new(per_second)?);
        Some(Self {
            clients: RateLimiter::keyed(quota),
            clock: DefaultClock::default(),
            seen: AtomicU32::new(0),
        })
    }

    /// Counts one request.
    pub fn check(&self, client: &Client) -> Result<(), ApiError> {
        if self.seen.fetch_add(1, Ordering::Relaxed) % CLEAR_EVERY == CLEAR_EVERY - 1 {
            self.clients.retain_recent();
        }
        self.clients.check_key(client).map_err(|refused| {
            let wait = refused.wait_time_from(self.clock.now());
            ApiError::rate_limited("Too many requests.", wait.as_secs() + 1)
        })
    }
}
