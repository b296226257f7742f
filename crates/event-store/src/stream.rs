//! Names of streams.

use std::fmt;

use marquee_domain::ids::{BookingId, CityId, MovieId, PartnerId, ScreenId, ShowId, TheatreId};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The name of a stream: a category, a dash and an id, such as `show-sh_5001`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamName(SmolStr);

impl StreamName {
    /// A name as it was read from a log or a request.
    pub fn new(name: impl Into<SmolStr>) -> Self {
        Self(name.into())
    }

    /// A show and every booking of it.
    pub fn show(id: &ShowId) -> Self {
        Self(SmolStr::from(format!("show-{id}")))
    }

    /// The money of a booking.
    pub fn payment(id: &BookingId) -> Self {
        Self(SmolStr::from(format!("payment-{id}")))
    }

    /// Money that fits no booking.
    pub fn unmatched_payment(id: &str) -> Self {
        Self(SmolStr::from(format!("payment-unmatched-{id}")))
    }

    /// A city.
    pub fn city(id: &CityId) -> Self {
        Self(SmolStr::from(format!("city-{id}")))
    }

    /// A film.
    pub fn movie(id: &MovieId) -> Self {
        Self(SmolStr::from(format!("movie-{id}")))
    }

    /// A partner.
    pub fn partner(id: &PartnerId) -> Self {
        Self(SmolStr::from(format!("partner-{id}")))
    }

    /// A theatre with its screens.
    pub fn theatre(id: &TheatreId) -> Self {
        Self(SmolStr::from(format!("theatre-{id}")))
    }

    /// The slots of a screen. A screen's id is unique within its theatre only; no id holds a colon.
    pub fn schedule(theatre: &TheatreId, screen: &ScreenId) -> Self {
        Self(SmolStr::from(format!("schedule-{theatre}:{screen}")))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The show whose stream this is.
    pub fn as_show(&self) -> Option<ShowId> {
        self.0.strip_prefix("show-").map(ShowId::from)
    }

    /// The booking whose payment stream this is.
    pub fn as_payment(&self) -> Option<BookingId> {
        let id = self.0.strip_prefix("payment-")?;
        (!id.starts_with("unmatched-")).then(|| BookingId::from(id))
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
