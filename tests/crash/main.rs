//! The real server, killed again and again under load; then an auditor that shares no code with it checks, from what the
//! clients were told and from the exported events alone, that nothing is lost and nothing is sold twice.
//!
//! `MARQUEE_CRASH_ROUNDS` (25), `MARQUEE_NODE_ROUNDS` (8) and `MARQUEE_CRASH_SEED` (1) set how often and with which choices;
//! `MARQUEE_SELL_OUT_SHOWS` (20) how many shows are sold out, `MARQUEE_OUTAGE_SECONDS` (8) how long PostgreSQL is away;
//! `MARQUEE_PRICED_BOOKINGS` (10,000) how many prices are reckoned again.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "the other suite needs more of it")]
#[path = "../support.rs"]
mod support;

use tokio::sync::RwLock;

/// What is measured by the second is measured by itself: others of this suite that load the machine hold it to read.
static MACHINE: RwLock<()> = RwLock::const_new(());

mod auditor;
mod bookers;
mod buyers;
mod commands;
mod doctored;
mod flush;
mod heard;
mod journal;
mod nodes;
mod outages;
mod prices;
mod production;
mod rounds;
mod sell_out;
mod stalled;
