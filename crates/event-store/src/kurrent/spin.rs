//! The next event of a subscription, from a client that spins for ever once the stream has ended well.
//!
//! That loop never awaits, so no timeout reaches it. But it tells of each turn, as a trace event, and within one poll of the future
//! nothing else does so a thousand times: the collector that hears it unwinds out of the loop. The subscription is of no use
//! afterwards and is dropped.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::LazyLock;
use std::task::Poll;

use kurrentdb::{Error, Subscription, SubscriptionEvent};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata};

/// Turns within one poll after which the loop is known for what it is.
const TURNS: u32 = 1_000;

thread_local! {
    static TURN: Cell<u32> = const { Cell::new(0) };
}

static LISTENER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Listener));

/// What unwinds.
struct Spun;

/// Hears the client's warnings while a subscription is polled, and nothing else.
struct Listener;

impl tracing::Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() == Level::WARN && metadata.target().starts_with("kurrentdb")
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        Some(tracing::level_filters::LevelFilter::WARN)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        let turn = TURN.get() + 1;
        TURN.set(turn);
        if turn >= TURNS {
            resume_unwind(Box::new(Spun));
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The next event; `None` where the stream has ended, or the client has failed within itself.
pub(super) async fn next(subscription: &mut Subscription) -> Option<Result<SubscriptionEvent, Error>> {
    let mut next = pin!(subscription.next_subscription_event());
    poll_fn(|cx| {
        TURN.set(0);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            tracing::dispatcher::with_default(&LISTENER, || next.as_mut().poll(cx))
        }));
        match polled {
            Ok(Poll::Ready(event)) => Poll::Ready(Some(event)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kurrentdb::{SubscribeToAllOptions, SubscriptionEvent};

    use super::super::stand_in::StandIn;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_subscription_that_ends_well_ends() {
        let (_stand_in, client, _serving) = StandIn::serve(true).await;
        let mut subscription = client.subscribe_to_all(&SubscribeToAllOptions::default()).await;
        let ended = async {
            let confirmed = super::next(&mut subscription).await;
            assert!(matches!(confirmed, Some(Ok(SubscriptionEvent::Confirmed(_)))));
            super::next(&mut subscription).await.is_none()
        };
        assert!(tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap());
    }
}
