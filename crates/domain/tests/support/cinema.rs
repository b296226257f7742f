//! A hall of thirteen seats, a show in it, and the bookings that people make.

use std::collections::BTreeMap;

use jiff::Timestamp;
use marquee_domain::ids::{BookingId, IdempotencyKey, SeatId, UserId};
use marquee_domain::money::Currency;
use marquee_domain::pricing::{PriceTerms, Pricing};
use marquee_domain::request::Request;
use marquee_domain::seat_rules::SeatRules;
use marquee_domain::show::{
    BookingCancelled, BookingCompleted, BookingConfirmed, BookingExpired, BookingFailed,
    BookingPaymentPending, CancelBooking, CancelledBy, HoardingLimits, LockSeats, Rejection, SalesWindow,
    SeatChoice, SeatsLocked, ShowCommand, ShowDetails, ShowEvent, ShowScheduled,
};
use marquee_domain::theatre::{LayoutRow, LayoutSeat, SeatType};

/// How long a seat lock lasts, in milliseconds.
pub const TTL: i64 = 300_000;
/// The start of the show, in milliseconds from the origin of these tests.
pub const START: i64 = 7_200_000;
/// Its end.
pub const END: i64 = 14_400_000;

/// An instant, in milliseconds from the origin of these tests.
pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
}

pub fn seats(names: &[&str]) -> Vec<SeatId> {
    names.iter().map(|name| SeatId::from(*name)).collect()
}

fn row(label: &str, count: u8, seat_type: SeatType) -> LayoutRow {
    let seat = |number| LayoutSeat::new(SeatId::new(format!("{label}{number}")), seat_type);
    LayoutRow { row_label: label.into(), seats: (1..=count).map(seat).collect() }
}

/// Eleven regular seats at 180.00 and two premium ones at 250.00.
pub fn details() -> ShowDetails {
    ShowDetails {
        show_id: "sh_1".into(),
        partner_id: "pt_1".into(),
        theatre_id: "th_1".into(),
        city_id: "blr".into(),
        timezone: "Asia/Kolkata".into(),
        screen_id: "sc_1".into(),
        screen_name: "Screen 1".into(),
        movie_id: "mv_1".into(),
        start_time: at(START),
        end_time: at(END),
        language: "English".into(),
        format: "2D".into(),
        currency: Currency::inr(),
        prices: BTreeMap::from([(SeatType::Regular, 18_000), (SeatType::Premium, 25_000)]),
        sales: SalesWindow::default(),
        seat_rules: SeatRules::default(),
        cancel_policy: None,
        rows: vec![row("A", 11, SeatType::Regular), row("B", 2, SeatType::Premium)],
    }
}

pub fn request(key: &str, fingerprint: &str) -> Request {
    Request {
        user_id: "partner".into(),
        route: "route".into(),
        idempotency_key: IdempotencyKey::from(key),
        fingerprint: fingerprint.into(),
    }
}

pub fn scheduled() -> ShowEvent {
    ShowScheduled { show: details(), request: None }.into()
}

/// Asha's booking `b` of A1 with key `k`, wanted for [`TTL`].
pub fn lock() -> LockSeats {
    LockSeats {
        booking_id: "b".into(),
        user_id: "asha".into(),
        seats: seats(&["A1"]).into(),
        terms: PriceTerms::default(),
        lock_before: None,
        client: None,
        idempotency_key: "k".into(),
        fingerprint: "body".into(),
        ttl_millis: TTL.unsigned_abs(),
        hoarding: HoardingLimits::default(),
    }
}

/// Seats that somebody else has, and what is proposed instead.
pub fn taken(names: &[&str], instead: &[&str]) -> Rejection {
    Rejection::SeatsUnavailable { seats: seats(names), instead: Some(seats(instead)) }
}

/// The two events that begin a booking at an instant.
pub fn begun(wanted: &LockSeats, now: i64, total: i64) -> [ShowEvent; 2] {
    let LockSeats { booking_id, user_id, seats, client, idempotency_key, fingerprint, .. } = wanted.clone();
    let SeatChoice::These(seat_ids) = seats else { panic!("the seats are not named") };
    let pricing = Pricing::of_seats(Currency::inr(), [total]);
    let expires_at = at(now + TTL);
    let begun = BookingPaymentPending { booking_id: booking_id.clone(), pricing };
    [
        SeatsLocked { booking_id, user_id, seat_ids, expires_at, idempotency_key, fingerprint, client }
            .into(),
        begun.into(),
    ]
}

/// A show in which Asha locked A1 at the origin, and what happened to that booking since.
pub fn booked(since: &[ShowEvent]) -> Vec<ShowEvent> {
    [vec![scheduled()], begun(&lock(), 0, 18_000).to_vec(), since.to_vec()].concat()
}

pub fn confirmed(booking: &str, now: i64) -> ShowEvent {
    let booking_id = BookingId::from(booking);
    BookingConfirmed {
        payment_id: booking_id.payment(),
        ticket_id: booking_id.ticket(),
        booking_id,
        confirmed_at: at(now),
    }
    .into()
}

pub fn failed(booking: &str) -> ShowEvent {
    BookingFailed { booking_id: booking.into(), reason: "declined".into() }.into()
}

pub fn expired(booking: &str) -> ShowEvent {
    BookingExpired { booking_id: booking.into() }.into()
}

pub fn cancelled(booking: &str, by: CancelledBy, paid: bool) -> ShowEvent {
    BookingCancelled { booking_id: booking.into(), by, paid, refund: None, retained: None }.into()
}

pub fn completed(booking: &str) -> ShowEvent {
    BookingCompleted { booking_id: booking.into() }.into()
}

pub fn confirm(booking: &str) -> ShowCommand {
    let booking_id = BookingId::from(booking);
    ShowCommand::Confirm { payment_id: booking_id.payment(), booking_id }
}

pub fn fail(booking: &str) -> ShowCommand {
    ShowCommand::Fail { booking_id: booking.into(), reason: "declined".into() }
}

pub fn cancel_booking(booking: &str, user: &str) -> ShowCommand {
    let (booking_id, user_id) = (booking.into(), UserId::from(user));
    ShowCommand::CancelBooking(CancelBooking { booking_id, user_id, seat_ids: None, request: None })
}
