//! Where and when an offer applies.

use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::ids::{CityId, MovieId, TheatreId};
use crate::show::ShowDetails;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "days need no words")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl From<Weekday> for Day {
    fn from(weekday: Weekday) -> Self {
        match weekday {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

/// A time of day as a clock on the wall shows it, `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "SmolStr", into = "SmolStr")]
pub struct TimeOfDay {
    hour: u8,
    minute: u8,
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl From<TimeOfDay> for SmolStr {
    fn from(time: TimeOfDay) -> Self {
        Self::from(time.to_string())
    }
}

impl TryFrom<SmolStr> for TimeOfDay {
    type Error = &'static str;

    fn try_from(text: SmolStr) -> Result<Self, &'static str> {
        let number =
            |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u8>().ok())?;
        let time = text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2);
        let time =
            time.and_then(|(hour, minute)| Some(Self { hour: number(hour)?, minute: number(minute)? }));
        time.filter(|time| time.hour < 24 && time.minute < 60).ok_or("a time of day is HH:MM")
    }
}

/// The shows that an offer applies to: those that meet all of these. What is empty or absent is met by every show.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Conditions {
    /// In these cities.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub cities: BTreeSet<CityId>,
    /// In these theatres.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub theatres: BTreeSet<TheatreId>,
    /// Of these films.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub movies: BTreeSet<MovieId>,
    /// In these formats.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub formats: BTreeSet<SmolStr>,
    /// That start on these days, as the city counts them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub days_of_week: BTreeSet<Day>,
    /// That start at this time of day or later, as the city's clocks show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_from: Option<TimeOfDay>,
    /// That start before this time of day. Where it is earlier than `startsFrom`, the time between them passes midnight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_to: Option<TimeOfDay>,
}

impl Conditions {
    /// Whether a show meets them.
    pub fn meets(&self, show: &ShowDetails) -> bool {
        fn any<T: Ord>(wanted: &BTreeSet<T>, has: &T) -> bool {
            wanted.is_empty() || wanted.contains(has)
        }
        any(&self.cities, &show.city_id)
            && any(&self.theatres, &show.theatre_id)
            && any(&self.movies, &show.movie_id)
            && any(&self.formats, &show.format)
            && self.meets_time(show)
    }

    fn meets_time(&self, show: &ShowDetails) -> bool {
        if self.days_of_week.is_empty() && self.starts_from.is_none() && self.starts_to.is_none() {
            return true;
        }
        let timezone = TimeZone::get(&show.timezone).unwrap_or(TimeZone::UTC);
        let start = timezone.to_datetime(show.start_time);
        let time = TimeOfDay { hour: start.hour().unsigned_abs(), minute: start.minute().unsigned_abs() };
        let in_time = match (self.starts_from, self.starts_to) {
            (None, None) => true,
            (Some(from), None) => from <= time,
            (None, Some(to)) => time < to,
            (Some(from), Some(to)) if from <= to => from <= time && time < to,
            (Some(from), Some(to)) => from <= time || time < to,
        };
        let day = Day::from(start.weekday());
        in_time && (self.days_of_week.is_empty() || self.days_of_week.contains(&day))
    }
}
