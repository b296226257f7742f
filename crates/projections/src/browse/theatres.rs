//! The theatres of a city, and what each runs on a day.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use marquee_domain::catalogue::MovieDetails;
use marquee_domain::ids::{CityId, MovieId, TheatreId};
use marquee_domain::theatre::TheatreDetails;

use super::words::folded;
use super::{Browse, BrowseError, NamePlace, page};
use crate::catalogue::{ShowCard, bookable};

/// Some of a city's theatres, by name.
#[derive(Debug, Clone)]
pub struct TheatrePage {
    /// The theatres.
    pub theatres: Vec<Arc<TheatreDetails>>,
    /// Reads on from here; `None` at the end.
    pub next: Option<NamePlace>,
}

/// What is wanted of a theatre's programme.
#[derive(Debug, Clone)]
pub struct ProgrammeQuery {
    /// In this city.
    pub city: CityId,
    /// In this theatre.
    pub theatre: TheatreId,
    /// Starting on this day, in the city's time zone.
    pub date: Date,
    /// In this language.
    pub language: Option<String>,
    /// In this format.
    pub format: Option<String>,
    /// Only shows that can be booked at this instant.
    pub now: Timestamp,
}

/// A film with the shows that were wanted, the earliest first.
#[derive(Debug, Clone)]
pub struct MovieShows {
    /// The film.
    pub movie: Arc<MovieDetails>,
    /// The shows.
    pub shows: Vec<Arc<ShowCard>>,
}

/// What a theatre runs on a day. Its screens have only so many hours: there are no pages.
#[derive(Debug, Clone)]
pub struct Programme {
    /// The theatre.
    pub theatre: Arc<TheatreDetails>,
    /// The films, by their main titles.
    pub movies: Vec<MovieShows>,
}

impl Browse {
    /// Some of a city's theatres.
    pub fn theatres(
        &self,
        city: &CityId,
        limit: usize,
        after: Option<&NamePlace>,
    ) -> Result<TheatrePage, BrowseError> {
        let facts = self.shared.facts.load();
        if !facts.cities.contains_key(city) {
            return Err(BrowseError::UnknownCity);
        }
        let here = facts.theatres.iter().filter(|theatre| theatre.city_id == *city);
        let here = here.map(|theatre| {
            let place = NamePlace { name: theatre.name.clone(), id: theatre.theatre_id.as_str().into() };
            (place, Arc::clone(&theatre))
        });
        let (theatres, next) = page(here.collect(), after, limit);
        Ok(TheatrePage { theatres, next })
    }

    /// What a theatre runs on a day.
    pub fn programme(&self, query: &ProgrammeQuery) -> Result<Programme, BrowseError> {
        let facts = self.shared.facts.load();
        if !facts.cities.contains_key(&query.city) {
            return Err(BrowseError::UnknownCity);
        }
        let theatre = facts.theatres.get(&query.theatre).map(|theatre| Arc::clone(&theatre));
        let theatre = theatre.filter(|theatre| theatre.city_id == query.city);
        let theatre = theatre.ok_or(BrowseError::UnknownTheatre)?;
        let (language, format) = (query.language.as_deref().map(folded), query.format.as_deref().map(folded));
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|it| *it == folded(text));
        let wanted = |card: &ShowCard| {
            card.show.theatre_id == query.theatre
                && card.local_date == query.date
                && is(&language, &card.show.language)
                && is(&format, &card.show.format)
        };
        let mut films: BTreeMap<MovieId, Vec<Arc<ShowCard>>> = BTreeMap::new();
        facts.listing.in_city(&query.city, |listed| {
            for (movie, shows) in listed {
                let shows: Vec<_> = bookable(shows, query.now).filter(|card| wanted(card)).cloned().collect();
                if !shows.is_empty() {
                    films.insert(movie.clone(), shows);
                }
            }
        });
        let found = films.into_iter().filter_map(|(movie, shows)| {
            let movie = facts.movies.get(&movie).map(|movie| Arc::clone(&movie))?;
            Some(MovieShows { movie, shows })
        });
        let mut movies: Vec<_> = found.collect();
        movies.sort_by(|one, other| {
            (&one.movie.title, &one.movie.movie_id).cmp(&(&other.movie.title, &other.movie.movie_id))
        });
        Ok(Programme { theatre, movies })
    }
}
