//! What a message tells beside its own event: the show and the booking, folded from the stream before it.

use std::collections::HashMap;
use std::sync::Arc;

use marquee_domain::ids::BookingId;
use marquee_domain::show::{ShowChanged, ShowDetails, ShowEvent};
use marquee_event_store::{EventStore, ReadError, Recorded, StreamName};
use smol_str::SmolStr;

use super::message::{Amount, Booking, Show};

/// Events of a stream that are read at once.
const PAGE: usize = 1_024;
/// Live bookings that are kept in memory, some 250 bytes each. Past it the shows that were not heard of for longest are
/// forgotten, and read again from their streams when they are.
const MOST_BOOKINGS: usize = 200_000;
/// Shows that are kept in memory.
const MOST_SHOWS: usize = 20_000;

/// A show as it stands after the first `next` events of its stream.
#[derive(Debug, Clone, Default)]
pub(super) struct ShowFold {
    next: u64,
    pub show: Option<Arc<Show>>,
    pub currency: SmolStr,
    bookings: HashMap<BookingId, BookingFold>,
    /// When it was last heard of, in events.
    heard: u64,
}

/// A live booking.
#[derive(Debug, Clone)]
struct BookingFold {
    user: SmolStr,
    seats: Arc<[SmolStr]>,
    amount: Option<Amount>,
}

impl ShowFold {
    /// A live booking; `None` where its stream never began one.
    pub fn booking(&self, id: &BookingId) -> Option<Booking> {
        let (booking, show) = (self.bookings.get(id)?, self.show.as_ref()?);
        Some(Booking {
            booking_id: id.as_str().into(),
            user_id: booking.user.clone(),
            seat_ids: Arc::clone(&booking.seats),
            amount: booking.amount.clone()?,
            show: Arc::clone(show),
        })
    }

    /// Every live booking, in the order of their ids.
    pub fn bookings(&self) -> Vec<Booking> {
        let mut bookings: Vec<Booking> = self.bookings.keys().filter_map(|id| self.booking(id)).collect();
        bookings.sort_by(|one, other| one.booking_id.cmp(&other.booking_id));
        bookings
    }

    /// Whether the event at a revision is the next one.
    fn at(&self, revision: u64) -> bool {
        self.next == revision
    }

    /// Applies the next event. One that this release cannot read changes nothing.
    fn apply(&mut self, event: &Recorded) {
        self.next = event.revision + 1;
        let Ok(Ok(event)) = event.event().map(<&ShowEvent>::try_from) else { return };
        match event {
            ShowEvent::Scheduled(scheduled) => {
                self.currency = scheduled.show.currency.as_str().into();
                self.show = Some(Arc::new(show(&scheduled.show)));
            }
            ShowEvent::Changed(change) => {
                if let Some(show) = &mut self.show {
                    changed(Arc::make_mut(show), change);
                }
            }
            ShowEvent::SeatsLocked(locked) => {
                let booking = BookingFold {
                    user: locked.user_id.as_str().into(),
                    seats: locked.seat_ids.iter().map(|seat| seat.as_str().into()).collect(),
                    amount: None,
                };
                self.bookings.insert(locked.booking_id.clone(), booking);
            }
            ShowEvent::PaymentPending(pending) => {
                if let Some(booking) = self.bookings.get_mut(&pending.booking_id) {
                    booking.amount = Some(Amount::from(&pending.pricing.amount()));
                }
            }
            ShowEvent::Failed(ended) => drop(self.bookings.remove(&ended.booking_id)),
            ShowEvent::Expired(ended) => drop(self.bookings.remove(&ended.booking_id)),
            ShowEvent::BookingCancelled(ended) => drop(self.bookings.remove(&ended.booking_id)),
            ShowEvent::Completed(ended) => drop(self.bookings.remove(&ended.booking_id)),
            ShowEvent::SeatsCancelled(cancelled) => {
                if let Some(booking) = self.bookings.get_mut(&cancelled.booking_id) {
                    let gone = |seat: &SmolStr| cancelled.seat_ids.iter().any(|gone| gone.as_str() == seat);
                    booking.seats = booking.seats.iter().filter(|seat| !gone(seat)).cloned().collect();
                    booking.amount = Some(Amount::from(&cancelled.pricing.amount()));
                }
            }
            ShowEvent::Confirmed(_)
            | ShowEvent::LockExtended(_)
            | ShowEvent::Cancelled(_)
            | ShowEvent::SeatsBlocked(_)
            | ShowEvent::SeatsReleased(_)
            | ShowEvent::TicketRedeemed(_) => {}
        }
    }
}

