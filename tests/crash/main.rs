//! The real server, killed again and again under load; then an auditor that shares no code with it checks, from what the
//! clients were told and from the exported events alone, that nothing is lost and nothing is sold twice.
//!
//! `MARQUEE_CRASH_ROUNDS` (25), `MARQUEE_NODE_ROUNDS` (8) and `MARQUEE_CRASH_SEED` (1) set how often and with which choices;
//! `MARQUEE_MONEY_BOOKINGS` (5000) how many bookings the balance is drawn of, `MARQUEE_SELL_OUT_SHOWS` (20) how many shows are sold out, `MARQUEE_OUTAGE_SECONDS` (8) how long PostgreSQL is away.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "the other suite needs more of it")]
#[path = "../support.rs"]
mod support;

mod auditor;
mod balance;
mod bookers;
mod buyers;
mod commands;
mod doctored;
mod flush;
mod heard;
mod journal;
mod nodes;
mod outages;
mod production;
mod rounds;
mod sell_out;
mod stalled;
