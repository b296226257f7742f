//! `GET /offers`, `POST /offers`, `GET /offers/{code}`, `PUT /offers/{code}`

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use marquee_domain::ids::{CityId, MovieId, OfferCode, PartnerId, TheatreId};
use marquee_domain::offer::{OfferChanged, OfferCreated, OfferDetails, OfferLimits};
use marquee_domain::pricing::{Conditions, Rule};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Pricer;
use crate::body::Json;
use crate::endpoints::{MOST_ENTRIES, id, text};
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::{Params, Segments, page_size};
use crate::{idempotency, wire};

const PAGE: usize = 50;
const MOST: usize = 200;

/// What an offer takes off.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what the domain reads")]
pub(crate) struct RuleBody {
    /// `PERCENT`, `FLAT`, `NTH_TICKET_PERCENT` or `BUY_X_GET_Y`.
    kind: String,
    /// 0 to 100, in hundredths.
    percent: Option<f64>,
    /// Of which each so many is cheaper.
    nth: Option<u8>,
    /// Major units, once for a booking.
    amount: Option<f64>,
    /// Of the amount; `INR` where it is not given.
    currency: Option<String>,
    buy: Option<u8>,
    free: Option<u8>,
}

/// The shows that an offer applies to: those that meet all of these.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what the domain reads")]
pub(crate) struct ConditionsBody {
    cities: Option<Vec<String>>,
    theatres: Option<Vec<String>>,
    movies: Option<Vec<String>>,
    formats: Option<Vec<String>>,
    /// `MON` to `SUN`, of the show's start as its city counts days.
    days_of_week: Option<Vec<String>>,
    /// `HH:MM`, as the city's clocks show it.
    starts_from: Option<String>,
    /// `HH:MM`, exclusive. Where it is earlier than `startsFrom`, the time passes midnight.
    starts_to: Option<String>,
}

/// How often an offer may be redeemed.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what the domain reads")]
pub(crate) struct LimitsBody {
    per_user: Option<u32>,
    total: Option<u32>,
}

/// An offer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OfferBody {
    /// What a customer enters. With `PUT` it may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    description: String,
    #[schema(value_type = RuleBody)]
    rule: Rule,
    #[serde(default)]
    #[schema(value_type = ConditionsBody, required = false)]
    conditions: Conditions,
    /// RFC 3339. Bookings from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    valid_from: Option<Timestamp>,
    /// RFC 3339, exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    valid_to: Option<Timestamp>,
    /// Whether a booking gets it without naming it.
    #[serde(default)]
    automatic: bool,
    #[serde(default = "yes")]
    active: bool,
    /// Whether it goes together with others that do.
    #[serde(default)]
    stackable: bool,
    #[serde(default, skip_serializing_if = "OfferLimits::are_none")]
    #[schema(value_type = LimitsBody, required = false)]
    limits: OfferLimits,
    /// Whose it is: told, never asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    partner_id: Option<String>,
    /// How often it was changed: what a booking remembers of it. Told, never asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    version: Option<u64>,
}

/// Conditions that a body may name: sound ids, and not a thousand.
fn checked(conditions: &Conditions) -> Result<Conditions, ApiError> {
    let Conditions { cities, theatres, movies, formats, .. } = conditions;
    let most =
        [cities.len(), theatres.len(), movies.len(), formats.len()].into_iter().max().unwrap_or_default();
    if most > MOST_ENTRIES {
        return Err(ApiError::invalid("conditions", "has too many entries"));
    }
    cities.iter().try_for_each(|city| id("conditions.cities", city.as_str(), CityId::parse).map(drop))?;
    theatres.iter().try_for_each(|it| id("conditions.theatres", it.as_str(), TheatreId::parse).map(drop))?;
    movies.iter().try_for_each(|movie| id("conditions.movies", movie.as_str(), MovieId::parse).map(drop))?;
    formats.iter().try_for_each(|format| text("conditions.formats", format).map(drop))?;
    Ok(conditions.clone())
}

fn yes() -> bool {
    true
}

impl OfferBody {
    fn details(&self, code: OfferCode, partner_id: Option<PartnerId>) -> Result<OfferDetails, ApiError> {
        Ok(OfferDetails {
            code,
            partner_id,
            description: text("description", &self.description)?,
            rule: self.rule.clone(),
            conditions: checked(&self.conditions)?,
            valid_from: self.valid_from,
            valid_to: self.valid_to,
            automatic: self.automatic,
            active: self.active,
            stackable: self.stackable,
            limits: self.limits,
        })
    }

