//! The rules of tickets at the door.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/cinema.rs"]
#[expect(dead_code, reason = "shared by several files")]
mod cinema;
#[path = "support/harness.rs"]
mod harness;

use cinema::{
    END, START, TTL, at, booked, cancel_booking, cancelled, completed, confirmed, expired, failed, request,
    scheduled,
};
use harness::{When, given};
use marquee_domain::Decider;
use marquee_domain::request::{KeyReused, Request};
use marquee_domain::show::{
    BookingStatus, CancelledBy, Doors, LATE_ENTRY_MILLIS, RedeemTicket, Redeemed, Rejection, Show,
    ShowCancelled, ShowChanged, ShowCommand, ShowEvent, TicketRedeemed,
};

/// How long before the start tickets are redeemed here, in milliseconds.
const OPEN: i64 = 3_600_000;
/// The instant from which they no longer are.
const CLOSE: i64 = END + LATE_ENTRY_MILLIS.cast_signed();

fn redeem_with(gate: Option<&str>, request: Option<Request>) -> ShowCommand {
    ShowCommand::RedeemTicket(RedeemTicket {
        booking_id: "b".into(),
        gate: gate.map(Into::into),
        doors_open_millis: OPEN.unsigned_abs(),
        request,
    })
}

fn redeem() -> ShowCommand {
    redeem_with(None, None)
}

fn redeemed_with(now: i64, gate: Option<&str>, request: Option<Request>) -> ShowEvent {
    let (booking_id, gate) = ("b".into(), gate.map(Into::into));
    TicketRedeemed { ticket_id: "tkt_b".into(), booking_id, redeemed_at: at(now), gate, request }.into()
}

fn redeemed(now: i64) -> ShowEvent {
    redeemed_with(now, None, None)
}

fn paid() -> Vec<ShowEvent> {
    booked(&[confirmed("b", 1)])
}

fn again(now: i64, gate: Option<&str>) -> Rejection {
    let redeemed = Redeemed { at: at(now), gate: gate.map(Into::into) };
    Rejection::AlreadyRedeemed { redeemed, timezone: "Asia/Kolkata".into() }
}

fn closed(open: i64, close: i64) -> Rejection {
    let doors = Doors { open: at(open), close: at(close) };
    Rejection::DoorsClosed { doors, timezone: "Asia/Kolkata".into() }
}

#[test]
fn a_paid_booking_lets_its_bearers_in_and_stays_as_it_is() {
    let before = given::<Show>(paid());
    before.decides(at(START), redeem_with(Some("A"), None), [redeemed_with(START, Some("A"), None)]);
    let after = given::<Show>([paid(), vec![redeemed(START)]].concat());
    let state = |show: &Show| show.screening().unwrap().booking(&"b".into()).unwrap().state.clone();
    assert_eq!(state(&after), state(&before));
    assert_eq!(after.screening().unwrap().owner(&"A1".into(), at(START)), Some(&"b".into()));
}

#[test]
fn a_ticket_is_redeemed_once() {
    let show = given::<Show>([paid(), vec![redeemed_with(START, Some("A"), None)]].concat());
    show.refuses(at(START), redeem(), again(START, Some("A")));
    show.refuses(at(START + 1), redeem_with(Some("B"), None), again(START, Some("A")));
    show.refuses(at(CLOSE), redeem(), again(START, Some("A")));
}

#[test]
fn the_doors_open_some_time_before_the_start_and_close_a_little_after_the_end() {
    let show = given::<Show>(paid());
    show.refuses(at(START - OPEN - 1), redeem(), closed(START - OPEN, CLOSE));
    show.decides(at(START - OPEN), redeem(), [redeemed(START - OPEN)]);
    show.decides(at(CLOSE - 1), redeem(), [redeemed(CLOSE - 1)]);
    show.refuses(at(CLOSE), redeem(), closed(START - OPEN, CLOSE));
}

#[test]
fn a_show_that_moves_takes_its_doors_along() {
    const LATER: i64 = 1_000_000;
    let moved = ShowChanged {
        start_time: Some(at(START + LATER)),
        end_time: Some(at(END + LATER)),
        ..ShowChanged::default()
    };
    let show = given::<Show>([paid(), vec![moved.into()]].concat());
    let (open, close) = (START - OPEN + LATER, CLOSE + LATER);
    show.refuses(at(open - 1), redeem(), closed(open, close));
    show.decides(at(close - 1), redeem(), [redeemed(close - 1)]);
}

#[test]
fn the_ticket_of_a_completed_booking_is_redeemed_until_the_doors_close() {
    let show = given::<Show>(booked(&[confirmed("b", 1), completed("b")]));
    show.decides(at(END + 1), redeem(), [redeemed(END + 1)]);
    let show = given::<Show>(booked(&[confirmed("b", 1), redeemed(START), completed("b")]));
    show.refuses(at(END + 1), redeem(), again(START, None));
}

#[test]
fn a_booking_that_is_not_paid_or_no_longer_stands_lets_nobody_in() {
    let pending = given::<Show>(booked(&[]));
    pending.refuses(at(TTL - 1), redeem(), Rejection::NotRedeemable(BookingStatus::PaymentPending));
    pending.refuses(at(TTL), redeem(), Rejection::NotRedeemable(BookingStatus::Expired));
    let called_off = || ShowCancelled::default().into();
    for (ends, status) in [
        (vec![failed("b")], BookingStatus::Failed),
        (vec![expired("b")], BookingStatus::Expired),
        (vec![confirmed("b", 1), cancelled("b", CancelledBy::Customer, true)], BookingStatus::Cancelled),
        (
            vec![confirmed("b", 1), called_off(), cancelled("b", CancelledBy::Show, true)],
            BookingStatus::Cancelled,
        ),
    ] {
        given::<Show>(booked(&ends)).refuses(at(START), redeem(), Rejection::NotRedeemable(status));
    }
    given::<Show>([scheduled()]).refuses(at(START), redeem(), Rejection::UnknownBooking);
    given::<Show>([]).refuses(at(START), redeem(), Rejection::UnknownShow);
}

#[test]
fn a_repeated_request_is_the_same_redemption_and_its_key_fits_no_other() {
    let ask = |fingerprint| redeem_with(Some("A"), Some(request("k", fingerprint)));
    let done = redeemed_with(START, Some("A"), Some(request("k", "body")));
    given::<Show>(paid()).decides(at(START), ask("body"), [done.clone()]);
    let show = given::<Show>([paid(), vec![done]].concat());
    show.decides(at(START + 1), ask("body"), []);
    show.decides(at(CLOSE + 1), ask("body"), []);
    show.refuses(at(START + 1), ask("other"), KeyReused.into());
    show.refuses(at(START + 1), redeem_with(Some("A"), Some(request("l", "body"))), again(START, Some("A")));
}

#[test]
fn whoever_is_in_cannot_cancel_but_a_show_that_is_called_off_pays_back() {
    let show = given::<Show>([paid(), vec![redeemed(START - OPEN)]].concat());
    let refused = Rejection::NotCancellable(BookingStatus::Confirmed);
    show.refuses(at(START - 1), cancel_booking("b", "asha"), refused);
    let called_off = show.decide(at(START - 1), &ShowCommand::Cancel(ShowCancelled::default())).unwrap();
    assert_eq!(called_off, [ShowCancelled::default().into(), cancelled("b", CancelledBy::Show, true)]);
    show.decides(at(END), ShowCommand::CompleteDue, [completed("b")]);
}
