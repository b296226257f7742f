//! `GET /cities`, `POST /cities`

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::tz::TimeZone;
use marquee_domain::catalogue::CityAdded;
use marquee_domain::ids::CityId;
use marquee_domain::money::Currency;
use marquee_projections::View;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Admin, Public};
use crate::body::Json;
use crate::endpoints::text;
use crate::error::{ApiError, ErrorEnvelope};
use crate::{idempotency, wire};

/// A city.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CityBody {
    /// Such as `blr`.
    city_id: String,
    name: String,
    /// An IANA name, such as `Asia/Kolkata`.
    timezone: String,
    /// An ISO 4217 code; `INR` where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
}

/// Every city.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CitiesBody {
    cities: Vec<CityBody>,
}

/// Every city, by name.
#[utoipa::path(get, operation_id = "listCities", path = "/api/v1/cities", tag = "browse", responses((status = 200, body = CitiesBody)))]
pub(crate) async fn list(
    State(app): State<App>,
    _: Public,
    headers: HeaderMap,
) -> Result<axum::Json<CitiesBody>, ApiError> {
    app.wait(View::Catalogue, &headers).await?;
    let city = |city: &CityAdded| CityBody {
        city_id: city.city_id.to_string(),
        name: city.name.to_string(),
        timezone: city.timezone.to_string(),
        currency: Some(city.currency.to_string()),
    };
    Ok(axum::Json(CitiesBody {
        cities: app.views.catalogue.cities().iter().map(|added| city(added)).collect(),
    }))
}

/// Adds a city.
#[utoipa::path(post, operation_id = "createCity", path = "/api/v1/cities", tag = "catalogue", request_body = CityBody, security(("bearer" = [])),
    responses((status = 201, description = "added"), (status = 400, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope)))]
pub(crate) async fn add(
    State(app): State<App>,
    admin: Admin,
    headers: HeaderMap,
    Json(body): Json<CityBody>,
) -> Result<Response, ApiError> {
    let request = idempotency::request(&headers, &admin.user, "POST /cities", &body)?;
    let city = CityAdded {
        city_id: CityId::parse(&body.city_id)
            .map_err(|error| ApiError::invalid("cityId", &error.to_string()))?,
        name: text("name", &body.name)?,
        timezone: body.timezone.as_str().into(),
        currency: match &body.currency {
            Some(code) => Currency::parse(code)
                .ok_or_else(|| ApiError::invalid("currency", "must be an ISO 4217 code"))?,
            None => Currency::inr(),
        },
        request,
    };
    if TimeZone::get(&city.timezone).is_err() {
        return Err(ApiError::invalid("timezone", "must be an IANA time zone"));
    }
    let answer = app.commands.add_city(&admin.ctx, city).await?;
    Ok(wire::answered(StatusCode::CREATED, answer, |city| serde_json::json!({ "cityId": city.city_id })))
}
