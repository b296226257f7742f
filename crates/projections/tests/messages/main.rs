//! Messages to the outside: their schemas, both buses, and what is published after every kind of mishap.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod embedded;
mod nats;
mod publishing;
mod rig;
mod schemas;
#[path = "../../../../tests/support/nats.rs"]
mod server;
#[expect(dead_code, reason = "its views are for other tests")]
#[path = "../views/world.rs"]
mod world;
