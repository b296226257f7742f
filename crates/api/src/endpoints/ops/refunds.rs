//! `GET /ops/refunds`

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use marquee_domain::ids::ShowId;
use marquee_projections::{RefundStatus, RefundTotal, View};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::OpsOrAuditor;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Params;
use crate::wire::Amount;

/// Of which show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct RefundsParams {
    show_id: String,
}

/// What goes back of the money of a show's bookings, late and wrong money among it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RefundsBody {
    show_id: String,
    /// Those that are owed first.
    refunds: Vec<RefundTotalBody>,
}

/// The refunds in one status and currency.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefundTotalBody {
    /// `INITIATED`, `FAILED` or `SUCCEEDED`.
    status: &'static str,
    /// How many they are.
    count: u64,
    /// What they come to, in major units.
    #[schema(value_type = f64)]
    amount: Amount,
    currency: String,
}

impl From<RefundTotal> for RefundTotalBody {
    fn from(RefundTotal { status, count, amount }: RefundTotal) -> Self {
        let status = match status {
            RefundStatus::Initiated => "INITIATED",
            RefundStatus::Succeeded => "SUCCEEDED",
            RefundStatus::Failed => "FAILED",
        };
        Self { status, count, currency: amount.currency.to_string(), amount: Amount(amount) }
    }
}

/// How far a show's refunds have come, by status: a called-off show is paid back at the gateway's pace.
#[utoipa::path(get, operation_id = "readRefunds", path = "/api/v1/ops/refunds", tag = "ops", params(RefundsParams), security(("bearer" = [])),
    responses((status = 200, body = RefundsBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn read(
    State(app): State<App>,
    _: OpsOrAuditor,
    Params(params): Params<RefundsParams>,
    headers: HeaderMap,
) -> Result<Json<RefundsBody>, ApiError> {
    app.wait(View::Bookings, &headers).await?;
    let unknown = || ApiError::not_found("show");
    let show = ShowId::parse(&params.show_id).map_err(|_| unknown())?;
    if app.views.seat_maps.show(&show).await?.is_none() {
        return Err(unknown());
    }
    let refunds = app.views.bookings.refunds_of(&show).await?;
    let refunds = refunds.into_iter().map(RefundTotalBody::from).collect();
    Ok(Json(RefundsBody { show_id: show.to_string(), refunds }))
}
