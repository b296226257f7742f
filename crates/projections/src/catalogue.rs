//! Cities, films, theatres and the shows that are not over, by their id, in memory.

mod facts;
mod listing;

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use marquee_domain::catalogue::{CityAdded, MovieDetails};
use marquee_domain::ids::{CityId, MovieId, PartnerId, ShowId, TheatreId};
use marquee_domain::money::Money;
use marquee_domain::show::{ShowChanged, ShowDetails};
use marquee_domain::theatre::{PartnerOnboarded, ScreenDetails, SeatType, TheatreDetails};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::wire::timezone;
pub(crate) use facts::{Facts, Known, Searchable, concerns};
pub(crate) use listing::{Films, Shows, bookable};

/// A show as it is browsed.
#[derive(Debug, Clone)]
pub struct ShowCard {
    /// Its facts, without the rows: the seat map has them.
    pub show: ShowDetails,
    /// Whether it was called off.
    pub cancelled: bool,
    /// Its seats.
    pub total_seats: u32,
    /// The price of its cheapest kind of seat.
    pub price_from: Money,
    /// Its city's time zone.
    pub timezone: TimeZone,
    /// The day that it starts on, in its city.
    pub local_date: Date,
    seat_types: Vec<SeatType>,
}

/// A card in a snapshot; the rest of it follows.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedCard {
    show: ShowDetails,
    cancelled: bool,
    total_seats: u32,
    seat_types: Vec<SeatType>,
}

impl ShowCard {
    /// Whether it can be booked at an instant or later: it was not called off, and its sale, which ends by its start, is not over.
    pub fn bookable(&self, now: Timestamp) -> bool {
        !self.cancelled && now < self.show.sales_end()
    }

    fn new(details: &ShowDetails) -> Self {
        let seats = details.rows.iter().flat_map(|row| &row.seats);
        let total_seats = u32::try_from(seats.clone().count()).unwrap_or(u32::MAX);
        let mut seat_types: Vec<_> = seats.map(|seat| seat.seat_type).collect();
        seat_types.sort_unstable();
        seat_types.dedup();
        let show = ShowDetails { rows: vec![], ..details.clone() };
        Self::of(show, false, total_seats, seat_types)
    }

    fn of(show: ShowDetails, cancelled: bool, total_seats: u32, seat_types: Vec<SeatType>) -> Self {
        let timezone = timezone(&show.timezone);
        let local_date = show.start_time.to_zoned(timezone.clone()).date();
        let cheapest = seat_types.iter().filter_map(|seat_type| show.prices.get(seat_type)).min();
        let price_from = Money::new(cheapest.copied().unwrap_or(0), show.currency.clone());
        Self { show, cancelled, total_seats, price_from, timezone, local_date, seat_types }
    }

    /// A card as it was written down.
    fn restored(saved: SavedCard) -> Self {
        let SavedCard { show, cancelled, total_seats, seat_types } = saved;
        Self::of(show, cancelled, total_seats, seat_types)
    }

    fn saved(&self) -> SavedCard {
        let (show, seat_types) = (self.show.clone(), self.seat_types.clone());
        SavedCard { show, cancelled: self.cancelled, total_seats: self.total_seats, seat_types }
    }

    fn changed(&self, changed: &ShowChanged) -> Self {
        let mut show = self.show.clone();
        show.change(changed);
        Self::of(show, self.cancelled, self.total_seats, self.seat_types.clone())
    }

    fn called_off(&self) -> Self {
        Self { cancelled: true, ..self.clone() }
    }
}

/// Reads the catalogue. Cheap to clone.
#[derive(Clone)]
pub struct Catalogue {
    pub(crate) facts: Arc<ArcSwap<Facts>>,
}

impl Catalogue {
    /// A city.
    pub fn city(&self, id: &CityId) -> Option<Arc<CityAdded>> {
        self.facts.load().cities.get(id).map(|city| Arc::clone(&city))
    }

    /// A film.
    pub fn movie(&self, id: &MovieId) -> Option<Arc<MovieDetails>> {
        self.facts.load().movies.get(id).map(|movie| Arc::clone(&movie))
    }

    /// A partner.
    pub fn partner(&self, id: &PartnerId) -> Option<Arc<PartnerOnboarded>> {
        self.facts.load().partners.get(id).map(|partner| Arc::clone(&partner))
    }

    /// A theatre.
    pub fn theatre(&self, id: &TheatreId) -> Option<Arc<TheatreDetails>> {
        self.facts.load().theatres.get(id).map(|theatre| Arc::clone(&theatre))
    }

    /// A partner's theatres by name: so many after a place, and whether there are more.
    pub fn theatres_of(
        &self,
        partner: &PartnerId,
        after: Option<&(SmolStr, TheatreId)>,
        limit: usize,
    ) -> (Vec<Arc<TheatreDetails>>, bool) {
        let facts = self.facts.load();
        let place = |theatre: &TheatreDetails| (theatre.name.clone(), theatre.theatre_id.clone());
        let wanted = |theatre: &TheatreDetails| {
            theatre.partner_id == *partner && after.is_none_or(|after| *after < place(theatre))
        };
        let own = facts.theatres.iter().filter(|theatre| wanted(theatre));
        let mut own: Vec<_> = own.map(|theatre| Arc::clone(&theatre)).collect();
        own.sort_unstable_by_key(|theatre| place(theatre));
        let more = own.len() > limit;
        own.truncate(limit);
        (own, more)
    }

    /// The shows of a theatre that are not over, the earliest first: so many after a place, and whether there are more.
    pub fn shows_in(
        &self,
        theatre: &TheatreId,
        after: Option<&(Timestamp, ShowId)>,
        limit: usize,
    ) -> (Vec<Arc<ShowCard>>, bool) {
        let facts = self.facts.load();
        let place = |card: &ShowCard| (card.show.start_time, card.show.show_id.clone());
        let wanted = |card: &ShowCard| {
            card.show.theatre_id == *theatre && after.is_none_or(|after| *after < place(card))
        };
        let cards = facts.shows.iter().filter(|card| wanted(card));
        let mut cards: Vec<_> = cards.map(|card| Arc::clone(&card)).collect();
        cards.sort_unstable_by_key(|card| place(card));
        let more = cards.len() > limit;
        cards.truncate(limit);
        (cards, more)
    }

    /// A theatre's screens, by their id.
    pub fn screens(&self, theatre: &TheatreId) -> Vec<Arc<ScreenDetails>> {
        self.facts
            .load()
            .screens
            .get(theatre)
            .map_or_else(Vec::new, |screens| screens.values().cloned().collect())
    }

    /// A show; `None` once it is over.
    pub fn show(&self, id: &ShowId) -> Option<Arc<ShowCard>> {
        self.facts.load().shows.get(id).map(|show| Arc::clone(&show))
    }
}
