//! What a page of events comes to. Pure: the rows that the page may touch are at hand before it is folded, so that it
//! costs a few statements however long it is.

use std::collections::{BTreeMap, HashMap, HashSet};

use marquee_domain::Event;
use marquee_domain::ids::{BookingId, RefundId, SeatId, ShowId};
use marquee_domain::payment::PaymentEvent;
use marquee_domain::show::{BookingStatus, SeatsLocked, ShowDetails, ShowEvent};
use marquee_event_store::{Position, Recorded, StreamName};

use super::super::refunds::Refunds;
use super::super::rows::Booking;
use super::super::{NAME, RefundStatus};
use crate::projector::{Parking, Poison};
use crate::status::ParkedStream;

/// A seat of a show.
pub(super) type Place = (ShowId, SeatId);

/// The rows that a page may touch.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub shows: HashSet<ShowId>,
    pub bookings: HashSet<BookingId>,
    /// Only where the page is applied with care.
    pub seats: HashSet<Place>,
}

impl Wanted {
    /// What a page may touch. With care, also what a sound log leaves no room for.
    pub fn of<'a>(page: impl IntoIterator<Item = &'a Recorded>, careful: bool) -> Self {
        let mut wanted = Self::default();
        let mut begun = HashSet::new();
        for recorded in page {
            if let Some(show) = recorded.stream.as_show() {
                if let Ok(Event::Show(event)) = recorded.event() {
                    wanted.show_event(&show, event, &mut begun, careful);
                }
                wanted.shows.insert(show);
            } else if let Some(booking) = recorded.stream.as_payment()
                && let Ok(Event::Payment(event)) = recorded.event()
                && is_refund(event)
            {
                wanted.shows.extend(booking.show());
                wanted.bookings.insert(booking);
            }
        }
        wanted
    }

    fn show_event<'a>(
        &mut self,
        show: &ShowId,
        event: &'a ShowEvent,
        begun: &mut HashSet<&'a BookingId>,
        careful: bool,
    ) {
        let booking = match event {
            ShowEvent::Scheduled(_)
            | ShowEvent::Changed(_)
            | ShowEvent::Cancelled(_)
            | ShowEvent::SeatsBlocked(_)
            | ShowEvent::SeatsReleased(_)
            | ShowEvent::TicketRedeemed(_) => return,
            ShowEvent::SeatsLocked(locked) => {
                if careful {
                    self.seats.extend(locked.seat_ids.iter().map(|seat| (show.clone(), seat.clone())));
                    self.bookings.insert(locked.booking_id.clone());
                }
                begun.insert(&locked.booking_id);
                return;
            }
            ShowEvent::PaymentPending(event) => &event.booking_id,
            ShowEvent::LockExtended(event) => &event.booking_id,
            ShowEvent::Confirmed(event) => &event.booking_id,
            ShowEvent::Failed(event) => &event.booking_id,
            ShowEvent::Expired(event) => &event.booking_id,
            ShowEvent::BookingCancelled(event) => &event.booking_id,
            ShowEvent::SeatsCancelled(event) => &event.booking_id,
            ShowEvent::Completed(event) => &event.booking_id,
        };
        if !begun.contains(booking) {
            self.bookings.insert(booking.clone());
        }
    }
}

fn is_refund(event: &PaymentEvent) -> bool {
    match event {
        PaymentEvent::RefundRequested(_)
        | PaymentEvent::RefundSucceeded(_)
        | PaymentEvent::RefundFailed(_) => true,
        PaymentEvent::Initiated(_)
        | PaymentEvent::IntentCreated(_)
        | PaymentEvent::Succeeded(_)
        | PaymentEvent::Failed(_)
        | PaymentEvent::Mismatched(_)
        | PaymentEvent::Unmatched(_) => false,
    }
}

/// The rows that were there of what a page wants.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub bookings: HashMap<BookingId, Booking>,
    pub holders: HashMap<Place, BookingId>,
}

/// A show that this page has scheduled.
#[derive(Debug)]
pub(super) struct NewShow {
    pub theatre_id: String,
    pub start_time: i64,
    pub end_time: i64,
    pub timezone: String,
    pub cancelled: bool,
}

