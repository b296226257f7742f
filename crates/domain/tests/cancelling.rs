//! What a customer gets back who cancels a booking or some of its seats.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/cinema.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod cinema;
#[path = "support/harness.rs"]
mod harness;

use cinema::{
    START, TTL, at, begun, cancel_booking, cancelled, confirm, confirmed, details, lock, request, seats,
};
use harness::{When, given};
use marquee_domain::Decider;
use marquee_domain::cancel_policy::{CancelPolicy, CancelPolicyFault, CancelTier};
use marquee_domain::money::Currency;
use marquee_domain::payment::{RefundCause, RefundDue};
use marquee_domain::pricing::{MajorAmount, Percent};
use marquee_domain::request::Request;
use marquee_domain::show::{
    BookingCancelled, BookingSeatsCancelled, BookingStatus, CancelBooking, CancelledBy, LockSeats, Rejection,
    Show, ShowCancelled, ShowCommand, ShowEvent, ShowScheduled,
};
use serde::Deserialize;
use serde::de::{IntoDeserializer, value};

const HOUR: i64 = 3_600_000;
/// When the booking was paid for.
const PAID: i64 = 1_000;

fn fee(major: f64) -> MajorAmount {
    MajorAmount::deserialize(IntoDeserializer::<value::Error>::into_deserializer(major)).unwrap()
}

fn tier(hours_before: u32, percent: u32, fee_per_ticket: Option<MajorAmount>) -> CancelTier {
    CancelTier {
        hours_before,
        refund_percent: Percent::of_hundredths(percent * 100).unwrap(),
        fee_per_ticket,
    }
}

/// Everything until an hour before the start, then half less 10.25 a ticket.
fn policy() -> CancelPolicy {
    CancelPolicy { tiers: vec![tier(1, 100, None), tier(0, 50, Some(fee(10.25)))] }
}

/// A show under a policy.
fn under(policy: Option<CancelPolicy>) -> ShowEvent {
    let show = marquee_domain::show::ShowDetails { cancel_policy: policy, ..details() };
    ShowScheduled { show, request: None }.into()
}

fn wanted(names: &[&str]) -> LockSeats {
    LockSeats { seats: seats(names).into(), ..lock() }
}

/// Two regular seats and a premium one, priced as the show prices them: 180, 180 and 250.
fn paid(policy: Option<CancelPolicy>) -> Vec<ShowEvent> {
    let begun = begun(&wanted(&["A1", "B1", "A2"]), 0, 61_000);
    [vec![under(policy)], begun.to_vec(), vec![confirmed("b", PAID)]].concat()
}

fn some(names: &[&str], key: &str) -> ShowCommand {
    ShowCommand::CancelBooking(CancelBooking {
        booking_id: "b".into(),
        user_id: "asha".into(),
        seat_ids: Some(seats(names)),
        request: Some(asked(names, key)),
    })
}

fn asked(names: &[&str], key: &str) -> Request {
    Request { user_id: "asha".into(), ..request(key, &names.join(" ")) }
}

fn ended(by: CancelledBy, refund: i64, retained: i64) -> ShowEvent {
    let (refund, retained) = (Some(refund), Some(retained));
    BookingCancelled { booking_id: "b".into(), by, paid: true, refund, retained }.into()
}

/// What a decision appends, and the events with it.
fn then(mut events: Vec<ShowEvent>, now: i64, command: &ShowCommand) -> (Vec<ShowEvent>, Vec<ShowEvent>) {
    let decided = given::<Show>(&events).decide(at(now), command).unwrap();
    events.extend(decided.clone());
    (decided, events)
}

