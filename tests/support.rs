//! What every black-box suite needs: the real server as a child process, an HTTP client that checks the contract of every
//! answer, tokens, and a little world of one city, one film and one show.

#[path = "support/audit.rs"]
pub mod audit;
#[path = "support/http.rs"]
pub mod http;
#[expect(dead_code, reason = "its other ways are for the tests of the bus itself")]
#[path = "support/nats.rs"]
pub mod nats;
#[path = "support/providers.rs"]
pub mod providers;
#[path = "support/server.rs"]
pub mod server;
#[path = "support/time.rs"]
pub mod time;
#[path = "support/tokens.rs"]
pub mod tokens;
#[path = "support/world.rs"]
pub mod world;

/// A length or a seed that a long run sets by the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a whole number"))
}
