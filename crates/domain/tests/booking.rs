//! The rules of a booking: from the lock on its seats to its end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/cinema.rs"]
mod cinema;
#[path = "support/harness.rs"]
mod harness;

use cinema::{
    END, START, TTL, at, begun, booked, cancel_booking, cancelled, completed, confirm, confirmed, details,
    expired, fail, failed, lock, request, scheduled, seats, taken,
};
use harness::{When, given};
use jiff::Timestamp;
use marquee_domain::request::KeyReused;
use marquee_domain::show::{
    BookingState, BookingStatus, CancelledBy, HoardingLimits, LockSeats, MAX_SEATS_PER_BOOKING, Near,
    Rejection, SeatChoice, SeatWish, Show, ShowCancelled, ShowCommand, ShowEvent,
};
use marquee_domain::theatre::SeatType;

fn live_locks(most: u32) -> HoardingLimits {
    HoardingLimits { live_locks: Some(most), lapsed_locks: None }
}

fn locking(wanted: &LockSeats) -> ShowCommand {
    ShowCommand::LockSeats(wanted.clone())
}

/// Ben's booking `c`, with a key of his own.
fn of_ben(names: &[&str]) -> LockSeats {
    LockSeats {
        booking_id: "c".into(),
        user_id: "ben".into(),
        idempotency_key: "k-ben".into(),
        seats: seats(names).into(),
        ..lock()
    }
}

fn status(show: &Show, booking: &str, now: Timestamp) -> BookingStatus {
    show.screening().unwrap().booking(&booking.into()).unwrap().status(now)
}

/// Every way in which Asha's booking ends, and the name of that end.
fn ends() -> Vec<(BookingStatus, Vec<ShowEvent>)> {
    vec![
        (BookingStatus::Failed, booked(&[failed("b")])),
        (BookingStatus::Expired, booked(&[expired("b")])),
        (BookingStatus::Cancelled, booked(&[cancelled("b", CancelledBy::Customer, false)])),
        (BookingStatus::Cancelled, booked(&[confirmed("b", 1), cancelled("b", CancelledBy::Customer, true)])),
        (
            BookingStatus::Cancelled,
            booked(&[ShowCancelled::default().into(), cancelled("b", CancelledBy::Show, false)]),
        ),
        (BookingStatus::Completed, booked(&[confirmed("b", 1), completed("b")])),
    ]
}

// Beginning.

#[test]
fn a_booking_begins_with_its_lock_and_its_price() {
    let show = given::<Show>([scheduled()]);
    show.decides(at(0), locking(&lock()), begun(&lock(), 0, 18_000));
    let show = given::<Show>(booked(&[]));
    assert_eq!(status(&show, "b", at(0)), BookingStatus::PaymentPending);
    assert_eq!(show.screening().unwrap().next_deadline(), Some(at(TTL)));
}

#[test]
fn a_booking_that_is_locked_and_not_yet_priced_cannot_be_paid_for() {
    let mut history = booked(&[]);
    history.pop();
    let show = given::<Show>(history);
    assert_eq!(status(&show, "b", at(0)), BookingStatus::SeatsLocked);
    show.refuses(at(1), confirm("b"), Rejection::NotPayable(BookingStatus::SeatsLocked));
    show.decides(at(1), fail("b"), [failed("b")]);
    show.decides(at(1), cancel_booking("b", "asha"), [cancelled("b", CancelledBy::Customer, false)]);
    show.decides(at(TTL), ShowCommand::ExpireDue, [expired("b")]);
}

