//! `POST /pricing/quote`

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use marquee_commands::AskQuote;
use marquee_domain::ids::{SeatId, ShowId};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Anybody;
use crate::body::Json;
use crate::endpoints::bookings::PricingBody;
use crate::endpoints::id;
use crate::error::{ApiError, ErrorEnvelope};

/// Seats to price, taken or not.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct QuoteBody {
    show_id: String,
    /// One to ten.
    seat_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    coupon_code: Option<String>,
}

/// What a booking of these seats would be charged now. No token is needed; a customer's counts what it has redeemed already.
#[utoipa::path(post, operation_id = "quotePrice", path = "/api/v1/pricing/quote", tag = "pricing", request_body = QuoteBody, security((), ("bearer" = [])),
    responses((status = 200, body = PricingBody), (status = 400, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn quote(
    State(app): State<App>,
    caller: Anybody,
    Json(body): Json<QuoteBody>,
) -> Result<Response, ApiError> {
    let seat_ids = body.seat_ids.iter().map(|seat| id("seatIds", seat, SeatId::parse));
    let ask = AskQuote {
        show_id: ShowId::parse(&body.show_id).map_err(|_| ApiError::not_found("show"))?,
        seat_ids: seat_ids.collect::<Result<_, _>>()?,
        coupon_code: body.coupon_code.map(SmolStr::from),
        user_id: caller.customer,
    };
    let pricing = app.commands.quote(ask).await?;
    Ok(axum::Json(PricingBody::from(&pricing)).into_response())
}
