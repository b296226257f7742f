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
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Admin, Public};
use crate::body::Json;
use crate::endpoints::text;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::{Params, page_size};
use crate::{idempotency, wire};

const PAGE: usize = 100;
const MOST: usize = 500;
const LIST: &str = "cities";

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

/// Which cities.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CityParams {
    /// 1 to 500; 100 where none is given.
    limit: Option<String>,
    cursor: Option<String>,
}

/// Some of the cities.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CitiesBody {
    cities: Vec<CityBody>,
    /// Reads on from here.
    next_cursor: Option<String>,
}

/// The cities, by name.
#[utoipa::path(get, operation_id = "listCities", path = "/api/v1/cities", tag = "browse", params(CityParams),
    responses((status = 200, body = CitiesBody), (status = 400, body = ErrorEnvelope)))]
pub(crate) async fn list(
    State(app): State<App>,
    _: Public,
    Params(params): Params<CityParams>,
    headers: HeaderMap,
) -> Result<axum::Json<CitiesBody>, ApiError> {
    app.wait(View::Catalogue, &headers).await?;
    let city = |city: &CityAdded| CityBody {
        city_id: city.city_id.to_string(),
        name: city.name.to_string(),
        timezone: city.timezone.to_string(),
        currency: Some(city.currency.to_string()),
    };
    let limit = page_size(params.limit.as_deref(), PAGE, MOST)?;
    let after = params.cursor.map(|cursor| app.cursors.open(&LIST, &cursor)).transpose()?;
    let page = app.views.browse.cities(limit, after.as_ref());
    Ok(axum::Json(CitiesBody {
        cities: page.cities.iter().map(|added| city(added)).collect(),
        next_cursor: page.next.map(|next| app.cursors.seal(&LIST, &next)),
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
