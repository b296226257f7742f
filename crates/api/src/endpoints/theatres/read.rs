//! `GET /partners/{partnerId}/theatres`, `GET /theatres/{theatreId}`, `GET /theatres/{theatreId}/shows`: for the partner whose
//! they are.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use marquee_domain::ids::{ShowId, TheatreId};
use marquee_domain::theatre::TheatreDetails;
use marquee_domain::time::Timestamp;
use marquee_projections::View;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Partner;
use crate::endpoints::shows::ShowBody;
use crate::endpoints::theatres::screens::{self, ScreenBody};
use crate::endpoints::theatres::theatres::{self, TheatreBody};
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::{Params, Segments, page_size};

const PAGE: usize = 50;
const MOST: usize = 200;

/// The theatres of a partner.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TheatresBody {
    theatres: Vec<TheatreBody>,
    /// Reads on from here.
    next_cursor: Option<String>,
}

/// Which of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// 1 to 200; 50 where none is given.
    limit: Option<String>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
}

/// A theatre with its screens.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TheatreWithScreens {
    #[serde(flatten)]
    theatre: TheatreBody,
    partner_id: String,
    screens: Vec<ScreenBody>,
}

/// Some of a theatre's shows, the earliest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TheatreShowsBody {
    shows: Vec<ShowBody>,
    /// Reads on from here.
    next_cursor: Option<String>,
}

/// The caller's theatres, by name.
#[utoipa::path(get, operation_id = "listTheatres", path = "/api/v1/partners/{partnerId}/theatres", tag = "partners",
    params(("partnerId" = String, Path), PageParams), security(("bearer" = [])),
    responses((status = 200, body = TheatresBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope)))]
pub(crate) async fn list(
    State(app): State<App>,
    partner: Partner,
    Segments(partner_id): Segments<String>,
    Params(params): Params<PageParams>,
    headers: HeaderMap,
) -> Result<Json<TheatresBody>, ApiError> {
    if partner.id.as_str() != partner_id {
        return Err(not_yours());
    }
    app.wait(View::Catalogue, &headers).await?;
    let limit = page_size(params.limit.as_deref(), PAGE, MOST)?;
    let list = ("theatres", &partner.id);
    let after = params.cursor.map(|cursor| app.cursors.open(&list, &cursor)).transpose()?;
    let (theatres, more) = app.views.catalogue.theatres_of(&partner.id, after.as_ref(), limit);
    let end = theatres.last().filter(|_| more);
    Ok(Json(TheatresBody {
        next_cursor: end.map(|end| app.cursors.seal(&list, &(&end.name, &end.theatre_id))),
        theatres: theatres.iter().map(|theatre| theatres::body(theatre)).collect(),
    }))
}

/// A theatre of the caller, with its screens and their seats.
#[utoipa::path(get, operation_id = "getTheatre", path = "/api/v1/theatres/{theatreId}", tag = "partners",
    params(("theatreId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = TheatreWithScreens), (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn read(
    State(app): State<App>,
    partner: Partner,
    Segments(theatre_id): Segments<String>,
    headers: HeaderMap,
) -> Result<Json<TheatreWithScreens>, ApiError> {
    let theatre = own(&app, &partner, theatre_id, &headers).await?;
    let screens = app.views.catalogue.screens(&theatre.theatre_id);
    Ok(Json(TheatreWithScreens {
        theatre: theatres::body(&theatre),
        partner_id: theatre.partner_id.to_string(),
        screens: screens.iter().map(|screen| screens::body(screen)).collect(),
    }))
}

/// The shows of a theatre of the caller that are not over, the earliest first, also those that were called off.
#[utoipa::path(get, operation_id = "listTheatreShows", path = "/api/v1/theatres/{theatreId}/shows", tag = "partners",
    params(("theatreId" = String, Path), PageParams), security(("bearer" = [])),
    responses((status = 200, body = TheatreShowsBody), (status = 400, body = ErrorEnvelope), (status = 403, body = ErrorEnvelope),
        (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn shows(
    State(app): State<App>,
    partner: Partner,
    Segments(theatre_id): Segments<String>,
    Params(params): Params<PageParams>,
    headers: HeaderMap,
) -> Result<Json<TheatreShowsBody>, ApiError> {
    let limit = page_size(params.limit.as_deref(), PAGE, MOST)?;
    let theatre = own(&app, &partner, theatre_id, &headers).await?;
    let list = ("shows of a theatre", &theatre.theatre_id);
    let after: Option<(Timestamp, ShowId)> =
        params.cursor.map(|cursor| app.cursors.open(&list, &cursor)).transpose()?;
    let (shows, more) = app.views.catalogue.shows_in(&theatre.theatre_id, after.as_ref(), limit);
    let end = shows.last().filter(|_| more).map(|end| &end.show);
    let next_cursor = end.map(|end| app.cursors.seal(&list, &(end.start_time, &end.show_id)));
    let shows = shows.iter().map(|card| ShowBody::of(&card.show, card.cancelled)).collect();
    Ok(Json(TheatreShowsBody { shows, next_cursor }))
}

fn not_yours() -> ApiError {
    ApiError::forbidden("It belongs to another partner.")
}

/// A theatre of the caller. One that seems not to exist may only be new.
async fn own(
    app: &App,
    partner: &Partner,
    theatre_id: String,
    headers: &HeaderMap,
) -> Result<Arc<TheatreDetails>, ApiError> {
    app.wait(View::Catalogue, headers).await?;
    let id = TheatreId::new(theatre_id);
    let theatre = match app.views.catalogue.theatre(&id) {
        Some(theatre) => theatre,
        None => {
            app.catch_up(View::Catalogue).await?;
            app.views.catalogue.theatre(&id).ok_or_else(|| ApiError::not_found("theatre"))?
        }
    };
    if theatre.partner_id == partner.id { Ok(theatre) } else { Err(not_yours()) }
}
