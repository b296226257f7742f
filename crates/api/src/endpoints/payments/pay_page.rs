//! `/sandbox/pay/{intentId}`: the sandbox gateway's own page, where a person presses Pay or Decline.
//!
//! Pressing sends the signed webhook over HTTP, as a gateway would, and then sends the person back to `returnUrl`.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use marquee_commands::SandboxGateway;
use marquee_domain::ids::PaymentIntentId;
use marquee_domain::payment::{PaymentInitiated, PaymentState};
use marquee_domain::time::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::app::App;
use crate::auth::Public;
use crate::error::ApiError;
use crate::query::Segments;
use crate::same_origin::SameOrigin;
use crate::wire::Amount;
use crate::{body, return_url};

const PATIENCE: Duration = Duration::from_secs(5);

/// What the gateway tells of a payment.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notice<'a> {
    event_id: String,
    payment_intent_id: &'a str,
    status: &'a str,
    amount: Amount,
    currency: &'a str,
    booking_reference: &'a str,
    timestamp: Timestamp,
}

async fn payment(app: &App, intent: &str) -> Result<(PaymentInitiated, bool), ApiError> {
    let unknown = || ApiError::not_found("payment");
    let sandbox = app.commands.sandbox().ok_or_else(unknown)?;
    let booking = sandbox.intent_booking(&PaymentIntentId::new(intent)).ok_or_else(unknown)?;
    let payment = app.commands.payment(&booking).await?;
    let open = payment.state == Some(PaymentState::Pending);
    payment.initiated.map(|initiated| (initiated, open)).ok_or_else(unknown)
}

/// The page.
pub(crate) async fn show(
    State(app): State<App>,
    _: Public,
    Segments(intent): Segments<String>,
) -> Result<Response, ApiError> {
    let (payment, open) = payment(&app, &intent).await?;
    let amount = format!("{} {}", payment.amount.currency, payment.amount.to_major());
    let buttons = if open {
        r#"<form method="post"><button name="outcome" value="pay">Pay</button>
<button name="outcome" value="decline" class="quiet">Decline</button></form>"#
    } else {
        "<p>This payment has ended.</p>"
    };
    let page = format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sandbox payment</title><style>body{{font:16px system-ui,sans-serif;max-width:24rem;margin:4rem auto;padding:0 1rem}}
h1{{font-size:2rem}}button{{font:inherit;padding:.7rem 1.6rem;border:0;border-radius:.4rem;background:#0a6;color:#fff;cursor:pointer}}
.quiet{{background:#ddd;color:#222}}small{{color:#666}}</style></head><body><small>Sandbox gateway: no money moves.</small>
<h1>{}</h1><p>for booking <code>{}</code></p>{buttons}</body></html>"#,
        escape(&amount),
        escape(payment.booking_id.as_str()),
    );
    // A browser also holds the redirect that follows the form to this rule.
    let origin = return_url::origin(&payment.return_url).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {origin}; frame-ancestors 'none'"
    );
    let mut response = ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // `no-referrer` would also make the form's own origin `null`.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Somebody pressed a button.
pub(crate) async fn press(
    State(app): State<App>,
    _: Public,
    _: SameOrigin,
    Segments(intent): Segments<String>,
    form: Body,
) -> Result<Response, ApiError> {
    let (payment, _) = payment(&app, &intent).await?;
    let form = body::read(form).await?;
    let status = match &*form {
        b"outcome=pay" => "SUCCEEDED",
        b"outcome=decline" => "FAILED",
        _ => return Err(ApiError::invalid("outcome", "must be pay or decline")),
    };
    let sandbox = app.commands.sandbox().ok_or_else(|| ApiError::not_found("payment"))?;
    send(&app, sandbox, &payment, &intent, status).await?;
    let joint = if payment.return_url.contains('?') { '&' } else { '?' };
    let back = format!("{}{joint}bookingId={}&status={status}", payment.return_url, payment.booking_id);
    Ok(Redirect::to(&back).into_response())
}

/// Sends the notice as a gateway would: signed, over HTTP, to the webhook.
async fn send(
    app: &App,
    sandbox: &SandboxGateway,
    payment: &PaymentInitiated,
    intent: &str,
    status: &str,
) -> Result<(), ApiError> {
    let failed = |reason: String| ApiError::unavailable(&format!("the sandbox's webhook: {reason}"));
    let notice = Notice {
        event_id: format!("evt_{}", Uuid::new_v4().simple()),
        payment_intent_id: intent,
        status,
        amount: Amount(payment.amount.clone()),
        currency: payment.amount.currency.as_str(),
        booking_reference: payment.booking_id.as_str(),
        timestamp: app.clock.now(),
    };
    let notice = serde_json::to_vec(&notice).map_err(|error| failed(error.to_string()))?;
    let request =
        hyper::Request::post(format!("http://{}/api/v1/payments/webhooks/sandbox", app.config.listen))
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-sandbox-signature", sandbox.sign(&notice))
            .body(Full::new(Bytes::from(notice)))
            .map_err(|error| failed(error.to_string()))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let sent = tokio::time::timeout(PATIENCE, client.request(request)).await;
    let answer = sent.map_err(|_| failed("no answer".into()))?.map_err(|error| failed(error.to_string()))?;
    if answer.status() == StatusCode::OK {
        Ok(())
    } else {
        Err(failed(format!("answered {}", answer.status())))
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
