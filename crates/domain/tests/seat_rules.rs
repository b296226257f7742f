//! A theatre's rules on seats, and what keeps one customer from holding a hall.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/cinema.rs"]
#[expect(dead_code, reason = "shared by several files")]
mod cinema;
#[path = "support/harness.rs"]
mod harness;

use std::collections::{BTreeMap, BTreeSet};

use cinema::{
    START, TTL, at, begun, booked, cancelled, confirm, confirmed, details, expired, failed, lock, request,
    scheduled, seats,
};
use harness::{When, given};
use marquee_domain::Decider;
use marquee_domain::ids::SeatId;
use marquee_domain::request::{KeyReused, Request};
use marquee_domain::seat_rules::{Companions, SeatRule, SeatRules, SeatRulesFault};
use marquee_domain::show::{
    BookingStatus, CancelledBy, ExtendLock, HoardingLimits, LAPSED_MEMORY_MILLIS, LockExtended, LockSeats,
    Near, Rejection, SeatChoice, SeatWish, Show, ShowCommand, ShowEvent, ShowScheduled,
};
use marquee_domain::theatre::{LayoutRow, LayoutSeat, SeatType};
use proptest::collection::vec;
use proptest::prelude::*;

/// A show under these rules, of rows as drawn: `r`egular, `w`heelchair, `c`ompanion, a space for a gap. Seats are named by their
/// row and place.
fn show(rules: SeatRules, rows: &[&str]) -> ShowEvent {
    let seat = |label: char, place: usize, drawn: &str| {
        let seat_type = match drawn.as_bytes()[place] {
            b'w' => SeatType::Wheelchair,
            b'c' => SeatType::Companion,
            _ => SeatType::Regular,
        };
        let mut seat = LayoutSeat::new(format!("{label}{place}").as_str().into(), seat_type);
        seat.gap_before = u8::from(place > 0 && drawn.as_bytes()[place - 1] == b' ');
        seat
    };
    let row = |(label, drawn): (char, &&str)| LayoutRow {
        row_label: label.to_string().into(),
        seats: (0..drawn.len())
            .filter(|place| drawn.as_bytes()[*place] != b' ')
            .map(|place| seat(label, place, drawn))
            .collect(),
    };
    let prices = [SeatType::Regular, SeatType::Wheelchair, SeatType::Companion].map(|kind| (kind, 18_000));
    let mut show = details();
    show.rows = ('A'..).zip(rows).map(row).collect();
    show.prices = BTreeMap::from(prices);
    show.seat_rules = rules;
    ShowScheduled { show, request: None }.into()
}

fn wanting(names: &[&str]) -> LockSeats {
    LockSeats { seats: seats(names).into(), ..lock() }
}

fn locking(wanted: &LockSeats) -> ShowCommand {
    ShowCommand::LockSeats(wanted.clone())
}

fn price(count: usize) -> i64 {
    18_000 * i64::try_from(count).unwrap()
}

#[track_caller]
fn lets(show: &Show, names: &[&str]) {
    let wanted = wanting(names);
    show.decides(at(0), locking(&wanted), begun(&wanted, 0, price(names.len())));
}

#[track_caller]
fn refuses(show: &Show, names: &[&str], rule: SeatRule, at_fault: &[&str], instead: Option<&[&str]>) {
    let (seats_at_fault, instead) = (seats(at_fault), instead.map(seats));
    let refusal = Rejection::AgainstSeatRule { rule, seats: seats_at_fault, instead };
    show.refuses(at(0), locking(&wanting(names)), refusal);
}

/// A show where somebody else has booked these seats.
fn with_taken(show: ShowEvent, names: &[&str]) -> Show {
    let other = LockSeats {
        booking_id: "other".into(),
        user_id: "ben".into(),
        idempotency_key: "k-other".into(),
        ..wanting(names)
    };
    given::<Show>([vec![show], begun(&other, 0, price(names.len())).to_vec()].concat())
}

// No single seat left.

const NO_SINGLES: SeatRules = SeatRules {
    no_single_seats: true,
    seats_per_booking: None,
    seats_per_user: None,
    companions: Companions::Free,
    lock_extension_seconds: None,
};

