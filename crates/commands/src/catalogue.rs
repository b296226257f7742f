//! Cities and films.

use marquee_domain::catalogue::{
    AddCity, CatalogueRejection, City, CityAdded, CityEvent, Movie, MovieAdded, MovieChanged, MovieCommand,
    MovieDetails, MovieEvent,
};
use marquee_domain::request::Request;
use marquee_event_store::StreamName;

use crate::Commands;
use crate::context::{Answer, Context};
use crate::error::CommandError;
use crate::theatres::Requested;

impl Requested for CityEvent {
    fn request(&self) -> Option<&Request> {
        match self {
            Self::Added(city) => city.request.as_ref(),
        }
    }
}

impl Requested for MovieEvent {
    fn request(&self) -> Option<&Request> {
        match self {
            Self::Added(movie) => movie.request.as_ref(),
            Self::Changed(movie) => movie.request.as_ref(),
        }
    }
}

impl Commands {
    /// Adds a city.
    pub async fn add_city(&self, ctx: &Context, city: CityAdded) -> Result<Answer<CityAdded>, CommandError> {
        let (stream, request) = (StreamName::city(&city.city_id), city.request.clone());
        let answer = self.answer::<City>(ctx, stream, request.as_ref(), &AddCity(city)).await?;
        answer.some(|state| state.details, "city")
    }

    /// Adds a film.
    pub async fn add_movie(
        &self,
        ctx: &Context,
        movie: MovieAdded,
    ) -> Result<Answer<MovieDetails>, CommandError> {
        let (stream, request) = (StreamName::movie(&movie.movie.movie_id), movie.request.clone());
        let answer = self.answer::<Movie>(ctx, stream, request.as_ref(), &MovieCommand::Add(movie)).await?;
        answer.some(|state| state.details, "movie")
    }

    /// Replaces a film's facts.
    pub async fn change_movie(
        &self,
        ctx: &Context,
        movie: MovieChanged,
    ) -> Result<Answer<MovieDetails>, CommandError> {
        let (stream, request) = (StreamName::movie(&movie.movie.movie_id), movie.request.clone());
        let answer = self.answer::<Movie>(ctx, stream, request.as_ref(), &MovieCommand::Change(movie)).await;
        let answer = answer.map_err(|error| match error {
            CommandError::Catalogue(CatalogueRejection::NotFound) => CommandError::NotFound("movie"),
            other => other,
        })?;
        answer.some(|state| state.details, "movie")
    }
}
