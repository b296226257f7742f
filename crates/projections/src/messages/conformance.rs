//! What every adapter of [`MessageBus`] must hold, each rule a case of its own.
//!
//! An adapter's tests call [`message_bus_conforms`]; a failing case panics, saying what it saw.

#![expect(clippy::unwrap_used, reason = "a broken rule fails the adapter's test")]

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use marquee_event_store::{Position, StreamName};
use uuid::Uuid;

use super::bus::{BusError, MessageBus, Origin, Outgoing};

/// A message as a consumer finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The event that it tells of.
    pub event_id: Uuid,
    /// Its subject.
    pub subject: String,
    /// The message.
    pub body: Bytes,
}

/// What an adapter's tests provide.
pub trait Rig: Send + Sync {
    /// Empties the bus, and opens it.
    fn fresh(&self) -> BoxFuture<'_, Arc<dyn MessageBus>>;

    /// Opens the same bus once more, as another process would.
    fn again(&self) -> BoxFuture<'_, Arc<dyn MessageBus>>;

    /// All that consumers find, in their order.
    fn held(&self) -> BoxFuture<'_, Vec<Held>>;
}

/// One rule.
#[derive(Clone, Copy)]
pub struct Case {
    /// The rule, as its function is named.
    pub name: &'static str,
    /// Holds a bus to it.
    pub run: for<'a> fn(&'a dyn Rig) -> BoxFuture<'a, ()>,
}

macro_rules! cases {
    ($($case:ident,)*) => {
        /// Every rule.
        pub const CASES: &[Case] = &[$(Case { name: stringify!($case), run: |rig| Box::pin($case(rig)) },)*];
    };
}

cases! {
    an_empty_bus_has_no_last_message,
    consumers_find_what_was_published_in_its_order,
    the_last_message_is_where_the_bus_stands,
    publishing_nothing_changes_nothing,
    a_batch_that_is_published_again_is_held_once,
    of_a_batch_that_overlaps_only_what_is_new_is_added,
    a_large_batch_is_held_whole_and_in_order,
    what_was_published_is_there_when_the_bus_is_opened_again,
    who_has_not_asked_where_the_bus_stands_stores_nothing,
    who_has_missed_a_message_stores_nothing_after_it,
    after_beginning_again_an_old_position_is_taken_once_more,
}

/// Holds an adapter to every rule.
pub async fn message_bus_conforms(rig: &dyn Rig) {
    for case in CASES {
        tracing::info!(case = case.name, "conformance");
        (case.run)(rig).await;
    }
}

fn some_message(position: u64) -> Outgoing {
    let origin = Origin {
        event_id: Uuid::now_v7(),
        position: Position(position),
        stream: StreamName::new("show-sh_5001"),
        revision: position - 1,
    };
    let body = Bytes::from(format!("{{\"position\":{position}}}"));
    let time = Timestamp::from_millisecond(1_795_430_096_123).unwrap();
    Outgoing { origin, time, subject: "marquee.booking.confirmed", body }
}

/// Messages of every third event, as many.
fn some_messages(after: u64, count: u64) -> Vec<Outgoing> {
    (1..=count).map(|n| some_message(after + 3 * n)).collect()
}

fn as_held(messages: &[Outgoing]) -> Vec<Held> {
    let held = |message: &Outgoing| Held {
        event_id: message.origin.event_id,
        subject: message.subject.into(),
        body: message.body.clone(),
    };
    messages.iter().map(held).collect()
}

async fn asked(bus: Arc<dyn MessageBus>) -> Arc<dyn MessageBus> {
    bus.last().await.unwrap();
    bus
}

async fn an_empty_bus_has_no_last_message(rig: &dyn Rig) {
    assert_eq!(rig.fresh().await.last().await, Ok(None));
    assert_eq!(rig.held().await, []);
}

async fn consumers_find_what_was_published_in_its_order(rig: &dyn Rig) {
    let bus = asked(rig.fresh().await).await;
    let mut messages = some_messages(0, 5);
    messages[1].subject = "marquee.payment.succeeded";
    messages[3].subject = "marquee.show.changed";
    bus.publish(messages[..2].to_vec()).await.unwrap();
    bus.publish(messages[2..].to_vec()).await.unwrap();
    assert_eq!(rig.held().await, as_held(&messages));
}

