//! `POST /payments/webhooks/{provider}`

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use marquee_commands::Context;
use serde_json::{Value, json};
use smol_str::SmolStr;

use crate::app::App;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::{body, trace};

/// Takes a gateway's notice. 200 means that it need not be sent again.
#[utoipa::path(post, operation_id = "receiveWebhook", path = "/api/v1/payments/webhooks/{provider}", tag = "payments", params(("provider" = String, Path)),
    request_body(content = String, content_type = "application/json", description = "as the gateway signs it"),
    responses((status = 200, description = "processed, now or before"), (status = 400, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn webhook(
    State(app): State<App>,
    Segments(provider): Segments<String>,
    headers: HeaderMap,
    payload: Body,
) -> Result<Json<Value>, ApiError> {
    let payload = body::read(payload).await?;
    let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    let headers: BTreeMap<String, String> = headers.iter().filter_map(text).collect();
    let ctx = Context {
        actor: SmolStr::from(format!("gateway:{}", provider.to_lowercase())),
        correlation_id: trace::correlation_id(),
    };
    app.commands.webhook(&ctx, &provider, &headers, &payload).await?;
    Ok(Json(json!({ "received": true })))
}
