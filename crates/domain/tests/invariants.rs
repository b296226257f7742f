//! Random worlds drive the deciders, and every prefix of every log that comes of it must break no rule. Doctored logs
//! prove that the checker sees what it is there to see.
//!
//! `MARQUEE_SIM_COMMANDS` says how many commands at least; `MARQUEE_SIM_SEED` replays one world.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/checker.rs"]
mod checker;
#[path = "support/log.rs"]
mod log;
#[path = "support/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use checker::{Checker, Recorded, Rule, Violation};
use marquee_domain::Event;
use marquee_domain::ids::BookingId;
use marquee_domain::payment::{PaymentEvent, RefundSucceeded};
use marquee_domain::show::{
    BookingCancelled, BookingExpired, BookingFailed, BookingSeatsCancelled, SeatsBlocked, ShowEvent,
};
use world::World;

const COMMANDS: u64 = 120_000;
const STEPS: u64 = 1_000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs one world to its end; on a failure, how far it came.
fn run(seed: u64) -> Result<World, (u64, Violation)> {
    let mut world = World::new(seed).map_err(|violation| (0, violation))?;
    for step in 0..STEPS {
        world.step().map_err(|violation| (step, violation))?;
    }
    world.come_to_rest().map_err(|violation| (STEPS, violation))?;
    world.log.checker.quiescent().map_err(|violation| (STEPS, violation))?;
    let (captured, told) = (world.log.checker.captured(), world.told());
    if captured != told {
        let what = format!("the gateway told of {told:?}, the log has {captured:?}");
        return Err((STEPS, Violation { rule: Rule::Money, what }));
    }
    Ok(world)
}

#[test]
fn no_prefix_of_any_log_breaks_a_rule() {
    let wanted = from_environment("MARQUEE_SIM_COMMANDS").unwrap_or(COMMANDS);
    let only = from_environment("MARQUEE_SIM_SEED");
    let (mut commands, mut events, mut conflicts, mut seeds) = (0, 0, 0, 0);
    let (mut kinds, mut refusals) = (BTreeMap::new(), BTreeMap::new());
    let mut seed = only.unwrap_or(1);
    while commands < wanted {
        let world = match run(seed) {
            Ok(world) => world,
            Err((step, Violation { rule, what })) => {
                panic!("seed {seed}, step {step}: {rule:?}: {what} (replay with MARQUEE_SIM_SEED={seed})")
            }
        };
        commands += world.commands;
        events += world.log.events.len();
        conflicts += world.log.conflicts;
        for (name, count) in &world.log.checker.seen {
            *kinds.entry(*name).or_insert(0) += count;
        }
        for (name, count) in world.refusals {
            *refusals.entry(name).or_insert(0) += count;
        }
        seeds += 1;
        seed += 1;
        if only.is_some() {
            break;
        }
    }
    println!("{commands} commands, {events} events, {seeds} seeds, {conflicts} conflicts");
    println!("events: {kinds:?}\nrefusals: {refusals:?}");
    if only.is_none() {
        for name in ShowEvent::STORED_NAMES.iter().chain(PaymentEvent::STORED_NAMES) {
            assert!(kinds.contains_key(name), "no world came by {name}");
        }
        assert!(conflicts > 0, "no node ever came between another");
    }
}

// A checker that cannot fail proves nothing.

/// A log in which every kind of event of a show and a payment is found.
fn sound() -> Vec<Recorded> {
    let kinds = ShowEvent::STORED_NAMES.len() + PaymentEvent::STORED_NAMES.len();
    let worlds = (1..100).filter_map(|seed| run(seed).ok());
    let mut rich = worlds.filter(|world| world.log.checker.seen.len() == kinds);
    rich.next().expect("one of the first worlds is rich").log.events
}

fn check(log: &[Recorded]) -> Result<Checker, Violation> {
    let mut checker = Checker::default();
    log.iter().try_for_each(|recorded| checker.accept(recorded))?;
    Ok(checker)
}