/// What this page changes of a show that was there.
#[derive(Debug, Default)]
pub(super) struct ShowEdit {
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    pub cancelled: bool,
}

/// A booking that this page has touched.
#[derive(Debug)]
pub(super) struct Touched {
    pub show: ShowId,
    pub row: Booking,
    pub stored: bool,
}

/// A page as far as it has been folded.
pub(super) struct Fold<'a> {
    shows: &'a HashSet<ShowId>,
    stored: Stored,
    parking: &'a mut Parking,
    pub parked: Vec<ParkedStream>,
    pub scheduled: BTreeMap<ShowId, NewShow>,
    pub edited: BTreeMap<ShowId, ShowEdit>,
    pub touched: BTreeMap<BookingId, Touched>,
    pub taken: BTreeMap<Place, BookingId>,
    pub released: BTreeMap<Place, BookingId>,
}

impl<'a> Fold<'a> {
    /// Begins with the shows that are known and the rows that were there.
    pub fn new(shows: &'a HashSet<ShowId>, stored: Stored, parking: &'a mut Parking) -> Self {
        Self {
            shows,
            stored,
            parking,
            parked: vec![],
            scheduled: BTreeMap::new(),
            edited: BTreeMap::new(),
            touched: BTreeMap::new(),
            taken: BTreeMap::new(),
            released: BTreeMap::new(),
        }
    }

    /// Applies an event, or parks its stream.
    pub fn apply(&mut self, recorded: &Recorded) {
        if self.parking.holds(&recorded.stream) {
            return;
        }
        let applied = if let Some(show) = recorded.stream.as_show() {
            self.show_event(&show, recorded)
        } else if let Some(booking) = recorded.stream.as_payment() {
            self.payment_event(&booking, recorded)
        } else {
            Ok(())
        };
        if let Err(poison) = applied {
            self.park(recorded, &poison);
        }
    }

    /// Parks the stream of an event.
    pub fn park(&mut self, recorded: &Recorded, poison: &Poison) {
        let parked = self.parking.park(NAME, recorded, poison).clone();
        self.parked.push(parked);
    }

    fn show_event(&mut self, show: &ShowId, recorded: &Recorded) -> Result<(), Poison> {
        let event = match recorded.event()? {
            Event::Show(event) => event,
            Event::Payment(_)
            | Event::City(_)
            | Event::Movie(_)
            | Event::Partner(_)
            | Event::Theatre(_)
            | Event::Schedule(_)
            | Event::Offer(_)
            | Event::Policy(_)
            | Event::Redemption(_)
            | Event::Customer(_) => return Err(Poison::WrongStream),
        };
        let at = recorded.position;
        if let ShowEvent::Scheduled(scheduled) = event {
            return self.schedule(show, &scheduled.show);
        }
        if !self.knows(show) {
            return Err(Poison::UnknownShow);
        }
        match event {
            // The inventory has bookings; who else keeps a seat is the seat map's, and who is in the show's own.
            ShowEvent::Scheduled(_)
            | ShowEvent::SeatsBlocked(_)
            | ShowEvent::SeatsReleased(_)
            | ShowEvent::TicketRedeemed(_) => {}
            ShowEvent::Changed(changed) => {
                let (start, end) = (changed.start_time, changed.end_time);
                self.reschedule(show, start.map(millis), end.map(millis));
            }
            ShowEvent::Cancelled(_) => match self.scheduled.get_mut(show) {
                Some(new) => new.cancelled = true,
                None => self.edited.entry(show.clone()).or_default().cancelled = true,
            },
            ShowEvent::SeatsLocked(locked) => self.lock(show, locked, at)?,
            ShowEvent::PaymentPending(priced) => {
                let booking = self.booking_in(show, &priced.booking_id, &[BookingStatus::SeatsLocked])?;
                booking.pricing = Some(priced.pricing.clone());
                booking.go(BookingStatus::PaymentPending, at);
            }
            ShowEvent::LockExtended(extended) => {
                let booking = self.booking_in(show, &extended.booking_id, PENDING)?;
                booking.expires_at = extended.expires_at;
                booking.position = at;
            }
            ShowEvent::Confirmed(confirmed) => {
                let booking =
                    self.booking_in(show, &confirmed.booking_id, &[BookingStatus::PaymentPending])?;
                booking.confirmed_at = Some(confirmed.confirmed_at);
                booking.ticket_id = Some(confirmed.ticket_id.clone());
                booking.go(BookingStatus::Confirmed, at);
            }
            ShowEvent::Failed(failed) => {
                self.release(show, &failed.booking_id, PENDING, BookingStatus::Failed, at)?;
            }
            ShowEvent::Expired(expired) => {
                self.release(show, &expired.booking_id, PENDING, BookingStatus::Expired, at)?;
            }
            ShowEvent::BookingCancelled(cancelled) => {
                self.release(show, &cancelled.booking_id, CANCELLABLE, BookingStatus::Cancelled, at)?;
            }
            ShowEvent::SeatsCancelled(cancelled) => {
                let booking = self.booking_in(show, &cancelled.booking_id, &[BookingStatus::Confirmed])?;
                booking.lose(cancelled, at)?;
                self.let_go(show, &cancelled.booking_id, cancelled.seat_ids.clone());
            }
            ShowEvent::Completed(completed) => {
                let booking = self.booking_in(show, &completed.booking_id, &[BookingStatus::Confirmed])?;
                booking.go(BookingStatus::Completed, at);
            }
        }
        Ok(())
    }

