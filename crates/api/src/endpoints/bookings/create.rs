//! `POST /bookings`

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use marquee_commands::{CommandError, CreateBooking};
use marquee_domain::ids::{SeatId, ShowId};
use marquee_domain::show::{BookingStatus, ClientInfo, Rejection};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Customer;
use crate::body::Json;
use crate::endpoints::bookings::BookingBody;
use crate::endpoints::{id, text};
use crate::error::{ApiError, ErrorEnvelope};
use crate::{idempotency, wire};

/// The client that asks.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClientBody {
    platform: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app_version: Option<String>,
}

/// Seats to book.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateBody {
    /// The caller itself, where it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    show_id: String,
    /// One to ten, all or none.
    seat_ids: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    coupon_code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<ClientBody>,
}

/// Locks seats and begins a booking.
#[utoipa::path(post, operation_id = "createBooking", path = "/api/v1/bookings", tag = "bookings", request_body = CreateBody, security(("bearer" = [])),
    params(("Idempotency-Key" = String, Header)),
    responses((status = 201, body = BookingBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope), (status = 410, body = ErrorEnvelope),
        (status = 422, body = ErrorEnvelope), (status = 429, body = ErrorEnvelope)))]
pub(crate) async fn create(
    State(app): State<App>,
    customer: Customer,
    headers: HeaderMap,
    Json(body): Json<CreateBody>,
) -> Result<Response, ApiError> {
    let idempotency_key = idempotency::required_key(&headers)?;
    let fingerprint = idempotency::fingerprint(&body);
    if body.user_id.as_ref().is_some_and(|user| user != customer.user.as_str()) {
        return Err(ApiError::forbidden("A booking is made for oneself."));
    }
    let client = |client: ClientBody| -> Result<ClientInfo, ApiError> {
        let app_version =
            client.app_version.map(|version| text("client.appVersion", &version)).transpose()?;
        Ok(ClientInfo { platform: text("client.platform", &client.platform)?, app_version })
    };
    let seats = body.seat_ids.iter().map(|seat| id("seatIds", seat, SeatId::parse));
    let show = body.show_id.clone();
    let create = CreateBooking {
        user_id: customer.user,
        show_id: ShowId::parse(&body.show_id).map_err(|_| ApiError::not_found("show"))?,
        seat_ids: seats.collect::<Result<_, _>>()?,
        coupon_code: body.coupon_code.map(SmolStr::from),
        client: body.client.map(client).transpose()?,
        idempotency_key,
        fingerprint,
    };
    let answer = app.commands.create_booking(&customer.ctx, create).await.map_err(|error| {
        let taken = matches!(error, CommandError::Show(Rejection::SeatsUnavailable(_)));
        let error = ApiError::from(error);
        if taken { error.with_detail("showId", show) } else { error }
    })?;
    // A replay has the first answer's body, whatever came of the booking since.
    let status = BookingStatus::PaymentPending.as_str();
    Ok(wire::answered(StatusCode::CREATED, answer, |made| {
        BookingBody::new(&made.booking, &made.show, status)
    }))
}