/// Numbers a doctored log as if it had been written so.
fn renumber(log: &mut [Recorded]) {
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for (position, recorded) in (0..).zip(log.iter_mut()) {
        let revision = next.entry(recorded.stream.clone()).or_default();
        (recorded.position, recorded.id, recorded.revision) = (position, position, *revision);
        *revision += 1;
    }
}

fn find(log: &[Recorded], wanted: impl Fn(&Event) -> bool) -> usize {
    log.iter().position(|recorded| wanted(&recorded.event)).expect("the sound log has such an event")
}

fn find_show(log: &[Recorded], wanted: impl Fn(&ShowEvent) -> bool) -> usize {
    find(log, |event| matches!(event, Event::Show(event) if wanted(event)))
}

fn find_payment(log: &[Recorded], wanted: impl Fn(&PaymentEvent) -> bool) -> usize {
    find(log, |event| matches!(event, Event::Payment(event) if wanted(event)))
}

/// Puts an event right after another, in its stream and at its time.
fn insert_after(log: &mut Vec<Recorded>, position: usize, event: Event) {
    let doctored = Recorded { event, ..log[position].clone() };
    log.insert(position + 1, doctored);
    renumber(log);
}

#[track_caller]
fn caught(log: &[Recorded], rule: Rule) {
    let violation = check(log).err().expect("the doctored log passes");
    assert_eq!(violation.rule, rule, "{}", violation.what);
}

#[test]
fn the_sound_log_passes() {
    let checker = check(&sound()).unwrap_or_else(|violation| panic!("{violation:?}"));
    assert!(checker.quiescent().is_ok());
}

#[test]
fn the_same_seed_is_the_same_log() {
    let told = |log: Vec<Recorded>| log.into_iter().map(|one| (one.stream, one.time, one.event));
    assert!(told(sound()).eq(told(sound())));
}

#[test]
fn a_seat_that_is_sold_twice_is_caught() {
    let mut log = sound();
    let position = find_show(&log, |event| matches!(event, ShowEvent::SeatsLocked(_)));
    let Event::Show(ShowEvent::SeatsLocked(mut second)) = log[position].event.clone() else { unreachable!() };
    second.booking_id = BookingId::from("bk_second_1");
    second.user_id = "somebody".into();
    insert_after(&mut log, position, ShowEvent::from(second).into());
    caught(&log, Rule::Seat);
}

#[test]
fn a_seat_that_the_house_keeps_and_somebody_gets_is_caught() {
    let mut log = sound();
    let position = find_show(&log, |event| matches!(event, ShowEvent::SeatsBlocked(_)));
    let Event::Show(ShowEvent::SeatsBlocked(blocked)) = log[position].event.clone() else { unreachable!() };
    let locked = find_show(&log, |event| matches!(event, ShowEvent::SeatsLocked(_)));
    let Event::Show(ShowEvent::SeatsLocked(mut sold)) = log[locked].event.clone() else { unreachable!() };
    sold.booking_id = BookingId::from("bk_second_1");
    sold.user_id = "somebody".into();
    sold.expires_at = jiff::Timestamp::MAX;
    sold.seat_ids = blocked.seat_ids;
    insert_after(&mut log, position, ShowEvent::from(sold).into());
    caught(&log, Rule::Seat);
}

#[test]
fn a_sold_seat_that_the_house_takes_is_caught() {
    let mut log = sound();
    let position = find_show(&log, |event| matches!(event, ShowEvent::Confirmed(_)));
    let Event::Show(ShowEvent::Confirmed(confirmed)) = log[position].event.clone() else { unreachable!() };
    let seat_ids = log.iter().find_map(|recorded| match &recorded.event {
        Event::Show(ShowEvent::SeatsLocked(locked)) if locked.booking_id == confirmed.booking_id => {
            Some(locked.seat_ids.clone())
        }
        _ => None,
    });
    let blocked = SeatsBlocked { seat_ids: seat_ids.expect("a lock"), reason: None, request: None };
    insert_after(&mut log, position, ShowEvent::from(blocked).into());
    caught(&log, Rule::Seat);
}

