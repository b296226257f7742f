//! Paths and query strings, refused in the envelope.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::error::ApiError;

/// A query string.
pub(crate) struct Params<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, app).await;
        query
            .map(|Query(params)| Self(params))
            .map_err(|error| ApiError::invalid("query", &error.body_text()))
    }
}

/// The variable parts of a path.
pub(crate) struct Segments<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Segments<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, app).await;
        path.map(|Path(segments)| Self(segments))
            .map_err(|error| ApiError::invalid("path", &error.body_text()))
    }
}

/// A page's size from its query, at most `most`.
pub(crate) fn page_size(limit: Option<&str>, default: usize, most: usize) -> Result<usize, ApiError> {
    let Some(limit) = limit else { return Ok(default) };
    let sound = limit.parse().ok().filter(|limit| (1..=most).contains(limit));
    sound.ok_or_else(|| ApiError::invalid("limit", &format!("must be 1 to {most}")))
}
