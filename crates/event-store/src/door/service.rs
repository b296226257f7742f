//! The services, each method a line: what it does lies in the file of its name.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::proto::gossip::{ClusterInfo, EndPoint, MemberInfo, gossip_server::Gossip};
use super::proto::server_features::server_features_server::ServerFeatures;
use super::proto::server_features::{SupportedMethod, SupportedMethods};
use super::proto::streams::streams_server;
use super::proto::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq, ReadResp,
};
use super::refusal::Refusal;
use super::wire::IdForm;
use crate::clock::Clock;
use crate::port::EventStore;

/// The version whose protocol this is.
const VERSION: &str = "26.1.0";
/// A leader, in gossip.
const LEADER: i32 = 8;

/// Answers that come one after the other.
pub(super) type Answers<T> = BoxStream<'static, Result<T, Status>>;

/// Answers as their task tells them.
pub(super) fn answers<T: Send + 'static>(told: mpsc::Receiver<Result<T, Status>>) -> Answers<T> {
    stream::unfold(told, async |mut told| told.recv().await.map(|answer| (answer, told))).boxed()
}

/// Appending and reading.
#[derive(Clone)]
pub(super) struct Streams {
    pub store: Arc<dyn EventStore>,
    pub clock: Arc<dyn Clock>,
    pub writable: bool,
    pub stop: CancellationToken,
}

#[tonic::async_trait]
impl streams_server::Streams for Streams {
    type ReadStream = Answers<ReadResp>;
    type BatchAppendStream = Answers<BatchAppendResp>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Answers<ReadResp>>, Status> {
        Ok(self.answer_read(request.into_inner())?)
    }

    async fn append(&self, request: Request<Streaming<AppendReq>>) -> Result<Response<AppendResp>, Status> {
        self.append_one(request).await
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Answers<BatchAppendResp>>, Status> {
        Ok(self.append_many(request)?)
    }

    async fn delete(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        Err(Refusal::Denied("nothing is deleted from this log").into())
    }

    async fn tombstone(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        Err(Refusal::Denied("nothing is deleted from this log").into())
    }
}

/// What this server is.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    pub listen: SocketAddr,
}

#[tonic::async_trait]
impl ServerFeatures for About {
    async fn get_supported_methods(&self, _: Request<()>) -> Result<Response<SupportedMethods>, Status> {
        let streams = "event_store.client.streams.streams";
        let methods = [
            ("append", streams),
            ("batchappend", streams),
            ("read", streams),
            ("read", "event_store.client.gossip.gossip"),
            ("getsupportedmethods", "event_store.client.server_features.serverfeatures"),
        ];
        let method = |(method, service): (&str, &str)| SupportedMethod {
            method_name: method.to_owned(),
            service_name: service.to_owned(),
            features: if method == "read" && service == streams {
                vec!["position".to_owned(), "events".to_owned()]
            } else {
                vec![]
            },
        };
        Ok(Response::new(SupportedMethods {
            methods: methods.map(method).into(),
            event_store_server_version: VERSION.to_owned(),
        }))
    }
}

#[tonic::async_trait]
impl Gossip for About {
    /// A cluster of one.
    async fn read(&self, _: Request<()>) -> Result<Response<ClusterInfo>, Status> {
        let member = MemberInfo {
            instance_id: Some(IdForm::Text.write(Uuid::from_u128(1))),
            time_stamp: 0,
            state: LEADER,
            is_alive: true,
            http_end_point: Some(EndPoint {
                address: self.listen.ip().to_string(),
                port: u32::from(self.listen.port()),
            }),
        };
        Ok(Response::new(ClusterInfo { members: vec![member] }))
    }
}