#[test]
fn a_takeover_that_does_not_write_down_the_end_of_the_lock_is_caught() {
    let mut log = sound();
    let seats_of = |log: &[Recorded], id: &BookingId| {
        log.iter().find_map(|recorded| match &recorded.event {
            Event::Show(ShowEvent::SeatsLocked(locked)) if locked.booking_id == *id => {
                Some(locked.seat_ids.clone())
            }
            _ => None,
        })
    };
    let position = (1..log.len())
        .find(|position| match (&log[position - 1].event, &log[*position].event) {
            (Event::Show(ShowEvent::Expired(expired)), Event::Show(ShowEvent::SeatsLocked(locked))) => {
                let before = seats_of(&log, &expired.booking_id).unwrap_or_default();
                let same_show = log[position - 1].stream == log[*position].stream;
                same_show && locked.seat_ids.iter().any(|seat| before.contains(seat))
            }
            _ => false,
        })
        .expect("the sound log has a takeover");
    log.truncate(position + 1);
    log.remove(position - 1);
    renumber(&mut log);
    caught(&log, Rule::Seat);
}

#[test]
fn a_confirm_at_the_deadline_is_caught() {
    let mut log = sound();
    let position = find_show(&log, |event| matches!(event, ShowEvent::Confirmed(_)));
    let Event::Show(ShowEvent::Confirmed(confirmed)) = log[position].event.clone() else { unreachable!() };
    let deadline = log.iter().find_map(|recorded| match &recorded.event {
        Event::Show(ShowEvent::SeatsLocked(locked)) if locked.booking_id == confirmed.booking_id => {
            Some(locked.expires_at)
        }
        _ => None,
    });
    log.truncate(position + 1);
    log[position].time = deadline.expect("a confirmed booking began");
    caught(&log, Rule::Expiry);
}

#[test]
fn an_expiry_before_the_deadline_is_caught() {
    let mut log = sound();
    let position = find_show(&log, |event| matches!(event, ShowEvent::PaymentPending(_)));
    let Event::Show(ShowEvent::PaymentPending(begun)) = log[position].event.clone() else { unreachable!() };
    let expired = BookingExpired { booking_id: begun.booking_id };
    insert_after(&mut log, position, ShowEvent::from(expired).into());
    caught(&log, Rule::Expiry);
}

#[test]
fn a_refund_of_more_than_came_is_caught() {
    let mut log = sound();
    // Where more came than what the refund is for, one more would be covered.
    let came_once = |stream: &str| {
        let mut others = log.iter().filter(|recorded| recorded.stream == stream);
        !others.any(|recorded| matches!(&recorded.event, Event::Payment(PaymentEvent::Mismatched(_))))
    };
    let refund = log.iter().position(|recorded| {
        let refund = matches!(&recorded.event, Event::Payment(PaymentEvent::RefundRequested(_)));
        refund && came_once(&recorded.stream)
    });
    let position = refund.expect("the sound log has such a refund");
    if let Event::Payment(PaymentEvent::RefundRequested(refund)) = &mut log[position].event {
        refund.amount.minor += 1;
    }
    caught(&log, Rule::Money);
}

#[test]
fn a_refund_that_is_paid_twice_is_caught() {
    let mut log = sound();
    let position = find_payment(&log, |event| matches!(event, PaymentEvent::RefundSucceeded(_)));
    let Event::Payment(PaymentEvent::RefundSucceeded(RefundSucceeded { refund_id })) =
        log[position].event.clone()
    else {
        unreachable!()
    };
    insert_after(&mut log, position, PaymentEvent::from(RefundSucceeded { refund_id }).into());
    caught(&log, Rule::Money);
}

#[test]
fn a_booking_that_is_confirmed_without_its_money_is_caught() {
    let mut log = sound();
    let position = find_payment(&log, |event| matches!(event, PaymentEvent::Succeeded(_)));
    log.remove(position);
    renumber(&mut log);
    caught(&log, Rule::Money);
}