pub(super) fn show(details: &ShowDetails) -> Show {
    Show {
        show_id: details.show_id.as_str().into(),
        partner_id: details.partner_id.as_str().into(),
        theatre_id: details.theatre_id.as_str().into(),
        screen_id: details.screen_id.as_str().into(),
        city_id: details.city_id.as_str().into(),
        movie_id: details.movie_id.as_str().into(),
        start_time: details.start_time,
        end_time: details.end_time,
        timezone: details.timezone.clone(),
        language: details.language.clone(),
        format: details.format.clone(),
    }
}

pub(super) fn changed(show: &mut Show, change: &ShowChanged) {
    show.start_time = change.start_time.unwrap_or(show.start_time);
    show.end_time = change.end_time.unwrap_or(show.end_time);
    if let Some(language) = &change.language {
        show.language = language.clone();
    }
    if let Some(format) = &change.format {
        show.format = format.clone();
    }
}

/// The shows that messages are being told of.
#[derive(Debug, Default)]
pub(super) struct Shows {
    folds: HashMap<StreamName, ShowFold>,
    bookings: usize,
    heard: u64,
}

impl Shows {
    /// Takes note of a show's event, which comes next in the log.
    pub fn note(&mut self, event: &Recorded) {
        self.heard += 1;
        if event.revision == 0 {
            self.forget(&event.stream);
            self.folds.insert(event.stream.clone(), ShowFold::default());
        }
        let Some(fold) = self.folds.get_mut(&event.stream).filter(|fold| fold.at(event.revision)) else {
            return;
        };
        let before = fold.bookings.len();
        fold.apply(event);
        fold.heard = self.heard;
        self.bookings = self.bookings + fold.bookings.len() - before;
        if self.bookings > MOST_BOOKINGS || self.folds.len() > MOST_SHOWS {
            self.shrink();
        }
    }

    /// The show as it stood before an event; read from its stream where it is not in memory.
    pub async fn before(&mut self, store: &dyn EventStore, event: &Recorded) -> Result<&ShowFold, ReadError> {
        let known = self.folds.get(&event.stream).is_some_and(|fold| fold.at(event.revision));
        if !known {
            let fold = read(store, event).await?;
            self.forget(&event.stream);
            self.bookings += fold.bookings.len();
            self.folds.insert(event.stream.clone(), fold);
        }
        Ok(self.folds.entry(event.stream.clone()).or_default())
    }

    /// A show as it stands, where it is in memory.
    pub fn get(&self, stream: &StreamName) -> Option<&ShowFold> {
        self.folds.get(stream)
    }

    fn forget(&mut self, stream: &StreamName) {
        if let Some(fold) = self.folds.remove(stream) {
            self.bookings -= fold.bookings.len();
        }
    }

    /// Forgets the half that was not heard of for longest.
    fn shrink(&mut self) {
        let mut heard: Vec<u64> = self.folds.values().map(|fold| fold.heard).collect();
        let middle = heard.len() / 2;
        let (_, median, _) = heard.select_nth_unstable(middle);
        let median = *median;
        self.folds.retain(|_, fold| fold.heard > median);
        self.bookings = self.folds.values().map(|fold| fold.bookings.len()).sum();
    }
}

/// The fold of a stream's events before one of them.
async fn read(store: &dyn EventStore, event: &Recorded) -> Result<ShowFold, ReadError> {
    let mut fold = ShowFold::default();
    while fold.next < event.revision {
        let page = store.read_stream(event.stream.clone(), fold.next, PAGE).await?;
        if page.is_empty() {
            return Err(ReadError::Unavailable(format!("{} ends before {}", event.stream, event.revision)));
        }
        for before in page.iter().take_while(|before| before.revision < event.revision) {
            fold.apply(before);
        }
    }
    Ok(fold)
}
