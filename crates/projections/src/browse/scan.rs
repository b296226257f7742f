//! The same questions, answered from the facts: for as long as there is no index, and to check what it finds.

use std::collections::HashSet;

use marquee_domain::ids::MovieId;

use super::index::folded;
use super::search::words;
use super::{MovieQuery, ShowQuery};
use crate::catalogue::{Facts, ShowCard};

/// Whether a show is one of those wanted.
pub(super) fn is_wanted(card: &ShowCard, query: &ShowQuery) -> bool {
    card.bookable(query.now)
        && card.show.city_id == query.city
        && card.show.movie_id == query.movie
        && card.local_date == query.date
        && is_text(query.language.as_deref(), &card.show.language)
        && is_text(query.format.as_deref(), &card.show.format)
}

/// The films that have a show to book.
pub(super) fn movies_shown(facts: &Facts, query: &MovieQuery) -> HashSet<MovieId> {
    let wanted = |card: &ShowCard| {
        card.bookable(query.now)
            && card.show.city_id == query.city
            && query.date.is_none_or(|date| card.local_date == date)
            && is_text(query.language.as_deref(), &card.show.language)
    };
    facts.shows.iter().filter(|card| wanted(card)).map(|card| card.show.movie_id.clone()).collect()
}

/// The films whose title or synopsis has every word, by title; slips are not forgiven here.
pub(super) fn movies_matching(facts: &Facts, text: &str) -> Vec<MovieId> {
    let wanted = words(text);
    let matching = facts.movies.iter().filter(|movie| {
        let about = movie.synopsis.as_deref().unwrap_or_default();
        let text = words(&format!("{} {about} {}", movie.title, movie.genres.join(" ")));
        wanted.iter().all(|wanted| text.iter().any(|word| word.contains(wanted.as_str())))
    });
    by_title(facts, matching.map(|movie| movie.key().clone()).collect())
}

/// Films in the order of their titles.
pub(super) fn by_title(facts: &Facts, movies: HashSet<MovieId>) -> Vec<MovieId> {
    let mut titled: Vec<_> =
        movies.into_iter().filter_map(|id| Some((folded(&facts.movies.get(&id)?.title), id))).collect();
    titled.sort_unstable();
    titled.into_iter().map(|(_, id)| id).collect()
}

fn is_text(wanted: Option<&str>, text: &str) -> bool {
    wanted.is_none_or(|wanted| folded(wanted) == folded(text))
}
