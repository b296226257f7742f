//! `POST /movies`, `PUT /movies/{movieId}`

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
use crate::endpoints::{id, text, texts};
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::{idempotency, wire};

const MOST_MINUTES: u32 = 1_000;
const MOST_SYNOPSIS: usize = 5_000;

/// A film.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MovieBody {
    /// Assigned where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    movie_id: Option<String>,
    title: String,
    /// The original first.
    languages: Vec<String>,
    #[serde(default)]
    genres: Vec<String>,
    duration_mins: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    synopsis: Option<String>,
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
            languages: texts("languages", &self.languages)?,
            genres: texts("genres", &self.genres)?,
            duration_mins: self.duration_mins,
            certificate: self.certificate.as_deref().map(|value| text("certificate", value)).transpose()?,
            synopsis: self.synopsis.clone(),
        })
    }
}

fn body(movie: MovieDetails) -> MovieBody {
    let owned = |texts: Vec<SmolStr>| texts.into_iter().map(String::from).collect();
    MovieBody {
        movie_id: Some(movie.movie_id.to_string()),
        title: movie.title.into(),
        languages: owned(movie.languages),
        genres: owned(movie.genres),
        duration_mins: movie.duration_mins,
        certificate: movie.certificate.map(String::from),
        synopsis: movie.synopsis,
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