#[test]
fn a_booking_has_one_to_ten_seats() {
    let show = given::<Show>([scheduled()]);
    show.refuses(at(0), locking(&LockSeats { seats: vec![].into(), ..lock() }), Rejection::NoSeats);
    let names: Vec<String> = (1..=11).map(|number| format!("A{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let eleven = LockSeats { seats: seats(&names).into(), ..lock() };
    show.refuses(at(0), locking(&eleven), Rejection::TooManySeats);
    let ten = LockSeats { seats: seats(&names[..MAX_SEATS_PER_BOOKING]).into(), ..lock() };
    show.decides(at(0), locking(&ten), begun(&ten, 0, 180_000));
}

#[test]
fn a_seat_is_named_once_and_is_in_the_hall() {
    let show = given::<Show>([scheduled()]);
    let twice = LockSeats { seats: seats(&["A1", "A2", "A1"]).into(), ..lock() };
    show.refuses(at(0), locking(&twice), Rejection::DuplicateSeats(seats(&["A1"])));
    let unknown = LockSeats { seats: seats(&["Z1", "A1", "Z2"]).into(), ..lock() };
    show.refuses(at(0), locking(&unknown), Rejection::UnknownSeats(seats(&["Z1", "Z2"])));
}

#[test]
fn all_seats_are_locked_or_none() {
    let show = given::<Show>(booked(&[]));
    show.refuses(at(1), locking(&of_ben(&["A2", "A1", "A3"])), taken(&["A1"], &["A2", "A3", "A4"]));
    show.decides(at(1), locking(&of_ben(&["A2", "A3"])), begun(&of_ben(&["A2", "A3"]), 1, 36_000));
}

#[test]
fn a_customer_cannot_lock_a_seat_twice_either() {
    let again = LockSeats { user_id: "asha".into(), ..of_ben(&["A1"]) };
    given::<Show>(booked(&[])).refuses(at(1), locking(&again), taken(&["A1"], &["A2"]));
}

#[test]
fn a_customer_holds_only_so_many_live_locks_in_a_show() {
    let another = |most| LockSeats { user_id: "asha".into(), hoarding: live_locks(most), ..of_ben(&["A2"]) };
    let show = given::<Show>(booked(&[]));
    show.refuses(at(TTL - 1), locking(&another(1)), Rejection::TooManyLocks { retry_after_millis: 1 });
    show.decides(at(1), locking(&another(2)), begun(&another(2), 1, 18_000));
    show.decides(at(TTL), locking(&another(1)), begun(&another(1), TTL, 18_000));
    let of_somebody_else = LockSeats { user_id: "ben".into(), ..another(1) };
    show.decides(at(1), locking(&of_somebody_else), begun(&of_somebody_else, 1, 18_000));
}

#[test]
fn a_lock_that_was_paid_for_or_given_up_no_longer_counts() {
    let another = LockSeats { user_id: "asha".into(), hoarding: live_locks(1), ..of_ben(&["A2"]) };
    for end in [confirmed("b", 1), failed("b"), expired("b"), cancelled("b", CancelledBy::Customer, false)] {
        given::<Show>(booked(&[end])).decides(at(2), locking(&another), begun(&another, 2, 18_000));
    }
}

// Deadlines.

#[test]
fn a_lock_is_free_exactly_from_its_deadline_on() {
    let show = given::<Show>(booked(&[]));
    let wanted = of_ben(&["A1"]);
    let taken = taken(&["A1"], &["A2"]);
    show.refuses(at(0), locking(&wanted), taken.clone());
    show.refuses(at(TTL - 1), locking(&wanted), taken);
    for now in [TTL, TTL + 1] {
        let [locked, pending] = begun(&wanted, now, 18_000);
        show.decides(at(now), locking(&wanted), [expired("b"), locked, pending]);
    }
    let owner = |now| show.screening().unwrap().owner(&"A1".into(), at(now)).cloned();
    assert_eq!((owner(TTL - 1), owner(TTL)), (Some("b".into()), None));
    assert_eq!(status(&show, "b", at(TTL - 1)), BookingStatus::PaymentPending);
    assert_eq!(status(&show, "b", at(TTL)), BookingStatus::Expired);
}

#[test]
fn a_takeover_writes_down_every_lock_that_it_ends_and_ends_it_once() {
    let wide = LockSeats { seats: seats(&["A1", "A2"]).into(), ..lock() };
    let other = LockSeats { user_id: "cyn".into(), booking_id: "d".into(), ..of_ben(&["A3"]) };
    let unrelated = LockSeats { user_id: "dev".into(), booking_id: "e".into(), ..of_ben(&["A9"]) };
    let history = [
        vec![scheduled()],
        begun(&wide, 0, 36_000).to_vec(),
        begun(&other, 0, 18_000).to_vec(),
        begun(&unrelated, 0, 18_000).to_vec(),
    ]
    .concat();
    let wanted = of_ben(&["A1", "A2", "A3", "A4"]);
    let [locked, pending] = begun(&wanted, TTL, 72_000);
    let events = [expired("b"), expired("d"), locked, pending];
    given::<Show>(&history).decides(at(TTL), locking(&wanted), &events);
    let after = given::<Show>([history, events.to_vec()].concat());
    after.decides(at(TTL), ShowCommand::ExpireDue, [expired("e")]);
    assert_eq!(after.screening().unwrap().owner(&"A2".into(), at(TTL)), Some(&"c".into()));
}

/// Ben wants so many premium seats, and does not say which. There are two.
fn premium_for_ben(quantity: usize) -> LockSeats {
    let types = [SeatType::Premium].into();
    let wish = SeatWish { quantity, types, adjacent: true, near: Near::Middle };
    LockSeats { seats: SeatChoice::Best(wish), ..of_ben(&[]) }
}

#[test]
fn who_names_no_seats_gets_the_best_that_are_free_when_it_is_decided() {
    let show = given::<Show>(booked(&[]));
    show.decides(at(1), locking(&premium_for_ben(2)), begun(&of_ben(&["B1", "B2"]), 1, 50_000));
    show.refuses(at(1), locking(&premium_for_ben(3)), Rejection::NoSeatsFit);
    show.refuses(at(1), locking(&premium_for_ben(0)), Rejection::NoSeats);
    show.refuses(at(1), locking(&premium_for_ben(11)), Rejection::TooManySeats);
}

#[test]
fn seats_whose_lock_has_run_out_are_given_once_that_is_written_down() {
    let held = LockSeats { seats: seats(&["B2"]).into(), ..lock() };
    let show = given::<Show>([vec![scheduled()], begun(&held, 0, 25_000).to_vec()].concat());
    show.refuses(at(TTL - 1), locking(&premium_for_ben(2)), Rejection::NoSeatsFit);
    let [locked, pending] = begun(&of_ben(&["B1", "B2"]), TTL, 50_000);
    show.decides(at(TTL), locking(&premium_for_ben(2)), [expired("b"), locked, pending]);
}

#[test]
fn a_repeat_is_answered_with_the_seats_that_were_given() {
    let history = [vec![scheduled()], begun(&of_ben(&["B1", "B2"]), 0, 50_000).to_vec()].concat();
    given::<Show>(&history).decides(at(1), locking(&premium_for_ben(2)), []);
}

#[test]
fn a_lock_that_has_run_out_is_not_written_down_by_a_refused_takeover() {
    let wanted = of_ben(&["A1", "A2"]);
    let holder = LockSeats { user_id: "cyn".into(), booking_id: "d".into(), ..of_ben(&["A2"]) };
    let show = given::<Show>(booked(&begun(&holder, 1, 18_000)));
    show.refuses(at(TTL), locking(&wanted), taken(&["A2"], &["A3", "A4"]));
}

#[test]
fn a_deadline_is_kept_to_the_millisecond_it_was_asked_for() {
    let brief = LockSeats { ttl_millis: 1, ..lock() };
    let show = given::<Show>([scheduled()]);
    let Ok(events) = marquee_domain::Decider::decide(&show, at(7), &locking(&brief)) else {
        panic!("the seat is free")
    };
    assert!(matches!(&events[0], ShowEvent::SeatsLocked(locked) if locked.expires_at == at(8)));
}

#[test]
fn every_deadline_that_has_passed_is_written_down_once_earliest_first() {
    let later = of_ben(&["A2"]);
    let history = booked(&begun(&later, 10, 18_000));
    let show = given::<Show>(&history);
    show.decides(at(TTL - 1), ShowCommand::ExpireDue, []);
    show.decides(at(TTL), ShowCommand::ExpireDue, [expired("b")]);
    show.decides(at(TTL + 10), ShowCommand::ExpireDue, [expired("b"), expired("c")]);
    let after = given::<Show>([history, vec![expired("b")]].concat());
    after.decides(at(TTL + 10), ShowCommand::ExpireDue, [expired("c")]);
}

// Paying.

#[test]
fn a_payment_before_the_deadline_confirms_and_issues_the_ticket() {
    let show = given::<Show>(booked(&[]));
    show.decides(at(TTL - 1), confirm("b"), [confirmed("b", TTL - 1)]);
    let show = given::<Show>(booked(&[confirmed("b", 5)]));
    let booking = show.screening().unwrap().booking(&"b".into()).unwrap().clone();
    assert_eq!(
        booking.state,
        BookingState::Confirmed { payment: booking.id.payment(), ticket: booking.id.ticket(), at: at(5) }
    );
}

#[test]
fn a_payment_at_the_deadline_or_after_confirms_nothing_and_the_expiry_is_a_fact() {
    let show = given::<Show>(booked(&[]));
    show.decides(at(TTL), confirm("b"), [expired("b")]);
    show.decides(at(TTL + 1), confirm("b"), [expired("b")]);
}

#[test]
fn what_came_too_late_stays_late_by_any_clock() {
    let show = given::<Show>(booked(&[expired("b")]));
    show.refuses(at(1), confirm("b"), Rejection::BookingExpired);
    show.refuses(at(TTL), confirm("b"), Rejection::BookingExpired);
}

#[test]
fn a_sold_seat_stays_sold_after_the_deadline_of_its_lock() {
    let show = given::<Show>(booked(&[confirmed("b", TTL - 1)]));
    show.decides(at(TTL), ShowCommand::ExpireDue, []);
    show.refuses(at(TTL), locking(&of_ben(&["A1"])), taken(&["A1"], &["A2"]));
    assert_eq!(status(&show, "b", at(TTL)), BookingStatus::Confirmed);
}

#[test]
fn a_payment_that_is_told_again_confirms_once() {
    given::<Show>(booked(&[confirmed("b", 5)])).decides(at(TTL), confirm("b"), []);
    given::<Show>(booked(&[confirmed("b", 5), completed("b")])).decides(at(END), confirm("b"), []);
}

#[test]
fn a_booking_is_not_paid_for_by_two_payments() {
    let other = ShowCommand::Confirm { booking_id: "b".into(), payment_id: "pay_other".into() };
    given::<Show>(booked(&[confirmed("b", 5)])).refuses(
        at(6),
        other.clone(),
        Rejection::NotPayable(BookingStatus::Confirmed),
    );
    given::<Show>(booked(&[confirmed("b", 5), completed("b")])).refuses(
        at(END),
        other,
        Rejection::NotPayable(BookingStatus::Completed),
    );
}

#[test]
fn a_failed_payment_frees_the_seats_at_once() {
    let show = given::<Show>(booked(&[]));
    show.decides(at(TTL - 1), fail("b"), [failed("b")]);
    let show = given::<Show>(booked(&[failed("b")]));
    show.decides(at(2), fail("b"), []);
    show.decides(at(2), locking(&of_ben(&["A1"])), begun(&of_ben(&["A1"]), 2, 18_000));
}

#[test]
fn a_failure_after_the_deadline_or_the_payment_ends_nothing() {
    given::<Show>(booked(&[])).refuses(at(TTL), fail("b"), Rejection::BookingExpired);
    let paid = given::<Show>(booked(&[confirmed("b", 1)]));
    paid.refuses(at(2), fail("b"), Rejection::NotPayable(BookingStatus::Confirmed));
}

#[test]
fn only_its_owner_may_pay_and_only_while_it_awaits_its_payment() {
    let payable = |history: Vec<ShowEvent>, now, id: &str, user: &str| {
        let show = given::<Show>(history);
        let screening = show.screening().unwrap();
        screening.payable(at(now), &id.into(), &user.into()).map(|booking| booking.id.clone())
    };
    assert_eq!(payable(booked(&[]), TTL - 1, "b", "asha"), Ok("b".into()));
    assert_eq!(payable(booked(&[]), TTL, "b", "asha"), Err(Rejection::BookingExpired));
    assert_eq!(payable(booked(&[]), 1, "b", "ben"), Err(Rejection::NotYours));
    assert_eq!(payable(booked(&[]), 1, "nonsense", "asha"), Err(Rejection::UnknownBooking));
    assert_eq!(
        payable(booked(&[confirmed("b", 1)]), 2, "b", "asha"),
        Err(Rejection::NotPayable(BookingStatus::Confirmed))
    );
    for (status, history) in ends() {
        let refused = match status {
            BookingStatus::Expired => Rejection::BookingExpired,
            other => Rejection::NotPayable(other),
        };
        assert_eq!(payable(history, 2, "b", "asha"), Err(refused));
    }
}

// Cancelling.

#[test]
fn a_customer_cancels_before_and_after_paying_and_the_log_says_which() {
    let left = |paid| cancelled("b", CancelledBy::Customer, paid);
    given::<Show>(booked(&[])).decides(at(1), cancel_booking("b", "asha"), [left(false)]);
    let paid = given::<Show>(booked(&[confirmed("b", 1)]));
    paid.decides(at(START - 1), cancel_booking("b", "asha"), [left(true)]);
    for paid in [false, true] {
        let free = given::<Show>(booked(&[left(paid)]));
        free.decides(at(2), locking(&of_ben(&["A1"])), begun(&of_ben(&["A1"]), 2, 18_000));
    }
}

#[test]
fn a_paid_booking_is_cancelled_until_the_show_starts() {
    let paid = given::<Show>(booked(&[confirmed("b", 1)]));
    paid.refuses(at(START), cancel_booking("b", "asha"), Rejection::NotCancellable(BookingStatus::Confirmed));
}

#[test]
fn cancelling_again_answers_the_same() {
    for (by, paid) in
        [(CancelledBy::Customer, false), (CancelledBy::Customer, true), (CancelledBy::Show, true)]
    {
        let show = given::<Show>(booked(&[cancelled("b", by, paid)]));
        show.decides(at(END), cancel_booking("b", "asha"), []);
    }
}

#[test]
fn a_booking_whose_deadline_has_passed_is_not_cancelled() {
    let show = given::<Show>(booked(&[]));
    show.refuses(at(TTL), cancel_booking("b", "asha"), Rejection::NotCancellable(BookingStatus::Expired));
}

#[test]
fn a_booking_is_cancelled_by_its_owner_alone() {
    given::<Show>(booked(&[])).refuses(at(1), cancel_booking("b", "ben"), Rejection::NotYours);
    for (_, history) in ends() {
        given::<Show>(history).refuses(at(1), cancel_booking("b", "ben"), Rejection::NotYours);
    }
}

#[test]
fn nothing_happens_to_a_booking_that_does_not_exist() {
    let show = given::<Show>(booked(&[]));
    for command in [confirm("z"), fail("z"), cancel_booking("z", "asha")] {
        show.refuses(at(1), command, Rejection::UnknownBooking);
    }
}

// Ends.

#[test]
fn a_paid_booking_is_completed_when_its_show_is_over() {
    let show = given::<Show>(booked(&[confirmed("b", 1)]));
    assert!(show.screening().unwrap().has_confirmed());
    show.decides(at(END - 1), ShowCommand::CompleteDue, []);
    show.decides(at(END), ShowCommand::CompleteDue, [completed("b")]);
    let over = given::<Show>(booked(&[confirmed("b", 1), completed("b")]));
    assert!(!over.screening().unwrap().has_confirmed());
    over.decides(at(END + 1), ShowCommand::CompleteDue, []);
}

#[test]
fn only_paid_bookings_are_completed() {
    given::<Show>(booked(&[])).decides(at(END), ShowCommand::CompleteDue, []);
}

#[test]
fn nothing_leaves_a_final_state() {
    for (end, history) in ends() {
        let show = given::<Show>(&history);
        assert_eq!(status(&show, "b", at(END)), end);
        let confirm_again = match end {
            BookingStatus::Completed => Ok(vec![]),
            BookingStatus::Expired => Err(Rejection::BookingExpired),
            other => Err(Rejection::NotPayable(other)),
        };
        let fail_again = match end {
            BookingStatus::Failed => Ok(vec![]),
            BookingStatus::Expired => Err(Rejection::BookingExpired),
            other => Err(Rejection::NotPayable(other)),
        };
        let cancel_again = match end {
            BookingStatus::Cancelled => Ok(vec![]),
            other => Err(Rejection::NotCancellable(other)),
        };
        let decide = |now, command| marquee_domain::Decider::decide(&show, at(now), &command);
        for now in [2, TTL, END] {
            assert_eq!(decide(now, confirm("b")), confirm_again, "{end} at {now}");
            assert_eq!(decide(now, fail("b")), fail_again, "{end} at {now}");
            assert_eq!(decide(now, cancel_booking("b", "asha")), cancel_again, "{end} at {now}");
            assert_eq!(decide(now, ShowCommand::ExpireDue), Ok(vec![]), "{end} at {now}");
            assert_eq!(decide(now, ShowCommand::CompleteDue), Ok(vec![]), "{end} at {now}");
        }
        if let Ok(events) =
            decide(2, ShowCommand::Cancel(ShowCancelled { request: Some(request("k", "body")) }))
        {
            assert!(events.len() <= 1, "calling off the show ends {end} again: {events:?}");
        }
    }
}

#[test]
fn the_seats_of_an_ended_booking_are_free_and_those_of_a_completed_one_are_not() {
    for (end, history) in ends() {
        let owner = given::<Show>(history).screening().unwrap().owner(&"A1".into(), at(2)).cloned();
        assert_eq!(owner.is_some(), end == BookingStatus::Completed, "{end}");
    }
}

// Idempotency.

#[test]
fn the_same_key_with_the_same_body_is_the_same_booking() {
    let again = LockSeats { booking_id: "another".into(), ..lock() };
    for since in [vec![], vec![confirmed("b", 1)]] {
        let show = given::<Show>(booked(&since));
        show.decides(at(1), locking(&again), []);
        let known = show.screening().unwrap().booking_by_key(&"asha".into(), &"k".into()).unwrap();
        assert_eq!(known.id.as_str(), "b");
    }
    for (end, history) in ends() {
        if end != BookingStatus::Expired {
            given::<Show>(history).decides(at(END), locking(&again), []);
        }
    }
}

#[test]
fn a_key_is_answered_even_after_the_show_started_or_was_called_off() {
    let called_off = ShowEvent::from(ShowCancelled::default());
    let show = given::<Show>(booked(&[called_off, cancelled("b", CancelledBy::Show, false)]));
    show.decides(at(START), locking(&lock()), []);
}

#[test]
fn the_same_key_with_another_body_is_refused() {
    let other = LockSeats { fingerprint: "other".into(), seats: seats(&["A2"]).into(), ..lock() };
    given::<Show>(booked(&[])).refuses(at(1), locking(&other), KeyReused.into());
    for (_, history) in ends() {
        given::<Show>(history).refuses(at(1), locking(&other), KeyReused.into());
    }
}

#[test]
fn the_key_of_an_expired_booking_says_so_whether_or_not_it_is_written_down() {
    given::<Show>(booked(&[])).refuses(at(TTL), locking(&lock()), Rejection::BookingExpired);
    given::<Show>(booked(&[expired("b")])).refuses(at(TTL), locking(&lock()), Rejection::BookingExpired);
}

#[test]
fn the_same_key_of_another_customer_is_another_booking() {
    let other = LockSeats { idempotency_key: "k".into(), ..of_ben(&["A2"]) };
    given::<Show>(booked(&[])).decides(at(1), locking(&other), begun(&other, 1, 18_000));
}

#[test]
fn a_refused_request_leaves_its_key_unused() {
    let refused = of_ben(&["A1"]);
    let show = given::<Show>(booked(&[]));
    show.refuses(at(1), locking(&refused), taken(&["A1"], &["A2"]));
    assert!(show.screening().unwrap().booking_by_key(&"ben".into(), &"k-ben".into()).is_none());
    assert_eq!(show.screening().unwrap().bookings().count(), 1);
    assert_eq!(*show.screening().unwrap().details, details());
}
