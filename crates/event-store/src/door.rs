//! The door: a log that speaks KurrentDB's own gRPC protocol, so that any of its clients reads it.
//!
//! An exact subset: append (where the door is writable), read a stream or the whole log in both directions, subscribe to either,
//! with filters. Nothing is deleted, and nothing is written that is not an event of Marquee: what lies in the log must be
//! decodable for ever. Positions are the log's own, as commit and prepare position alike.

mod append;
mod batch;
mod filter;
mod proposal;
pub(crate) mod proto;
mod read;
mod refusal;
mod service;
mod subscribe;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use self::proto::gossip::gossip_server::GossipServer;
use self::proto::server_features::server_features_server::ServerFeaturesServer;
use self::proto::streams::streams_server::StreamsServer;
use self::service::{About, Streams};
use crate::clock::Clock;
use crate::port::EventStore;

/// A connection that says nothing for so long is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Requests and subscriptions of one connection at once.
const MAX_STREAMS: u32 = 256;
/// How long requests may take to end once the door closes.
const CLOSING: Duration = Duration::from_secs(5);

/// Where the door is, and who may come in.
#[derive(Debug, Clone, Copy)]
pub struct DoorConfig {
    /// Where to listen: loopback, for there is neither TLS nor a password.
    pub listen: SocketAddr,
    /// Whether clients may append.
    pub writable: bool,
}

/// Why there is no door.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The address can be reached from elsewhere.
    #[error(
        "the door has neither TLS nor passwords, so it opens on loopback alone, and {0} is not: use 127.0.0.1 or [::1]"
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("the door cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// It broke while serving.
    #[error("the door is broken")]
    Serve(#[source] tonic::transport::Error),
}

/// A door that listens, and serves once it is told to.
pub struct Door {
    listener: TcpListener,
    listen: SocketAddr,
    streams: Streams,
    stop: CancellationToken,
}

impl Door {
    /// Takes the address. The clock stamps what clients append without a time.
    pub async fn bind(
        config: DoorConfig,
        store: Arc<dyn EventStore>,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Result<Self, DoorError> {
        if !config.listen.ip().is_loopback() {
            return Err(DoorError::NotLoopback(config.listen));
        }
        let failed = |error| DoorError::Listen(config.listen, error);
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let listen = listener.local_addr().map_err(failed)?;
        let streams = Streams { store, clock, writable: config.writable, stop: stop.clone() };
        Ok(Self { listener, listen, streams, stop })
    }

    /// Where it listens.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Serves until it is told to stop.
    pub async fn serve(self) -> Result<(), DoorError> {
        let Self { listener, listen, streams, stop } = self;
        let about = About { listen };
        let serving = Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .max_concurrent_streams(MAX_STREAMS)
            .add_service(StreamsServer::new(streams))
            .add_service(ServerFeaturesServer::new(about))
            .add_service(GossipServer::new(about))
            .serve_with_incoming_shutdown(
                TcpIncoming::from(listener).with_nodelay(Some(true)),
                stop.clone().cancelled_owned(),
            );
        let closing = async {
            stop.cancelled().await;
            tokio::time::sleep(CLOSING).await;
        };
        tokio::select! {
            served = serving => served.map_err(DoorError::Serve),
            () = closing => Ok(()),
        }
    }
}
