//! The seats that the house keeps for itself.

use std::collections::BTreeSet;

use crate::cinema::{
    END, START, TTL, at, begun, booked, cancelled, confirmed, expired, failed, lock, request, scheduled,
    seats,
};
use crate::harness::{When, given};
use marquee_domain::Decider;
use marquee_domain::request::KeyReused;
use marquee_domain::show::{
    CancelledBy, LockSeats, Near, Rejection, SeatChoice, SeatWish, SeatsBlocked, SeatsReleased, Show,
    ShowCancelled, ShowCommand, ShowEvent,
};

fn blocked(names: &[&str]) -> SeatsBlocked {
    SeatsBlocked { seat_ids: seats(names), reason: Some("press".into()), request: None }
}

fn released(names: &[&str]) -> SeatsReleased {
    SeatsReleased { seat_ids: seats(names), reason: None, request: None }
}

fn block(names: &[&str]) -> ShowCommand {
    ShowCommand::BlockSeats(blocked(names))
}

fn release(names: &[&str]) -> ShowCommand {
    ShowCommand::ReleaseSeats(released(names))
}

fn wants(names: &[&str]) -> LockSeats {
    LockSeats { seats: seats(names).into(), ..lock() }
}

#[test]
fn the_house_keeps_free_seats_and_gives_them_back() {
    let show = given::<Show>([scheduled()]);
    show.decides(at(0), block(&["A1", "A2"]), [blocked(&["A1", "A2"]).into()]);
    let show = given::<Show>([scheduled(), blocked(&["A1", "A2"]).into()]);
    show.decides(at(1), release(&["A2"]), [released(&["A2"]).into()]);
    let show = given::<Show>([scheduled(), blocked(&["A1", "A2"]).into(), released(&["A2"]).into()]);
    let screening = show.screening().unwrap();
    assert!(screening.is_blocked(&"A1".into()) && !screening.is_blocked(&"A2".into()));
    assert!(!screening.is_free(&"A1".into(), at(2)) && screening.is_free(&"A2".into(), at(2)));
}

#[test]
fn a_seat_that_the_house_keeps_cannot_be_booked_until_it_is_given_back() {
    let show = given::<Show>([scheduled(), blocked(&["A1"]).into()]);
    let taken = crate::cinema::taken(&["A1"], &["A2", "A3"]);
    show.refuses(at(0), ShowCommand::LockSeats(wants(&["A1", "A2"])), taken);
    let show = given::<Show>([scheduled(), blocked(&["A1"]).into(), released(&["A1"]).into()]);
    show.decides(at(0), ShowCommand::LockSeats(lock()), begun(&lock(), 0, 18_000));
}

#[test]
fn the_best_seats_are_never_those_of_the_house() {
    let row = ["A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10"];
    let show = given::<Show>([scheduled(), blocked(&row).into()]);
    let wish = |quantity| SeatWish { quantity, types: BTreeSet::new(), adjacent: true, near: Near::Front };
    let best = |quantity| LockSeats { seats: SeatChoice::Best(wish(quantity)), ..lock() };
    let chosen = show.decide(at(0), &ShowCommand::LockSeats(best(2))).unwrap();
    let ShowEvent::SeatsLocked(locked) = &chosen[0] else { panic!("{chosen:?}") };
    assert_eq!(locked.seat_ids, seats(&["B1", "B2"]));
    show.refuses(at(0), ShowCommand::LockSeats(best(3)), Rejection::NoSeatsFit);
}

#[test]
fn only_what_changes_is_written_down() {
    let show = given::<Show>([scheduled(), blocked(&["A1"]).into()]);
    show.decides(at(0), block(&["A1"]), []);
    show.decides(at(0), block(&["A1", "A2"]), [blocked(&["A2"]).into()]);
    show.decides(at(0), release(&["A2"]), []);
    show.decides(at(0), release(&["A1", "A2"]), [released(&["A1"]).into()]);
}

