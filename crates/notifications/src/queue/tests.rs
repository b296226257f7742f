use marquee_projections::messages::Amount;
use uuid::Uuid;

use super::*;
use crate::kind::{Facts, Kind};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn trigger(event: u128, booking: &str, one_of_many: bool) -> Trigger {
    let amount = Amount { minor: 100, currency: "INR".into() };
    let booking_id = booking.into();
    Trigger {
        kind: Kind::BookingConfirmed,
        event_id: Uuid::from_u128(event),
        position: Position(7),
        time: NOW,
        user: "u_1".into(),
        one_of_many,
        facts: Facts { booking_id, ticket_id: None, seats: vec![], amount, show: None },
    }
}

fn new(trigger: Trigger, channel: Channel) -> New {
    New { trigger, channel, suppressed: None, now: NOW }
}

fn opened(dir: &Path, head: u64) -> Queue {
    Queue::open(dir, Position(head)).unwrap()
}

fn all(queue: &Queue) -> Vec<Entry> {
    queue.list(&Query { limit: 100, ..Query::default() }).unwrap()
}

#[test]
fn an_event_that_is_found_again_is_the_notification_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let queue = opened(dir.path(), 0);
    let found = || {
        let one = |channel| new(trigger(1, "bk_s_a", false), channel);
        let many = |booking| new(trigger(2, booking, true), Channel::Email);
        [one(Channel::Email), one(Channel::Sms), many("bk_s_a"), many("bk_s_b")]
    };
    queue.put(&found(), Position(7)).unwrap();
    let id = queue.due(Channel::Sms, NOW, 9).unwrap()[0].id.clone();
    queue.settle(&id, &Outcome::Sent, NOW).unwrap();
    queue.put(&found(), Position(8)).unwrap();
    assert_eq!(all(&queue).len(), 4, "one for each event, channel and booking");
    assert_eq!(queue.due(Channel::Sms, NOW, 9).unwrap().len(), 0, "what was sent is sent no more");
    assert_eq!(queue.replay(&id, NOW).unwrap(), Err(NotReplayable::Settled(Status::Sent)));
    drop(queue);
    let again = opened(dir.path(), 9);
    assert_eq!((again.checkpoint().unwrap(), all(&again).len()), (Position(8), 4));
}

#[test]
fn a_new_queue_begins_at_the_logs_end_and_none_is_ahead_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(opened(dir.path(), 500).checkpoint().unwrap(), Position(500));
    opened(dir.path(), 600).put(&[], Position(600)).unwrap();
    assert_eq!(opened(dir.path(), 550).checkpoint().unwrap(), Position(550), "an older log was put back");
}

#[test]
fn what_is_to_be_tried_again_waits_for_its_time_and_a_dead_letter_for_somebody() {
    let dir = tempfile::tempdir().unwrap();
    let queue = opened(dir.path(), 0);
    queue.put(&[new(trigger(1, "bk_s_a", false), Channel::Email)], Position(7)).unwrap();
    let due = |second| queue.due(Channel::Email, Timestamp::from_second(second).unwrap(), 9).unwrap();
    let id = due(0)[0].id.clone();
    let later = Outcome::Retry { due: Timestamp::from_second(5).unwrap(), reason: "smtp-451".into() };
    queue.settle(&id, &later, NOW).unwrap();
    assert_eq!((due(4).len(), due(5).len(), due(5)[0].attempts), (0, 1, 1));
    queue.settle(&id, &Outcome::Dead { reason: "smtp-550".into() }, NOW).unwrap();
    assert_eq!(due(99).len(), 0);
    assert_eq!(queue.depth().unwrap(), Depth { pending: 0, dead: 1, oldest: None });
    queue.settle(&id, &Outcome::Sent, NOW).unwrap();
    assert_eq!(all(&queue)[0].status, Status::Dead, "what was settled stays so");
    let again = queue.replay(&id, NOW).unwrap().unwrap();
    assert_eq!((again.status, again.attempts, again.reason), (Status::Pending, 0, None));
    assert_eq!(due(0).len(), 1);
    assert_eq!(queue.replay("ntf_none", NOW).unwrap(), Err(NotReplayable::Unknown));
}

#[test]
fn what_is_settled_is_forgotten_in_time_and_what_waits_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let queue = opened(dir.path(), 0);
    let found = [1, 2].map(|event| new(trigger(event, "bk_s_a", false), Channel::Email));
    queue.put(&found, Position(7)).unwrap();
    let id = queue.due(Channel::Email, NOW, 1).unwrap()[0].id.clone();
    queue.settle(&id, &Outcome::Sent, Timestamp::from_second(10).unwrap()).unwrap();
    assert_eq!(queue.sweep(Timestamp::from_second(10).unwrap()).unwrap(), 0);
    assert_eq!(queue.sweep(Timestamp::from_second(11).unwrap()).unwrap(), 1);
    assert_eq!(all(&queue).len(), 1);
}

#[test]
fn a_row_that_cannot_be_read_spoils_itself_alone() {
    let dir = tempfile::tempdir().unwrap();
    let queue = opened(dir.path(), 0);
    let found = [1, 2].map(|event| new(trigger(event, "bk_s_a", false), Channel::Email));
    queue.put(&found, Position(7)).unwrap();
    let spoil = "UPDATE notifications SET kind = 'BOOKING_DREAMT', facts = '{' WHERE seq = 1";
    queue.with(|db| Ok(db.execute(spoil, [])?)).unwrap();
    let due = queue.due(Channel::Email, NOW, 9).unwrap();
    assert_eq!(due.iter().map(|due| due.kind).collect::<Vec<_>>(), [None, Some(Kind::BookingConfirmed)]);
}