    fn payment_event(&mut self, booking: &BookingId, recorded: &Recorded) -> Result<(), Poison> {
        let event = match recorded.event()? {
            Event::Payment(event) => event,
            Event::Show(_)
            | Event::City(_)
            | Event::Movie(_)
            | Event::Partner(_)
            | Event::Theatre(_)
            | Event::Schedule(_)
            | Event::Offer(_)
            | Event::Policy(_)
            | Event::Redemption(_)
            | Event::Customer(_) => return Err(Poison::WrongStream),
        };
        let at = recorded.position;
        match event {
            PaymentEvent::Initiated(_)
            | PaymentEvent::IntentCreated(_)
            | PaymentEvent::Succeeded(_)
            | PaymentEvent::Failed(_)
            | PaymentEvent::Mismatched(_)
            | PaymentEvent::Unmatched(_) => Ok(()),
            PaymentEvent::RefundRequested(requested) => {
                let Some(row) = self.paid_booking(booking)? else { return Ok(()) };
                row.refunds.begin(requested);
                row.position = at;
                Ok(())
            }
            PaymentEvent::RefundSucceeded(refund) => {
                self.refunded(booking, &refund.refund_id, RefundStatus::Succeeded, at)
            }
            PaymentEvent::RefundFailed(refund) => {
                self.refunded(booking, &refund.refund_id, RefundStatus::Failed, at)
            }
        }
    }

    fn refunded(
        &mut self,
        booking: &BookingId,
        id: &RefundId,
        to: RefundStatus,
        at: Position,
    ) -> Result<(), Poison> {
        let Some(row) = self.paid_booking(booking)? else { return Ok(()) };
        row.refunds.end(id, to)?;
        row.position = at;
        Ok(())
    }

    /// The booking of a payment; `None` where the stream of its show is parked, so that it cannot be known.
    fn paid_booking(&mut self, id: &BookingId) -> Result<Option<&mut Booking>, Poison> {
        let unknown = || Poison::UnknownBooking(id.to_string());
        let show = id.show().ok_or_else(unknown)?;
        if self.knows(&show) && self.find(id) {
            return Ok(self.touched.get_mut(id).map(|touched| &mut touched.row));
        }
        if self.parking.holds(&StreamName::show(&show)) { Ok(None) } else { Err(unknown()) }
    }

    fn knows(&self, show: &ShowId) -> bool {
        self.shows.contains(show) || self.scheduled.contains_key(show)
    }

    fn schedule(&mut self, id: &ShowId, show: &ShowDetails) -> Result<(), Poison> {
        if self.knows(id) {
            return Err(Poison::AlreadyThere);
        }
        if show.show_id != *id {
            return Err(Poison::WrongStream);
        }
        let new = NewShow {
            theatre_id: show.theatre_id.to_string(),
            start_time: show.start_time.as_millisecond(),
            end_time: show.end_time.as_millisecond(),
            timezone: show.timezone.to_string(),
            cancelled: false,
        };
        self.scheduled.insert(id.clone(), new);
        Ok(())
    }

