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

    use futures_util::stream::{self, StreamExt};
    use kurrentdb::{Client, ClientSettings, SubscribeToAllOptions, SubscriptionEvent};
    use tokio::net::TcpListener;
    use tonic::transport::Server;
    use tonic::transport::server::TcpIncoming;
    use tonic::{Request, Response, Status, Streaming};

    use crate::door::proto::streams::read_resp::{Content, SubscriptionConfirmation};
    use crate::door::proto::streams::streams_server::{Streams, StreamsServer};
    use crate::door::proto::streams::{
        AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, ReadResp,
    };

    /// A server whose subscriptions end well after the confirmation.
    struct EndsWell;

    #[tonic::async_trait]
    impl Streams for EndsWell {
        type ReadStream = stream::BoxStream<'static, Result<ReadResp, Status>>;
        type BatchAppendStream = stream::BoxStream<'static, Result<BatchAppendResp, Status>>;

        async fn read(&self, _: Request<ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
            let subscription_id = "one".to_owned();
            let content = Some(Content::Confirmation(SubscriptionConfirmation { subscription_id }));
            Ok(Response::new(stream::iter([Ok(ReadResp { content })]).boxed()))
        }

        async fn append(&self, _: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
            Err(Status::unimplemented("append"))
        }

        async fn batch_append(
            &self,
            _: Request<Streaming<BatchAppendReq>>,
        ) -> Result<Response<Self::BatchAppendStream>, Status> {
            Err(Status::unimplemented("batch append"))
        }

        async fn delete(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
            Err(Status::unimplemented("delete"))
        }

        async fn tombstone(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
            Err(Status::unimplemented("tombstone"))
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_subscription_that_ends_well_ends() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("kurrentdb://{}?tls=false", listener.local_addr().unwrap());
        let serving = Server::builder().add_service(StreamsServer::new(EndsWell));
        let serving = tokio::spawn(serving.serve_with_incoming(TcpIncoming::from(listener)));
        let client = Client::new(url.parse::<ClientSettings>().unwrap()).unwrap();
        let mut subscription = client.subscribe_to_all(&SubscribeToAllOptions::default()).await;
        let ended = async {
            let confirmed = super::next(&mut subscription).await;
            assert!(matches!(confirmed, Some(Ok(SubscriptionEvent::Confirmed(_)))));
            super::next(&mut subscription).await.is_none()
        };
        assert!(tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap());
        serving.abort();
    }
}
