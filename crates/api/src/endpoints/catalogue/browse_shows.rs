//! `GET /cities/{cityId}/movies/{movieId}/shows`

use axum::extract::State;
use axum::http::HeaderMap;
use marquee_domain::ids::{CityId, MovieId};
use marquee_domain::time::Timestamp;
use marquee_projections::{AvailabilityStatus, ShowCard, ShowQuery, View};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Public;
use crate::endpoints::catalogue::browse::{BrowseMovie, date};
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::{Params, Segments};
use crate::wire::{Amount, local};

/// Which shows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ShowParams {
    /// `YYYY-MM-DD`, in the city. Required.
    #[param(required)]
    date: Option<String>,
    language: Option<String>,
    format: Option<String>,
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
    theatres: Vec<TheatreTimes>,
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
) -> Result<axum::Json<ShowTimes>, ApiError> {
    app.wait(View::Browse, &headers).await?;
    app.wait(View::SeatMaps, &headers).await?;
    let text = params.date.as_deref().ok_or_else(|| ApiError::invalid("date", "is required"))?;
    let now = app.clock.now();
    let query = ShowQuery {
        city: CityId::parse(&city).map_err(|_| ApiError::not_found("city"))?,
        movie: MovieId::parse(&movie).map_err(|_| ApiError::not_found("movie"))?,
        date: date(text)?,
        language: params.language,
        format: params.format,
        now,
    };
    let found = match app.views.browse.shows(&query) {
        Err(_not_known_yet) => {
            app.catch_up(View::Browse).await?;
            app.views.browse.shows(&query)?
        }
        found => found?,
    };
    let details = app.views.catalogue.movie(&query.movie).ok_or_else(|| ApiError::not_found("movie"))?;
    let mut theatres = Vec::with_capacity(found.len());
    for found in &found {
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
    Ok(axum::Json(ShowTimes {
        city_id: query.city.to_string(),
        movie: BrowseMovie::new(&details, query.language.as_deref()),
        date: text.to_owned(),
        theatres,
    }))
}

async fn show_time(app: &App, card: &ShowCard, now: Timestamp) -> Result<ShowTime, ApiError> {
    let seats = app.views.seat_maps.availability(&card.show.show_id, now).await?;
    let seats = seats.ok_or_else(|| ApiError::not_found("show"))?;
    Ok(ShowTime {
        show_id: card.show.show_id.to_string(),
        screen_name: card.show.screen_name.to_string(),
        start_time: local(card.show.start_time, &card.show.timezone),
        format: card.show.format.to_string(),
        price_from: Amount(card.price_from.clone()),
        availability: AvailabilityBody { available_seats: seats.available_seats, status: seats.status },
    })
}
