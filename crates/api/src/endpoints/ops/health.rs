//! `/healthz`, `/readyz`, `/metrics`, `/.well-known/jwks.json`

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use jiff::SignedDuration;
use marquee_projections::Outage;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::ApiError;

/// The process answers.
#[utoipa::path(get, operation_id = "getHealth", path = "/healthz", tag = "ops", responses((status = 200, description = "alive")))]
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The log is within reach, every view has caught up, and requests can be served. What is out without keeping anybody from
/// booking, such as PostgreSQL or the message bus, is named in `degraded` with the instant since which it is: taking every node out
/// for it would help nobody.
#[utoipa::path(get, operation_id = "getReadiness", path = "/readyz", tag = "ops", responses((status = 200, description = "ready"), (status = 503, description = "not yet")))]
pub(crate) async fn ready(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let outage = app.store.outage();
    if outage.is_none() && app.views.ready() {
        let mut degraded: Vec<Value> =
            app.views.outages().iter().map(|outage| missing(&app, outage)).collect();
        if let Some(outage) = app.outbound.publisher.status().out {
            let bus = format!("messages ({})", app.outbound.publisher.bus());
            degraded.push(json!({ "dependency": bus, "since": outage.since, "reason": outage.reason }));
        }
        return Ok(Json(if degraded.is_empty() {
            json!({ "status": "ready" })
        } else {
            json!({ "status": "degraded", "degraded": degraded })
        }));
    }
    let outage = outage.map(|outage| format!("the event store, since {}: {}", outage.since, outage.reason));
    let behind = app.views.status().into_iter().filter(|projection| projection.lag > 0);
    let behind = behind.map(|projection| format!("{} is {} events behind", projection.name, projection.lag));
    let missing: Vec<String> = outage.into_iter().chain(behind).collect();
    Err(ApiError::not_ready(&missing))
}

fn missing(app: &App, outage: &Outage) -> Value {
    let lasted = i64::try_from(outage.lasted.as_millis()).unwrap_or(i64::MAX);
    let since = app.clock.now() - SignedDuration::from_millis(lasted);
    json!({ "dependency": outage.dependency, "since": since.to_string() })
}

/// Metrics, as Prometheus reads them.
#[utoipa::path(get, operation_id = "getMetrics", path = "/metrics", tag = "ops", responses((status = 200, content_type = "text/plain", description = "metrics")))]
pub(crate) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.render())
}

/// The public keys that tickets are checked with.
#[utoipa::path(get, operation_id = "getTicketKeys", path = "/.well-known/jwks.json", tag = "ops", responses((status = 200, description = "a JWK set")))]
pub(crate) async fn jwks(State(app): State<App>) -> Json<Value> {
    Json(app.tickets.jwks().clone())
}
