//! What can be booked, by city, date and text.

mod films;
mod index;
mod making;
mod scan;
mod search;
mod theatres;
mod titles;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use jiff::civil::Date;
use marquee_domain::catalogue::{CityAdded, MovieDetails};
use marquee_domain::ids::{CityId, MovieId, TheatreId};
use marquee_domain::theatre::TheatreDetails;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::catalogue::{Facts, ShowCard};
use index::Search;
pub(crate) use making::BrowseBlueprint;
pub use theatres::{MovieShows, Programme, ProgrammeQuery, TheatrePage};
pub use titles::title_for;

/// Whether a film runs, or will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MovieStatus {
    /// It has a bookable show that starts within [`MovieStatus::SOON`].
    NowShowing,
    /// Its first bookable show starts later; or it has none anywhere, and its release date lies ahead.
    ComingSoon,
}

impl MovieStatus {
    /// Seven days, to the second.
    pub const SOON: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);
}

/// Which films are wanted.
#[derive(Debug, Clone)]
pub struct MovieQuery {
    /// Shown in this city.
    pub city: CityId,
    /// Shown on this day, in the city's time zone.
    pub date: Option<Date>,
    /// Shown in this language; of a film without shows, one of its languages.
    pub language: Option<String>,
    /// Shown in this format.
    pub format: Option<String>,
    /// Of this genre, in any case.
    pub genre: Option<String>,
    /// Matching these words, typing mistakes forgiven.
    pub q: Option<String>,
    /// `None`: whatever can be booked. Now showing means a show within that time that the filters want, too.
    pub status: Option<MovieStatus>,
    /// What the reader reads, the best first: the order is that of the titles that they see.
    pub readers: Vec<SmolStr>,
    /// Only shows that start after this instant count.
    pub now: Timestamp,
    /// At most so many.
    pub limit: usize,
    /// The `next` of the page before.
    pub after: Option<MoviePlace>,
}

/// A film's place in a list: the best match first, then by title.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MoviePlace {
    rank: std::cmp::Reverse<u32>,
    title: String,
    movie: MovieId,
}

/// A film with what is to be said of it in a city.
#[derive(Debug, Clone)]
pub struct MovieListed {
    /// Its facts.
    pub movie: Arc<MovieDetails>,
    /// Whether it runs; `None` where it neither does nor will.
    pub status: Option<MovieStatus>,
    /// The formats of its bookable shows.
    pub formats: Vec<SmolStr>,
}

/// Some of the films that were wanted: by title, or the best match first where words were given.
#[derive(Debug, Clone)]
pub struct MoviePage {
    /// The films.
    pub movies: Vec<MovieListed>,
    /// Reads on from here; `None` at the end.
    pub next: Option<MoviePlace>,
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
    /// At most so many theatres.
    pub limit: usize,
    /// The `next` of the page before.
    pub after: Option<NamePlace>,
}

/// A place in a list by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamePlace {
    name: SmolStr,
    id: SmolStr,
}

/// A theatre with the shows that were wanted, the earliest first.
#[derive(Debug, Clone)]
pub struct TheatreShows {
    /// The theatre.
    pub theatre: Arc<TheatreDetails>,
    /// The shows.
    pub shows: Vec<Arc<ShowCard>>,
}

/// Some of the theatres that were wanted, by name.
#[derive(Debug, Clone)]
pub struct ShowPage {
    /// The theatres, each with all its shows that were wanted.
    pub theatres: Vec<TheatreShows>,
    /// Reads on from here; `None` at the end.
    pub next: Option<NamePlace>,
}

/// Some of the cities, by name.
#[derive(Debug, Clone)]
pub struct CityPage {
    /// The cities.
    pub cities: Vec<Arc<CityAdded>>,
    /// Reads on from here; `None` at the end.
    pub next: Option<NamePlace>,
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
    /// There is no such theatre in the city.
    #[error("no such theatre")]
    UnknownTheatre,
}

/// Finds films and shows. Cheap to clone.
#[derive(Clone)]
pub struct Browse {
    shared: Arc<Shared>,
}

