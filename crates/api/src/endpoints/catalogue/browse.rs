//! `GET /cities/{cityId}/movies`

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use jiff::civil::Date;
use marquee_domain::catalogue::MovieDetails;
use marquee_domain::ids::CityId;
use marquee_projections::{MovieListed, MovieQuery, MovieStatus, View, title_for};
use serde::{Deserialize, Serialize};
use serde_json::json;
use smol_str::SmolStr;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Public;
use crate::error::{ApiError, ErrorEnvelope};
use crate::language::{VARY, readers};
use crate::query::{Params, Segments, page_size};

const PAGE: usize = 50;
const MOST: usize = 100;
const LONGEST_QUERY: usize = 200;

/// Which films.
#[derive(Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MovieParams {
    /// `YYYY-MM-DD`, in the city: the films that have a bookable show on that day.
    date: Option<String>,
    /// The language of a show.
    language: Option<String>,
    genre: Option<String>,
    /// The format of a show, such as `IMAX`.
    format: Option<String>,
    /// Words of a title in any language, the synopsis or the genres; tolerates typing mistakes. The first 16 words count.
    q: Option<String>,
    /// `NOW_SHOWING`: has a show within the next seven days that can be booked and that the other filters want.
    /// `COMING_SOON`: its first such show in the city starts later; or it has none anywhere, and comes out after today.
    /// Without it: every film that can be booked in the city.
    #[param(value_type = Option<String>)]
    status: Option<MovieStatus>,
    /// The reader's language, a BCP 47 tag: titles are in it where the film has one. Else `Accept-Language` says.
    lang: Option<String>,
    /// 1 to 100; 50 where none is given.
    #[serde(skip_serializing)]
    limit: Option<String>,
    /// The `nextCursor` of the page before, with the same parameters and languages.
    #[serde(skip_serializing)]
    cursor: Option<String>,
}

/// A film.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BrowseMovie {
    movie_id: String,
    /// In the reader's language, where the film has a title in it.
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
    /// `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    release_date: Option<String>,
}

impl BrowseMovie {
    pub fn new(movie: &MovieDetails, language: Option<&str>, readers: &[SmolStr]) -> Self {
        let first = movie.languages.first().map(ToString::to_string).unwrap_or_default();
        Self {
            movie_id: movie.movie_id.to_string(),
            title: title_for(movie, readers).to_string(),
            language: language.map_or(first, str::to_owned),
            languages: movie.languages.iter().map(ToString::to_string).collect(),
            genres: movie.genres.iter().map(ToString::to_string).collect(),
            duration_mins: movie.duration_mins,
            certificate: movie.certificate.as_ref().map(ToString::to_string),
            synopsis: movie.synopsis.clone(),
            release_date: movie.release_date.map(|date| date.to_string()),
        }
    }
}

/// A film of a city.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedMovie {
    #[serde(flatten)]
    movie: BrowseMovie,
    /// `NOW_SHOWING` or `COMING_SOON`, in the city.
    #[schema(value_type = String)]
    status: Option<MovieStatus>,
    /// The formats of its bookable shows in the city.
    formats: Vec<String>,
}

/// Some of a city's films.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MoviesBody {
    movies: Vec<ListedMovie>,
    /// Reads on from here.
    next_cursor: Option<String>,
}

/// A date.
pub(crate) fn date(field: &str, text: &str) -> Result<Date, ApiError> {
    let shaped = text.len() == 10 && text.bytes().filter(|byte| *byte == b'-').count() == 2;
    let date = shaped.then(|| text.parse().ok()).flatten();
    date.ok_or_else(|| ApiError::invalid(field, "must be YYYY-MM-DD"))
}

/// The films of a city: by title, or where words are given the best match first (in a title before the rest; as it is
/// written before its beginning before a slip).
#[utoipa::path(get, operation_id = "listMovies", path = "/api/v1/cities/{cityId}/movies", tag = "browse",
    params(("cityId" = String, Path), MovieParams),
    responses((status = 200, body = MoviesBody), (status = 400, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn movies(
    State(app): State<App>,
    _: Public,
    Segments(city): Segments<String>,
    Params(params): Params<MovieParams>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    app.wait(View::Browse, &headers).await?;
    let limit = page_size(params.limit.as_deref(), PAGE, MOST)?;
    if params.q.as_ref().is_some_and(|q| q.chars().count() > LONGEST_QUERY) {
        return Err(ApiError::invalid("q", "is too long"));
    }
    let readers = readers(params.lang.as_deref(), &headers)?;
    let list = |readers: &[SmolStr]| json!(["movies", city, params, readers]);
    let after =
        params.cursor.as_deref().map(|cursor| app.cursors.open(&list(&readers), cursor)).transpose()?;
    let query = MovieQuery {
        city: CityId::parse(&city).map_err(|_| ApiError::not_found("city"))?,
        date: params.date.as_deref().map(|text| date("date", text)).transpose()?,
        language: params.language.clone(),
        format: params.format.clone(),
        genre: params.genre.clone(),
        q: params.q.clone(),
        status: params.status,
        readers,
        now: app.clock.now(),
        limit,
        after,
    };
    let page = match app.views.browse.movies(&query) {
        Err(_not_known_yet) => {
            app.catch_up(View::Browse).await?;
            app.views.browse.movies(&query)?
        }
        page => page?,
    };
    let listed = |listed: &MovieListed| ListedMovie {
        movie: BrowseMovie::new(&listed.movie, params.language.as_deref(), &query.readers),
        status: listed.status,
        formats: listed.formats.iter().map(ToString::to_string).collect(),
    };
    let next_cursor = page.next.map(|next| app.cursors.seal(&list(&query.readers), &next));
    Ok((VARY, axum::Json(MoviesBody { movies: page.movies.iter().map(listed).collect(), next_cursor })))
}
