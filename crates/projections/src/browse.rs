//! What can be booked, by city, date and text.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use marquee_domain::catalogue::MovieDetails;
use marquee_domain::ids::{CityId, MovieId};
use marquee_domain::theatre::TheatreDetails;

use crate::catalogue::ShowCard;

/// Which films are wanted.
#[derive(Debug, Clone)]
pub struct MovieQuery {
    /// Shown in this city.
    pub city: CityId,
    /// Shown on this day, in the city's time zone.
    pub date: Option<Date>,
    /// Shown in this language.
    pub language: Option<String>,
    /// Of this genre, in any case.
    pub genre: Option<String>,
    /// Matching these words, typing mistakes forgiven.
    pub q: Option<String>,
    /// Only shows that start after this instant count.
    pub now: Timestamp,
    /// At most so many.
    pub limit: usize,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// Some of the films that were wanted: by title, or the best match first where words were given.
#[derive(Debug, Clone)]
pub struct MoviePage {
    /// The films.
    pub movies: Vec<Arc<MovieDetails>>,
    /// Reads on from here; `None` at the end.
    pub next_cursor: Option<String>,
}

/// Which shows are wanted.
#[derive(Debug, Clone)]
pub struct ShowQuery {
    /// In this city.
    pub city: CityId,
    /// Of this film.
    pub movie: MovieId,
    /// Starting on this day, in the city's time zone.
    pub date: Date,
    /// In this language.
    pub language: Option<String>,
    /// In this format.
    pub format: Option<String>,
    /// Only shows that start after this instant.
    pub now: Timestamp,
}

/// A theatre with the shows that were wanted, the earliest first.
#[derive(Debug, Clone)]
pub struct TheatreShows {
    /// The theatre.
    pub theatre: Arc<TheatreDetails>,
    /// The shows.
    pub shows: Vec<Arc<ShowCard>>,
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrowseError {
    /// There is no such city.
    #[error("no such city")]
    UnknownCity,
    /// There is no such film.
    #[error("no such film")]
    UnknownMovie,
    /// No page gave this cursor.
    #[error("the cursor is not one of ours")]
    InvalidCursor,
}

/// Finds films and shows. Cheap to clone.
#[derive(Clone)]
pub struct Browse {}

impl Browse {
    /// The films that have a bookable show in the city, among those wanted.
    pub fn movies(&self, query: &MovieQuery) -> Result<MoviePage, BrowseError> {
        let _ = query;
        Err(BrowseError::UnknownCity)
    }

    /// The bookable shows that are wanted, by theatre, theatres by name.
    pub fn shows(&self, query: &ShowQuery) -> Result<Vec<TheatreShows>, BrowseError> {
        let _ = query;
        Err(BrowseError::UnknownCity)
    }
}
