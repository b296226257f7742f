//! Cities, films, theatres and shows by their id, in memory.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use marquee_domain::catalogue::{CityAdded, MovieDetails};
use marquee_domain::ids::{CityId, MovieId, PartnerId, ShowId, TheatreId};
use marquee_domain::money::Money;
use marquee_domain::show::ShowDetails;
use marquee_domain::theatre::{PartnerOnboarded, ScreenDetails, TheatreDetails};
use jiff::Timestamp;

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
}

impl ShowCard {
    /// Whether it can be booked at an instant: it was not called off and has not started.
    pub fn bookable(&self, now: Timestamp) -> bool {
        !self.cancelled && now < self.show.start_time
    }
}

/// Reads the catalogue. Cheap to clone.
#[derive(Clone)]
pub struct Catalogue {}

impl Catalogue {
    /// Every city, by name.
    pub fn cities(&self) -> Vec<Arc<CityAdded>> {
        vec![]
    }
    /// A city.
    pub fn city(&self, id: &CityId) -> Option<Arc<CityAdded>> {
        let _ = id;
        None
    }
    /// A film.
    pub fn movie(&self, id: &MovieId) -> Option<Arc<MovieDetails>> {
        let _ = id;
        None
    }
    /// A partner.
    pub fn partner(&self, id: &PartnerId) -> Option<Arc<PartnerOnboarded>> {
        let _ = id;
        None
    }
    /// A theatre.
    pub fn theatre(&self, id: &TheatreId) -> Option<Arc<TheatreDetails>> {
        let _ = id;
        None
    }
    /// A theatre's screens, by their id.
    pub fn screens(&self, theatre: &TheatreId) -> Vec<Arc<ScreenDetails>> {
        let _ = theatre;
        vec![]
    }
    /// A show.
    pub fn show(&self, id: &ShowId) -> Option<Arc<ShowCard>> {
        let _ = id;
        None
    }
}
