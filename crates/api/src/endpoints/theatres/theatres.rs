//! `POST /partners/{partnerId}/theatres`, `PUT /theatres/{theatreId}`

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use marquee_commands::Commands;
use marquee_domain::ids::{CityId, PartnerId, TheatreId};
use marquee_domain::seat_rules::{Companions, SeatRules};
use marquee_domain::theatre::{TheatreAdded, TheatreChanged, TheatreDetails};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Partner;
use crate::body::Json;
use crate::endpoints::theatres::cancel_policy::CancelPolicyBody;
use crate::endpoints::{id, text};
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::{idempotency, wire};

/// A theatre.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TheatreBody {
    /// Assigned where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    theatre_id: Option<String>,
    name: String,
    city_id: String,
    area: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// How its seats are booked; a show keeps what they were when it was scheduled.
    #[serde(default, skip_serializing_if = "SeatRulesBody::is_none")]
    #[schema(required = false)]
    seat_rules: SeatRulesBody,
    /// What a customer who cancels gets back; everything until the start where it is absent. A show keeps what it was when it was
    /// scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cancel_policy: Option<CancelPolicyBody>,
}

/// What a theatre asks of how its seats are booked. What is not said is no rule.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SeatRulesBody {
    /// Whether a booking may not leave a single free seat between others, as long as as many seats elsewhere would leave none.
    #[serde(default)]
    no_single_seats: bool,
    /// Most seats in one booking, from 1 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seats_per_booking: Option<u32>,
    /// Most seats that one customer may hold and have bought in one show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seats_per_user: Option<u32>,
    /// `FREE`, or `WITH_WHEELCHAIR`: a companion's seat only together with the wheelchair place beside it, or `REQUIRED`: like
    /// that, and no wheelchair place without the companion's seat beside it, where there is one.
    #[serde(default)]
    #[schema(value_type = String)]
    companions: Companions,
    /// How much longer, in seconds, a customer may hold the seats of a booking, once; from 1 to 3600. Not offered where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lock_extension_seconds: Option<u32>,
}

impl SeatRulesBody {
    fn of(rules: &SeatRules) -> Self {
        let SeatRules {
            no_single_seats,
            seats_per_booking,
            seats_per_user,
            companions,
            lock_extension_seconds,
        } = *rules;
        Self { no_single_seats, seats_per_booking, seats_per_user, companions, lock_extension_seconds }
    }

    fn rules(&self) -> SeatRules {
        let Self { no_single_seats, seats_per_booking, seats_per_user, companions, lock_extension_seconds } =
            *self;
        SeatRules { no_single_seats, seats_per_booking, seats_per_user, companions, lock_extension_seconds }
    }

    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl TheatreBody {
    fn details(&self, theatre_id: TheatreId, partner_id: PartnerId) -> Result<TheatreDetails, ApiError> {
        Ok(TheatreDetails {
            theatre_id,
            partner_id,
            name: text("name", &self.name)?,
            city_id: id("cityId", &self.city_id, CityId::parse)?,
            area: text("area", &self.area)?,
            address: self.address.as_deref().map(|address| text("address", address)).transpose()?,
            seat_rules: self.seat_rules.rules(),
            cancel_policy: self.cancel_policy.as_ref().map(CancelPolicyBody::policy),
        })
    }
}

pub(super) fn body(theatre: &TheatreDetails) -> TheatreBody {
    TheatreBody {
        theatre_id: Some(theatre.theatre_id.to_string()),
        name: theatre.name.to_string(),
        city_id: theatre.city_id.to_string(),
        area: theatre.area.to_string(),
        address: theatre.address.as_ref().map(ToString::to_string),
        seat_rules: SeatRulesBody::of(&theatre.seat_rules),
        cancel_policy: theatre.cancel_policy.as_ref().map(CancelPolicyBody::of),
    }
}

/// Adds a theatre of the partner.
#[utoipa::path(post, operation_id = "createTheatre", path = "/api/v1/partners/{partnerId}/theatres", tag = "partners", request_body = TheatreBody,
    params(("partnerId" = String, Path)), security(("bearer" = [])),
    responses((status = 201, description = "added"), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope)))]
pub(crate) async fn add(
    State(app): State<App>,
    partner: Partner,
    Segments(partner_id): Segments<String>,
    headers: HeaderMap,
    Json(theatre): Json<TheatreBody>,
) -> Result<Response, ApiError> {
    if partner.id.as_str() != partner_id {
        return Err(ApiError::forbidden("It belongs to another partner."));
    }
    let request =
        idempotency::request(&headers, &partner.user, "POST /partners/{partnerId}/theatres", &theatre)?;
    let theatre_id = match &theatre.theatre_id {
        Some(given) => id("theatreId", given, TheatreId::parse)?,
        None => TheatreId::new(Commands::new_id("th", request.as_ref())),
    };
    let theatre = theatre.details(theatre_id, partner.id)?;
    let answer = app.commands.add_theatre(&partner.ctx, TheatreAdded { theatre, request }).await?;
    Ok(wire::answered(
        StatusCode::CREATED,
        answer,
        |theatre| serde_json::json!({ "theatreId": theatre.theatre_id }),
    ))
}

/// Replaces a theatre's facts.
#[utoipa::path(put, operation_id = "replaceTheatre", path = "/api/v1/theatres/{theatreId}", tag = "partners", request_body = TheatreBody,
    params(("theatreId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = TheatreBody), (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn replace(
    State(app): State<App>,
    partner: Partner,
    Segments(theatre_id): Segments<String>,
    headers: HeaderMap,
    Json(theatre): Json<TheatreBody>,
) -> Result<Response, ApiError> {
    let request = idempotency::request(&headers, &partner.user, "PUT /theatres/{theatreId}", &theatre)?;
    if theatre.theatre_id.as_ref().is_some_and(|given| *given != theatre_id) {
        return Err(ApiError::invalid("theatreId", "differs from the path's"));
    }
    let theatre_id = TheatreId::parse(&theatre_id).map_err(|_| ApiError::not_found("theatre"))?;
    let theatre = theatre.details(theatre_id, partner.id)?;
    let answer = app.commands.change_theatre(&partner.ctx, TheatreChanged { theatre, request }).await?;
    Ok(wire::answered(StatusCode::OK, answer, |theatre| body(&theatre)))
}