#[test]
fn a_booking_that_leaves_a_seat_alone_is_refused_and_told_which_seats_would_not() {
    let show = given::<Show>([show(NO_SINGLES, &["rrrrrr"])]);
    refuses(&show, &["A1", "A2"], SeatRule::NoSingleSeats, &["A0"], Some(&["A0", "A1"]));
    refuses(&show, &["A1"], SeatRule::NoSingleSeats, &["A0"], Some(&["A0"]));
    lets(&show, &["A0", "A1"]);
    lets(&show, &["A2", "A3"]);
    lets(&show, &["A0", "A1", "A2", "A3", "A4", "A5"]);
}

#[test]
fn where_every_choice_leaves_a_seat_alone_any_is_let() {
    let show = given::<Show>([show(NO_SINGLES, &["rrr", "rrr"])]);
    lets(&show, &["A0", "A1"]);
    lets(&show, &["B1", "B2"]);
    // Of the three that are left one may go: the outer ones leave a pair.
    refuses(&show, &["A1"], SeatRule::NoSingleSeats, &["A0", "A2"], Some(&["A0"]));
}

#[test]
fn what_is_proposed_is_let_and_is_free() {
    let show = with_taken(show(NO_SINGLES, &["rrrrr", "rrrrr"]), &["A0", "A1"]);
    refuses(&show, &["A2", "A3"], SeatRule::NoSingleSeats, &["A4"], Some(&["B3", "B4"]));
}

#[test]
fn without_the_rule_a_seat_may_be_left_alone() {
    let show = given::<Show>([show(SeatRules::default(), &["rrrrrr"])]);
    lets(&show, &["A1", "A2"]);
}

/// The hall as this test sees it: blocks of seats that stand side by side, each free or not. It shares nothing with the rule's own code.
struct Hall {
    blocks: Vec<Vec<(SeatId, SeatType, bool)>>,
}

impl Hall {
    fn of(rows: &[LayoutRow]) -> Self {
        let mut blocks = vec![];
        for row in rows {
            for seat in &row.seats {
                if blocks.is_empty() || seat.gap_before > 0 || seat.seat_id == row.seats[0].seat_id {
                    blocks.push(vec![]);
                }
                blocks.last_mut().unwrap().push((seat.seat_id.clone(), seat.seat_type, true));
            }
        }
        Self { blocks }
    }

    /// Seats that are free, had a free neighbour, and have none once these are taken.
    fn left_alone(&self, taken: &[SeatId]) -> usize {
        let count = |gone: &[SeatId]| -> BTreeSet<SeatId> {
            let free = |(id, kind, free): &(SeatId, SeatType, bool)| {
                *free && *kind == SeatType::Regular && !gone.contains(id)
            };
            let mut alone = BTreeSet::new();
            for block in &self.blocks {
                for (at, seat) in block.iter().enumerate().filter(|(_, seat)| free(seat)) {
                    let beside = [at.checked_sub(1), Some(at + 1)].into_iter().flatten();
                    if !beside.filter_map(|at| block.get(at)).any(free) {
                        alone.insert(seat.0.clone());
                    }
                }
            }
            alone
        };
        count(taken).difference(&count(&[])).count()
    }

    /// Whether as many seats of these types, side by side and free, would leave none alone.
    fn has_better(&self, chosen: &[SeatId]) -> bool {
        let types = |ids: &mut dyn Iterator<Item = SeatType>| {
            let mut types: Vec<SeatType> = ids.collect();
            types.sort_unstable();
            types
        };
        let all = || self.blocks.iter().flatten();
        let wanted = types(&mut chosen.iter().map(|id| all().find(|seat| seat.0 == *id).unwrap().1));
        self.blocks.iter().flat_map(|block| block.windows(chosen.len())).any(|seats| {
            let ids: Vec<SeatId> = seats.iter().map(|seat| seat.0.clone()).collect();
            seats.iter().all(|seat| seat.2)
                && types(&mut seats.iter().map(|seat| seat.1)) == wanted
                && self.left_alone(&ids) == 0
        })
    }

    fn take(&mut self, chosen: &[SeatId]) {
        for seat in self.blocks.iter_mut().flatten().filter(|seat| chosen.contains(&seat.0)) {
            assert!(std::mem::take(&mut seat.2), "{} is given twice", seat.0);
        }
    }
}

