//! The facts as the events left them.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use dashmap::DashMap;
use marquee_domain::Event;
use marquee_domain::catalogue::{CityAdded, CityEvent, MovieDetails, MovieEvent};
use marquee_domain::ids::{CityId, MovieId, PartnerId, ScreenId, ShowId, TheatreId};
use marquee_domain::show::ShowEvent;
use marquee_domain::theatre::{PartnerEvent, PartnerOnboarded, ScreenDetails, TheatreDetails, TheatreEvent};
use marquee_event_store::Recorded;
use serde::{Deserialize, Serialize};

use super::listing::Listing;
use super::{SavedCard, ShowCard};
use crate::fingerprint::Canonical;
use crate::projector::Poison;

/// One making of the catalogue.
#[derive(Default)]
pub(crate) struct Facts {
    pub cities: DashMap<CityId, Arc<CityAdded>>,
    pub movies: DashMap<MovieId, Arc<MovieDetails>>,
    pub partners: DashMap<PartnerId, Arc<PartnerOnboarded>>,
    pub theatres: DashMap<TheatreId, Arc<TheatreDetails>>,
    pub screens: DashMap<TheatreId, BTreeMap<ScreenId, Arc<ScreenDetails>>>,
    pub shows: DashMap<ShowId, Arc<ShowCard>>,
    /// The same shows by city, film and start, without those that were called off.
    pub listing: Listing,
}

/// A fact in a snapshot.
#[derive(Serialize, Deserialize)]
pub(crate) enum Saved {
    City(Arc<CityAdded>),
    Movie(Arc<MovieDetails>),
    Partner(Arc<PartnerOnboarded>),
    Theatre(Arc<TheatreDetails>),
    Screen(Arc<ScreenDetails>),
    Show(Box<SavedCard>),
}

/// A fact as it is known, whatever becomes of it.
pub(crate) enum Known {
    City(Arc<CityAdded>),
    Movie(Arc<MovieDetails>),
    Partner(Arc<PartnerOnboarded>),
    Theatre(Arc<TheatreDetails>),
    Screen(Arc<ScreenDetails>),
    Show(Arc<ShowCard>),
}

/// What an event changed of that which can be searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Searchable {
    Nothing,
    Movie(MovieId),
}

/// Whether an event may matter to the catalogue: by its stream, and by its name where a show's bookings lie in the same
/// stream.
pub(crate) fn concerns(recorded: &Recorded) -> bool {
    let stream = recorded.stream.as_str();
    let reference = ["city-", "movie-", "partner-", "theatre-"];
    let of_bookings = || ["booking.", "ticket."].iter().any(|kind| recorded.stored_name.starts_with(kind));
    reference.iter().any(|category| stream.starts_with(category))
        || (stream.starts_with("show-") && !of_bookings())
}

impl Facts {
    /// Applies one fact. A poison one leaves all as it was.
    pub fn apply(&self, recorded: &Recorded) -> Result<Searchable, Poison> {
        match recorded.event()? {
            Event::City(CityEvent::Added(city)) => {
                add(&self.cities, city.city_id.clone(), city.clone())?;
                Ok(Searchable::Nothing)
            }
            Event::Movie(MovieEvent::Added(added)) => {
                add(&self.movies, added.movie.movie_id.clone(), added.movie.clone())?;
                Ok(Searchable::Movie(added.movie.movie_id.clone()))
            }
            Event::Movie(MovieEvent::Changed(changed)) => {
                replace(&self.movies, &changed.movie.movie_id, |_| changed.movie.clone())?;
                Ok(Searchable::Movie(changed.movie.movie_id.clone()))
            }
            Event::Partner(PartnerEvent::Onboarded(partner)) => {
                add(&self.partners, partner.partner_id.clone(), partner.clone())?;
                Ok(Searchable::Nothing)
            }
            Event::Theatre(event) => self.theatre(event).map(|()| Searchable::Nothing),
            Event::Show(event) => {
                let id = recorded.stream.as_show().ok_or(Poison::WrongStream)?;
                // A stream that did not begin well is parked: this show was known, and was let go.
                if recorded.revision > 0 && !self.shows.contains_key(&id) {
                    return Ok(Searchable::Nothing);
                }
                self.show(&id, event).map(|()| Searchable::Nothing)
            }
            Event::Payment(_)
            | Event::Schedule(_)
            | Event::Offer(_)
            | Event::Policy(_)
            | Event::Redemption(_)
            | Event::Customer(_) => Ok(Searchable::Nothing),
        }
    }

    /// Most facts about a show do not name it: their stream does.
    fn show(&self, id: &ShowId, event: &ShowEvent) -> Result<(), Poison> {
        let before = self.shows.get(id).map(|card| Arc::clone(&card));
        match event {
            ShowEvent::Scheduled(scheduled) if scheduled.show.show_id != *id => {
                return Err(Poison::WrongStream);
            }
            ShowEvent::Scheduled(scheduled) => add(&self.shows, id.clone(), ShowCard::new(&scheduled.show))?,
            ShowEvent::Changed(changed) => replace(&self.shows, id, |card| card.changed(changed))?,
            ShowEvent::Cancelled(_) => replace(&self.shows, id, ShowCard::called_off)?,
            ShowEvent::SeatsBlocked(_)
            | ShowEvent::SeatsReleased(_)
            | ShowEvent::SeatsLocked(_)
            | ShowEvent::PaymentPending(_)
            | ShowEvent::Confirmed(_)
            | ShowEvent::Failed(_)
            | ShowEvent::Expired(_)
            | ShowEvent::LockExtended(_)
            | ShowEvent::BookingCancelled(_)
            | ShowEvent::SeatsCancelled(_)
            | ShowEvent::Completed(_)
            | ShowEvent::TicketRedeemed(_) => return Ok(()),
        }
        let now = self.shows.get(id).map(|card| Arc::clone(&card));
        self.listing.replace(before.as_deref(), now.as_ref());
        Ok(())
    }

