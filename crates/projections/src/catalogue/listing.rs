//! What runs where: the shows by city, film and start.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashmap::DashMap;
use jiff::Timestamp;
use marquee_domain::ids::{CityId, MovieId, ShowId};

use super::ShowCard;

/// A film's shows in a city, the earliest first.
pub(crate) type Shows = BTreeMap<(Timestamp, ShowId), Arc<ShowCard>>;
/// A city's films with their shows. A film without any is not there.
pub(crate) type Films = BTreeMap<MovieId, Shows>;

/// The shows that were not called off and are not over yet.
///
/// A question looks at one city alone, however many there are, and at a film's earliest show first: most need no more.
#[derive(Default)]
pub(crate) struct Listing {
    cities: DashMap<CityId, Films>,
}

impl Listing {
    /// Puts a show as it now stands in the place of what it was, all at once. A show stays in its city.
    pub fn replace(&self, before: Option<&ShowCard>, now: Option<&Arc<ShowCard>>) {
        let now = now.filter(|card| !card.cancelled);
        let Some(city) = before.or(now.map(|card| &**card)).map(|card| card.show.city_id.clone()) else {
            return;
        };
        let mut films = self.cities.entry(city).or_default();
        if let Some(before) = before
            && let Some(shows) = films.get_mut(&before.show.movie_id)
        {
            shows.remove(&place(before));
            if shows.is_empty() {
                films.remove(&before.show.movie_id);
            }
        }
        if let Some(card) = now {
            films.entry(card.show.movie_id.clone()).or_default().insert(place(card), Arc::clone(card));
        }
    }

    /// Looks at a city's films. No other part of the listing may be asked from within.
    pub fn in_city<T>(&self, city: &CityId, look: impl FnOnce(&Films) -> T) -> T {
        match self.cities.get(city) {
            Some(films) => look(&films),
            None => look(&Films::new()),
        }
    }

    /// A film's bookable shows wherever it runs.
    pub fn of_movie(&self, movie: &MovieId, now: Timestamp) -> Vec<Arc<ShowCard>> {
        let shows = |films: &Films| -> Vec<_> {
            films.get(movie).into_iter().flat_map(|shows| bookable(shows, now).cloned()).collect()
        };
        self.cities.iter().flat_map(|films| shows(&films)).collect()
    }

    /// Whether a film can be booked anywhere.
    pub fn runs(&self, movie: &MovieId, now: Timestamp) -> bool {
        let here =
            |films: &Films| films.get(movie).is_some_and(|shows| bookable(shows, now).next().is_some());
        self.cities.iter().any(|films| here(&films))
    }
}

/// The shows that can be booked, the earliest first.
pub(crate) fn bookable(shows: &Shows, now: Timestamp) -> impl Iterator<Item = &Arc<ShowCard>> {
    shows.range((now, ShowId::from(""))..).map(|(_, card)| card).filter(move |card| card.bookable(now))
}

fn place(card: &ShowCard) -> (Timestamp, ShowId) {
    (card.show.start_time, card.show.show_id.clone())
}