proptest! {
    #[test]
    fn no_booking_leaves_a_seat_alone_where_the_rule_forbids_it(
        drawn in vec("[rrrrrrrw ]{1,12}".prop_filter("a row has seats", |row| !row.trim().is_empty()), 1..6),
        wishes in vec((1..5_usize, any::<bool>(), any::<bool>(), any::<prop::sample::Index>()), 1..30),
    ) {
        let drawn: Vec<&str> = drawn.iter().map(String::as_str).collect();
        let scheduled = show(NO_SINGLES, &drawn);
        let ShowEvent::Scheduled(details) = &scheduled else { unreachable!() };
        let mut hall = Hall::of(&details.show.rows);
        let all: Vec<SeatId> = hall.blocks.iter().flatten().map(|seat| seat.0.clone()).collect();
        let mut show = given::<Show>([scheduled.clone()]);
        for (number, (quantity, named, adjacent, from)) in wishes.into_iter().enumerate() {
            let from = from.index(all.len());
            let choice = if named {
                SeatChoice::These(all[from..(from + quantity).min(all.len())].to_vec())
            } else {
                SeatChoice::Best(SeatWish { quantity, types: BTreeSet::new(), adjacent, near: Near::Middle })
            };
            let wanted = LockSeats {
                booking_id: number.to_string().as_str().into(),
                idempotency_key: number.to_string().as_str().into(),
                seats: choice.clone(),
                ..lock()
            };
            let decided = match show.decide(at(0), &locking(&wanted)) {
                Ok(decided) => decided,
                Err(Rejection::AgainstSeatRule { rule: SeatRule::NoSingleSeats, instead: Some(instead), .. }) => {
                    let SeatChoice::These(chosen) = &choice else { panic!("the best seats break the rule") };
                    prop_assert!(hall.left_alone(chosen) > 0, "{chosen:?} leave none alone");
                    // What is proposed is let.
                    show.decide(at(0), &locking(&LockSeats { seats: instead.into(), ..wanted })).unwrap()
                }
                Err(Rejection::SeatsUnavailable { .. } | Rejection::NoSeatsFit) => continue,
                Err(other) => panic!("{other}"),
            };
            let ShowEvent::SeatsLocked(locked) = &decided[0] else { panic!("{decided:?}") };
            let alone = hall.left_alone(&locked.seat_ids);
            prop_assert!(alone == 0 || !hall.has_better(&locked.seat_ids), "{:?}", locked.seat_ids);
            hall.take(&locked.seat_ids);
            for event in &decided {
                show.evolve(event);
            }
        }
    }
}

// Wheelchairs.

#[test]
fn a_companion_seat_goes_only_with_the_wheelchair_beside_it() {
    let rules = SeatRules { companions: Companions::WithWheelchair, ..SeatRules::default() };
    let show = given::<Show>([show(rules, &["wcrr wc"])]);
    refuses(&show, &["A1"], SeatRule::CompanionNeedsWheelchair, &["A1"], None);
    refuses(&show, &["A1", "A5"], SeatRule::CompanionNeedsWheelchair, &["A1"], None);
    lets(&show, &["A0", "A1"]);
    lets(&show, &["A0"]);
    lets(&show, &["A2"]);
}

#[test]
fn where_it_is_required_a_wheelchair_brings_a_companion() {
    let rules = SeatRules { companions: Companions::Required, ..SeatRules::default() };
    let hall = show(rules, &["wcrr wr"]);
    let show = given::<Show>([hall.clone()]);
    refuses(&show, &["A0"], SeatRule::WheelchairNeedsCompanion, &["A0"], Some(&["A0", "A1"]));
    refuses(&show, &["A1", "A2"], SeatRule::CompanionNeedsWheelchair, &["A1"], None);
    lets(&show, &["A0", "A1"]);
    lets(&show, &["A5"]);
    // A companion's seat that is gone keeps no wheelchair place empty.
    let shared = with_taken(shared_companion(rules), &["A0", "A1"]);
    lets(&shared, &["A2"]);
}

fn shared_companion(rules: SeatRules) -> ShowEvent {
    show(rules, &["wcw"])
}

