//! `GET /cities/{cityId}/movies`

use axum::extract::State;
use axum::http::HeaderMap;
use jiff::civil::Date;
use marquee_domain::catalogue::MovieDetails;
use marquee_domain::ids::CityId;
use marquee_projections::{MovieQuery, View};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Public;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::{Params, Segments, page_size};

const PAGE: usize = 50;
const MOST: usize = 100;
const LONGEST_QUERY: usize = 200;

/// Which films.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MovieParams {
    /// `YYYY-MM-DD`, in the city.
    date: Option<String>,
    language: Option<String>,
    genre: Option<String>,
    /// Words of the title or the synopsis; tolerates typing mistakes.
    q: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// A film.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BrowseMovie {
    movie_id: String,
    title: String,
    /// The filter's language if one was given, else the film's first.
    pub(super) language: String,
    languages: Vec<String>,
    genres: Vec<String>,
    duration_mins: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    synopsis: Option<String>,
}

impl BrowseMovie {
    pub fn new(movie: &MovieDetails, language: Option<&str>) -> Self {
        let first = movie.languages.first().map(ToString::to_string).unwrap_or_default();
        Self {
            movie_id: movie.movie_id.to_string(),
            title: movie.title.to_string(),
            language: language.map_or(first, str::to_owned),
            languages: movie.languages.iter().map(ToString::to_string).collect(),
            genres: movie.genres.iter().map(ToString::to_string).collect(),
            duration_mins: movie.duration_mins,
            certificate: movie.certificate.as_ref().map(ToString::to_string),
            synopsis: movie.synopsis.clone(),
        }
    }
}

/// Some of a city's films.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MoviesBody {
    movies: Vec<BrowseMovie>,
    /// Reads on from here.
    next_cursor: Option<String>,
}

/// A date of a query.
pub(crate) fn date(text: &str) -> Result<Date, ApiError> {
    let shaped = text.len() == 10 && text.bytes().filter(|byte| *byte == b'-').count() == 2;
    let date = shaped.then(|| text.parse().ok()).flatten();
    date.ok_or_else(|| ApiError::invalid("date", "must be YYYY-MM-DD"))
}

/// The films that have a bookable show in a city.
#[utoipa::path(get, operation_id = "listMovies", path = "/api/v1/cities/{cityId}/movies", tag = "browse",
    params(("cityId" = String, Path), MovieParams),
    responses((status = 200, body = MoviesBody), (status = 400, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn movies(
    State(app): State<App>,
    _: Public,
    Segments(city): Segments<String>,
    Params(params): Params<MovieParams>,
    headers: HeaderMap,
) -> Result<axum::Json<MoviesBody>, ApiError> {
    app.wait(View::Browse, &headers).await?;
    let limit = page_size(params.limit.as_deref(), PAGE, MOST)?;
    if params.q.as_ref().is_some_and(|q| q.len() > LONGEST_QUERY) {
        return Err(ApiError::invalid("q", "is too long"));
    }
    let language = params.language.clone();
    let query = MovieQuery {
        city: CityId::parse(&city).map_err(|_| ApiError::not_found("city"))?,
        date: params.date.as_deref().map(date).transpose()?,
        language: params.language,
        genre: params.genre,
        q: params.q.filter(|q| !q.trim().is_empty()),
        now: app.clock.now(),
        limit,
        cursor: params.cursor,
    };
    let page = match app.views.browse.movies(&query) {
        Err(_not_known_yet) => {
            app.catch_up(View::Browse).await?;
            app.views.browse.movies(&query)?
        }
        page => page?,
    };
    let movies = page.movies.iter().map(|movie| BrowseMovie::new(movie, language.as_deref())).collect();
    Ok(axum::Json(MoviesBody { movies, next_cursor: page.next_cursor }))
}