    /// Lets go of a show that is over.
    pub fn let_go(&self, id: &ShowId) {
        if let Some((_, card)) = self.shows.remove(id) {
            self.listing.replace(Some(&card), None);
        }
    }

    fn theatre(&self, event: &TheatreEvent) -> Result<(), Poison> {
        match event {
            TheatreEvent::Added(added) => {
                add(&self.theatres, added.theatre.theatre_id.clone(), added.theatre.clone())
            }
            TheatreEvent::Changed(changed) => {
                replace(&self.theatres, &changed.theatre.theatre_id, |_| changed.theatre.clone())
            }
            TheatreEvent::ScreenAdded(added) => {
                let mut screens = self.screens.entry(added.screen.theatre_id.clone()).or_default();
                if screens.contains_key(&added.screen.screen_id) {
                    return Err(Poison::AlreadyThere);
                }
                screens.insert(added.screen.screen_id.clone(), Arc::new(added.screen.clone()));
                Ok(())
            }
            TheatreEvent::ScreenChanged(changed) => {
                let mut screens =
                    self.screens.get_mut(&changed.screen.theatre_id).ok_or(Poison::NothingToChange)?;
                let screen = screens.get_mut(&changed.screen.screen_id).ok_or(Poison::NothingToChange)?;
                *screen = Arc::new(changed.screen.clone());
                Ok(())
            }
        }
    }

    /// All of it as it stands, for the price of a pointer each.
    pub fn capture(&self) -> Vec<Known> {
        let cities = self.cities.iter().map(|city| Known::City(Arc::clone(&city)));
        let movies = self.movies.iter().map(|movie| Known::Movie(Arc::clone(&movie)));
        let partners = self.partners.iter().map(|partner| Known::Partner(Arc::clone(&partner)));
        let theatres = self.theatres.iter().map(|theatre| Known::Theatre(Arc::clone(&theatre)));
        let shows = self.shows.iter().map(|card| Known::Show(Arc::clone(&card)));
        let mut all: Vec<_> = cities.chain(movies).chain(partners).chain(theatres).chain(shows).collect();
        for screens in &self.screens {
            all.extend(screens.values().map(|screen| Known::Screen(Arc::clone(screen))));
        }
        all
    }

    /// Takes a fact back as it was written down.
    pub fn restore(&self, saved: Saved) {
        match saved {
            Saved::City(city) => drop(self.cities.insert(city.city_id.clone(), city)),
            Saved::Movie(movie) => drop(self.movies.insert(movie.movie_id.clone(), movie)),
            Saved::Partner(partner) => drop(self.partners.insert(partner.partner_id.clone(), partner)),
            Saved::Theatre(theatre) => drop(self.theatres.insert(theatre.theatre_id.clone(), theatre)),
            Saved::Screen(screen) => {
                let mut screens = self.screens.entry(screen.theatre_id.clone()).or_default();
                screens.insert(screen.screen_id.clone(), screen);
            }
            Saved::Show(card) => {
                let card = Arc::new(ShowCard::restored(*card));
                self.listing.replace(None, Some(&card));
                self.shows.insert(card.show.show_id.clone(), card);
            }
        }
    }

    /// Adds all it holds, in an order that the log alone decides.
    pub fn content(&self, canonical: &mut Canonical) -> Result<(), serde_json::Error> {
        canonical.record(&sorted(&self.cities))?;
        canonical.record(&sorted(&self.movies))?;
        canonical.record(&sorted(&self.partners))?;
        canonical.record(&sorted(&self.theatres))?;
        canonical.record(&sorted(&self.screens))?;
        let shows = sorted(&self.shows).into_iter();
        canonical.record(
            &shows.map(|(id, card)| (id, (card.show.clone(), card.cancelled))).collect::<BTreeMap<_, _>>(),
        )
    }
}

impl Known {
    /// What is written down of it.
    pub fn saved(&self) -> Saved {
        match self {
            Self::City(city) => Saved::City(Arc::clone(city)),
            Self::Movie(movie) => Saved::Movie(Arc::clone(movie)),
            Self::Partner(partner) => Saved::Partner(Arc::clone(partner)),
            Self::Theatre(theatre) => Saved::Theatre(Arc::clone(theatre)),
            Self::Screen(screen) => Saved::Screen(Arc::clone(screen)),
            Self::Show(card) => Saved::Show(Box::new(card.saved())),
        }
    }
}

fn add<K: Eq + Hash, V>(to: &DashMap<K, Arc<V>>, id: K, value: V) -> Result<(), Poison> {
    if to.contains_key(&id) {
        return Err(Poison::AlreadyThere);
    }
    to.insert(id, Arc::new(value));
    Ok(())
}

fn replace<K: Eq + Hash, V>(of: &DashMap<K, Arc<V>>, id: &K, by: impl FnOnce(&V) -> V) -> Result<(), Poison> {
    let mut known = of.get_mut(id).ok_or(Poison::NothingToChange)?;
    *known = Arc::new(by(&known));
    Ok(())
}

fn sorted<K: Ord + Hash + Clone + Serialize, V: Clone>(map: &DashMap<K, V>) -> BTreeMap<K, V> {
    map.iter().map(|entry| (entry.key().clone(), entry.value().clone())).collect()
}
