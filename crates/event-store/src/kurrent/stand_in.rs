//! A server that misbehaves as no log would, to try the client on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, StreamExt};
use kurrentdb::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use super::seeds::Seeds;
use crate::door::proto;
use crate::door::proto::server_features::server_features_server::{ServerFeatures, ServerFeaturesServer};
use crate::door::proto::server_features::{SupportedMethod, SupportedMethods};
use crate::door::proto::streams::append_resp::Success;
use crate::door::proto::streams::batch_append_resp::Result as Answer;
use crate::door::proto::streams::read_resp::{Content, SubscriptionConfirmation};
use crate::door::proto::streams::streams_server::{Streams, StreamsServer};
use crate::door::proto::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, ReadResp,
};

type Callers = Vec<(&'static str, Option<String>)>;

/// Its subscriptions end well after the confirmation. Its batch appends succeed where the expectation is exact, as long as it answers.
#[derive(Clone)]
pub(super) struct StandIn {
    pub answers: Arc<watch::Sender<bool>>,
    /// Batch append calls that are open.
    pub calls: Arc<AtomicUsize>,
    /// Whether it says that it has them.
    pub batches: bool,
    /// Who each call of which name said it was.
    pub callers: Arc<Mutex<Callers>>,
}

impl StandIn {
    pub async fn serve(batches: bool) -> (Self, Client, AbortOnDropHandle<()>) {
        Self::serve_to("", batches).await
    }

    /// With a client that says who it is, as a URL has it before the host.
    pub async fn serve_to(user: &str, batches: bool) -> (Self, Client, AbortOnDropHandle<()>) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("kurrentdb://{user}{}?tls=false", listener.local_addr().unwrap());
        let stand_in = Self {
            answers: Arc::new(watch::Sender::new(true)),
            calls: Arc::default(),
            batches,
            callers: Arc::default(),
        };
        let serving = Server::builder()
            .add_service(StreamsServer::new(stand_in.clone()))
            .add_service(ServerFeaturesServer::new(stand_in.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        let serving = tokio::spawn(async move { serving.await.unwrap() });
        let client = Client::new(Seeds::parse(&url).unwrap().all()[0].settings.clone()).unwrap();
        (stand_in, client, AbortOnDropHandle::new(serving))
    }
}

impl StandIn {
    fn called<T>(&self, name: &'static str, request: &Request<T>) {
        let caller = request.metadata().get("authorization").map(|told| told.to_str().unwrap().to_owned());
        self.callers.lock().unwrap().push((name, caller));
    }
}

/// A call that is open as long as this is there.
struct Call(Arc<AtomicUsize>);

impl Call {
    fn open(calls: &Arc<AtomicUsize>) -> Self {
        calls.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(calls))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn answer(asked: BatchAppendReq) -> BatchAppendResp {
    use crate::door::proto::streams::batch_append_req::options::ExpectedStreamPosition as Expected;
    let options = asked.options.unwrap();
    let exact = matches!(
        options.expected_stream_position,
        Some(Expected::StreamPosition(_) | Expected::NoStream(()))
    );
    let refused = proto::Status { code: 6, message: "no such stream".into(), details: None };
    BatchAppendResp {
        correlation_id: asked.correlation_id,
        stream_identifier: options.stream_identifier,
        result: Some(if exact { Answer::Success(Success::default()) } else { Answer::Error(refused) }),
        expected_stream_position: None,
    }
}

#[tonic::async_trait]
impl Streams for StandIn {
    type ReadStream = stream::BoxStream<'static, Result<ReadResp, Status>>;
    type BatchAppendStream = stream::BoxStream<'static, Result<BatchAppendResp, Status>>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
        self.called("read", &request);
        let subscription_id = "one".to_owned();
        let content = Some(Content::Confirmation(SubscriptionConfirmation { subscription_id }));
        Ok(Response::new(stream::iter([Ok(ReadResp { content })]).boxed()))
    }

    async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        self.called("append", &request);
        Err(Status::unimplemented("append"))
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        self.called("batch append", &request);
        let open = (request.into_inner(), self.answers.subscribe(), Call::open(&self.calls));
        let answers = stream::unfold(open, async |(mut asked, mut answers, call)| {
            let next = asked.message().await.unwrap()?;
            answers.wait_for(|answers| *answers).await.unwrap();
            Some((Ok(answer(next)), (asked, answers, call)))
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn delete(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        Err(Status::unimplemented("delete"))
    }

    async fn tombstone(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        Err(Status::unimplemented("tombstone"))
    }
}

#[tonic::async_trait]
impl ServerFeatures for StandIn {
    async fn get_supported_methods(&self, _: Request<()>) -> Result<Response<SupportedMethods>, Status> {
        let method = |name: &str| SupportedMethod {
            method_name: name.to_owned(),
            service_name: "event_store.client.streams.streams".to_owned(),
            features: vec![],
        };
        let methods = if self.batches { vec![method("append"), method("batchappend")] } else { vec![] };
        Ok(Response::new(SupportedMethods { methods, event_store_server_version: "26.1.0".to_owned() }))
    }
}
