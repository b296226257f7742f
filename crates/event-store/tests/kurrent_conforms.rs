//! The KurrentDB adapter under the port's conformance suite, against the door of an embedded log: the official client on one side,
//! the protocol on the other.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/door.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod door;

use marquee_event_store::conformance::event_store_conforms;

#[tokio::test(flavor = "multi_thread")]
async fn the_kurrent_store_conforms_through_a_door() {
    let served = door::Served::open(true).await;
    let store = door::store(&served.url()).await;
    event_store_conforms(async || store.clone()).await;
    served.close().await;
}
