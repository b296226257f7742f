//! Applies a page of events: folded in memory first, so that a booking that begins and is paid for within one page is
//! written once.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;

use marquee_domain::Event;
use marquee_domain::ids::{BookingId, RefundId, SeatId, ShowId};
use marquee_domain::payment::PaymentEvent;
use marquee_domain::show::{
    BookingSeatsCancelled, BookingStatus, SeatsLocked, ShowChanged, ShowDetails, ShowEvent,
};
use marquee_event_store::{Position, Recorded, StreamName};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::refunds::Refunds;
use super::rows::{self, Booking};
use super::{NAME, RefundStatus};
use crate::projector::{Parking, Poison};
use crate::views::ViewsError;

/// The numbers of shows that were looked up.
pub(super) type ShowNumbers = HashMap<ShowId, i64>;

/// Why a page was not written.
pub(super) enum Unwritten {
    /// A row was there that a sound log leaves no room for. Apply the page again, looking before each step.
    Clash,
    /// The file failed.
    Failed(ViewsError),
}

impl From<rusqlite::Error> for Unwritten {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Self::Clash,
            _ => Self::Failed(error.into()),
        }
    }
}

/// Why an event was not applied.
enum Trouble {
    Poison(Poison),
    Sqlite(rusqlite::Error),
}

impl From<Poison> for Trouble {
    fn from(poison: Poison) -> Self {
        Self::Poison(poison)
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// A booking that this page has touched.
struct Touched {
    show: i64,
    row: Booking,
    stored: bool,
}

/// A page as far as it has been applied, within a transaction.
pub(super) struct Batch<'a> {
    db: &'a Connection,
    shows: &'a mut ShowNumbers,
    parking: &'a mut Parking,
    /// Looks into the file before it relies on a place being free. A sound log never needs it: the keys of the tables
    /// tell when one is not sound, and then the page is applied again with care.
    careful: bool,
    touched: HashMap<BookingId, Touched>,
    taken: HashMap<(i64, SeatId), BookingId>,
    released: HashMap<(i64, SeatId), BookingId>,
}

impl<'a> Batch<'a> {
    pub fn new(
        db: &'a Connection,
        shows: &'a mut ShowNumbers,
        parking: &'a mut Parking,
        careful: bool,
    ) -> Self {
        let (touched, taken, released) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { db, shows, parking, careful, touched, taken, released }
    }

    /// Applies an event, or parks its stream.
    pub fn apply(&mut self, recorded: &Recorded) -> rusqlite::Result<()> {
        if self.parking.holds(&recorded.stream) {
            return Ok(());
        }
        let applied = if let Some(show) = recorded.stream.as_show() {
            self.show_event(&show, recorded)
        } else if let Some(booking) = recorded.stream.as_payment() {
            self.payment_event(&booking, recorded)
        } else {
            Ok(())
        };
        match applied {
            Ok(()) => Ok(()),
            Err(Trouble::Sqlite(error)) => Err(error),
            Err(Trouble::Poison(poison)) => {
                let parked = self.parking.park(NAME, recorded, &poison);
                self.db
                    .prepare_cached("INSERT INTO parked (stream, position, error) VALUES (?1, ?2, ?3)")?
                    .execute(params![parked.stream.as_str(), rows::stored(parked.position), parked.error])?;
                Ok(())
            }
        }
    }