    fn of(offer: OfferDetails, version: Option<u64>) -> Self {
        Self {
            code: Some(offer.code.to_string()),
            description: offer.description.into(),
            rule: offer.rule,
            conditions: offer.conditions,
            valid_from: offer.valid_from,
            valid_to: offer.valid_to,
            automatic: offer.automatic,
            active: offer.active,
            stackable: offer.stackable,
            limits: offer.limits,
            partner_id: offer.partner_id.map(|partner| partner.to_string()),
            version,
        }
    }
}

/// Makes an offer. A partner's names theatres of its own.
#[utoipa::path(post, operation_id = "createOffer", path = "/api/v1/offers", tag = "pricing", request_body = OfferBody, security(("bearer" = [])),
    responses((status = 201, description = "made"), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope),
        (status = 409, body = ErrorEnvelope)))]
pub(crate) async fn create(
    State(app): State<App>,
    pricer: Pricer,
    headers: HeaderMap,
    Json(body): Json<OfferBody>,
) -> Result<Response, ApiError> {
    let request = idempotency::request(&headers, &pricer.user, "POST /offers", &body)?;
    let code = body.code.as_deref().ok_or_else(|| ApiError::invalid("code", "an offer needs a code"))?;
    let offer = body.details(id("code", code, OfferCode::parse)?, pricer.partner)?;
    let answer = app.commands.create_offer(&pricer.ctx, OfferCreated { offer, request }).await?;
    Ok(wire::answered(StatusCode::CREATED, answer, |offer| serde_json::json!({ "code": offer.code })))
}

/// Replaces an offer. Bookings keep the price that they were made at.
#[utoipa::path(put, operation_id = "replaceOffer", path = "/api/v1/offers/{code}", tag = "pricing", request_body = OfferBody,
    params(("code" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = OfferBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn replace(
    State(app): State<App>,
    pricer: Pricer,
    Segments(code): Segments<String>,
    headers: HeaderMap,
    Json(body): Json<OfferBody>,
) -> Result<Response, ApiError> {
    let request = idempotency::request(&headers, &pricer.user, "PUT /offers/{code}", &body)?;
    if body.code.as_ref().is_some_and(|given| *given != code) {
        return Err(ApiError::invalid("code", "differs from the path's"));
    }
    let code = OfferCode::parse(&code).map_err(|_| ApiError::not_found("offer"))?;
    let offer = body.details(code, pricer.partner)?;
    let answer = app.commands.change_offer(&pricer.ctx, OfferChanged { offer, request }).await?;
    Ok(wire::answered(StatusCode::OK, answer, |offer| OfferBody::of(offer, None)))
}

/// Which offers.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OffersParams {
    /// 1 to 200; 50 where none is given.
    limit: Option<String>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Some of the offers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OffersBody {
    offers: Vec<OfferBody>,
    /// Reads on from here.
    next_cursor: Option<String>,
}

/// The offers by their code, valid or not: a partner's own; for the house everybody's.
#[utoipa::path(get, operation_id = "listOffers", path = "/api/v1/offers", tag = "pricing", params(OffersParams), security(("bearer" = [])),
    responses((status = 200, body = OffersBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope)))]
pub(crate) async fn list(
    State(app): State<App>,
    pricer: Pricer,
    Params(params): Params<OffersParams>,
) -> Result<Response, ApiError> {
    let limit = page_size(params.limit.as_deref(), PAGE, MOST)?;
    let list = ("offers", &pricer.partner);
    let after = params.cursor.map(|cursor| app.cursors.open(&list, &cursor)).transpose()?;
    let (offers, more) = app.commands.offers_of(pricer.partner.as_ref(), after.as_ref(), limit).await?;
    let end = offers.last().filter(|_| more).map(|end| end.details.code.clone());
    let offers = offers.iter().map(|offer| OfferBody::of(offer.details.clone(), Some(offer.version)));
    let body =
        OffersBody { offers: offers.collect(), next_cursor: end.map(|end| app.cursors.seal(&list, &end)) };
    Ok(axum::Json(body).into_response())
}

/// An offer, for its owner and the house.
#[utoipa::path(get, operation_id = "getOffer", path = "/api/v1/offers/{code}", tag = "pricing",
    params(("code" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = OfferBody), (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn read(
    State(app): State<App>,
    pricer: Pricer,
    Segments(code): Segments<String>,
) -> Result<Response, ApiError> {
    let code = OfferCode::parse(&code).map_err(|_| ApiError::not_found("offer"))?;
    let offer = app.commands.offer(&code).await?;
    if pricer.partner.is_some() && pricer.partner != offer.details.partner_id {
        return Err(ApiError::forbidden("The offer belongs to somebody else."));
    }
    let body = OfferBody::of(offer.details.clone(), Some(offer.version));
    Ok(axum::Json(body).into_response())
}
