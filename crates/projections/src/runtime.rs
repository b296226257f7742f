//! Catches a view up with the log in large pages and then follows it live.

mod gauges;
mod lane;
mod runner;

pub(crate) use lane::Lane;
