//! The real server, spoken to as its clients speak: over HTTP, with nothing of its code.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../support.rs"]
mod support;

mod best_seats;
mod booking;
mod booking_life;
mod browse;
mod cancelling;
mod catalogue_search;
mod command_line;
mod customers;
mod damage;
mod gateways;
mod hot_seat;
mod kurrent;
mod messages;
mod notices;
mod notifications;
mod ops;
mod partner;
mod partners;
mod pay_page;
mod payment;
mod pricing;
mod read_model;
mod refunds;
mod seat_rules;
mod security;
mod sse;
mod tickets;
