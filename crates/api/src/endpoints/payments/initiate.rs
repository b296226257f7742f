//! `POST /bookings/{bookingId}/payments`

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use marquee_commands::InitiatePayment;
use marquee_domain::ids::BookingId;
use marquee_domain::request::Request;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Customer;
use crate::body::Json;
use crate::endpoints::bookings::booking_id as booking_id_of;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::wire::Amount;
use crate::{idempotency, return_url, wire};

/// How to pay.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PayBody {
    /// `RAZORPAY`, `STRIPE`, or `SANDBOX` where no money is to move: whichever is on.
    provider: String,
    /// Where the gateway sends the customer afterwards; its origin must be allowed.
    return_url: String,
}

/// What the client hands to the gateway.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProviderPayload {
    payment_intent_id: String,
    redirect_url: String,
}

/// A payment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentBody {
    payment_id: String,
    #[schema(value_type = String)]
    booking_id: BookingId,
    status: &'static str,
    #[schema(value_type = f64)]
    amount: Amount,
    currency: String,
    provider: String,
    provider_payload: ProviderPayload,
}

/// Begins the payment of a booking.
#[utoipa::path(post, operation_id = "initiatePayment", path = "/api/v1/bookings/{bookingId}/payments", tag = "bookings", request_body = PayBody,
    params(("bookingId" = String, Path), ("Idempotency-Key" = String, Header)), security(("bearer" = [])),
    responses((status = 201, body = PaymentBody), (status = 400, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope),
        (status = 409, body = ErrorEnvelope), (status = 410, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
pub(crate) async fn initiate(
    State(app): State<App>,
    customer: Customer,
    Segments(booking_id): Segments<String>,
    headers: HeaderMap,
    Json(body): Json<PayBody>,
) -> Result<Response, ApiError> {
    let request = Request {
        user_id: customer.user.clone(),
        route: SmolStr::new_static("POST /bookings/{bookingId}/payments"),
        idempotency_key: idempotency::required_key(&headers)?,
        fingerprint: idempotency::fingerprint(&body),
    };
    return_url::check(&body.return_url, &app.config.return_origins)?;
    let initiate = InitiatePayment {
        booking_id: booking_id_of(&booking_id)?,
        provider: body.provider.into(),
        return_url: body.return_url.into(),
        request,
    };
    let answer = app.commands.initiate_payment(&customer.ctx, initiate).await?;
    Ok(wire::answered(StatusCode::CREATED, answer, |payment| PaymentBody {
        payment_id: payment.initiated.payment_id.to_string(),
        booking_id: payment.initiated.booking_id,
        status: "INITIATED",
        currency: payment.initiated.amount.currency.to_string(),
        amount: Amount(payment.initiated.amount),
        provider: payment.initiated.provider.into(),
        provider_payload: ProviderPayload {
            payment_intent_id: payment.intent.payment_intent_id.to_string(),
            redirect_url: payment.intent.redirect_url.into(),
        },
    }))
}
