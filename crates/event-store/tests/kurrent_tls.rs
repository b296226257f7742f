//! TLS as a `kurrentdb://` URL says: who the server is, is proven before it is told anything.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "other suites need more of it")]
#[path = "common/door.rs"]
mod door;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use door::{Served, some_event, some_stream};
use marquee_event_store::clock::SystemClock;
use marquee_event_store::kurrent::{KurrentStore, OpenError, Seeds};
use marquee_event_store::{AppendError, EventStore, Expected, Follower, Position, TypeFilter};
use marquee_test_tls::{Authority, before, text};

/// Longer than a connection takes, and short enough to wait for one that does not come.
const PATIENCE: Duration = Duration::from_secs(3);

fn url(host: &str, port: u16, authority: &Path) -> String {
    format!("kurrentdb://{host}:{port}?tls=true&tlsCAFile={}", text(authority))
}

async fn open(url: &str) -> Result<KurrentStore, OpenError> {
    KurrentStore::open(Seeds::parse(url).unwrap(), Arc::new(SystemClock), PATIENCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_certificate_the_authority_signed_is_written_to_and_read() {
    let (served, authority) = (Served::open(true).await, Authority::new());
    let listen = before(served.listen, &authority.issue("localhost")).await;
    let store = open(&url("localhost", listen.port(), &authority.certificate())).await.unwrap();
    let (stream, event) = (some_stream(), some_event());
    let appended = store.append(stream.clone(), Expected::NoStream, vec![event.clone()]).await.unwrap();
    let conflict = store.append(stream.clone(), Expected::NoStream, vec![some_event()]).await;
    assert_eq!(conflict, Err(AppendError::Conflict { current: Some(0) }));
    assert_eq!(store.read_stream(stream.clone(), 0, 10).await.unwrap()[0].id, event.id);
    assert_eq!(store.read_all_back(None, 1, TypeFilter::All).await.unwrap().events[0].id, event.id);
    let mut follower = Follower::new(Arc::new(store.clone()), Position(0));
    let page = tokio::time::timeout(PATIENCE, follower.next_page(10)).await.unwrap().unwrap();
    assert_eq!(page.events[0].position, appended.position);
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_prove_who_it_is_is_not_spoken_to() {
    let (served, authority, other) = (Served::open(true).await, Authority::new(), Authority::new());
    let stranger = before(served.listen, &other.issue("localhost")).await;
    let namesake = before(served.listen, &authority.issue("somewhere.example")).await;
    for (what, listen) in [("of another authority", stranger), ("for another host", namesake)] {
        let refused = open(&url("localhost", listen.port(), &authority.certificate())).await;
        assert!(matches!(refused, Err(OpenError::Unreachable(_))), "a certificate {what}");
    }
    let in_clear = open(&url("localhost", served.listen.port(), &authority.certificate())).await;
    assert!(in_clear.is_err(), "a server that speaks no TLS");
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_speaks_tls_is_not_spoken_to_in_clear() {
    let (served, authority) = (Served::open(true).await, Authority::new());
    let listen = before(served.listen, &authority.issue("localhost")).await;
    assert!(open(&format!("kurrentdb://localhost:{}?tls=false", listen.port())).await.is_err());
    served.close().await;
}
