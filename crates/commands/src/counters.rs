//! What is counted of bookings and money.

use metrics::{Unit, counter, describe_counter};

pub(crate) const BOOKINGS_CREATED: &str = "marquee_bookings_created_total";
pub(crate) const BOOKINGS_CONFIRMED: &str = "marquee_bookings_confirmed_total";
pub(crate) const SEAT_LOCKS_REFUSED: &str = "marquee_seat_locks_refused_total";
pub(crate) const LATE_PAYMENTS: &str = "marquee_late_payments_total";
pub(crate) const PAYMENTS_MISMATCHED: &str = "marquee_payments_mismatched_total";
pub(crate) const PAYMENTS_UNMATCHED: &str = "marquee_payments_unmatched_total";
pub(crate) const REFUNDS_FAILED: &str = "marquee_refunds_failed_total";
pub(crate) const REFUNDS_OVERDUE: &str = "marquee_refunds_overdue_total";
pub(crate) const TICKETS_REDEEMED: &str = "marquee_tickets_redeemed_total";
pub(crate) const TICKETS_REDEEMED_AGAIN: &str = "marquee_tickets_redeemed_again_total";

const ALL: [(&str, &str); 10] = [
    (BOOKINGS_CREATED, "bookings begun"),
    (BOOKINGS_CONFIRMED, "bookings confirmed"),
    (SEAT_LOCKS_REFUSED, "bookings refused because a seat was taken"),
    (LATE_PAYMENTS, "payments that their booking could no longer take"),
    (PAYMENTS_MISMATCHED, "payments of another amount or currency than was asked for"),
    (PAYMENTS_UNMATCHED, "payments that belong to no booking"),
    (REFUNDS_FAILED, "refunds that the gateway refused for good"),
    (REFUNDS_OVERDUE, "refunds that the gateway did not confirm for too long"),
    (TICKETS_REDEEMED, "tickets redeemed"),
    (TICKETS_REDEEMED_AGAIN, "tickets that were shown at a door again, and refused"),
];

/// Shows each at 0, so that an alert on its increase sees the first one too.
pub(crate) fn register() {
    for (name, what) in ALL {
        describe_counter!(name, Unit::Count, what);
        counter!(name).increment(0);
    }
}