/// What readers and every making share.
struct Shared {
    facts: Arc<ArcSwap<Facts>>,
    /// `None` while there is no index that can be used: words are then looked for among the facts.
    search: ArcSwapOption<Search>,
}

impl Browse {
    /// Some of the cities.
    pub fn cities(&self, limit: usize, after: Option<&NamePlace>) -> CityPage {
        let facts = self.shared.facts.load();
        let cities = facts.cities.iter().map(|city| {
            (NamePlace { name: city.name.clone(), id: city.city_id.as_str().into() }, Arc::clone(&city))
        });
        let (cities, next) = page(cities.collect(), after, limit);
        CityPage { cities, next }
    }

    /// A film, with what is to be said of it anywhere: its release date lies ahead where it does in UTC.
    pub fn movie(&self, id: &MovieId, now: Timestamp) -> Result<MovieListed, BrowseError> {
        let facts = self.shared.facts.load();
        let movie = facts.movies.get(id).map(|movie| Arc::clone(&movie)).ok_or(BrowseError::UnknownMovie)?;
        Ok(films::anywhere(&facts, movie, now))
    }

    /// The films that are wanted.
    pub fn movies(&self, query: &MovieQuery) -> Result<MoviePage, BrowseError> {
        let facts = self.shared.facts.load();
        let city = facts.cities.get(&query.city).map(|city| Arc::clone(&city));
        let city = city.ok_or(BrowseError::UnknownCity)?;
        let text = query.q.as_deref().filter(|text| !text.trim().is_empty());
        let matching = text.map(|text| {
            let found = self.search(|search| search.movies_matching(text));
            found.unwrap_or_else(|| scan::movies_matching(&facts, text))
        });
        let found = films::wanted(&facts, &city, query, matching);
        let (found, next) = page(found, query.after.as_ref(), query.limit);
        let movies = films::with_formats(&facts, query, found);
        Ok(MoviePage { movies, next })
    }

    /// The bookable shows that are wanted, by theatre, theatres by name.
    pub fn shows(&self, query: &ShowQuery) -> Result<ShowPage, BrowseError> {
        let facts = self.shared.facts.load();
        if !facts.cities.contains_key(&query.city) {
            return Err(BrowseError::UnknownCity);
        }
        if !facts.movies.contains_key(&query.movie) {
            return Err(BrowseError::UnknownMovie);
        }
        let mut theatres: BTreeMap<TheatreId, Vec<Arc<ShowCard>>> = BTreeMap::new();
        for card in films::shows(&facts, query) {
            theatres.entry(card.show.theatre_id.clone()).or_default().push(card);
        }
        let found = theatres.into_iter().filter_map(|(theatre, shows)| {
            let theatre = facts.theatres.get(&theatre).map(|theatre| Arc::clone(&theatre))?;
            let place = NamePlace { name: theatre.name.clone(), id: theatre.theatre_id.as_str().into() };
            Some((place, TheatreShows { theatre, shows }))
        });
        let (theatres, next) = page(found.collect(), query.after.as_ref(), query.limit);
        Ok(ShowPage { theatres, next })
    }

    /// Asks the index; `None` where it cannot be asked.
    fn search<T>(&self, ask: impl FnOnce(&Search) -> tantivy::Result<T>) -> Option<T> {
        let search = self.shared.search.load();
        let answer = ask(search.as_ref()?);
        answer.inspect_err(|error| tracing::error!(%error, "the search index cannot be read")).ok()
    }
}

/// What comes after a place, in order, and the place to read on from. It need not be in the list any more.
fn page<P: Ord + Clone, T>(mut all: Vec<(P, T)>, after: Option<&P>, limit: usize) -> (Vec<T>, Option<P>) {
    if let Some(after) = after {
        all.retain(|(place, _)| place > after);
    }
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    let more = all.len() > limit;
    all.truncate(limit);
    let next = all.last().filter(|_| more).map(|(place, _)| place.clone());
    (all.into_iter().map(|(_, item)| item).collect(), next)
}
