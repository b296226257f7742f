//! Requests a second of one client.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use smol_str::SmolStr;

use crate::error::ApiError;

/// Between two clearings of clients that have been quiet, in requests.
const CLEAR_EVERY: u32 = 10_000;
/// Bits of an IPv6 address that name a host in its network (RFC 4291, section 2.5.4).
const HOST_BITS: u32 = 64;

/// A client, as the limit counts it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Client {
    /// By its token.
    Subject(SmolStr),
    /// By its address, where it has none that is good.
    Address(Option<IpAddr>),
}

impl Client {
    /// A client by its address. The last 64 bits of an IPv6 address are its user's own to choose, so they tell nobody apart.
    pub fn at(address: Option<IpAddr>) -> Self {
        Self::Address(address.map(|address| match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let network = address.to_bits() >> HOST_BITS << HOST_BITS;
                IpAddr::V6(Ipv6Addr::from_bits(network))
            }
        }))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Client {
        Client::at(Some(address.parse().unwrap()))
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_an_address_of_ipv4_is_one() {
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        // A socket that takes both families shows IPv4 inside IPv6.
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("::ffff:192.0.2.1"), at("::ffff:192.0.2.2"));
    }

    #[test]
    fn another_address_of_the_same_network_does_not_escape_the_limit() {
        let limiter = Limiter::new(1).unwrap();
        assert!(limiter.check(&at("2001:db8::1")).is_ok());
        assert!(limiter.check(&at("2001:db8::2")).is_err());
        assert!(limiter.check(&at("2001:db8:0:1::1")).is_ok());
    }
}