#[test]
fn what_heals_one_rule_and_breaks_another_is_not_proposed() {
    let rules =
        SeatRules { companions: Companions::Required, seats_per_booking: Some(1), ..SeatRules::default() };
    let show = given::<Show>([show(rules, &["wcrr"])]);
    refuses(&show, &["A0"], SeatRule::WheelchairNeedsCompanion, &["A0"], None);
    // The row has no two seats beside each other but such as leave the third alone.
    let singles = with_taken(two_rows(), &["A0"]);
    let refused = Rejection::SeatsUnavailable { seats: seats(&["A0"]), instead: None };
    singles.refuses(at(0), locking(&wanting(&["A0", "A1"])), refused);
}

fn two_rows() -> ShowEvent {
    show(NO_SINGLES, &["rrrr", "rrrr"])
}

#[test]
fn by_default_anybody_may_sit_beside_a_wheelchair() {
    let show = given::<Show>([show(SeatRules::default(), &["wcr"])]);
    lets(&show, &["A1"]);
    lets(&show, &["A0"]);
}

#[test]
fn the_best_seats_of_a_wheelchair_come_with_the_companion_that_it_needs() {
    let rules = SeatRules { companions: Companions::Required, ..SeatRules::default() };
    let show = given::<Show>([show(rules, &["wcwr"])]);
    let wish = |quantity, types: &[SeatType]| LockSeats {
        seats: SeatChoice::Best(SeatWish {
            quantity,
            types: types.iter().copied().collect(),
            adjacent: true,
            near: Near::Middle,
        }),
        ..lock()
    };
    show.refuses(at(0), locking(&wish(1, &[SeatType::Wheelchair])), Rejection::NoSeatsFit);
    let both = show.decide(at(0), &locking(&wish(2, &[SeatType::Wheelchair, SeatType::Companion]))).unwrap();
    let Some(ShowEvent::SeatsLocked(locked)) = both.first() else { panic!("{both:?}") };
    assert_eq!(locked.seat_ids, seats(&["A0", "A1"]));
}

// So many seats.

#[test]
fn a_theatre_lets_fewer_seats_into_one_booking() {
    let rules = SeatRules { seats_per_booking: Some(2), ..SeatRules::default() };
    let show = given::<Show>([show(rules, &["rrrr"])]);
    lets(&show, &["A0", "A1"]);
    refuses(&show, &["A0", "A1", "A2"], SeatRule::SeatsPerBooking { most: 2 }, &[], None);
    let best = SeatWish { quantity: 3, types: BTreeSet::new(), adjacent: true, near: Near::Middle };
    let refusal = Rejection::AgainstSeatRule {
        rule: SeatRule::SeatsPerBooking { most: 2 },
        seats: vec![],
        instead: None,
    };
    show.refuses(at(0), locking(&LockSeats { seats: SeatChoice::Best(best), ..lock() }), refusal);
}

#[test]
fn a_customer_has_so_many_seats_of_a_show_held_or_bought() {
    let rules = SeatRules { seats_per_user: Some(3), ..SeatRules::default() };
    let history = |since: &[ShowEvent]| {
        [&[show(rules, &["rrrrrr"])], &begun(&lock_of_two(), 0, 36_000)[..], since].concat()
    };
    let another =
        |names: &[&str]| LockSeats { booking_id: "c".into(), idempotency_key: "k2".into(), ..wanting(names) };
    let refusal = Rejection::AgainstSeatRule {
        rule: SeatRule::SeatsPerUser { most: 3, held: 2 },
        seats: vec![],
        instead: None,
    };
    for since in [vec![], vec![confirmed("b", 1)]] {
        let show = given::<Show>(history(&since));
        show.refuses(at(2), locking(&another(&["A2", "A3"])), refusal.clone());
        show.decides(at(2), locking(&another(&["A2"])), begun(&another(&["A2"]), 2, 18_000));
        let of_ben = LockSeats { user_id: "ben".into(), ..another(&["A2", "A3"]) };
        show.decides(at(2), locking(&of_ben), begun(&of_ben, 2, 36_000));
    }
    for end in [failed("b"), expired("b"), cancelled("b", CancelledBy::Customer, false)] {
        let show = given::<Show>(history(&[end]));
        let three = another(&["A2", "A3", "A4"]);
        show.decides(at(2), locking(&three), begun(&three, 2, 54_000));
    }
    let show = given::<Show>(history(&[]));
    let three = another(&["A2", "A3", "A4"]);
    show.decides(at(TTL), locking(&three), begun(&three, TTL, 54_000));
}

