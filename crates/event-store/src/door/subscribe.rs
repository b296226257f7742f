//! Subscriptions: what is there, and then what comes.
//!
//! A confirmation comes first; after what was there, a checkpoint (where a filter is) and the word that the client has caught up.
//! A subscription ends with an error alone: some clients spin for ever on one that ends well.

use std::sync::Arc;

use uuid::Uuid;

use super::filter::Filter;
use super::proto::streams::read_resp::{CaughtUp, Checkpoint, Content, SubscriptionConfirmation};
use super::read::{Ended, From, PAGE, Source, Teller};
use super::refusal::Refusal;
use super::wire::position;
use crate::port::{EventStore, Position, TypeFilter};
use crate::stream::StreamName;

pub(super) async fn follow(
    store: &Arc<dyn EventStore>,
    teller: &Teller,
    source: Source,
    from: From,
) -> Result<(), Ended> {
    let subscription_id = Uuid::new_v4().to_string();
    teller.tell(Content::Confirmation(SubscriptionConfirmation { subscription_id })).await?;
    match source {
        Source::Stream(stream) => follow_stream(store, teller, &stream, from).await,
        Source::All(filter) => follow_all(store, teller, filter.as_ref(), from).await,
    }
}

/// Events of the whole log after a position.
async fn follow_all(
    store: &Arc<dyn EventStore>,
    teller: &Teller,
    filter: Option<&Filter>,
    from: From,
) -> Result<(), Ended> {
    let mut head = store.head();
    let mut next = match from {
        From::Start => Position(0),
        From::At(position) => Position(position),
        From::End => *head.borrow(),
    };
    let (mut considered, mut caught_up) = (0, false);
    loop {
        while next < *head.borrow() {
            let page = store.read_all(next, PAGE, TypeFilter::All).await?;
            for event in &page.events {
                let wanted = filter.map_or(Ok(true), |filter| filter.wants(event))?;
                if wanted {
                    teller.event(event).await?;
                }
                considered += 1;
                if filter.is_some_and(|filter| considered % filter.checkpoint_every == 0) {
                    teller.tell(checkpoint(event.position)).await?;
                }
            }
            next = next.max(page.next);
        }
        if !caught_up {
            if filter.is_some() {
                teller.tell(checkpoint(next)).await?;
            }
            teller
                .tell(Content::CaughtUp(CaughtUp { position: Some(position(next)), ..CaughtUp::default() }))
                .await?;
            caught_up = true;
        }
        wait(&mut head, next).await?;
    }
}

/// Events of one stream after a revision. One that is not there yet is waited for.
async fn follow_stream(
    store: &Arc<dyn EventStore>,
    teller: &Teller,
    stream: &StreamName,
    from: From,
) -> Result<(), Ended> {
    let mut head = store.head();
    // Whatever is not in the stream by now comes after this.
    let mut seen = *head.borrow();
    let mut next = match from {
        From::Start => 0,
        From::At(revision) => revision.saturating_add(1),
        From::End => {
            let end = store.read_stream_back(stream.clone(), None, 1).await?;
            end.first().map_or(0, |event| event.revision + 1)
        }
    };
    loop {
        let page = store.read_stream(stream.clone(), next, PAGE).await?;
        let Some(last) = page.last() else { break };
        next = last.revision + 1;
        for event in page {
            teller.event(&event).await?;
        }
    }
    let stream_revision = next.checked_sub(1).and_then(|last| i64::try_from(last).ok());
    teller.tell(Content::CaughtUp(CaughtUp { stream_revision, ..CaughtUp::default() })).await?;
    loop {
        wait(&mut head, seen).await?;
        let page = store.read_all(seen, PAGE, TypeFilter::All).await?;
        for event in &page.events {
            if event.stream == *stream && event.revision >= next {
                teller.event(event).await?;
                next = event.revision + 1;
            }
        }
        seen = seen.max(page.next);
    }
}

async fn wait(head: &mut tokio::sync::watch::Receiver<Position>, seen: Position) -> Result<(), Ended> {
    let awaited = head.wait_for(|head| *head > seen).await;
    awaited.map(drop).map_err(|_| Refusal::Unavailable("the log has closed".into()).into())
}

fn checkpoint(at: Position) -> Content {
    Content::Checkpoint(Checkpoint { commit_position: at.0, prepare_position: at.0, timestamp: None })
}