    fn reschedule(&mut self, show: &ShowId, start: Option<i64>, end: Option<i64>) {
        if let Some(new) = self.scheduled.get_mut(show) {
            new.start_time = start.unwrap_or(new.start_time);
            new.end_time = end.unwrap_or(new.end_time);
        } else if start.is_some() || end.is_some() {
            let edit = self.edited.entry(show.clone()).or_default();
            edit.start_time = start.or(edit.start_time);
            edit.end_time = end.or(edit.end_time);
        }
    }

    fn lock(&mut self, show: &ShowId, locked: &SeatsLocked, at: Position) -> Result<(), Poison> {
        let id = &locked.booking_id;
        if id.show().as_ref() != Some(show) {
            return Err(Poison::ForeignBooking(id.to_string()));
        }
        if self.touched.contains_key(id) || self.stored.bookings.contains_key(id) {
            return Err(Poison::AlreadyThere);
        }
        let places: Vec<Place> = locked.seat_ids.iter().map(|seat| (show.clone(), seat.clone())).collect();
        if let Some((place, holder)) = places.iter().find_map(|place| Some((place, self.holder(place)?))) {
            return Err(Poison::DoubleBooking { seat: place.1.to_string(), holder: holder.to_string() });
        }
        self.taken.extend(places.into_iter().map(|place| (place, id.clone())));
        let row = Booking {
            user_id: locked.user_id.clone(),
            began: at,
            position: at,
            status: BookingStatus::SeatsLocked,
            seat_ids: locked.seat_ids.clone(),
            expires_at: locked.expires_at,
            pricing: None,
            confirmed_at: None,
            ticket_id: None,
            refunds: Refunds::default(),
        };
        self.touched.insert(id.clone(), Touched { show: show.clone(), row, stored: false });
        Ok(())
    }

    fn holder(&self, place: &Place) -> Option<&BookingId> {
        let stored = || self.stored.holders.get(place).filter(|_| !self.released.contains_key(place));
        self.taken.get(place).or_else(stored)
    }

    fn release(
        &mut self,
        show: &ShowId,
        id: &BookingId,
        from: &[BookingStatus],
        to: BookingStatus,
        at: Position,
    ) -> Result<(), Poison> {
        let booking = self.booking_in(show, id, from)?;
        booking.go(to, at);
        let seats = booking.seat_ids.clone();
        self.let_go(show, id, seats);
        Ok(())
    }

    fn let_go(&mut self, show: &ShowId, id: &BookingId, seats: Vec<SeatId>) {
        for seat in seats {
            let place = (show.clone(), seat);
            match self.taken.get(&place) {
                Some(holder) if holder == id => drop(self.taken.remove(&place)),
                Some(_) => {}
                None => drop(self.released.insert(place, id.clone())),
            }
        }
    }

    /// A booking of this show, in one of the states that an event may follow.
    fn booking_in(
        &mut self,
        show: &ShowId,
        id: &BookingId,
        from: &[BookingStatus],
    ) -> Result<&mut Booking, Poison> {
        let unknown = || Poison::UnknownBooking(id.to_string());
        if id.show().as_ref() != Some(show) || !self.find(id) {
            return Err(unknown());
        }
        let Touched { row, .. } = self.touched.get_mut(id).ok_or_else(unknown)?;
        if !from.contains(&row.status) {
            return Err(Poison::BadTransition { booking: id.to_string(), status: row.status.as_str() });
        }
        Ok(row)
    }

    fn find(&mut self, id: &BookingId) -> bool {
        if self.touched.contains_key(id) {
            return true;
        }
        let (Some(show), Some(row)) = (id.show(), self.stored.bookings.remove(id)) else { return false };
        self.touched.insert(id.clone(), Touched { show, row, stored: true });
        true
    }
}

const PENDING: &[BookingStatus] = &[BookingStatus::SeatsLocked, BookingStatus::PaymentPending];
const CANCELLABLE: &[BookingStatus] =
    &[BookingStatus::SeatsLocked, BookingStatus::PaymentPending, BookingStatus::Confirmed];

fn millis(instant: jiff::Timestamp) -> i64 {
    instant.as_millisecond()
}
