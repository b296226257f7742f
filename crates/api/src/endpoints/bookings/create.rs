//! `POST /bookings`

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use marquee_commands::{CommandError, CreateBooking};
use marquee_domain::ids::{SeatId, ShowId};
use marquee_domain::show::{BookingStatus, ClientInfo, Near, Rejection, SeatChoice, SeatWish};
use marquee_domain::theatre::SeatType;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Customer;
use crate::body::Json;
use crate::endpoints::bookings::{BookingBody, PricingBody};
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

/// Which seats are the best.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PreferencesBody {
    /// Of these types alone; of any where there are none, but for wheelchair places and the companions' beside them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(value_type = Vec<String>)]
    types: BTreeSet<SeatType>,
    /// Whether they must be beside each other: `true` where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    adjacent: Option<bool>,
    /// `front`, `middle` or `back`: `middle` where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    near: Option<Near>,
}

/// Seats to book.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateBody {
    /// The caller itself, where it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    show_id: String,
    /// One to ten, all or none. Instead of `quantity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seat_ids: Option<Vec<String>>,
    /// How many seats, the best that are free: one to ten. Instead of `seatIds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quantity: Option<usize>,
    /// Which seats are the best. With `quantity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preferences: Option<PreferencesBody>,
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
    let seats = seats(&body)?;
    let show = body.show_id.clone();
    let coupon_code = body.coupon_code.map(SmolStr::from);
    let create = CreateBooking {
        user_id: customer.user,
        show_id: ShowId::parse(&body.show_id).map_err(|_| ApiError::not_found("show"))?,
        seats,
        coupon_code,
        client: body.client.map(client).transpose()?,
        idempotency_key,
        fingerprint,
    };
    let answer = app.commands.create_booking(&customer.ctx, create).await.map_err(|error| {
        let taken = matches!(error, CommandError::Show(Rejection::SeatsUnavailable { .. }));
        let error = ApiError::from(error);
        if taken { error.with_detail("showId", show) } else { error }
    })?;
    Ok(wire::answered(StatusCode::CREATED, answer, |made| {
        // A replay has the first answer's body, whatever came of the booking since.
        let status =
            if made.booking.is_free() { BookingStatus::Confirmed } else { BookingStatus::PaymentPending };
        let mut body = BookingBody::new(&made.booking, &made.show, status.as_str());
        body.seats = made.booking.first_seats().to_vec();
        body.pricing = made.booking.first_pricing().map(PricingBody::from);
        if let Some(first) = made.booking.extended_from {
            body.expires_at = wire::local(first, &made.show.timezone);
        }
        body
    }))
}

fn seats(body: &CreateBody) -> Result<SeatChoice, ApiError> {
    match (&body.seat_ids, body.quantity, &body.preferences) {
        (Some(seats), None, None) => {
            let seats = seats.iter().map(|seat| id("seatIds", seat, SeatId::parse));
            Ok(SeatChoice::These(seats.collect::<Result<_, _>>()?))
        }
        (None, Some(quantity), preferences) => {
            let preferences = preferences.as_ref();
            Ok(SeatChoice::Best(SeatWish {
                quantity,
                types: preferences.map(|preferences| preferences.types.clone()).unwrap_or_default(),
                adjacent: preferences.and_then(|preferences| preferences.adjacent).unwrap_or(true),
                near: preferences.and_then(|preferences| preferences.near).unwrap_or_default(),
            }))
        }
        (None, None, _) => Err(ApiError::invalid("seatIds", "either seatIds or quantity is needed")),
        (Some(_), Some(_), _) => Err(ApiError::invalid("quantity", "seatIds name the seats already")),
        (Some(_), None, Some(_)) => Err(ApiError::invalid("preferences", "seatIds name the seats already")),
    }
}