    fn show_event(&mut self, show: &ShowId, recorded: &Recorded) -> Result<(), Trouble> {
        let event = match recorded.event().map_err(Poison::from)? {
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
            | Event::Customer(_) => return Err(Poison::WrongStream.into()),
        };
        let at = recorded.position;
        let number = self.number(show)?;
        if let ShowEvent::Scheduled(scheduled) = event {
            return if number.is_none() {
                self.schedule(show, &scheduled.show)
            } else {
                Err(Poison::AlreadyThere.into())
            };
        }
        let number = number.ok_or(Poison::UnknownShow)?;
        match event {
            // The inventory has bookings; who else keeps a seat is the seat map's, and who is in the show's own.
            ShowEvent::Scheduled(_)
            | ShowEvent::SeatsBlocked(_)
            | ShowEvent::SeatsReleased(_)
            | ShowEvent::TicketRedeemed(_) => Ok(()),
            ShowEvent::Changed(changed) => Ok(self.change(number, changed)?),
            ShowEvent::Cancelled(_) => {
                self.db
                    .prepare_cached("UPDATE shows SET cancelled = 1 WHERE show = ?1")?
                    .execute([number])?;
                Ok(())
            }
            ShowEvent::SeatsLocked(locked) => self.lock(show, number, locked, at),
            ShowEvent::PaymentPending(priced) => {
                let booking = self.booking_in(number, &priced.booking_id, &[BookingStatus::SeatsLocked])?;
                booking.pricing = Some(priced.pricing.clone());
                booking.go(BookingStatus::PaymentPending, at);
                Ok(())
            }
            ShowEvent::LockExtended(extended) => {
                let booking = self.booking_in(number, &extended.booking_id, PENDING)?;
                booking.expires_at = extended.expires_at;
                booking.position = at;
                Ok(())
            }
            ShowEvent::Confirmed(confirmed) => {
                let booking =
                    self.booking_in(number, &confirmed.booking_id, &[BookingStatus::PaymentPending])?;
                booking.confirmed_at = Some(confirmed.confirmed_at);
                booking.ticket_id = Some(confirmed.ticket_id.clone());
                booking.go(BookingStatus::Confirmed, at);
                Ok(())
            }
            ShowEvent::Failed(failed) => {
                self.release(number, &failed.booking_id, PENDING, BookingStatus::Failed, at)
            }
            ShowEvent::Expired(expired) => {
                self.release(number, &expired.booking_id, PENDING, BookingStatus::Expired, at)
            }
            ShowEvent::BookingCancelled(cancelled) => {
                self.release(number, &cancelled.booking_id, CANCELLABLE, BookingStatus::Cancelled, at)
            }
            ShowEvent::SeatsCancelled(cancelled) => {
                let booking = self.booking_in(number, &cancelled.booking_id, &[BookingStatus::Confirmed])?;
                booking.lose(cancelled, at)?;
                self.let_go(number, &cancelled.booking_id, cancelled.seat_ids.clone());
                Ok(())
            }
            ShowEvent::Completed(completed) => {
                let booking = self.booking_in(number, &completed.booking_id, &[BookingStatus::Confirmed])?;
                booking.go(BookingStatus::Completed, at);
                Ok(())
            }
        }
    }

