//! The embedded adapter under the port's conformance suite.

use marquee_event_store::conformance::{CASES, event_store_conforms};
use marquee_event_store::embedded::{DataDir, EmbeddedStore};

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_store_conforms() {
    let root = tempfile::tempdir().unwrap();
    let opened = std::sync::atomic::AtomicUsize::new(0);
    event_store_conforms(async || {
        let number = opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = DataDir::lock(&root.path().join(number.to_string())).unwrap();
        EmbeddedStore::open(&dir).unwrap()
    })
    .await;
    assert_eq!(opened.into_inner(), CASES.len(), "each case had a store of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_embedded_store_conforms_case_after_case() {
    let root = tempfile::tempdir().unwrap();
    let dir = DataDir::lock(root.path()).unwrap();
    let store = EmbeddedStore::open(&dir).unwrap();
    event_store_conforms(async || store.clone()).await;
}