#[test]
fn a_seat_that_somebody_holds_or_bought_is_not_taken_away_and_nothing_is_blocked() {
    let taken = Rejection::SeatsUnavailable { seats: seats(&["A1"]), instead: None };
    given::<Show>(booked(&[])).refuses(at(TTL - 1), block(&["A1", "A2"]), taken.clone());
    given::<Show>(booked(&[confirmed("b", 1)])).refuses(at(TTL), block(&["A2", "A1"]), taken);
}

#[test]
fn a_seat_that_was_let_go_can_be_blocked() {
    for end in [cancelled("b", CancelledBy::Customer, false), expired("b"), failed("b")] {
        given::<Show>(booked(&[end])).decides(at(TTL), block(&["A1"]), [blocked(&["A1"]).into()]);
    }
}

#[test]
fn a_lock_that_ran_out_is_written_down_before_the_house_takes_its_seat() {
    let show = given::<Show>(booked(&[]));
    show.decides(at(TTL), block(&["A1", "A2"]), [expired("b"), blocked(&["A1", "A2"]).into()]);
    show.decides(at(TTL), block(&["A2"]), [blocked(&["A2"]).into()]);
}

#[test]
fn the_house_names_seats_of_the_show_each_once() {
    let show = given::<Show>([scheduled()]);
    for wanted in [block, release] {
        show.refuses(at(0), wanted(&[]), Rejection::NoSeats);
        show.refuses(at(0), wanted(&["A1", "Z1", "Z2"]), Rejection::UnknownSeats(seats(&["Z1", "Z2"])));
        show.refuses(at(0), wanted(&["A1", "A2", "A1"]), Rejection::DuplicateSeats(seats(&["A1"])));
    }
}

#[test]
fn the_house_may_keep_more_seats_than_go_into_a_booking() {
    let all = ["A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11", "B1", "B2"];
    given::<Show>([scheduled()]).decides(at(0), block(&all), [blocked(&all).into()]);
}

#[test]
fn seats_are_kept_and_given_back_until_the_show_starts_or_is_called_off() {
    let show = given::<Show>([scheduled(), blocked(&["A1"]).into()]);
    let called_off = ShowCancelled::default();
    let off = given::<Show>([scheduled(), blocked(&["A1"]).into(), called_off.into()]);
    show.decides(at(START - 1), block(&["A2"]), [blocked(&["A2"]).into()]);
    for command in [block(&["A2"]), release(&["A1"])] {
        show.refuses(at(START), command.clone(), Rejection::ShowStarted);
        show.refuses(at(END), command.clone(), Rejection::ShowStarted);
        off.refuses(at(0), command.clone(), Rejection::ShowCancelled);
        given::<Show>([]).refuses(at(0), command, Rejection::UnknownShow);
    }
}

#[test]
fn a_repeated_request_of_the_house_changes_nothing_and_its_key_fits_no_other_body() {
    let asked = |fingerprint| SeatsBlocked { request: Some(request("k", fingerprint)), ..blocked(&["A1"]) };
    let show = given::<Show>([scheduled(), asked("body").into(), released(&["A1"]).into()]);
    show.decides(at(1), ShowCommand::BlockSeats(asked("body")), []);
    show.refuses(at(1), ShowCommand::BlockSeats(asked("other")), KeyReused.into());
    let asked = |fingerprint| SeatsReleased { request: Some(request("k", fingerprint)), ..released(&["A1"]) };
    let show =
        given::<Show>([scheduled(), blocked(&["A1"]).into(), asked("body").into(), blocked(&["A1"]).into()]);
    show.decides(at(1), ShowCommand::ReleaseSeats(asked("body")), []);
    show.refuses(at(1), ShowCommand::ReleaseSeats(asked("other")), KeyReused.into());
}

#[test]
fn calling_off_a_show_leaves_the_house_its_seats() {
    let off = given::<Show>([scheduled(), blocked(&["A1"]).into(), ShowCancelled::default().into()]);
    assert!(off.screening().unwrap().is_blocked(&"A1".into()));
}
