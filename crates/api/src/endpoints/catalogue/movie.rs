//! `GET /movies/{movieId}`

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use marquee_domain::ids::MovieId;
use marquee_projections::{MovieStatus, View, title_for};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::Public;
use crate::error::{ApiError, ErrorEnvelope};
use crate::language::{VARY, readers};
use crate::query::{Params, Segments};

/// For whom.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReaderParams {
    /// The reader's language, a BCP 47 tag: the title is in it where the film has one. Else `Accept-Language` says.
    lang: Option<String>,
}

/// All that is known of a film.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MoviePageBody {
    movie_id: String,
    /// In the reader's language, where the film has a title in it.
    title: String,
    /// Whatever the reader reads.
    main_title: String,
    /// Its titles in other languages, by BCP 47 tag.
    titles: BTreeMap<String, String>,
    /// The original first.
    languages: Vec<String>,
    genres: Vec<String>,
    /// The formats of its bookable shows, wherever they are.
    formats: Vec<String>,
    duration_mins: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    synopsis: Option<String>,
    /// `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    release_date: Option<String>,
    /// `NOW_SHOWING`: a show that can be booked starts somewhere within the next seven days. `COMING_SOON`: the first
    /// starts later, or there is none and the film comes out after today. Absent where neither is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    status: Option<MovieStatus>,
}

/// A film, wherever it runs.
#[utoipa::path(get, operation_id = "readMovie", path = "/api/v1/movies/{movieId}", tag = "browse",
    params(("movieId" = String, Path), ReaderParams),
    responses((status = 200, body = MoviePageBody), (status = 400, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn read(
    State(app): State<App>,
    _: Public,
    Segments(movie): Segments<String>,
    Params(params): Params<ReaderParams>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    app.wait(View::Catalogue, &headers).await?;
    let readers = readers(params.lang.as_deref(), &headers)?;
    let (id, now) = (MovieId::parse(&movie).map_err(|_| ApiError::not_found("movie"))?, app.clock.now());
    let found = match app.views.browse.movie(&id, now) {
        Err(_not_known_yet) => {
            app.catch_up(View::Catalogue).await?;
            app.views.browse.movie(&id, now)?
        }
        found => found?,
    };
    let (movie, texts) =
        (&found.movie, |texts: &[smol_str::SmolStr]| texts.iter().map(ToString::to_string).collect());
    let body = MoviePageBody {
        movie_id: movie.movie_id.to_string(),
        title: title_for(movie, &readers).to_string(),
        main_title: movie.title.to_string(),
        titles: movie.titles.iter().map(|(tag, title)| (tag.to_string(), title.to_string())).collect(),
        languages: texts(&movie.languages),
        genres: texts(&movie.genres),
        formats: texts(&found.formats),
        duration_mins: movie.duration_mins,
        certificate: movie.certificate.as_ref().map(ToString::to_string),
        synopsis: movie.synopsis.clone(),
        release_date: movie.release_date.map(|date| date.to_string()),
        status: found.status,
    };
    Ok((VARY, axum::Json(body)))
}
