//! `POST /shows`

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use marquee_commands::{Commands, ScheduleShow};
use marquee_domain::ids::{MovieId, ScreenId, ShowId, TheatreId};
use marquee_domain::show::SalesWindow;
use marquee_domain::theatre::SeatType;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Partner;
use crate::body::Json;
use crate::endpoints::shows::prices;
use crate::endpoints::{id, text};
use crate::error::{ApiError, ErrorEnvelope};
use crate::{idempotency, wire};

/// A show to schedule.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScheduleBody {
    /// Assigned where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    show_id: Option<String>,
    theatre_id: String,
    screen_id: String,
    movie_id: String,
    /// RFC 3339.
    #[schema(value_type = String)]
    start_time: Timestamp,
    language: String,
    format: String,
    /// Major units for each type of seat that the screen has.
    #[schema(value_type = BTreeMap<String, f64>)]
    prices: BTreeMap<SeatType, wire::Major>,
    /// RFC 3339. It can be booked from then on; at once where none is given.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sales_from: Option<Timestamp>,
    /// RFC 3339. It can be booked until then; until its start where none is given.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sales_until: Option<Timestamp>,
}

/// Schedules a show on a screen of the partner.
#[utoipa::path(post, operation_id = "scheduleShow", path = "/api/v1/shows", tag = "partners", request_body = ScheduleBody, security(("bearer" = [])),
    responses((status = 201, description = "scheduled"), (status = 400, body = ErrorEnvelope),
        (status = 403, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope)))]
pub(crate) async fn schedule(
    State(app): State<App>,
    partner: Partner,
    headers: HeaderMap,
    Json(body): Json<ScheduleBody>,
) -> Result<Response, ApiError> {
    let request = idempotency::request(&headers, &partner.user, "POST /shows", &body)?;
    let show = ScheduleShow {
        show_id: match &body.show_id {
            Some(given) => id("showId", given, ShowId::parse)?,
            None => ShowId::new(Commands::new_id("sh", request.as_ref())),
        },
        partner_id: partner.id,
        theatre_id: id("theatreId", &body.theatre_id, TheatreId::parse)?,
        screen_id: id("screenId", &body.screen_id, ScreenId::parse)?,
        movie_id: id("movieId", &body.movie_id, MovieId::parse)?,
        start_time: body.start_time,
        language: text("language", &body.language)?,
        format: text("format", &body.format)?,
        prices: prices(&body.prices),
        sales: SalesWindow { from: body.sales_from, until: body.sales_until },
        request,
    };
    let answer = app.commands.schedule_show(&partner.ctx, show).await?;
    Ok(wire::answered(StatusCode::CREATED, answer, |show| serde_json::json!({ "showId": show.show_id })))
}
