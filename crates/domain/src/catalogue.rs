//! Reference data that everyone browses: cities and films.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::Decider;
use crate::event::events;
use crate::ids::{CityId, MovieId};
use crate::money::Currency;
use crate::request::{Answered, KeyReused, Request};

/// A city was added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CityAdded {
    /// The city.
    pub city_id: CityId,
    /// Its name.
    pub name: SmolStr,
    /// An IANA time zone, such as `Asia/Kolkata`: a show's times carry its offset.
    pub timezone: SmolStr,
    /// What its theatres charge in.
    pub currency: Currency,
    /// The request that added it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// A film's facts, as they were added or now stand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MovieDetails {
    /// The film.
    pub movie_id: MovieId,
    /// Its main title.
    pub title: SmolStr,
    /// Its title in other languages, by BCP 47 tag, such as `hi`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub titles: BTreeMap<SmolStr, SmolStr>,
    /// Languages that it is shown in, the original first.
    pub languages: Vec<SmolStr>,
    /// Its genres.
    pub genres: Vec<SmolStr>,
    /// Running time in minutes; a show's slot is this long.
    pub duration_mins: u32,
    /// A censor's certificate, such as `UA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<SmolStr>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synopsis: Option<String>,
    /// The day that it comes out. It binds nobody: shows may start before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_date: Option<Date>,
}

/// A film was added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MovieAdded {
    /// Its facts.
    #[serde(flatten)]
    pub movie: MovieDetails,
    /// The request that added it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// A film's facts were replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MovieChanged {
    /// All its facts, as they now stand.
    #[serde(flatten)]
    pub movie: MovieDetails,
    /// The request that changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

events! {
    /// What happened to a city.
    CityEvent {
        Added(CityAdded) = "city.added.v1",
    }
}

events! {
    /// What happened to a film.
    MovieEvent {
        Added(MovieAdded) = "movie.added.v1",
        Changed(MovieChanged) = "movie.changed.v1",
    }
}

/// Why a change of the catalogue is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueRejection {
    /// The id is taken.
    #[error("already exists")]
    AlreadyExists,
    /// There is nothing to change.
    #[error("does not exist")]
    NotFound,
    /// The key was used for another body.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
}

/// Adds a city.
#[derive(Debug, Clone, PartialEq)]
pub struct AddCity(pub CityAdded);

/// A city, or none yet.
#[derive(Debug, Clone, Default)]
pub struct City {
    /// Its facts.
    pub details: Option<CityAdded>,
    answered: Answered,
}

impl Decider for City {
    type Command = AddCity;
    type Event = CityEvent;
    type Rejection = CatalogueRejection;

    fn decide(&self, _now: Timestamp, AddCity(city): &AddCity) -> Result<Vec<CityEvent>, CatalogueRejection> {
        if self.answered.seen(city.request.as_ref())? {
            return Ok(vec![]);
        }
        match self.details {
            Some(_) => Err(CatalogueRejection::AlreadyExists),
            None => Ok(vec![city.clone().into()]),
        }
    }

    fn evolve(&mut self, event: &CityEvent) {
        match event {
            CityEvent::Added(city) => {
                self.answered.remember(city.request.as_ref());
                self.details = Some(city.clone());
            }
        }
    }
}

/// What an admin wants of a film.
#[derive(Debug, Clone, PartialEq)]
pub enum MovieCommand {
    /// Adds it.
    Add(MovieAdded),
    /// Replaces its facts.
    Change(MovieChanged),
}

/// A film, or none yet.
#[derive(Debug, Clone, Default)]
pub struct Movie {
    /// Its facts.
    pub details: Option<MovieDetails>,
    answered: Answered,
}

impl Decider for Movie {
    type Command = MovieCommand;
    type Event = MovieEvent;
    type Rejection = CatalogueRejection;

    fn decide(&self, _now: Timestamp, command: &MovieCommand) -> Result<Vec<MovieEvent>, CatalogueRejection> {
        let (MovieCommand::Add(MovieAdded { request, .. })
        | MovieCommand::Change(MovieChanged { request, .. })) = command;
        if self.answered.seen(request.as_ref())? {
            return Ok(vec![]);
        }
        match (command, &self.details) {
            (MovieCommand::Add(added), None) => Ok(vec![added.clone().into()]),
            (MovieCommand::Add(_), Some(_)) => Err(CatalogueRejection::AlreadyExists),
            (MovieCommand::Change(_), None) => Err(CatalogueRejection::NotFound),
            (MovieCommand::Change(changed), Some(known)) if changed.movie == *known => Ok(vec![]),
            (MovieCommand::Change(changed), Some(_)) => Ok(vec![changed.clone().into()]),
        }
    }

    fn evolve(&mut self, event: &MovieEvent) {
        let (MovieEvent::Added(MovieAdded { movie, request })
        | MovieEvent::Changed(MovieChanged { movie, request })) = event;
        self.answered.remember(request.as_ref());
        self.details = Some(movie.clone());
    }
}
