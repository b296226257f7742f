//! Which films and shows fit a query, from the facts.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use marquee_domain::catalogue::{CityAdded, MovieDetails};
use marquee_domain::ids::MovieId;
use smol_str::SmolStr;

use super::titles::title_for;
use super::words::folded;
use super::{MovieListed, MoviePlace, MovieQuery, MovieStatus, ShowQuery};
use crate::catalogue::{Facts, Films, ShowCard, Shows, bookable};
use crate::wire::timezone;

/// A film that is wanted.
pub(super) struct Found {
    movie: Arc<MovieDetails>,
    status: MovieStatus,
}

/// The films that are wanted, each with its place; where there are matches, of them alone.
pub(super) fn wanted(
    facts: &Facts,
    city: &CityAdded,
    query: &MovieQuery,
    matching: Option<Vec<(u32, MovieId)>>,
) -> Vec<(MoviePlace, Found)> {
    let filter = Filter::of(query);
    let of_film = |shows: &Shows| filter.status_of_wanted(shows);
    let mut found: Vec<(u32, MovieId, MovieStatus)> =
        facts.listing.in_city(&query.city, |films: &Films| match &matching {
            Some(matching) => matching
                .iter()
                .filter_map(|(rank, movie)| Some((*rank, movie.clone(), of_film(films.get(movie)?)?)))
                .collect(),
            None => {
                films.iter().filter_map(|(movie, shows)| Some((0, movie.clone(), of_film(shows)?))).collect()
            }
        });
    if query.status == Some(MovieStatus::ComingSoon) && query.date.is_none() && query.format.is_none() {
        let today = query.now.to_zoned(timezone(&city.timezone)).date();
        let announced = |movie: &MovieDetails| filter.announced(movie, today);
        let ids: Vec<(u32, MovieId)> = match matching {
            Some(matching) => matching
                .into_iter()
                .filter(|(_, movie)| facts.movies.get(movie).is_some_and(|movie| announced(&movie)))
                .collect(),
            None => {
                let announced = facts.movies.iter().filter(|movie| announced(movie));
                announced.map(|movie| (0, movie.key().clone())).collect()
            }
        };
        let shown_nowhere = ids.into_iter().filter(|(_, movie)| !facts.listing.runs(movie, query.now));
        found.extend(shown_nowhere.map(|(rank, movie)| (rank, movie, MovieStatus::ComingSoon)));
    }
    let genre = query.genre.as_deref().map(folded);
    let found = found.into_iter().filter_map(|(rank, movie, status)| {
        let movie = facts.movies.get(&movie).map(|movie| Arc::clone(&movie))?;
        let fits =
            genre.as_ref().is_none_or(|wanted| movie.genres.iter().any(|genre| folded(genre) == *wanted));
        let place = MoviePlace {
            rank: std::cmp::Reverse(rank),
            title: folded(title_for(&movie, &query.readers)),
            movie: movie.movie_id.clone(),
        };
        fits.then_some((place, Found { movie, status }))
    });
    found.collect()
}

/// The same with the formats that each can be booked in, in that city.
pub(super) fn with_formats(facts: &Facts, query: &MovieQuery, found: Vec<Found>) -> Vec<MovieListed> {
    facts.listing.in_city(&query.city, |films| {
        let listed = found.into_iter().map(|Found { movie, status }| {
            let shows = films.get(&movie.movie_id).into_iter().flat_map(|shows| bookable(shows, query.now));
            MovieListed { formats: formats(shows), movie, status: Some(status) }
        });
        listed.collect()
    })
}

/// A film with what is to be said of it anywhere.
pub(super) fn anywhere(facts: &Facts, movie: Arc<MovieDetails>, now: Timestamp) -> MovieListed {
    let shows = facts.listing.of_movie(&movie.movie_id, now);
    let first = shows.iter().map(|card| card.show.start_time).min();
    let ahead = movie.release_date.is_some_and(|release| release > now.to_zoned(TimeZone::UTC).date());
    let status = first.map_or(ahead.then_some(MovieStatus::ComingSoon), |first| Some(status(first, now)));
    MovieListed { formats: formats(shows.iter()), movie, status }
}

/// The bookable shows that are wanted, the earliest first.
pub(super) fn shows(facts: &Facts, query: &ShowQuery) -> Vec<Arc<ShowCard>> {
    let (language, format) = (query.language.as_deref().map(folded), query.format.as_deref().map(folded));
    let wanted = |card: &ShowCard| {
        card.local_date == query.date
            && is_text(language.as_deref(), &card.show.language)
            && is_text(format.as_deref(), &card.show.format)
    };
    facts.listing.in_city(&query.city, |films| {
        let shows = films.get(&query.movie).into_iter().flat_map(|shows| bookable(shows, query.now));
        shows.filter(|card| wanted(card)).cloned().collect()
    })
}

/// What a query wants of a show.
struct Filter {
    now: Timestamp,
    date: Option<Date>,
    language: Option<String>,
    format: Option<String>,
    status: Option<MovieStatus>,
}

impl Filter {
    fn of(query: &MovieQuery) -> Self {
        Self {
            now: query.now,
            date: query.date,
            language: query.language.as_deref().map(folded),
            format: query.format.as_deref().map(folded),
            status: query.status,
        }
    }

    /// The status of a film with these shows; `None` where it is not wanted.
    fn status_of_wanted(&self, shows: &Shows) -> Option<MovieStatus> {
        let status = status(bookable(shows, self.now).next()?.show.start_time, self.now);
        let fits = self.status.is_none_or(|wanted| wanted == status)
            && bookable(shows, self.now).any(|card| self.fits(card));
        fits.then_some(status)
    }

    fn fits(&self, card: &ShowCard) -> bool {
        self.date.is_none_or(|date| card.local_date == date)
            && is_text(self.language.as_deref(), &card.show.language)
            && is_text(self.format.as_deref(), &card.show.format)
            && self.status.is_none_or(|wanted| status(card.show.start_time, self.now) == wanted)
    }

    /// Whether a film that runs nowhere is one to come.
    fn announced(&self, movie: &MovieDetails, today: Date) -> bool {
        let language = self.language.as_deref();
        movie.release_date.is_some_and(|release| release > today)
            && (language.is_none() || movie.languages.iter().any(|its| is_text(language, its)))
    }
}

/// What a show that starts then makes of its film.
fn status(start: Timestamp, now: Timestamp) -> MovieStatus {
    if start.duration_since(now) <= MovieStatus::SOON {
        MovieStatus::NowShowing
    } else {
        MovieStatus::ComingSoon
    }
}

fn formats<'a>(shows: impl Iterator<Item = &'a Arc<ShowCard>>) -> Vec<SmolStr> {
    let mut formats: Vec<_> = shows.map(|card| card.show.format.clone()).collect();
    formats.sort_unstable();
    formats.dedup();
    formats
}

/// Whether a text is the one that is wanted, which is folded.
fn is_text(wanted: Option<&str>, text: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == folded(text))
}
