//! `GET /cities/{cityId}/theatres`, `GET /cities/{cityId}/theatres/{theatreId}/shows`

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use marquee_domain::ids::{CityId, TheatreId};
use marquee_domain::theatre::TheatreDetails;
use marquee_projections::{ProgrammeQuery, View};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Public;
use crate::endpoints::catalogue::browse::{BrowseMovie, date};
use crate::endpoints::catalogue::browse_shows::{ShowTime, show_time};
use crate::error::{ApiError, ErrorEnvelope};
use crate::language::{VARY, readers};
use crate::query::{Params, Segments, page_size};

const PAGE: usize = 100;
const MOST: usize = 200;

/// Which theatres.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CityTheatresParams {
    /// 1 to 200; 100 where none is given.
    limit: Option<String>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
}

/// A theatre as the public sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PublicTheatre {
    theatre_id: String,
    name: String,
    area: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

/// Some of a city's theatres.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CityTheatres {
    theatres: Vec<PublicTheatre>,
    /// Reads on from here.
    next_cursor: Option<String>,
}

/// Which shows of a theatre.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ProgrammeParams {
    /// `YYYY-MM-DD`, in the city. Required.
    #[param(required)]
    date: Option<String>,
    language: Option<String>,
    format: Option<String>,
    /// The reader's language, a BCP 47 tag: titles are in it where films have one. Else `Accept-Language` says.
    lang: Option<String>,
}

/// A film with its shows.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MovieTimes {
    movie: BrowseMovie,
    shows: Vec<ShowTime>,
}

/// What a theatre runs on a date.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProgrammeBody {
    city_id: String,
    theatre: PublicTheatre,
    date: String,
    /// By their main titles, each with all its shows of the day.
    movies: Vec<MovieTimes>,
}

impl PublicTheatre {
    fn of(theatre: &TheatreDetails) -> Self {
        Self {
            theatre_id: theatre.theatre_id.to_string(),
            name: theatre.name.to_string(),
            area: theatre.area.to_string(),
            address: theatre.address.as_ref().map(ToString::to_string),
        }
    }
}

/// The theatres of a city, by name.
#[utoipa::path(get, operation_id = "listCityTheatres", path = "/api/v1/cities/{cityId}/theatres", tag = "browse",
    params(("cityId" = String, Path), CityTheatresParams),
    responses((status = 200, body = CityTheatres), (status = 400, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn list(
    State(app): State<App>,
    _: Public,
    Segments(city): Segments<String>,
    Params(params): Params<CityTheatresParams>,
    headers: HeaderMap,
) -> Result<axum::Json<CityTheatres>, ApiError> {
    app.wait(View::Browse, &headers).await?;
    let limit = page_size(params.limit.as_deref(), PAGE, MOST)?;
    let city = CityId::parse(&city).map_err(|_| ApiError::not_found("city"))?;
    let list = ("theatres of a city", &city);
    let after = params.cursor.as_deref().map(|cursor| app.cursors.open(&list, cursor)).transpose()?;
    let page = match app.views.browse.theatres(&city, limit, after.as_ref()) {
        Err(_not_known_yet) => {
            app.catch_up(View::Browse).await?;
            app.views.browse.theatres(&city, limit, after.as_ref())?
        }
        page => page?,
    };
    Ok(axum::Json(CityTheatres {
        theatres: page.theatres.iter().map(|theatre| PublicTheatre::of(theatre)).collect(),
        next_cursor: page.next.map(|next| app.cursors.seal(&list, &next)),
    }))
}

/// What a theatre runs on a date, by films.
#[utoipa::path(get, operation_id = "listTheatreProgramme", path = "/api/v1/cities/{cityId}/theatres/{theatreId}/shows", tag = "browse",
    params(("cityId" = String, Path), ("theatreId" = String, Path), ProgrammeParams),
    responses((status = 200, body = ProgrammeBody), (status = 400, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn programme(
    State(app): State<App>,
    _: Public,
    Segments((city, theatre)): Segments<(String, String)>,
    Params(params): Params<ProgrammeParams>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    app.wait(View::Browse, &headers).await?;
    app.wait(View::SeatMaps, &headers).await?;
    let text = params.date.as_deref().ok_or_else(|| ApiError::invalid("date", "is required"))?;
    let readers = readers(params.lang.as_deref(), &headers)?;
    let now = app.clock.now();
    let query = ProgrammeQuery {
        city: CityId::parse(&city).map_err(|_| ApiError::not_found("city"))?,
        theatre: TheatreId::parse(&theatre).map_err(|_| ApiError::not_found("theatre"))?,
        date: date("date", text)?,
        language: params.language.clone(),
        format: params.format.clone(),
        now,
    };
    let found = match app.views.browse.programme(&query) {
        Err(_not_known_yet) => {
            app.catch_up(View::Browse).await?;
            app.views.browse.programme(&query)?
        }
        found => found?,
    };
    let mut movies = Vec::with_capacity(found.movies.len());
    for film in &found.movies {
        let mut shows = Vec::with_capacity(film.shows.len());
        for card in &film.shows {
            shows.push(show_time(&app, card, now).await?);
        }
        let movie = BrowseMovie::new(&film.movie, query.language.as_deref(), &readers);
        movies.push(MovieTimes { movie, shows });
    }
    let theatre = PublicTheatre::of(&found.theatre);
    let body = ProgrammeBody { city_id: query.city.to_string(), theatre, date: text.to_owned(), movies };
    Ok((VARY, axum::Json(body)))
}
