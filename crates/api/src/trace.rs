//! What surrounds every request: its correlation id, its metrics, its line in the log.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use dashmap::DashMap;
use metrics::{Counter, Histogram, counter, histogram};
use smol_str::SmolStr;
use uuid::Uuid;

pub const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const MOST_CHARACTERS: usize = 128;

tokio::task_local! {
    static CURRENT: SmolStr;
}

/// The correlation id of the request at hand.
pub fn correlation_id() -> SmolStr {
    CURRENT.try_with(Clone::clone).unwrap_or_default()
}

/// Runs a request within its correlation id, and counts it.
pub async fn trace(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let given = request.headers().get(&CORRELATION_ID).and_then(|value| value.to_str().ok());
    let sound = |text: &&str| {
        !text.is_empty() && text.len() <= MOST_CHARACTERS && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let id = given.filter(sound).map_or_else(|| SmolStr::from(Uuid::new_v4().to_string()), SmolStr::from);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = CURRENT.scope(id.clone(), next.run(request)).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(CORRELATION_ID, value);
    }
    let route = route.as_ref().map_or("unknown", MatchedPath::as_str);
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let method = known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other");
    let status = response.status().as_u16();
    let elapsed = begun.elapsed();
    count(method, route, status, elapsed.as_secs_f64());
    tracing::debug!(correlation_id = %id, method, route, status, ?elapsed, "answered");
    response
}

type Handles = DashMap<u64, (Counter, Histogram)>;
static HANDLES: LazyLock<(RandomState, Handles)> = LazyLock::new(Default::default);

/// Looking a metric up by its labels costs more than a cached read: the handles are kept by the labels' hash.
fn count(method: &'static str, route: &str, status: u16, seconds: f64) {
    let (hasher, handles) = &*HANDLES;
    let key = hasher.hash_one((method, route, status));
    let handle = handles.get(&key).unwrap_or_else(|| {
        let labels =
            [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
        let labels: Vec<metrics::Label> =
            labels.into_iter().map(|(name, value)| metrics::Label::new(name, value)).collect();
        let pair = (
            counter!("marquee_http_requests_total", labels.clone()),
            histogram!("marquee_http_request_seconds", labels),
        );
        handles.entry(key).or_insert(pair).downgrade()
    });
    let (requests, durations) = handle.value();
    requests.increment(1);
    durations.record(seconds);
}