#[test]
fn money_that_never_goes_back_is_caught_at_rest() {
    let mut log = sound();
    let refund = find_payment(&log, |event| matches!(event, PaymentEvent::RefundRequested(_)));
    let Event::Payment(PaymentEvent::RefundRequested(requested)) = log[refund].event.clone() else {
        unreachable!()
    };
    log.retain(|recorded| match &recorded.event {
        Event::Payment(PaymentEvent::RefundRequested(refund)) => refund.refund_id != requested.refund_id,
        Event::Payment(PaymentEvent::RefundSucceeded(refund)) => refund.refund_id != requested.refund_id,
        Event::Payment(PaymentEvent::RefundFailed(refund)) => refund.refund_id != requested.refund_id,
        _ => true,
    });
    renumber(&mut log);
    let checker = check(&log).unwrap_or_else(|violation| panic!("{violation:?}"));
    assert_eq!(checker.quiescent().unwrap_err().rule, Rule::Money);
}

#[test]
fn a_refund_that_stays_open_is_caught_at_rest() {
    let mut log = sound();
    let position = find_payment(&log, |event| matches!(event, PaymentEvent::RefundSucceeded(_)));
    log.remove(position);
    renumber(&mut log);
    let checker = check(&log).unwrap_or_else(|violation| panic!("{violation:?}"));
    assert_eq!(checker.quiescent().unwrap_err().rule, Rule::Money);
}

#[test]
fn a_step_out_of_a_final_state_is_caught() {
    type End = fn(&ShowEvent) -> Option<BookingId>;
    let ends: [End; 4] = [
        |event| if let ShowEvent::Expired(end) = event { Some(end.booking_id.clone()) } else { None },
        |event| if let ShowEvent::Failed(end) = event { Some(end.booking_id.clone()) } else { None },
        |event| if let ShowEvent::Completed(end) = event { Some(end.booking_id.clone()) } else { None },
        |event| {
            if let ShowEvent::BookingCancelled(end) = event { Some(end.booking_id.clone()) } else { None }
        },
    ];
    for end in ends {
        let mut log = sound();
        let position = find_show(&log, |event| end(event).is_some());
        let Event::Show(event) = &log[position].event else { unreachable!() };
        let booking_id = end(event).expect("found by it");
        let failed = BookingFailed { booking_id, reason: "again".into() };
        insert_after(&mut log, position, ShowEvent::from(failed).into());
        caught(&log, Rule::States);
    }
}

#[test]
fn a_booking_that_skips_a_step_is_caught() {
    let mut log = sound();
    let position = find_show(&log, |event| matches!(event, ShowEvent::Confirmed(_)));
    log.remove(position);
    renumber(&mut log);
    // Whatever comes next to this booking (an end of the show, a refund) builds on a step that is gone.
    let violation = check(&log).and_then(|checker| checker.quiescent()).unwrap_err();
    assert!(matches!(violation.rule, Rule::States | Rule::Seat), "{violation:?}");
}

#[test]
fn two_bookings_of_one_key_are_caught() {
    let mut log = sound();
    let position = find_show(&log, |event| matches!(event, ShowEvent::SeatsLocked(_)));
    let Event::Show(ShowEvent::SeatsLocked(mut second)) = log[position].event.clone() else { unreachable!() };
    second.booking_id = BookingId::from("bk_second_1");
    second.seat_ids = vec!["Z1".into()];
    insert_after(&mut log, position, ShowEvent::from(second).into());
    caught(&log, Rule::Idempotent);
}

#[test]
fn a_payment_that_succeeds_twice_is_caught() {
    let mut log = sound();
    let position = find_payment(&log, |event| matches!(event, PaymentEvent::Succeeded(_)));
    let again = log[position].event.clone();
    insert_after(&mut log, position, again);
    caught(&log, Rule::Idempotent);
}

#[test]
fn a_log_with_a_gap_a_repeated_id_or_a_time_that_runs_backwards_is_caught() {
    let mut gap = sound();
    gap.remove(5);
    caught(&gap, Rule::Log);

    let mut repeated = sound();
    repeated[5].id = repeated[4].id;
    caught(&repeated, Rule::Log);

    let mut backwards = sound();
    let last = backwards.len() - 1;
    backwards[last].time = jiff::Timestamp::UNIX_EPOCH;
    caught(&backwards, Rule::Log);
}

