//! The rules of a show: scheduling, changing and calling it off.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/cinema.rs"]
mod cinema;
#[path = "support/harness.rs"]
mod harness;
#[path = "show/house.rs"]
mod house;
#[path = "show/sales.rs"]
mod sales;

use std::collections::BTreeMap;

use cinema::{
    END, START, TTL, at, begun, booked, cancel_booking, cancelled, completed, confirm, confirmed, details,
    expired, fail, failed, lock, request, scheduled, seats,
};
use harness::{When, given};
use marquee_domain::request::KeyReused;
use marquee_domain::show::{
    CancelledBy, ChangeShow, LockSeats, Rejection, Show, ShowCancelled, ShowChanged, ShowCommand, ShowEvent,
    ShowScheduled,
};
use marquee_domain::theatre::SeatType;

fn schedule(show: marquee_domain::show::ShowDetails) -> ShowCommand {
    ShowCommand::Schedule(ShowScheduled { show, request: None })
}

fn change(changed: ShowChanged) -> ShowCommand {
    ShowCommand::Change(ChangeShow(changed))
}

fn in_hindi() -> ShowChanged {
    ShowChanged { language: Some("Hindi".into()), ..ShowChanged::default() }
}

fn called_off() -> ShowEvent {
    ShowCancelled::default().into()
}

fn call_off() -> ShowCommand {
    ShowCommand::Cancel(ShowCancelled::default())
}

#[test]
fn a_show_that_is_scheduled_keeps_its_layout_and_prices() {
    given::<Show>([]).decides(at(0), schedule(details()), [scheduled()]);
    let show = given::<Show>([scheduled()]);
    assert_eq!(*show.screening().unwrap().details, details());
}

#[test]
fn a_show_starts_in_the_future() {
    let none = given::<Show>([]);
    none.refuses(at(START), schedule(details()), Rejection::StartsInThePast);
    none.refuses(at(START + 1), schedule(details()), Rejection::StartsInThePast);
    none.decides(at(START - 1), schedule(details()), [scheduled()]);
}

#[test]
fn every_type_of_seat_in_the_hall_has_a_price() {
    let mut unpriced = details();
    unpriced.prices.remove(&SeatType::Premium);
    given::<Show>([]).refuses(at(0), schedule(unpriced), Rejection::Unpriced);
}

#[test]
fn a_price_is_more_than_zero() {
    for minor in [0, -1, i64::MIN] {
        let mut bad = details();
        bad.prices.insert(SeatType::Premium, minor);
        given::<Show>([]).refuses(at(0), schedule(bad), Rejection::PriceNotPositive);
        let change =
            ShowChanged { prices: BTreeMap::from([(SeatType::Premium, minor)]), ..ShowChanged::default() };
        let change = ShowCommand::Change(ChangeShow(change));
        given::<Show>([scheduled()]).refuses(at(0), change, Rejection::PriceNotPositive);
    }
}

#[test]
fn a_show_is_scheduled_once() {
    given::<Show>([scheduled()]).refuses(at(0), schedule(details()), Rejection::AlreadyScheduled);
    given::<Show>([scheduled(), called_off()]).refuses(
        at(0),
        schedule(details()),
        Rejection::AlreadyScheduled,
    );
}

#[test]
fn a_repeated_request_changes_nothing_and_its_key_fits_no_other_body() {
    let ask = |fingerprint| ShowScheduled { show: details(), request: Some(request("k", fingerprint)) };
    let show = given::<Show>([ask("body").into()]);
    show.decides(at(1), ShowCommand::Schedule(ask("body")), []);
    show.refuses(at(1), ShowCommand::Schedule(ask("other")), KeyReused.into());

    let ask = |fingerprint| ShowChanged { request: Some(request("k", fingerprint)), ..in_hindi() };
    let show = given::<Show>([scheduled(), ask("body").into()]);
    show.decides(at(START + 1), change(ask("body")), []);
    show.refuses(at(1), change(ask("other")), KeyReused.into());

    let ask = |fingerprint| ShowCancelled { request: Some(request("k", fingerprint)) };
    let show = given::<Show>([scheduled(), ask("body").into()]);
    show.decides(at(END), ShowCommand::Cancel(ask("body")), []);
    show.refuses(at(1), ShowCommand::Cancel(ask("other")), KeyReused.into());
}

#[test]
fn the_same_key_on_another_route_or_of_another_user_is_another_request() {
    let asked = ShowChanged { request: Some(request("k", "body")), ..in_hindi() };
    let show = given::<Show>([scheduled(), asked.clone().into()]);
    let mut other_route = asked.clone();
    other_route.request.as_mut().unwrap().route = "another route".into();
    let mut other_user = asked;
    other_user.request.as_mut().unwrap().user_id = "another partner".into();
    for mut other in [other_route, other_user] {
        other.language = Some("Tamil".into());
        show.decides(at(1), change(other.clone()), [other.into()]);
    }
}

#[test]
fn nothing_can_be_wanted_of_a_show_that_was_never_scheduled() {
    let commands = [
        change(in_hindi()),
        call_off(),
        ShowCommand::LockSeats(lock()),
        confirm("b"),
        fail("b"),
        cancel_booking("b", "asha"),
        ShowCommand::ExpireDue,
        ShowCommand::CompleteDue,
    ];
    for command in commands {
        given::<Show>([]).refuses(at(0), command, Rejection::UnknownShow);
    }
}

