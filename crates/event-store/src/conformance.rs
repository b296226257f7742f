//! What every adapter of [`EventStore`] must hold, each rule a case of its own.
//!
//! An adapter's tests call [`event_store_conforms`]; a failing case panics, saying what it saw.

#![expect(clippy::unwrap_used, reason = "a broken rule fails the adapter's test")]

mod append;
mod follow;
mod read;
mod reappend;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use marquee_domain::show::{BookingExpired, ShowEvent};
use uuid::Uuid;

use crate::envelope::{Metadata, Recorded};
use crate::port::{EventStore, NewEvent, Position, TypeFilter};
use crate::stream::StreamName;

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The rule, as its function is named.
    pub name: &'static str,
    /// Holds a store to it.
    pub run: fn(Arc<dyn EventStore>) -> BoxFuture<'static, ()>,
}

macro_rules! cases {
    ($($module:ident::$case:ident,)*) => {
        /// Every rule. Each runs on streams of its own, so one store may serve them all, one after the other.
        pub const CASES: &[Case] =
            &[$(Case { name: stringify!($case), run: |store| Box::pin($module::$case(store)) },)*];
    };
}

cases! {
    append::a_stream_numbers_its_events_from_zero_in_the_order_appended,
    append::an_existing_stream_refuses_a_writer_that_expects_none,
    append::a_missing_stream_refuses_a_writer_that_expects_a_revision,
    append::a_writer_ahead_of_the_stream_is_refused,
    append::a_late_second_writer_conflicts_and_writes_nothing,
    append::an_append_of_several_events_is_all_or_nothing,
    append::appending_nothing_answers_the_end_or_a_conflict,
    append::of_sixty_four_appenders_exactly_one_wins_each_revision,
    append::appenders_to_many_streams_all_succeed,
    reappend::the_same_append_again_gives_the_same_answer_and_writes_nothing,
    reappend::the_same_append_again_succeeds_after_later_events,
    reappend::a_partly_matching_append_conflicts,
    reappend::the_same_ids_in_another_order_conflict,
    reappend::known_ids_at_another_revision_conflict,
    reappend::the_same_ids_in_another_stream_are_new_events,
    reappend::concurrent_retries_of_one_append_write_it_once,
    read::a_stream_is_read_from_a_revision_up_to_a_limit,
    read::a_missing_stream_is_empty,
    read::a_stream_is_read_backwards_from_a_revision_or_its_end,
    read::the_log_is_read_backwards_before_a_position_or_from_its_end,
    read::the_log_is_read_in_order_after_a_position_exclusive,
    read::pages_of_any_size_give_every_event_once,
    read::a_filter_passes_its_types_and_next_passes_over_the_others,
    read::the_envelope_and_the_payload_come_back_as_they_went,
    read::what_was_read_never_changes,
    read::an_event_of_an_unknown_name_is_readable_raw,
    follow::an_answered_append_is_at_or_before_the_head,
    follow::the_head_moves_only_over_events_that_can_be_read,
    follow::a_follower_waits_where_nothing_is_new,
    follow::a_follower_catches_up_and_follows_live_without_gap_or_duplicate,
    follow::a_follower_starts_where_it_is_told,
}

/// Holds an adapter to every rule. `open` gives the store for a case; the same one each time will do.
pub async fn event_store_conforms<S: EventStore>(open: impl AsyncFn() -> S) {
    for case in CASES {
        tracing::info!(case = case.name, "conformance");
        (case.run)(Arc::new(open().await)).await;
    }
}

/// A stream that no other case has.
fn some_stream() -> StreamName {
    StreamName::new(format!("show-sh_{}", Uuid::now_v7().simple()))
}

fn some_time() -> Timestamp {
    Timestamp::from_millisecond(1_795_430_096_123).unwrap()
}

fn expired(booking: &str) -> NewEvent {
    NewEvent {
        id: Uuid::now_v7(),
        time: some_time(),
        event: ShowEvent::from(BookingExpired { booking_id: booking.into() }).into(),
        metadata: Arc::new(Metadata {
            actor: "process:expiry".into(),
            correlation_id: "req_conformance".into(),
            causation_id: None,
        }),
    }
}

/// As many events, each with an id of its own.
fn some_events(count: usize) -> Vec<NewEvent> {
    (0..count).map(|n| expired(&format!("bk_sh_5001_{n}"))).collect()
}

fn ids_of(events: &[NewEvent]) -> Vec<Uuid> {
    events.iter().map(|event| event.id).collect()
}

fn recorded_ids(events: &[Arc<Recorded>]) -> Vec<Uuid> {
    events.iter().map(|event| event.id).collect()
}

async fn whole_stream(store: &dyn EventStore, stream: &StreamName) -> Vec<Arc<Recorded>> {
    store.read_stream(stream.clone(), 0, usize::MAX).await.unwrap()
}

/// All events after a position, by pages of a size.
async fn whole_log(
    store: &dyn EventStore,
    after: Position,
    limit: usize,
    filter: &TypeFilter,
) -> Vec<Arc<Recorded>> {
    let head = *store.head().borrow();
    let (mut next, mut events) = (after, Vec::new());
    while next < head {
        let page = store.read_all(next, limit, filter.clone()).await.unwrap();
        assert!(
            page.events.len() <= limit,
            "a page of {} where at most {limit} were asked for",
            page.events.len()
        );
        assert!(page.next > next, "a page before the head must lead on from {next}");
        next = page.next;
        events.extend(page.events);
    }
    events
}
