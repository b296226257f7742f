//! JSON bodies: bounded in size and time, and refused in the envelope.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::app::App;
use crate::error::ApiError;

/// Largest body, in bytes.
const MOST_BYTES: usize = 64 * 1024;
const MOST_DRAINED: usize = 2 * 1024 * 1024;
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);
/// A body that takes longer is given up on.
const PATIENCE: Duration = Duration::from_secs(15);

/// Reads a body of at most [`MOST_BYTES`].
pub(crate) async fn read(mut body: Body) -> Result<Bytes, ApiError> {
    let read = tokio::time::timeout(PATIENCE, Limited::new(&mut body, MOST_BYTES).collect()).await;
    let late = |_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "VALIDATION_ERROR", "The body took too long.");
    match read.map_err(late)? {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            drain(body).await;
            Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "PAYLOAD_TOO_LARGE",
                "The body is larger than 64 KiB.",
            ))
        }
        Err(_) => Err(ApiError::invalid("body", "cannot be read")),
    }
}

/// Hears a sender out, within reason: hung up on in mid-sentence, it would see a reset instead of the refusal.
async fn drain(mut body: Body) {
    let rest = async {
        let mut left = MOST_DRAINED;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(length) else { return };
            left = rest;
        }
    };
    // Whoever sends on for longer is hung up on.
    _ = tokio::time::timeout(DRAIN_PATIENCE, rest).await;
}

/// A JSON body.
pub(crate) struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _app: &App) -> Result<Self, ApiError> {
        check_json(request.headers().get(header::CONTENT_TYPE))?;
        let body = read(request.into_body()).await?;
        serde_json::from_slice(&body).map(Self).map_err(|error| malformed(&error))
    }
}

/// A JSON body that may be absent.
pub(crate) struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned> FromRequest<App> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        optional_json(request).await.map(Self)
    }
}

/// A JSON body where there may be none: an empty one is none, whatever it is said to be, and so is `null`.
pub(crate) async fn optional_json<T: DeserializeOwned>(request: Request) -> Result<Option<T>, ApiError> {
    let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
    let body = read(request.into_body()).await?;
    if body.is_empty() {
        return Ok(None);
    }
    check_json(content_type.as_ref())?;
    serde_json::from_slice(&body).map_err(|error| malformed(&error))
}

fn check_json(content_type: Option<&HeaderValue>) -> Result<(), ApiError> {
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let essence = content_type.map(|value| value.split(';').next().unwrap_or_default().trim());
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let message = "The body must be application/json.";
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message))
}

fn malformed(error: &serde_json::Error) -> ApiError {
    let place = json!({ "field": "body", "reason": error.to_string(), "line": error.line(), "column": error.column() });
    ApiError::invalid_body(&error.to_string(), place)
}
