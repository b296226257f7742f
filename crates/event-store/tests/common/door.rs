//! A door on an embedded log, and a line to it that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use marquee_domain::show::{BookingExpired, ShowEvent};
use marquee_event_store::clock::SystemClock;
use marquee_event_store::door::{Door, DoorConfig, DoorError};
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::kurrent::{KurrentStore, Seeds};
use marquee_event_store::{Metadata, NewEvent, StreamName};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A door that serves, and the log behind it.
pub struct Served {
    pub log: Arc<EmbeddedStore>,
    pub listen: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), DoorError>>,
    _dir: TempDir,
}

impl Served {
    pub async fn open(writable: bool) -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::lock(root.path()).unwrap();
        let log = Arc::new(EmbeddedStore::open(&dir).unwrap());
        let stop = CancellationToken::new();
        let config = DoorConfig { listen: "127.0.0.1:0".parse().unwrap(), writable };
        let door = Door::bind(config, log.clone(), Arc::new(SystemClock), stop.clone()).await.unwrap();
        let listen = door.listen();
        Self { log, listen, stop, serving: tokio::spawn(door.serve()), _dir: root }
    }

    pub fn url(&self) -> String {
        url(&[self.listen])
    }

    pub async fn close(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

pub fn url(nodes: &[SocketAddr]) -> String {
    let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    format!("kurrentdb://{}?tls=false", nodes.join(","))
}

/// The adapter on these nodes.
pub async fn store(url: &str) -> KurrentStore {
    let seeds = Seeds::parse(url).unwrap();
    KurrentStore::open(seeds, Arc::new(SystemClock), Duration::from_secs(20)).await.unwrap()
}

pub fn some_stream() -> StreamName {
    StreamName::new(format!("show-sh_{}", Uuid::now_v7().simple()))
}

pub fn some_event() -> NewEvent {
    NewEvent {
        id: Uuid::now_v7(),
        time: Timestamp::from_millisecond(1_795_430_096_123).unwrap(),
        event: ShowEvent::from(BookingExpired { booking_id: "bk_sh_1_1".into() }).into(),
        metadata: Arc::new(Metadata {
            actor: "process:expiry".into(),
            correlation_id: "req_1".into(),
            causation_id: Some(Uuid::now_v7()),
        }),
    }
}
