//! The event history, as it was written.

pub(crate) mod log;
pub(crate) mod stream;

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use marquee_domain::time::Timestamp;
use marquee_event_store::Recorded;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::ApiError;

pub(crate) const PAGE: usize = 100;
pub(crate) const MOST: usize = 1_000;
const NDJSON: &str = "application/x-ndjson";

/// An event, as auditors see it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventBody<'a> {
    #[schema(value_type = String)]
    event_id: Uuid,
    stream: &'a str,
    revision: u64,
    position: u64,
    #[serde(rename = "type")]
    stored_name: &'a str,
    #[schema(value_type = String)]
    time: Timestamp,
    actor: &'a str,
    correlation_id: &'a str,
    #[schema(value_type = Option<String>)]
    causation_id: Option<Uuid>,
    /// As it was stored.
    #[schema(value_type = Object)]
    data: &'a RawValue,
}

/// Some events.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventsBody<'a> {
    events: Vec<EventBody<'a>>,
    /// Reads on from here; absent at the end.
    next: Option<u64>,
}

/// Events as JSON, or one a line where the caller accepts that.
fn answer(headers: &HeaderMap, events: &[Arc<Recorded>], next: Option<u64>) -> Result<Response, ApiError> {
    let unreadable =
        |error: serde_json::Error| ApiError::unavailable(&format!("a stored event is not JSON: {error}"));
    let events: Vec<EventBody<'_>> = events
        .iter()
        .map(|recorded| EventBody::of(recorded))
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    let lines = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains(NDJSON));
    if !lines {
        let body = serde_json::to_vec(&EventsBody { events, next }).map_err(unreadable)?;
        return Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response());
    }
    let mut body = Vec::new();
    for event in &events {
        serde_json::to_writer(&mut body, event).map_err(unreadable)?;
        body.push(b'\n');
    }
    Ok(([(header::CONTENT_TYPE, NDJSON)], body).into_response())
}

impl<'a> EventBody<'a> {
    /// A recorded event, its payload as it was stored. An error where that is not JSON.
    pub fn of(recorded: &'a Recorded) -> Result<Self, serde_json::Error> {
        Ok(Self {
            event_id: recorded.id,
            stream: recorded.stream.as_str(),
            revision: recorded.revision,
            position: recorded.position.0,
            stored_name: &recorded.stored_name,
            time: recorded.time,
            actor: &recorded.metadata.actor,
            correlation_id: &recorded.metadata.correlation_id,
            causation_id: recorded.metadata.causation_id,
            data: serde_json::from_slice(&recorded.data)?,
        })
    }
}
