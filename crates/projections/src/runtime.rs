//! Catches a view up with the log in large pages and then follows it live.

mod gauges;
mod lane;
mod projection;
mod runner;

pub(crate) use gauges::{Gauges, Pace};
pub(crate) use lane::Lane;
pub(crate) use projection::Projection;
