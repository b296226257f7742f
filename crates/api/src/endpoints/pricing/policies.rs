//! `GET /pricing/policies/{scope}`, `PUT /pricing/policies/{scope}`

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use marquee_domain::policy::{PolicyDetails, PolicyScope, PolicySet, TaxOn};
use marquee_domain::pricing::{MajorAmount, Percent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Pricer;
use crate::body::Json;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::{idempotency, wire};

/// What is charged on top of the seats.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PolicyBody {
    /// A convenience fee for each ticket, in major units of the show's currency.
    #[schema(value_type = f64)]
    fee_per_ticket: MajorAmount,
    /// 0 to 100, in hundredths.
    #[schema(value_type = f64)]
    tax_percent: Percent,
    /// `NET`, the seats less the discount; `FEES`; or `ALL`, both.
    #[schema(value_type = String)]
    tax_on: TaxOn,
}

impl PolicyBody {
    fn of(policy: PolicyDetails) -> Self {
        let PolicyDetails { scope: _, fee_per_ticket, tax_percent, tax_on } = policy;
        Self { fee_per_ticket, tax_percent, tax_on }
    }
}

/// Sets fees and tax: of everywhere (`default`), of a city (`city:blr`) or of a theatre (`theatre:th_101`). The narrowest holds.
#[utoipa::path(put, operation_id = "setPricePolicy", path = "/api/v1/pricing/policies/{scope}", tag = "pricing", request_body = PolicyBody,
    params(("scope" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = PolicyBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn set(
    State(app): State<App>,
    pricer: Pricer,
    Segments(scope): Segments<String>,
    headers: HeaderMap,
    Json(body): Json<PolicyBody>,
) -> Result<Response, ApiError> {
    let request = idempotency::request(&headers, &pricer.user, "PUT /pricing/policies/{scope}", &body)?;
    let scope = PolicyScope::parse(&scope).ok_or_else(|| ApiError::not_found("scope"))?;
    let PolicyBody { fee_per_ticket, tax_percent, tax_on } = body;
    let policy = PolicyDetails { scope, fee_per_ticket, tax_percent, tax_on };
    let set = PolicySet { policy, request };
    let answer = app.commands.set_policy(&pricer.ctx, pricer.partner.as_ref(), set).await?;
    Ok(wire::answered(StatusCode::OK, answer, PolicyBody::of))
}

/// The fees and tax of a scope. Where it has none of its own, a wider one's hold. A partner reads those of its theatres.
#[utoipa::path(get, operation_id = "getPricePolicy", path = "/api/v1/pricing/policies/{scope}", tag = "pricing",
    params(("scope" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = PolicyBody), (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn read(
    State(app): State<App>,
    pricer: Pricer,
    Segments(scope): Segments<String>,
) -> Result<axum::Json<PolicyBody>, ApiError> {
    let scope = PolicyScope::parse(&scope).ok_or_else(|| ApiError::not_found("scope"))?;
    let policy = app.commands.policy(pricer.partner.as_ref(), &scope).await?;
    Ok(axum::Json(PolicyBody::of(policy)))
}