#[test]
fn a_change_takes_what_it_names_and_leaves_the_rest() {
    let changed = ShowChanged {
        start_time: Some(at(START + 1)),
        end_time: Some(at(END + 1)),
        language: Some("Hindi".into()),
        format: Some("3D".into()),
        prices: BTreeMap::from([(SeatType::Premium, 30_000)]),
        sales: None,
        request: None,
    };
    given::<Show>([scheduled()]).decides(at(0), change(changed.clone()), [changed.clone().into()]);
    let show = given::<Show>([scheduled(), changed.into()]);
    let mut after = details();
    after.start_time = at(START + 1);
    after.end_time = at(END + 1);
    after.language = "Hindi".into();
    after.format = "3D".into();
    after.prices.insert(SeatType::Premium, 30_000);
    assert_eq!(*show.screening().unwrap().details, after);
}

#[test]
fn a_change_to_what_already_is_changes_nothing() {
    given::<Show>([scheduled(), in_hindi().into()]).decides(at(0), change(in_hindi()), []);
    given::<Show>([scheduled()]).decides(at(0), change(ShowChanged::default()), []);
}

#[test]
fn a_show_is_never_moved_into_the_past() {
    let moved = |start| ShowChanged { start_time: Some(at(start)), ..ShowChanged::default() };
    let show = given::<Show>([scheduled()]);
    show.refuses(at(100), change(moved(100)), Rejection::StartsInThePast);
    show.decides(at(99), change(moved(100)), [moved(100).into()]);
}

#[test]
fn a_show_is_changed_until_it_starts() {
    let show = given::<Show>([scheduled()]);
    show.decides(at(START - 1), change(in_hindi()), [in_hindi().into()]);
    show.refuses(at(START), change(in_hindi()), Rejection::ShowStarted);
}

#[test]
fn a_cancelled_show_is_neither_changed_nor_booked() {
    let show = given::<Show>([scheduled(), called_off()]);
    show.refuses(at(0), change(in_hindi()), Rejection::ShowCancelled);
    show.refuses(at(0), ShowCommand::LockSeats(lock()), Rejection::ShowCancelled);
}

#[test]
fn a_show_is_bookable_until_it_starts() {
    let show = given::<Show>([scheduled()]);
    show.decides(at(START - 1), ShowCommand::LockSeats(lock()), begun(&lock(), START - 1, 18_000));
    show.refuses(at(START), ShowCommand::LockSeats(lock()), Rejection::ShowStarted);
}

#[test]
fn a_show_that_moves_is_bookable_until_its_new_start() {
    let moved = ShowChanged { start_time: Some(at(1_000)), ..ShowChanged::default() };
    let show = given::<Show>([scheduled(), moved.into()]);
    show.refuses(at(1_000), ShowCommand::LockSeats(lock()), Rejection::ShowStarted);
    show.decides(at(999), ShowCommand::LockSeats(lock()), begun(&lock(), 999, 18_000));
}

#[test]
fn a_booking_keeps_the_price_that_it_was_made_at() {
    let dearer =
        ShowChanged { prices: BTreeMap::from([(SeatType::Regular, 20_000)]), ..ShowChanged::default() };
    let show = given::<Show>(booked(&[dearer.into()]));
    let booking = show.screening().unwrap().booking(&"b".into()).unwrap().clone();
    assert_eq!(booking.pricing.as_ref().map(|pricing| pricing.total), Some(18_000));
    let later = LockSeats {
        booking_id: "c".into(),
        user_id: "ben".into(),
        seats: seats(&["A2", "B1"]).into(),
        ..lock()
    };
    let Ok(events) = marquee_domain::Decider::decide(&show, at(1), &ShowCommand::LockSeats(later)) else {
        panic!("the seats are free")
    };
    assert!(
        events.iter().any(|event| matches!(event,
            ShowEvent::PaymentPending(begun) if begun.pricing.total == 45_000)),
        "the new price and the one that did not change: {events:?}"
    );
}

#[test]
fn calling_off_a_show_ends_every_live_booking_and_says_which_were_paid() {
    let booking = |id: &str, seat: &str, now| {
        let wanted = LockSeats {
            booking_id: id.into(),
            idempotency_key: id.into(),
            seats: seats(&[seat]).into(),
            ..lock()
        };
        begun(&wanted, now, 18_000)
    };
    let history: Vec<ShowEvent> = [
        vec![scheduled()],
        booking("overdue", "A1", 0).to_vec(),
        booking("pending", "A2", 1).to_vec(),
        booking("paid", "A3", 0).to_vec(),
        booking("failed", "A4", 0).to_vec(),
        booking("left", "A5", 0).to_vec(),
        booking("ran-out", "A6", 0).to_vec(),
        vec![
            confirmed("paid", 5),
            failed("failed"),
            cancelled("left", CancelledBy::Customer, false),
            expired("ran-out"),
        ],
    ]
    .concat();
    let events = [
        called_off(),
        expired("overdue"),
        cancelled("pending", CancelledBy::Show, false),
        cancelled("paid", CancelledBy::Show, true),
    ];
    given::<Show>(&history).decides(at(TTL), call_off(), &events);
    let after = given::<Show>([history, events.to_vec()].concat());
    after.decides(at(TTL + 1), call_off(), []);
    after.decides(at(TTL + 1), ShowCommand::ExpireDue, []);
    after.decides(at(END), ShowCommand::CompleteDue, []);
    for seat in seats(&["A1", "A2", "A3", "A4", "A5", "A6"]) {
        assert_eq!(after.screening().unwrap().owner(&seat, at(TTL)), None);
    }
}

#[test]
fn a_show_is_called_off_until_it_is_over() {
    let show = given::<Show>([scheduled()]);
    show.decides(at(END - 1), call_off(), [called_off()]);
    show.refuses(at(END), call_off(), Rejection::ShowOver);
    let completed = given::<Show>(booked(&[confirmed("b", 1), completed("b")]));
    completed.refuses(at(END), call_off(), Rejection::ShowOver);
}
