//! What can be booked, by city, date and text.

mod index;
mod making;
mod scan;
mod search;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use jiff::civil::Date;
use marquee_domain::catalogue::MovieDetails;
use marquee_domain::ids::{CityId, MovieId, TheatreId};
use marquee_domain::theatre::TheatreDetails;

use crate::catalogue::{Facts, ShowCard};
use index::{Search, folded};
pub(crate) use making::BrowseBlueprint;

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
pub struct Browse {
    shared: Arc<Shared>,
}

/// What readers and every making share.
struct Shared {
    facts: Arc<ArcSwap<Facts>>,
    /// `None` while there is no index that can be used: what is wanted is then looked for among the facts.
    search: ArcSwapOption<Search>,
}

impl Browse {
    /// The films that have a bookable show in the city, among those wanted.
    pub fn movies(&self, query: &MovieQuery) -> Result<MoviePage, BrowseError> {
        let facts = self.shared.facts.load();
        if !facts.cities.contains_key(&query.city) {
            return Err(BrowseError::UnknownCity);
        }
        let text = query.q.as_deref().filter(|text| !text.trim().is_empty());
        let shown = self
            .search(|search| search.movies_shown(query))
            .unwrap_or_else(|| scan::movies_shown(&facts, query));
        let ranked = match text {
            Some(text) => {
                let found = self.search(|search| search.movies_matching(text));
                let found = found.unwrap_or_else(|| scan::movies_matching(&facts, text));
                found.into_iter().filter(|movie| shown.contains(movie)).collect()
            }
            None => scan::by_title(&facts, shown),
        };
        let genre = query.genre.as_deref().map(folded);
        let movies = ranked.iter().filter_map(|id| facts.movies.get(id).map(|movie| Arc::clone(&movie)));
        let movies = movies.filter(|movie| {
            genre.as_ref().is_none_or(|wanted| movie.genres.iter().any(|genre| folded(genre) == *wanted))
        });
        page(movies.collect(), query.cursor.as_deref(), query.limit)
    }

    /// The bookable shows that are wanted, by theatre, theatres by name.
    pub fn shows(&self, query: &ShowQuery) -> Result<Vec<TheatreShows>, BrowseError> {
        let facts = self.shared.facts.load();
        if !facts.cities.contains_key(&query.city) {
            return Err(BrowseError::UnknownCity);
        }
        if !facts.movies.contains_key(&query.movie) {
            return Err(BrowseError::UnknownMovie);
        }
        let cards: Vec<Arc<ShowCard>> = match self.search(|search| search.shows(query)) {
            Some(found) => {
                found.iter().filter_map(|id| facts.shows.get(id).map(|card| Arc::clone(&card))).collect()
            }
            None => facts.shows.iter().map(|card| Arc::clone(&card)).collect(),
        };
        let mut theatres: BTreeMap<TheatreId, Vec<Arc<ShowCard>>> = BTreeMap::new();
        for card in cards.into_iter().filter(|card| scan::is_wanted(card, query)) {
            theatres.entry(card.show.theatre_id.clone()).or_default().push(card);
        }
        let mut found: Vec<TheatreShows> = theatres
            .into_iter()
            .filter_map(|(theatre, mut shows)| {
                let theatre = facts.theatres.get(&theatre).map(|theatre| Arc::clone(&theatre))?;
                shows.sort_unstable_by_key(|card| (card.show.start_time, card.show.show_id.clone()));
                Some(TheatreShows { theatre, shows })
            })
            .collect();
        found.sort_by(|one, other| one.theatre.name.cmp(&other.theatre.name));
        Ok(found)
    }

    /// Asks the index; `None` where it cannot be asked.
    fn search<T>(&self, ask: impl FnOnce(&Search) -> tantivy::Result<T>) -> Option<T> {
        let search = self.shared.search.load();
        let answer = ask(search.as_ref()?);
        answer.inspect_err(|error| tracing::error!(%error, "the search index cannot be read")).ok()
    }
}

/// The films after the one that the cursor names.
fn page(
    movies: Vec<Arc<MovieDetails>>,
    cursor: Option<&str>,
    limit: usize,
) -> Result<MoviePage, BrowseError> {
    let skip = match cursor {
        None => 0,
        Some(cursor) => {
            let last = movies.iter().position(|movie| movie.movie_id.as_str() == cursor);
            last.ok_or(BrowseError::InvalidCursor)? + 1
        }
    };
    let more = movies.len() > skip + limit;
    let movies: Vec<_> = movies.into_iter().skip(skip).take(limit).collect();
    let next_cursor = movies.last().filter(|_| more).map(|movie| movie.movie_id.to_string());
    Ok(MoviePage { movies, next_cursor })
}