fn lock_of_two() -> LockSeats {
    wanting(&["A0", "A1"])
}

#[test]
fn rules_that_let_nobody_book_are_faulty() {
    let fault = |rules: SeatRules| rules.fault();
    assert_eq!(fault(SeatRules::default()), None);
    for seats in [0, 11] {
        let rules = SeatRules { seats_per_booking: Some(seats), ..SeatRules::default() };
        assert_eq!(fault(rules), Some(SeatRulesFault::SeatsPerBooking));
    }
    let nobody = SeatRules { seats_per_user: Some(0), ..SeatRules::default() };
    assert_eq!(fault(nobody), Some(SeatRulesFault::SeatsPerUser));
    for seconds in [0, 3_601] {
        let rules = SeatRules { lock_extension_seconds: Some(seconds), ..SeatRules::default() };
        assert_eq!(fault(rules), Some(SeatRulesFault::LockExtension));
    }
}

// One extension.

const EXTENSION: i64 = 60_000;

fn extended(booking: &str, deadline: i64, request: Option<Request>) -> ShowEvent {
    LockExtended { booking_id: booking.into(), expires_at: at(deadline), request }.into()
}

fn extend(booking: &str, user: &str, request: Option<Request>) -> ShowCommand {
    ShowCommand::ExtendLock(ExtendLock { booking_id: booking.into(), user_id: user.into(), request })
}

fn extendable(since: &[ShowEvent]) -> Show {
    let rules = SeatRules { lock_extension_seconds: Some(60), ..SeatRules::default() };
    let hall = show(rules, &["rrrrrr"]);
    given::<Show>([vec![hall], begun(&wanting(&["A0"]), 0, 18_000).to_vec(), since.to_vec()].concat())
}

#[test]
fn a_lock_is_extended_once_where_the_theatre_offers_that() {
    let deadline = TTL + EXTENSION;
    extendable(&[]).decides(at(TTL - 1), extend("b", "asha", None), [extended("b", deadline, None)]);
    let again = extendable(&[extended("b", deadline, None)]);
    again.refuses(at(1), extend("b", "asha", None), Rejection::AlreadyExtended);
    given::<Show>(booked(&[])).refuses(at(1), extend("b", "asha", None), Rejection::ExtensionNotOffered);
    extendable(&[]).refuses(at(1), extend("b", "ben", None), Rejection::NotYours);
    extendable(&[]).refuses(at(1), extend("x", "asha", None), Rejection::UnknownBooking);
}

#[test]
fn a_lock_is_extended_until_the_show_starts_at_most() {
    let rules = SeatRules { lock_extension_seconds: Some(60), ..SeatRules::default() };
    let late = |since: i64| {
        let wanted = LockSeats { ttl_millis: TTL.unsigned_abs(), ..wanting(&["A0"]) };
        let begun = begun(&wanted, since, 18_000);
        given::<Show>([vec![show(rules, &["rrr"])], begun.to_vec()].concat())
    };
    let near = START - TTL - 1_000;
    late(near).decides(at(near), extend("b", "asha", None), [extended("b", START, None)]);
    let at_start = START - TTL;
    late(at_start).refuses(at(at_start), extend("b", "asha", None), Rejection::StartsTooSoon);
}

#[test]
fn an_extended_lock_holds_its_seats_until_the_new_deadline() {
    let deadline = TTL + EXTENSION;
    let show = extendable(&[extended("b", deadline, None)]);
    let of_ben = LockSeats {
        booking_id: "c".into(),
        user_id: "ben".into(),
        idempotency_key: "k-ben".into(),
        ..wanting(&["A0"])
    };
    show.refuses(at(deadline - 1), locking(&of_ben), cinema::taken(&["A0"], &["A1"]));
    show.decides(at(deadline - 1), confirm("b"), [confirmed("b", deadline - 1)]);
    show.decides(at(deadline - 1), ShowCommand::ExpireDue, []);
    show.decides(at(deadline), ShowCommand::ExpireDue, [expired("b")]);
    let booking = show.screening().unwrap().booking(&"b".into()).unwrap();
    assert_eq!(booking.status(at(deadline - 1)), BookingStatus::PaymentPending);
    assert_eq!((booking.expires_at, booking.extended_from), (at(deadline), Some(at(TTL))));
}

