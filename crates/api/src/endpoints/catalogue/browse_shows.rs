//! `GET /cities/{cityId}/movies/{movieId}/shows`

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use marquee_domain::ids::{CityId, MovieId};
use marquee_domain::time::Timestamp;
use marquee_projections::{AvailabilityStatus, ShowCard, ShowQuery, View};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Public;
use crate::endpoints::catalogue::browse::{BrowseMovie, date};
use crate::error::{ApiError, ErrorEnvelope};
use crate::language::{VARY, readers};
use crate::query::{Params, Segments, page_size};
use crate::wire::{Amount, local};

const PAGE: usize = 100;
const MOST: usize = 200;

/// Which shows.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ShowParams {
    /// `YYYY-MM-DD`, in the city. Required.
    #[param(required)]
    date: Option<String>,
    language: Option<String>,
    format: Option<String>,
    /// The reader's language, a BCP 47 tag: the title is in it where the film has one. Else `Accept-Language` says.
    lang: Option<String>,
    /// Theatres, 1 to 200; 100 where none is given.
    #[serde(skip_serializing)]
    limit: Option<String>,
    /// The `nextCursor` of the page before, with the same parameters.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// How full a show is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AvailabilityBody {
    available_seats: u32,
    /// `AVAILABLE`, `FAST_FILLING` or `SOLD_OUT`.
    #[schema(value_type = String)]
    status: AvailabilityStatus,
}

/// A show of a theatre.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShowTime {
    show_id: String,
    screen_name: String,
    start_time: String,
    format: String,
    /// It is not on sale yet, and will be from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_sale_from: Option<String>,
    #[schema(value_type = f64)]
    price_from: Amount,
    availability: AvailabilityBody,
}

/// A theatre with its shows.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TheatreTimes {
    theatre_id: String,
    name: String,
    area: String,
    shows: Vec<ShowTime>,
}

/// The theatres that run a film on a date.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShowTimes {
    city_id: String,
    movie: BrowseMovie,
    date: String,
    /// By name, each with all its shows of the day.
    theatres: Vec<TheatreTimes>,
    /// Reads on from here; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// The theatres that run a film in a city on a date, with their shows.
#[utoipa::path(get, operation_id = "listShows", path = "/api/v1/cities/{cityId}/movies/{movieId}/shows", tag = "browse",
    params(("cityId" = String, Path), ("movieId" = String, Path), ShowParams),
    responses((status = 200, body = ShowTimes), (status = 400, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn shows(
    State(app): State<App>,
    _: Public,
    Segments((city, movie)): Segments<(String, String)>,
    Params(params): Params<ShowParams>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    app.wait(View::Browse, &headers).await?;
    app.wait(View::SeatMaps, &headers).await?;
    let text = params.date.as_deref().ok_or_else(|| ApiError::invalid("date", "is required"))?;
    let now = app.clock.now();
    let limit = page_size(params.limit.as_deref(), PAGE, MOST)?;
    let readers = readers(params.lang.as_deref(), &headers)?;
    let list = json!(["shows", city, movie, params]);
    let after = params.cursor.as_deref().map(|cursor| app.cursors.open(&list, cursor)).transpose()?;
    let query = ShowQuery {
        city: CityId::parse(&city).map_err(|_| ApiError::not_found("city"))?,
        movie: MovieId::parse(&movie).map_err(|_| ApiError::not_found("movie"))?,
        date: date("date", text)?,
        language: params.language.clone(),
        format: params.format.clone(),
        now,
        limit,
        after,
    };
    let found = match app.views.browse.shows(&query) {
        Err(_not_known_yet) => {
            app.catch_up(View::Browse).await?;
            app.views.browse.shows(&query)?
        }
        found => found?,
    };
    let details = app.views.catalogue.movie(&query.movie).ok_or_else(|| ApiError::not_found("movie"))?;
    let mut theatres = Vec::with_capacity(found.theatres.len());
    for found in &found.theatres {
        let mut shows = Vec::with_capacity(found.shows.len());
        for card in &found.shows {
            shows.push(show_time(&app, card, now).await?);
        }
        theatres.push(TheatreTimes {
            theatre_id: found.theatre.theatre_id.to_string(),
            name: found.theatre.name.to_string(),
            area: found.theatre.area.to_string(),
            shows,
        });
    }
    let times = ShowTimes {
        city_id: query.city.to_string(),
        movie: BrowseMovie::new(&details, query.language.as_deref(), &readers),
        date: text.to_owned(),
        theatres,
        next_cursor: found.next.map(|next| app.cursors.seal(&list, &next)),
    };
    Ok((VARY, axum::Json(times)))
}

/// A show as it is listed.
pub(crate) async fn show_time(app: &App, card: &ShowCard, now: Timestamp) -> Result<ShowTime, ApiError> {
    let seats = app.views.seat_maps.availability(&card.show.show_id, now).await?;
    let seats = seats.ok_or_else(|| ApiError::not_found("show"))?;
    let from = card.show.sales.from.filter(|from| now < *from);
    Ok(ShowTime {
        show_id: card.show.show_id.to_string(),
        screen_name: card.show.screen_name.to_string(),
        start_time: local(card.show.start_time, &card.show.timezone),
        format: card.show.format.to_string(),
        on_sale_from: from.map(|from| local(from, &card.show.timezone)),
        price_from: Amount(card.price_from.clone()),
        availability: AvailabilityBody { available_seats: seats.available_seats, status: seats.status },
    })
}