#[test]
fn a_lock_that_is_extended_twice_or_too_late_is_caught() {
    let log = sound();
    let position = find_show(&log, |event| matches!(event, ShowEvent::LockExtended(_)));
    let Event::Show(ShowEvent::LockExtended(extended)) = log[position].event.clone() else { unreachable!() };
    let mut twice = log.clone();
    insert_after(&mut twice, position, ShowEvent::from(extended.clone()).into());
    caught(&twice, Rule::Expiry);
    let mut late = log;
    late.truncate(position + 1);
    late[position].time = extended.expires_at;
    caught(&late, Rule::Expiry);
}

#[test]
fn a_ticket_that_is_redeemed_twice_unpaid_or_behind_closed_doors_is_caught() {
    let log = sound();
    let position = find_show(&log, |event| matches!(event, ShowEvent::TicketRedeemed(_)));
    let Event::Show(ShowEvent::TicketRedeemed(redeemed)) = log[position].event.clone() else {
        unreachable!()
    };
    let mut twice = log.clone();
    insert_after(&mut twice, position, ShowEvent::from(redeemed.clone()).into());
    caught(&twice, Rule::States);

    let mut early = log.clone();
    let begun = find_show(
        &log,
        |event| matches!(event, ShowEvent::PaymentPending(begun) if begun.booking_id == redeemed.booking_id),
    );
    insert_after(&mut early, begun, ShowEvent::from(redeemed.clone()).into());
    caught(&early, Rule::States);

    let mut late = log.clone();
    late.truncate(position + 1);
    late[position].time += Duration::from_secs(24 * 60 * 60);
    caught(&late, Rule::States);

    let mut left = log;
    let cancelled = BookingCancelled {
        booking_id: redeemed.booking_id,
        by: marquee_domain::show::CancelledBy::Customer,
        paid: true,
        refund: None,
        retained: None,
    };
    insert_after(&mut left, position, ShowEvent::from(cancelled).into());
    caught(&left, Rule::States);
}

fn part(log: &mut [Recorded]) -> (usize, &mut BookingSeatsCancelled) {
    let position = find_show(log, |event| matches!(event, ShowEvent::SeatsCancelled(_)));
    match &mut log[position].event {
        Event::Show(ShowEvent::SeatsCancelled(part)) => (position, part),
        _ => unreachable!(),
    }
}

#[test]
fn seats_that_are_cancelled_for_another_amount_than_their_share_are_caught() {
    for doctor in [
        |part: &mut BookingSeatsCancelled| part.refund += 1,
        |part: &mut BookingSeatsCancelled| part.retained -= 1,
        |part: &mut BookingSeatsCancelled| part.pricing.total += 1,
        // What adds up, and is more than the policy gives, or less.
        |part: &mut BookingSeatsCancelled| {
            let all = part.refund + part.retained;
            (part.refund, part.retained) = if part.retained > 0 { (all, 0) } else { (0, all) };
        },
    ] {
        let mut log = sound();
        let (position, cancelled) = part(&mut log);
        doctor(cancelled);
        log.truncate(position + 1);
        caught(&log, Rule::Money);
    }
}

#[test]
fn seats_that_are_cancelled_twice_or_are_not_the_booking_s_are_caught() {
    let mut log = sound();
    let (position, _) = part(&mut log);
    log.truncate(position + 1);
    log.push(log[position].clone());
    renumber(&mut log);
    caught(&log, Rule::States);
    let mut log = sound();
    let (position, cancelled) = part(&mut log);
    cancelled.seat_ids = vec!["Z9".into()];
    log.truncate(position + 1);
    caught(&log, Rule::States);
}

#[test]
fn a_refund_that_is_not_what_its_booking_owes_is_caught() {
    let mut log = sound();
    let refund = find_payment(
        &log,
        |event| matches!(event, PaymentEvent::RefundRequested(refund) if refund.part.is_some()),
    );
    if let Event::Payment(PaymentEvent::RefundRequested(refund)) = &mut log[refund].event {
        refund.amount.minor -= 1;
    }
    log.truncate(refund + 1);
    caught(&log, Rule::Money);
}