async fn the_last_message_is_where_the_bus_stands(rig: &dyn Rig) {
    let bus = asked(rig.fresh().await).await;
    let messages = some_messages(40, 3);
    bus.publish(messages.clone()).await.unwrap();
    assert_eq!(bus.last().await, Ok(Some(messages[2].origin.clone())));
}

async fn publishing_nothing_changes_nothing(rig: &dyn Rig) {
    let bus = asked(rig.fresh().await).await;
    bus.publish(vec![]).await.unwrap();
    assert_eq!(bus.last().await, Ok(None));
}

async fn a_batch_that_is_published_again_is_held_once(rig: &dyn Rig) {
    let bus = asked(rig.fresh().await).await;
    let messages = some_messages(0, 4);
    bus.publish(messages.clone()).await.unwrap();
    bus.publish(messages.clone()).await.unwrap();
    asked(Arc::clone(&bus)).await.publish(messages.clone()).await.unwrap();
    assert_eq!(rig.held().await, as_held(&messages));
}

async fn of_a_batch_that_overlaps_only_what_is_new_is_added(rig: &dyn Rig) {
    let bus = asked(rig.fresh().await).await;
    let messages = some_messages(0, 9);
    bus.publish(messages[..4].to_vec()).await.unwrap();
    bus.publish(messages[1..7].to_vec()).await.unwrap();
    bus.publish(messages[6..].to_vec()).await.unwrap();
    assert_eq!(rig.held().await, as_held(&messages));
    assert_eq!(bus.last().await, Ok(Some(messages[8].origin.clone())));
}

async fn a_large_batch_is_held_whole_and_in_order(rig: &dyn Rig) {
    let bus = asked(rig.fresh().await).await;
    let messages = some_messages(0, 3_000);
    bus.publish(messages.clone()).await.unwrap();
    let held = rig.held().await;
    assert_eq!(held.len(), messages.len());
    assert!(held == as_held(&messages), "the messages are not in the order that they were published in");
}

async fn what_was_published_is_there_when_the_bus_is_opened_again(rig: &dyn Rig) {
    let bus = asked(rig.fresh().await).await;
    let messages = some_messages(0, 3);
    bus.publish(messages[..2].to_vec()).await.unwrap();
    drop(bus);
    let again = rig.again().await;
    assert_eq!(again.last().await, Ok(Some(messages[1].origin.clone())));
    again.publish(messages[2..].to_vec()).await.unwrap();
    assert_eq!(rig.held().await, as_held(&messages));
}

async fn who_has_not_asked_where_the_bus_stands_stores_nothing(rig: &dyn Rig) {
    let bus = rig.fresh().await;
    let refused = bus.publish(some_messages(0, 2)).await;
    assert!(matches!(refused, Err(BusError::Moved(_) | BusError::Unavailable(_))), "{refused:?}");
    assert_eq!(rig.held().await, []);
}

async fn who_has_missed_a_message_stores_nothing_after_it(rig: &dyn Rig) {
    let (one, other) = (asked(rig.fresh().await).await, asked(rig.again().await).await);
    let messages = some_messages(0, 6);
    // One, and then four: none of the four may slip in where the one moved the end to.
    one.publish(messages[..1].to_vec()).await.unwrap();
    let refused = other.publish(messages[2..].to_vec()).await;
    assert!(matches!(refused, Err(BusError::Moved(_))), "{refused:?}");
    assert_eq!(rig.held().await, as_held(&messages[..1]));
    assert_eq!(other.last().await, Ok(Some(messages[0].origin.clone())));
    other.publish(messages[1..].to_vec()).await.unwrap();
    assert_eq!(rig.held().await, as_held(&messages));
}

async fn after_beginning_again_an_old_position_is_taken_once_more(rig: &dyn Rig) {
    let bus = asked(rig.fresh().await).await;
    bus.publish(some_messages(0, 4)).await.unwrap();
    asked(Arc::clone(&bus)).await.begin_again().await.unwrap();
    let of_another_log = some_messages(0, 2);
    bus.publish(of_another_log.clone()).await.unwrap();
    let held = rig.held().await;
    assert_eq!(held[held.len() - 2..], as_held(&of_another_log));
    assert_eq!(bus.last().await, Ok(Some(of_another_log[1].origin.clone())));
}