    fn payment_event(&mut self, booking: &BookingId, recorded: &Recorded) -> Result<(), Trouble> {
        let event = match recorded.event().map_err(Poison::from)? {
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
            | Event::Customer(_) => return Err(Poison::WrongStream.into()),
        };
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
                row.position = recorded.position;
                Ok(())
            }
            PaymentEvent::RefundSucceeded(refund) => {
                self.refunded(booking, &refund.refund_id, RefundStatus::Succeeded, recorded.position)
            }
            PaymentEvent::RefundFailed(refund) => {
                self.refunded(booking, &refund.refund_id, RefundStatus::Failed, recorded.position)
            }
        }
    }

    fn refunded(
        &mut self,
        booking: &BookingId,
        id: &RefundId,
        to: RefundStatus,
        at: Position,
    ) -> Result<(), Trouble> {
        let Some(row) = self.paid_booking(booking)? else { return Ok(()) };
        row.refunds.end(id, to)?;
        row.position = at;
        Ok(())
    }

    /// The booking of a payment; `None` where the stream of its show is parked, so that it cannot be known.
    fn paid_booking(&mut self, id: &BookingId) -> Result<Option<&mut Booking>, Trouble> {
        let unknown = || Poison::UnknownBooking(id.to_string());
        let show = id.show().ok_or_else(unknown)?;
        let number = self.number(&show)?;
        let known = match number {
            Some(number) => self.find(number, id)?,
            None => false,
        };
        if !known {
            return if self.parking.holds(&StreamName::show(&show)) {
                Ok(None)
            } else {
                Err(unknown().into())
            };
        }
        Ok(self.touched.get_mut(id).map(|touched| &mut touched.row))
    }

    fn schedule(&mut self, id: &ShowId, show: &ShowDetails) -> Result<(), Trouble> {
        if show.show_id != *id {
            return Err(Poison::WrongStream.into());
        }
        let sql = "INSERT INTO shows (show_id, theatre_id, start_time, end_time, timezone, cancelled) \
            VALUES (?1, ?2, ?3, ?4, ?5, 0)";
        let row = params![
            id.as_str(),
            show.theatre_id.as_str(),
            show.start_time.as_millisecond(),
            show.end_time.as_millisecond(),
            show.timezone.as_str()
        ];
        let number = self.db.prepare_cached(sql)?.insert(row)?;
        self.shows.insert(id.clone(), number);
        Ok(())
    }

    fn change(&self, number: i64, changed: &ShowChanged) -> rusqlite::Result<()> {
        if let Some(start) = changed.start_time {
            let mut update = self.db.prepare_cached("UPDATE shows SET start_time = ?2 WHERE show = ?1")?;
            update.execute([number, start.as_millisecond()])?;
        }
        if let Some(end) = changed.end_time {
            let mut update = self.db.prepare_cached("UPDATE shows SET end_time = ?2 WHERE show = ?1")?;
            update.execute([number, end.as_millisecond()])?;
        }
        Ok(())
    }

    fn lock(
        &mut self,
        show: &ShowId,
        number: i64,
        locked: &SeatsLocked,
        at: Position,
    ) -> Result<(), Trouble> {
        let id = &locked.booking_id;
        if id.show().as_ref() != Some(show) {
            return Err(Poison::ForeignBooking(id.to_string()).into());
        }
        if self.touched.contains_key(id) || (self.careful && self.find(number, id)?) {
            return Err(Poison::AlreadyThere.into());
        }
        for seat in &locked.seat_ids {
            if let Some(holder) = self.holder(number, show, seat)? {
                return Err(
                    Poison::DoubleBooking { seat: seat.to_string(), holder: holder.to_string() }.into()
                );
            }
        }
        self.taken.extend(locked.seat_ids.iter().map(|seat| ((number, seat.clone()), id.clone())));
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
        self.touched.insert(id.clone(), Touched { show: number, row, stored: false });
        Ok(())
    }

    fn holder(&self, number: i64, show: &ShowId, seat: &SeatId) -> rusqlite::Result<Option<BookingId>> {
        let key = (number, seat.clone());
        if let Some(holder) = self.taken.get(&key) {
            return Ok(Some(holder.clone()));
        }
        if !self.careful || self.released.contains_key(&key) {
            return Ok(None);
        }
        let mut select = self.db.prepare_cached("SELECT booking FROM seats WHERE show = ?1 AND seat = ?2")?;
        let holder =
            select.query_row(params![number, seat.as_str()], |row| row.get::<_, String>(0)).optional()?;
        Ok(holder.map(|unique| BookingId::compose(show, &unique)))
    }

    fn release(
        &mut self,
        number: i64,
        id: &BookingId,
        from: &[BookingStatus],
        to: BookingStatus,
        at: Position,
    ) -> Result<(), Trouble> {
        let booking = self.booking_in(number, id, from)?;
        booking.go(to, at);
        let seats = booking.seat_ids.clone();
        self.let_go(number, id, seats);
        Ok(())
    }

    fn let_go(&mut self, number: i64, id: &BookingId, seats: Vec<SeatId>) {
        for seat in seats {
            match self.taken.entry((number, seat)) {
                MapEntry::Occupied(taken) if taken.get() == id => drop(taken.remove()),
                MapEntry::Occupied(_) => {}
                MapEntry::Vacant(stored) => drop(self.released.insert(stored.into_key(), id.clone())),
            }
        }
    }

    /// A booking of this show, in one of the states that an event may follow.
    fn booking_in(
        &mut self,
        show: i64,
        id: &BookingId,
        from: &[BookingStatus],
    ) -> Result<&mut Booking, Trouble> {
        self.find(show, id)?;
        let touched = self.touched.get_mut(id).filter(|touched| touched.show == show);
        let Touched { row, .. } = touched.ok_or_else(|| Poison::UnknownBooking(id.to_string()))?;
        if !from.contains(&row.status) {
            return Err(Poison::BadTransition { booking: id.to_string(), status: row.status.as_str() }.into());
        }
        Ok(row)
    }

    /// Brings a booking's row into memory; whether there is one.
    fn find(&mut self, show: i64, id: &BookingId) -> rusqlite::Result<bool> {
        if self.touched.contains_key(id) {
            return Ok(true);
        }
        let sql = format!("SELECT {} FROM bookings b WHERE b.show = ?1 AND b.booking = ?2", rows::COLUMNS);
        let mut select = self.db.prepare_cached(&sql)?;
        let row = select.query_row(params![show, id.unique()], |row| Booking::read(row, 0)).optional()?;
        let found = row.is_some();
        self.touched.extend(row.map(|row| (id.clone(), Touched { show, row, stored: true })));
        Ok(found)
    }

    fn number(&mut self, show: &ShowId) -> rusqlite::Result<Option<i64>> {
        if let Some(number) = self.shows.get(show) {
            return Ok(Some(*number));
        }
        let mut select = self.db.prepare_cached("SELECT show FROM shows WHERE show_id = ?1")?;
        let number = select.query_row([show.as_str()], |row| row.get(0)).optional()?;
        self.shows.extend(number.map(|number| (show.clone(), number)));
        Ok(number)
    }

    /// Writes what the page came to. Seats are let go before others take them.
    pub fn write(self) -> rusqlite::Result<()> {
        let mut delete =
            self.db.prepare_cached("DELETE FROM seats WHERE show = ?1 AND seat = ?2 AND booking = ?3")?;
        for ((show, seat), holder) in &self.released {
            delete.execute(params![show, seat.as_str(), holder.unique()])?;
        }
        // In the order of the keys, so that neighbours are written together.
        let mut taken: Vec<_> = self.taken.iter().collect();
        taken.sort_unstable_by_key(|(key, _)| *key);
        let mut insert =
            self.db.prepare_cached("INSERT INTO seats (show, seat, booking) VALUES (?1, ?2, ?3)")?;
        for ((show, seat), holder) in taken {
            insert.execute(params![show, seat.as_str(), holder.unique()])?;
        }
        let mut touched: Vec<_> = self.touched.iter().collect();
        touched.sort_unstable_by_key(|(id, touched)| (id.unique(), touched.show));
        let (mut insert, mut update) =
            (self.db.prepare_cached(rows::INSERT)?, self.db.prepare_cached(rows::UPDATE)?);
        for (id, Touched { show, row, stored }) in touched {
            if *stored {
                row.update(&mut update, *show, id.unique())?;
            } else {
                row.insert(&mut insert, *show, id.unique())?;
            }
        }
        Ok(())
    }
}

const PENDING: &[BookingStatus] = &[BookingStatus::SeatsLocked, BookingStatus::PaymentPending];
const CANCELLABLE: &[BookingStatus] =
    &[BookingStatus::SeatsLocked, BookingStatus::PaymentPending, BookingStatus::Confirmed];

impl Booking {
    pub(super) fn go(&mut self, to: BookingStatus, at: Position) {
        self.status = to;
        self.position = at;
    }

    /// Loses some of its seats, but not all.
    pub(super) fn lose(&mut self, cancelled: &BookingSeatsCancelled, at: Position) -> Result<(), Poison> {
        let left = self.seat_ids.iter().filter(|seat| !cancelled.seat_ids.contains(seat));
        let left: Vec<SeatId> = left.cloned().collect();
        if left.is_empty() || left.len() + cancelled.seat_ids.len() != self.seat_ids.len() {
            return Err(Poison::NothingToChange);
        }
        (self.seat_ids, self.pricing) = (left, Some(cancelled.pricing.clone()));
        self.position = at;
        Ok(())
    }
}
