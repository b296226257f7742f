//! `GET /ops/projections`, `POST /ops/projections/{name}/rebuild`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use marquee_projections::{ParkedStream, ProjectionStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Ops;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::{Params, Segments};

/// What to tell of each projection.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProjectionParams {
    /// Whether to hash what each view holds: slow, and the same for the same events however the view was made.
    #[serde(default)]
    fingerprint: bool,
}

/// A projection.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProjectionBody {
    name: &'static str,
    /// `CATCHING_UP`, `LIVE`, `REBUILDING`, `PARKED` or `UNAVAILABLE`.
    status: &'static str,
    /// Grows with each rebuild.
    generation: u64,
    checkpoint: u64,
    /// How many positions the log is ahead.
    lag: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    events_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eta_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parked: Vec<ParkedBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<FingerprintBody>,
}

/// A stream whose events are not applied any more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ParkedBody {
    stream: String,
    position: u64,
    error: String,
}

/// What a view held at a position, as a hash.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FingerprintBody {
    position: u64,
    hash: String,
}

/// Every projection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectionsBody {
    projections: Vec<ProjectionBody>,
}

impl From<ProjectionStatus> for ProjectionBody {
    fn from(projection: ProjectionStatus) -> Self {
        let parked = |parked: ParkedStream| ParkedBody {
            stream: parked.stream.as_str().to_owned(),
            position: parked.position.0,
            error: parked.error,
        };
        Self {
            name: projection.name,
            status: projection.status.as_str(),
            generation: projection.generation,
            checkpoint: projection.checkpoint.0,
            lag: projection.lag,
            events_per_second: projection.events_per_second,
            eta_seconds: projection.eta_seconds,
            parked: projection.parked.into_iter().map(parked).collect(),
            fingerprint: None,
        }
    }
}

/// How far each view is.
#[utoipa::path(get, operation_id = "listProjections", path = "/api/v1/ops/projections", tag = "ops", params(ProjectionParams), security(("bearer" = [])),
    responses((status = 200, body = ProjectionsBody), (status = 403, body = ErrorEnvelope)))]
pub(crate) async fn list(
    State(app): State<App>,
    _: Ops,
    Params(params): Params<ProjectionParams>,
) -> Result<Json<ProjectionsBody>, ApiError> {
    let mut projections: Vec<ProjectionBody> =
        app.views.status().into_iter().map(ProjectionBody::from).collect();
    if params.fingerprint {
        for projection in &mut projections {
            let made = app.views.fingerprint(projection.name).await?;
            projection.fingerprint = Some(FingerprintBody { position: made.position.0, hash: made.hash });
        }
    }
    Ok(Json(ProjectionsBody { projections }))
}

/// Makes a view again from the first event on, beside the one that serves reads. Its end is a higher generation.
#[utoipa::path(post, operation_id = "rebuildProjection", path = "/api/v1/ops/projections/{name}/rebuild", tag = "ops", params(("name" = String, Path)),
    security(("bearer" = [])),
    responses((status = 202, description = "begun"), (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope)))]
pub(crate) async fn rebuild(
    State(app): State<App>,
    _: Ops,
    Segments(name): Segments<String>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    app.views.rebuild(&name).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "name": name, "status": "REBUILDING" }))))
}