fn part_of(events: &[ShowEvent]) -> &BookingSeatsCancelled {
    match events {
        [ShowEvent::SeatsCancelled(part)] => part,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_tier_holds_until_its_hours_begin_and_the_next_from_then_on() {
    let whole = cancel_booking("b", "asha");
    let late = START - HOUR;
    let halved = ended(CancelledBy::Customer, 30_500 - 3 * 1_025, 30_500 + 3 * 1_025);
    for (now, expected) in [
        (PAID, ended(CancelledBy::Customer, 61_000, 0)),
        (late - 1, ended(CancelledBy::Customer, 61_000, 0)),
        (late, halved.clone()),
        (START - 1, halved),
    ] {
        given::<Show>(paid(Some(policy()))).decides(at(now), whole.clone(), [expected]);
    }
    given::<Show>(paid(Some(policy()))).refuses(
        at(START),
        whole,
        Rejection::NotCancellable(BookingStatus::Confirmed),
    );
}

#[test]
fn where_no_tier_holds_a_paid_booking_is_not_cancelled_and_an_unpaid_one_is() {
    let whole = cancel_booking("b", "asha");
    for (policy, now) in [
        (CancelPolicy { tiers: vec![] }, PAID),
        (CancelPolicy { tiers: vec![tier(1, 100, None)] }, START - HOUR),
        (CancelPolicy { tiers: vec![tier(1, 100, None)] }, START - 1),
    ] {
        let refused = Rejection::AgainstCancelPolicy(policy.clone());
        given::<Show>(paid(Some(policy.clone()))).refuses(at(now), whole.clone(), refused.clone());
        given::<Show>(paid(Some(policy))).refuses(at(now), some(&["A1"], "k1"), refused);
    }
    let begun = begun(&lock(), 0, 18_000).to_vec();
    let unpaid = [vec![under(Some(CancelPolicy { tiers: vec![] }))], begun].concat();
    given::<Show>(unpaid).decides(at(PAID), whole, [cancelled("b", CancelledBy::Customer, false)]);
}

#[test]
fn without_a_policy_everything_goes_back_until_the_start() {
    let whole = cancel_booking("b", "asha");
    given::<Show>(paid(None)).decides(at(START - 1), whole, [cancelled("b", CancelledBy::Customer, true)]);
}

#[test]
fn a_fee_never_takes_more_than_there_is() {
    let dear = CancelPolicy { tiers: vec![tier(0, 100, Some(fee(200.0)))] };
    // Of 180 nothing is left, of 250 there are 50.
    given::<Show>(paid(Some(dear))).decides(
        at(PAID),
        cancel_booking("b", "asha"),
        [ended(CancelledBy::Customer, 5_000, 56_000)],
    );
}

#[test]
fn a_show_that_is_called_off_gives_everything_back_whatever_the_policy() {
    let none = CancelPolicy { tiers: vec![] };
    let off = ShowCommand::Cancel(ShowCancelled::default());
    let expected = [ShowCancelled::default().into(), cancelled("b", CancelledBy::Show, true)];
    given::<Show>(paid(Some(none))).decides(at(START - 1), off.clone(), expected);
    // Of a booking that has lost a seat, what is left; the fee of the seat stays kept.
    let (_, events) = then(paid(Some(policy())), START - HOUR, &some(&["A1"], "k1"));
    let expected = [ShowCancelled::default().into(), ended(CancelledBy::Show, 43_000, 0)];
    given::<Show>(events).decides(at(START - 1), off, expected);
}

#[test]
fn some_seats_go_back_and_the_booking_goes_on_with_the_rest() {
    let (decided, events) = then(paid(Some(policy())), START - HOUR, &some(&["A1"], "k1"));
    let part = part_of(&decided);
    assert_eq!((part.part, &part.seat_ids, part.pricing.total), (1, &seats(&["A1"]), 43_000));
    assert_eq!((part.refund, part.retained), (9_000 - 1_025, 9_000 + 1_025));
    let show = given::<Show>(&events);
    let screening = show.screening().unwrap();
    let booking = screening.booking(&"b".into()).unwrap();
    assert_eq!(
        (booking.status(at(START)), &booking.seat_ids),
        (BookingStatus::Confirmed, &seats(&["B1", "A2"]))
    );
    assert_eq!(booking.first_seats(), seats(&["A1", "B1", "A2"]));
    assert!(
        screening.is_free(&"A1".into(), at(START - 1)) && !screening.is_free(&"A2".into(), at(START - 1))
    );
    let due = RefundDue { cause: RefundCause::SeatsCancelled, amount: Some(7_975), part: Some(1) };
    assert_eq!(booking.refunds_due(), [due]);
}

#[test]
fn a_dear_seat_is_not_paid_for_by_giving_cheap_ones_back() {
    let (decided, _) = then(paid(None), PAID, &some(&["A1", "A2"], "k1"));
    assert_eq!((part_of(&decided).refund, part_of(&decided).pricing.total), (36_000, 25_000));
}

#[test]
fn seat_by_seat_as_much_goes_back_as_at_once() {
    let thirds = CancelPolicy { tiers: vec![tier(0, 33, Some(fee(0.07)))] };
    for (policy, total) in [(policy(), 61_000), (thirds, 60_999), (policy(), 1), (policy(), 7)] {
        let start = || {
            let begun = begun(&wanted(&["A1", "B1", "A2"]), 0, total);
            [vec![under(Some(policy.clone()))], begun.to_vec(), vec![confirmed("b", PAID)]].concat()
        };
        let whole = cancel_booking("b", "asha");
        let (at_once, _) = then(start(), START - 1, &whole);
        let [ShowEvent::BookingCancelled(at_once)] = &at_once[..] else { panic!("{at_once:?}") };
        assert_eq!(at_once.refund.unwrap() + at_once.retained.unwrap(), total);

        let (first, events) = then(start(), START - 1, &some(&["B1"], "k1"));
        let (second, events) = then(events, START - 1, &some(&["A1"], "k2"));
        let (last, _) = then(events, START - 1, &whole);
        let [ShowEvent::BookingCancelled(last)] = &last[..] else { panic!("{last:?}") };
        let refund = part_of(&first).refund + part_of(&second).refund + last.refund.unwrap();
        let retained = part_of(&first).retained + part_of(&second).retained + last.retained.unwrap();
        assert_eq!((Some(refund), Some(retained)), (at_once.refund, at_once.retained), "of {total}");
        assert_eq!(part_of(&second).part, 2);
    }
}

#[test]
fn a_later_change_of_prices_does_not_move_the_shares() {
    let mut events = paid(None);
    let (decided, _) = then(events.clone(), PAID, &some(&["A1"], "k1"));
    let prices = [(marquee_domain::theatre::SeatType::Regular, 1)].into();
    events.push(marquee_domain::show::ShowChanged { prices, ..Default::default() }.into());
    assert_eq!(then(events, PAID, &some(&["A1"], "k1")).0, decided);
}

#[test]
fn all_the_seats_that_it_has_are_the_whole_booking() {
    let all = some(&["A2", "A1", "B1"], "k1");
    given::<Show>(paid(None)).decides(at(PAID), all, [cancelled("b", CancelledBy::Customer, true)]);
    let (_, events) = then(paid(None), PAID, &some(&["A1"], "k1"));
    given::<Show>(events).decides(
        at(PAID),
        some(&["A2", "B1"], "k2"),
        [ended(CancelledBy::Customer, 43_000, 0)],
    );
}

#[test]
fn a_repeated_request_changes_nothing_and_its_key_is_good_for_nothing_else() {
    let (_, events) = then(paid(None), PAID, &some(&["A1"], "k1"));
    let again = given::<Show>(&events);
    again.decides(at(PAID), some(&["A1"], "k1"), []);
    again.refuses(at(PAID), some(&["A2"], "k1"), marquee_domain::request::KeyReused.into());
    again.refuses(at(PAID), some(&["A1"], "k2"), Rejection::NotOfTheBooking(seats(&["A1"])));
    // Also when nothing is left of the booking, and after its show's start.
    let (_, over) = then(events, PAID, &cancel_booking("b", "asha"));
    given::<Show>(&over).decides(at(START + 1), some(&["A1"], "k1"), []);
    given::<Show>(&over).decides(at(PAID), cancel_booking("b", "asha"), []);
    let show = given::<Show>(&over);
    let booking = show.screening().unwrap().booking(&"b".into()).unwrap();
    let part = booking.part_of(&asked(&["A1"], "k1")).unwrap();
    assert_eq!((part.refund, &part.seats_left), (18_000, &seats(&["B1", "A2"])));
}

#[test]
fn only_seats_of_the_booking_are_cancelled_each_once_by_their_owner() {
    let paid = given::<Show>(paid(None));
    paid.refuses(at(PAID), some(&[], "k1"), Rejection::NoSeats);
    paid.refuses(at(PAID), some(&["A1", "A1"], "k1"), Rejection::DuplicateSeats(seats(&["A1"])));
    paid.refuses(at(PAID), some(&["A1", "A9"], "k1"), Rejection::NotOfTheBooking(seats(&["A9"])));
    let mut foreign = some(&["A1"], "k1");
    if let ShowCommand::CancelBooking(cancel) = &mut foreign {
        cancel.user_id = "ravi".into();
    }
    paid.refuses(at(PAID), foreign, Rejection::NotYours);
    paid.refuses(at(START), some(&["A1"], "k1"), Rejection::NotCancellable(BookingStatus::Confirmed));
}

#[test]
fn a_booking_that_is_not_paid_for_is_cancelled_as_a_whole() {
    let begun = begun(&wanted(&["A1", "A2"]), 0, 36_000);
    let history = [vec![under(None)], begun.to_vec()].concat();
    let pending = given::<Show>(history);
    pending.refuses(at(PAID), some(&["A1"], "k1"), Rejection::NotDivisible(BookingStatus::PaymentPending));
    pending.decides(at(PAID), some(&["A2", "A1"], "k1"), [cancelled("b", CancelledBy::Customer, false)]);
    pending.refuses(at(TTL), some(&["A1"], "k1"), Rejection::NotCancellable(BookingStatus::Expired));
}

#[test]
fn money_that_is_told_again_neither_confirms_nor_refuses_what_has_lost_seats() {
    let (_, events) = then(paid(None), PAID, &some(&["A1"], "k1"));
    given::<Show>(events).decides(at(PAID), confirm("b"), []);
}

#[test]
fn a_booking_that_kept_its_money_owes_nothing() {
    let keeps = CancelPolicy { tiers: vec![tier(0, 0, None)] };
    let (_, events) = then(paid(Some(keeps)), PAID, &cancel_booking("b", "asha"));
    let show = given::<Show>(&events);
    assert_eq!(show.screening().unwrap().booking(&"b".into()).unwrap().refunds_due(), []);
}

#[test]
fn a_policy_has_its_tiers_in_order_and_not_too_many() {
    let policy =
        |hours: &[u32]| CancelPolicy { tiers: hours.iter().map(|hours| tier(*hours, 50, None)).collect() };
    for hours in [&[][..], &[0], &[24, 2], &[8_760, 24, 1, 0]] {
        assert_eq!(policy(hours).fault(), None, "{hours:?}");
    }
    for hours in [&[2, 24][..], &[2, 2], &[24, 2, 2]] {
        assert_eq!(policy(hours).fault(), Some(CancelPolicyFault::Order), "{hours:?}");
    }
    assert_eq!(policy(&[8_761]).fault(), Some(CancelPolicyFault::TooEarly));
    let many: Vec<u32> = (0..11).rev().collect();
    assert_eq!(policy(&many).fault(), Some(CancelPolicyFault::TooManyTiers));
    assert_eq!(tier(0, 50, Some(fee(10.25))).refund_of(18_001, &Currency::inr()), 9_001 - 1_025);
}
