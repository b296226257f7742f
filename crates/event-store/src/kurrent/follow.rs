//! The subscription that moves the head: our own loop, which resumes where it was.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use kurrentdb::{
    ReadAllOptions, StreamPosition, SubscribeToAllOptions, SubscriptionEvent, SubscriptionFilter,
};

use super::connector::Lease;
use super::events::{recorded, stamped};
use super::failure::Failure;
use super::{Shared, spin};
use crate::port::Position;
use crate::stream::CATEGORIES;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Events that the server looks at between two checkpoints.
const WINDOW: u32 = 500;
/// Longest that the first look at the log may take.
const FIRST_LOOK: Duration = Duration::from_secs(30);
/// Longest that a subscription may take to be confirmed.
const CONFIRM: Duration = Duration::from_secs(10);
/// Events that come within this are shown to followers at once: those of one append come one after the other, and half of them is
/// half of a booking.
const TOGETHER: Duration = Duration::from_millis(2);
/// Most events that are held back for those behind them.
const MOST_HELD_BACK: usize = 256;

/// Streams of Marquee, in a log that may have others.
pub(super) fn ours() -> SubscriptionFilter {
    let filter = SubscriptionFilter::on_stream_name().max(WINDOW);
    CATEGORIES.iter().fold(filter, |filter, category| filter.add_prefix(format!("{category}-")))
}

/// Positions have one number here: an append to one stream commits each event at its own place.
pub(super) fn place(position: Position) -> StreamPosition<kurrentdb::Position> {
    match position {
        Position(0) => StreamPosition::Start,
        Position(at) => StreamPosition::Position(kurrentdb::Position { commit: at, prepare: at }),
    }
}

/// Follows the log until the store is closed.
pub(super) async fn keep_following(shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    tokio::select! {
        () = follow_again_and_again(&shared) => {}
        () = stop.cancelled() => {}
    }
}

async fn follow_again_and_again(shared: &Shared) {
    let (mut resume, mut pause) = (None, FIRST_PAUSE);
    while let Some(lease) = shared.connector.get_patiently().await {
        let before = resume;
        let failure = match resume {
            None => match first_look(shared, &lease).await {
                Ok(head) => {
                    resume = Some(head);
                    continue;
                }
                Err(failure) => failure,
            },
            Some(ref mut resume) => follow(shared, &lease, resume).await,
        };
        shared.out(&failure.to_string());
        if failure != Failure::NotLeader {
            shared.connector.broken(&lease);
        }
        pause = if resume == before { (pause * 2).min(LONGEST_PAUSE) } else { FIRST_PAUSE };
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
    }
}

/// Where our part of the log ends.
async fn first_look(shared: &Shared, lease: &Lease) -> Result<Position, Failure> {
    let options =
        ReadAllOptions::default().position(StreamPosition::End).backwards().filter(ours()).max_count(1);
    let look = async {
        let mut read = lease.client.read_all(&options).await?;
        read.next().await
    };
    let last = tokio::time::timeout(FIRST_LOOK, look)
        .await
        .map_err(|_| Failure::Broken("the log's end is not told".into()))?
        .map_err(|error| Failure::of(&error))?;
    let head =
        last.and_then(|event| event.event).map_or(Position(0), |event| Position(event.position.commit));
    shared.tail.begin(head);
    shared.advance(head);
    Ok(head)
}

/// Follows from after `resume`, which moves on, until the subscription ends.
async fn follow(shared: &Shared, lease: &Lease, resume: &mut Position) -> Failure {
    let options = SubscribeToAllOptions::default().position(place(*resume)).filter(ours());
    let mut subscription = lease.client.subscribe_to_all(&options).await;
    match tokio::time::timeout(CONFIRM, spin::next(&mut subscription)).await {
        Ok(Some(Ok(SubscriptionEvent::Confirmed(_)))) => shared.back(),
        Ok(Some(Err(error))) => return Failure::of(&error),
        Ok(Some(Ok(_)) | None) | Err(_) => {
            return Failure::Broken("the subscription is not confirmed".into());
        }
    }
    let mut held_back = 0;
    loop {
        let mut next = pin!(spin::next(&mut subscription));
        // Given up half-way, the client's future would lose the subscription: it is kept, and only the wait for it ends.
        let soon =
            if held_back == 0 { None } else { tokio::time::timeout(TOGETHER, next.as_mut()).await.ok() };
        let event = match soon {
            Some(event) => event,
            None => {
                shared.advance(shared.tail.until());
                held_back = 0;
                next.await
            }
        };
        match event {
            None => return Failure::Broken("the subscription has ended".into()),
            Some(Err(error)) => return Failure::of(&error),
            Some(Ok(SubscriptionEvent::EventAppeared(event))) => {
                let Some(event) = event.event else { continue };
                let stamp = stamped(&event);
                let event = Arc::new(recorded(event));
                shared.clock_rule.seen(&event, stamp, &*shared.clock);
                *resume = event.position.max(*resume);
                shared.tail.push(event);
                held_back += 1;
                if held_back == MOST_HELD_BACK {
                    shared.advance(shared.tail.until());
                    held_back = 0;
                }
            }
            Some(Ok(SubscriptionEvent::Checkpoint(position))) => {
                *resume = Position(position.commit).max(*resume);
            }
            Some(Ok(
                SubscriptionEvent::Confirmed(_)
                | SubscriptionEvent::CaughtUp(_)
                | SubscriptionEvent::FellBehind(_)
                | SubscriptionEvent::FirstStreamPosition(_)
                | SubscriptionEvent::LastStreamPosition(_)
                | SubscriptionEvent::LastAllPosition(_),
            )) => {}
        }
    }
}
