//! `POST /movies`, `PUT /movies/{movieId}`

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use marquee_commands::Commands;
use marquee_domain::catalogue::{MovieAdded, MovieChanged, MovieDetails};
use marquee_domain::ids::MovieId;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Admin;
use crate::body::Json;
use crate::endpoints::catalogue::browse::date;
use crate::endpoints::{id, text, texts};
use crate::error::{ApiError, ErrorEnvelope};
use crate::language::is_tag;
use crate::query::Segments;
use crate::{idempotency, wire};

const MOST_TITLES: usize = 100;
const MOST_MINUTES: u32 = 1_000;
const MOST_SYNOPSIS: usize = 5_000;

/// A film.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MovieBody {
    /// Assigned where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    movie_id: Option<String>,
    /// The main title, in the first of the languages.
    title: String,
    /// Its title in other languages, by BCP 47 tag: `{"hi": "…"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    titles: BTreeMap<String, String>,
    /// The original first.
    languages: Vec<String>,
    #[serde(default)]
    genres: Vec<String>,
    duration_mins: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    synopsis: Option<String>,
    /// `YYYY-MM-DD`: the day that it comes out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    release_date: Option<String>,
}

impl MovieBody {
    fn details(&self, movie_id: MovieId) -> Result<MovieDetails, ApiError> {
        if self.languages.is_empty() {
            return Err(ApiError::invalid("languages", "needs at least one"));
        }
        if !(1..=MOST_MINUTES).contains(&self.duration_mins) {
            return Err(ApiError::invalid("durationMins", "must be 1 to 1000"));
        }
        if self.synopsis.as_ref().is_some_and(|synopsis| synopsis.len() > MOST_SYNOPSIS) {
            return Err(ApiError::invalid("synopsis", "is too long"));
        }
        Ok(MovieDetails {
            movie_id,
            title: text("title", &self.title)?,
            titles: titles(&self.titles)?,
            languages: texts("languages", &self.languages)?,
            genres: texts("genres", &self.genres)?,
            duration_mins: self.duration_mins,
            certificate: self.certificate.as_deref().map(|value| text("certificate", value)).transpose()?,
            synopsis: self.synopsis.clone(),
            release_date: self.release_date.as_deref().map(|value| date("releaseDate", value)).transpose()?,
        })
    }
}

/// Titles by tag; whoever writes a tag in capitals means the same language.
fn titles(given: &BTreeMap<String, String>) -> Result<BTreeMap<SmolStr, SmolStr>, ApiError> {
    if given.len() > MOST_TITLES {
        return Err(ApiError::invalid("titles", "has too many entries"));
    }
    let mut titles = BTreeMap::new();
    for (tag, title) in given {
        if !is_tag(tag) {
            return Err(ApiError::invalid("titles", "must be named by BCP 47 language tags"));
        }
        if titles.keys().any(|known: &SmolStr| known.eq_ignore_ascii_case(tag)) {
            return Err(ApiError::invalid("titles", "has two titles in one language"));
        }
        titles.insert(SmolStr::new(tag), text("titles", title)?);
    }
    Ok(titles)
}

fn body(movie: MovieDetails) -> MovieBody {
    let owned = |texts: Vec<SmolStr>| texts.into_iter().map(String::from).collect();
    MovieBody {
        movie_id: Some(movie.movie_id.to_string()),
        title: movie.title.into(),
        titles: movie.titles.into_iter().map(|(tag, title)| (tag.into(), title.into())).collect(),
        languages: owned(movie.languages),
        genres: owned(movie.genres),
        duration_mins: movie.duration_mins,
        certificate: movie.certificate.map(String::from),
        synopsis: movie.synopsis,
        release_date: movie.release_date.map(|date| date.to_string()),
    }
}

/// Adds a film.
#[utoipa::path(post, operation_id = "createMovie", path = "/api/v1/movies", tag = "catalogue", request_body = MovieBody, security(("bearer" = [])),
    responses((status = 201, description = "added"), (status = 400, body = ErrorEnvelope), (status = 409, body = ErrorEnvelope)))]
pub(crate) async fn add(
    State(app): State<App>,
    admin: Admin,
    headers: HeaderMap,
    Json(movie): Json<MovieBody>,
) -> Result<Response, ApiError> {
    let request = idempotency::request(&headers, &admin.user, "POST /movies", &movie)?;
    let movie_id = match &movie.movie_id {
        Some(given) => id("movieId", given, MovieId::parse)?,
        None => MovieId::new(Commands::new_id("mv", request.as_ref())),
    };
    let movie = movie.details(movie_id)?;
    let answer = app.commands.add_movie(&admin.ctx, MovieAdded { movie, request }).await?;
    Ok(wire::answered(StatusCode::CREATED, answer, |movie| serde_json::json!({ "movieId": movie.movie_id })))
}

/// Replaces a film's facts.
#[utoipa::path(put, operation_id = "replaceMovie", path = "/api/v1/movies/{movieId}", tag = "catalogue", request_body = MovieBody,
    params(("movieId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = MovieBody), (status = 400, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn replace(
    State(app): State<App>,
    admin: Admin,
    Segments(movie_id): Segments<String>,
    headers: HeaderMap,
    Json(movie): Json<MovieBody>,
) -> Result<Response, ApiError> {
    let request = idempotency::request(&headers, &admin.user, "PUT /movies/{movieId}", &movie)?;
    if movie.movie_id.as_ref().is_some_and(|given| *given != movie_id) {
        return Err(ApiError::invalid("movieId", "differs from the path's"));
    }
    let movie = movie.details(MovieId::parse(&movie_id).map_err(|_| ApiError::not_found("movie"))?)?;
    let answer = app.commands.change_movie(&admin.ctx, MovieChanged { movie, request }).await?;
    Ok(wire::answered(StatusCode::OK, answer, body))
}
