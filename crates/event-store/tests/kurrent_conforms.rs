//! The KurrentDB adapter under the port's conformance suite, against the door of an embedded log: the official client on one side,
//! the protocol on the other.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use marquee_event_store::clock::SystemClock;
use marquee_event_store::conformance::event_store_conforms;
use marquee_event_store::door::{Door, DoorConfig};
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::kurrent::{KurrentStore, Seeds};
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn the_kurrent_store_conforms_through_a_door() {
    let root = tempfile::tempdir().unwrap();
    let dir = DataDir::lock(root.path()).unwrap();
    let embedded = Arc::new(EmbeddedStore::open(&dir).unwrap());
    let stop = CancellationToken::new();
    let config = DoorConfig { listen: "127.0.0.1:0".parse().unwrap(), writable: true };
    let door = Door::bind(config, embedded, Arc::new(SystemClock), stop.clone()).await.unwrap();
    let seeds = Seeds::parse(&format!("kurrentdb://{}?tls=false", door.listen())).unwrap();
    let serving = tokio::spawn(door.serve());
    let store = KurrentStore::open(seeds, Arc::new(SystemClock), Duration::from_secs(10)).await.unwrap();
    event_store_conforms(async || {
        eprintln!("case at {:?}", std::time::Instant::now());
        store.clone()
    })
    .await;
    stop.cancel();
    serving.await.unwrap().unwrap();
}