#[test]
fn what_holds_no_seats_by_a_lock_cannot_be_extended() {
    extendable(&[]).refuses(at(TTL), extend("b", "asha", None), Rejection::BookingExpired);
    for (end, status) in [
        (confirmed("b", 1), BookingStatus::Confirmed),
        (failed("b"), BookingStatus::Failed),
        (cancelled("b", CancelledBy::Customer, false), BookingStatus::Cancelled),
    ] {
        extendable(&[end]).refuses(at(2), extend("b", "asha", None), Rejection::NotExtendable(status));
    }
}

#[test]
fn a_repeated_request_extends_once_and_its_key_is_its_own() {
    let asked = request("e", "body");
    let show = extendable(&[extended("b", TTL + EXTENSION, Some(asked.clone()))]);
    show.decides(at(1), extend("b", "asha", Some(asked)), []);
    let other = request("e", "other");
    show.refuses(at(1), extend("b", "asha", Some(other)), Rejection::KeyReused(KeyReused));
}

// Hoarding.

fn lapsed_locks(most: u32) -> HoardingLimits {
    HoardingLimits { live_locks: None, lapsed_locks: Some(most) }
}

#[test]
fn who_lets_locks_lapse_again_and_again_waits() {
    let memory = i64::try_from(LAPSED_MEMORY_MILLIS).unwrap();
    let another = |most| LockSeats {
        booking_id: "z".into(),
        idempotency_key: "kz".into(),
        seats: seats(&["A9"]).into(),
        hoarding: lapsed_locks(most),
        ..lock()
    };
    // One expired, and one cancelled a second later; a third has run out and nobody has written it down.
    let [first, second, third] = [("b", 0), ("c", 1_000), ("d", 2_000)].map(|(booking, now)| {
        let wanted = LockSeats { booking_id: booking.into(), idempotency_key: booking.into(), ..lock() };
        begun(&wanted, now, 18_000)
    });
    let cancelled = cancelled("c", CancelledBy::Customer, false);
    let history = [
        vec![scheduled()],
        first.to_vec(),
        vec![expired("b")],
        second.to_vec(),
        vec![cancelled],
        third.to_vec(),
    ];
    let show = given::<Show>(history.concat());
    let now = TTL + 2_000;
    let wait = |since: i64| u64::try_from(since + TTL + memory - now).unwrap();
    show.refuses(
        at(now),
        locking(&another(3)),
        Rejection::TooManyLapsedLocks { retry_after_millis: wait(0) },
    );
    show.refuses(
        at(now),
        locking(&another(2)),
        Rejection::TooManyLapsedLocks { retry_after_millis: wait(1_000) },
    );
    show.decides(at(now), locking(&another(4)), [vec![], begun(&another(4), now, 18_000).to_vec()].concat());
    let later = now + i64::try_from(wait(0)).unwrap();
    show.decides(at(later), locking(&another(3)), begun(&another(3), later, 18_000));
    let of_ben = LockSeats { user_id: "ben".into(), ..another(1) };
    show.decides(at(now), locking(&of_ben), begun(&of_ben, now, 18_000));
}

#[test]
fn what_was_paid_is_not_held_against_anybody_and_what_was_declined_is() {
    let another = LockSeats {
        booking_id: "z".into(),
        idempotency_key: "kz".into(),
        seats: seats(&["A9"]).into(),
        hoarding: lapsed_locks(1),
        ..lock()
    };
    for since in
        [vec![confirmed("b", 1)], vec![confirmed("b", 1), cancelled("b", CancelledBy::Customer, true)]]
    {
        given::<Show>(booked(&since)).decides(at(2), locking(&another), begun(&another, 2, 18_000));
    }
    let declined = given::<Show>(booked(&[failed("b")]));
    let memory = LAPSED_MEMORY_MILLIS + TTL.unsigned_abs() - 2;
    declined.refuses(at(2), locking(&another), Rejection::TooManyLapsedLocks { retry_after_millis: memory });
}
