//! The queue in the data directory.

use std::sync::Arc;
use std::time::Duration;

use marquee_event_store::Position;
use marquee_projections::messages::conformance::{Rig, message_bus_conforms};
use marquee_projections::messages::{EmbeddedBus, MessageBus, Retention};

use crate::rig::{Queue, Running, everything_that_is_told};
use crate::world::{Past, World};

#[tokio::test]
async fn the_queue_conforms() {
    message_bus_conforms(&Queue::new()).await;
}

#[tokio::test]
async fn consumers_read_on_from_a_position() {
    let queue = Queue::new();
    let world = everything_that_is_told().await;
    let all = queue.filled_from(&world).await;
    let bus = queue.open();
    let (mut read, mut after) = (vec![], Position(0));
    loop {
        let page = bus.read(after, 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = last.position;
        read.extend(page.into_iter().map(|queued| queued.event_id));
    }
    assert_eq!(read, all.iter().map(|held| held.event_id).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_queue_that_is_no_database_is_made_again_from_the_log() {
    let queue = Queue::new();
    let world = everything_that_is_told().await;
    let before = queue.filled_from(&world).await;
    std::fs::write(queue.dir.path().join("messages.sqlite"), "not a database at all, and never was one")
        .unwrap();
    assert_eq!(queue.filled_from(&world).await, before);
}

#[tokio::test]
async fn the_oldest_messages_go_first_and_those_that_stay_are_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::with_catalogue().await;
    world.show("sh_1", "mv_1", "2026-02-01T13:00:00Z", 3).await;
    let mut past = Past::new();
    past.drive(&mut world, &["sh_1"], 6_000).await;
    let all = Queue::new().filled_from(&world).await;

    let few = Retention { messages: 100, age: Duration::from_hours(24) };
    let bus = EmbeddedBus::open(dir.path(), few).unwrap();
    let running = Running::start(&world.store, Arc::new(bus.clone()));
    running.published(world.head).await;
    running.stop().await;
    let kept: Vec<_> = bus.read(Position(0), usize::MAX).await.unwrap();
    assert!(all.len() > 400 && kept.len() == 100, "{} of {}", kept.len(), all.len());
    let newest = all[all.len() - kept.len()..].iter().map(|held| held.event_id);
    assert!(kept.iter().map(|queued| queued.event_id).eq(newest));
    assert_eq!(bus.last().await.unwrap().unwrap().event_id, all.last().unwrap().event_id);
}

#[tokio::test]
async fn an_empty_queue_is_not_given_what_it_would_have_dropped() {
    let queue = Queue::new();
    let world = everything_that_is_told().await;
    let much_later = crate::world::before() + Duration::from_hours(24 * 8);
    let running = Running::start_at(&world.store, Arc::new(queue.open()), much_later, true);
    running.published(world.head).await;
    running.stop().await;
    assert_eq!(queue.held().await, []);
}
