//! The seats of one show.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use jiff::Timestamp;
use marquee_domain::ids::{BookingId, SeatId, ShowId};
use marquee_domain::show::{BookingStatus, SeatsLocked, ShowDetails, ShowEvent};
use marquee_event_store::Position;
use serde::{Deserialize, Serialize};

use super::template::{SeatState, Template};
use super::{Availability, AvailabilityStatus, RenderedSeatMap, SeatSnapshot, SeatStatus};
use crate::projector::Poison;

/// A show's seats, and their JSON for as long as it holds.
///
/// The seats are copied when they change while somebody still holds them as they were: a snapshot is taken of all boards at
/// one position for the price of a pointer each.
pub(super) struct Board {
    seats: Mutex<Arc<Seats>>,
    rendered: ArcSwapOption<Rendered>,
}

struct Rendered {
    map: RenderedSeatMap,
    /// The first lock in it ends then, in milliseconds.
    holds_until: i64,
}

/// A seat's lock; [`FREE`] and [`SOLD`] are its two ends, so that one comparison tells whether it can be booked.
#[derive(Debug, Clone, Copy, Serialize)]
struct Seat {
    until: i64,
    /// The number of the booking that owns it, where one does.
    owner: u32,
}

const FREE: i64 = i64::MIN;
const SOLD: i64 = i64::MAX;
const NOBODY: u32 = 0;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Holding {
    number: u32,
    status: BookingStatus,
    seats: Vec<u32>,
}

/// The seats of a show at a position.
#[derive(Clone)]
pub(super) struct Seats {
    show: Arc<ShowDetails>,
    cancelled: bool,
    position: Position,
    /// Made by the first reader.
    template: OnceLock<Arc<Template>>,
    index: Arc<HashMap<SeatId, u32>>,
    states: Vec<Seat>,
    /// Bookings that own seats. What has ended is forgotten.
    holdings: HashMap<BookingId, Holding>,
    last_number: u32,
}

/// A board in a snapshot. The states of its seats follow from who holds them.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedBoard {
    show: Arc<ShowDetails>,
    cancelled: bool,
    position: Position,
    last_number: u32,
    holdings: Vec<SavedHolding>,
}

#[derive(Serialize, Deserialize)]
struct SavedHolding {
    booking: BookingId,
    until: i64,
    holding: Holding,
}

impl SavedBoard {
    pub fn show_id(&self) -> &ShowId {
        &self.show.show_id
    }
}

impl Board {
    pub fn new(show: ShowDetails, position: Position) -> Self {
        Self::of(Seats::new(Arc::new(show), position))
    }

    /// A board as it was written down; `None` where a booking holds a seat that the show does not have.
    pub fn restore(saved: SavedBoard) -> Option<Self> {
        let SavedBoard { show, cancelled, position, last_number, holdings } = saved;
        let mut seats = Seats { cancelled, last_number, ..Seats::new(show, position) };
        for SavedHolding { booking, until, holding } in holdings {
            for seat in &holding.seats {
                *seats.states.get_mut(*seat as usize)? = Seat { until, owner: holding.number };
            }
            seats.holdings.insert(booking, holding);
        }
        Some(Self::of(seats))
    }

    fn of(seats: Seats) -> Self {
        Self { seats: Mutex::new(Arc::new(seats)), rendered: ArcSwapOption::empty() }
    }

    fn seats(&self) -> MutexGuard<'_, Arc<Seats>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies one fact. A poison one leaves all as it was.
    pub fn apply(&self, event: &ShowEvent, at: Position) -> Result<(), Poison> {
        let mut shared = self.seats();
        let seats = Arc::make_mut(&mut shared);
        seats.apply(event)?;
        seats.position = at;
        // Within the lock, so that a rendering of the seats as they were is never stored after this.
        self.rendered.store(None);
        Ok(())
    }

    pub fn position(&self) -> Position {
        self.seats().position
    }

    pub fn end_time(&self) -> Timestamp {
        self.seats().show.end_time
    }

    /// The seats as they are now, whatever happens to the board.
    pub fn capture(&self) -> Arc<Seats> {
        Arc::clone(&self.seats())
    }

    pub fn rendered(&self, now: Timestamp) -> RenderedSeatMap {
        let now = now.as_millisecond();
        let still_holds = |rendered: &Arc<Rendered>| now < rendered.holds_until;
        if let Some(rendered) = self.rendered.load().as_ref().filter(|rendered| still_holds(rendered)) {
            return rendered.map.clone();
        }
        let seats = self.seats();
        if let Some(rendered) = self.rendered.load().as_ref().filter(|rendered| still_holds(rendered)) {
            return rendered.map.clone();
        }
        let template = seats.template.get_or_init(|| Arc::new(Template::new(&seats.show)));
        let body = Bytes::from(template.render(seats.states.iter().map(|seat| seat.state(now))));
        let map = RenderedSeatMap { body, position: seats.position };
        let rendered = Rendered { map: map.clone(), holds_until: seats.next_expiry(now) };
        self.rendered.store(Some(Arc::new(rendered)));
        map
    }

    pub fn availability(&self, now: Timestamp) -> Availability {
        let now = now.as_millisecond();
        let seats = self.seats();
        let free = seats.states.iter().filter(|seat| seat.until <= now).count();
        let count = |seats: usize| u32::try_from(seats).unwrap_or(u32::MAX);
        Availability::of(count(free), count(seats.states.len()))
    }

    pub fn snapshot(&self, now: Timestamp) -> SeatSnapshot {
        let now = now.as_millisecond();
        let seats = self.seats();
        let ids = seats.show.rows.iter().flat_map(|row| &row.seats).map(|seat| seat.seat_id.clone());
        let states = seats.states.iter().map(|seat| match seat.state(now) {
            SeatState::Free => SeatStatus::Available,
            SeatState::Locked(until) => {
                SeatStatus::Locked { until: Timestamp::from_millisecond(until).unwrap_or(Timestamp::MAX) }
            }
            SeatState::Sold => SeatStatus::Sold,
        });
        let next = Some(seats.next_expiry(now)).filter(|next| *next != SOLD);
        SeatSnapshot {
            position: seats.position,
            seats: ids.zip(states).collect(),
            timezone: seats.show.timezone.clone(),
            next_expiry: next.and_then(|next| Timestamp::from_millisecond(next).ok()),
        }
    }

    /// What it holds, in an order that the log alone decides.
    pub fn content(&self) -> impl Serialize {
        let seats = self.seats();
        let mut holdings: Vec<_> =
            seats.holdings.iter().map(|(id, holding)| (id.clone(), holding.clone())).collect();
        holdings.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        (Arc::clone(&seats.show), seats.cancelled, seats.position, seats.states.clone(), holdings)
    }
}

impl Availability {
    /// At most a fifth of the seats left is fast filling.
    fn of(available_seats: u32, total: u32) -> Self {
        let status = match available_seats {
            0 => AvailabilityStatus::SoldOut,
            some if u64::from(some) * 5 <= u64::from(total) => AvailabilityStatus::FastFilling,
            _ => AvailabilityStatus::Available,
        };
        Self { available_seats, total, status }
    }
}

impl Seat {
    fn state(self, now: i64) -> SeatState {
        match self.until {
            SOLD => SeatState::Sold,
            until if until <= now => SeatState::Free,
            until => SeatState::Locked(until),
        }
    }
}

const PENDING: &[BookingStatus] = &[BookingStatus::SeatsLocked, BookingStatus::PaymentPending];
const CANCELLABLE: &[BookingStatus] =
    &[BookingStatus::SeatsLocked, BookingStatus::PaymentPending, BookingStatus::Confirmed];

impl Seats {
    fn new(show: Arc<ShowDetails>, position: Position) -> Self {
        let ids = show.rows.iter().flat_map(|row| &row.seats).map(|seat| seat.seat_id.clone());
        let index: HashMap<SeatId, u32> = ids.zip(0..).collect();
        let count = show.rows.iter().map(|row| row.seats.len()).sum();
        Self {
            show,
            cancelled: false,
            position,
            template: OnceLock::new(),
            index: Arc::new(index),
            states: vec![Seat { until: FREE, owner: NOBODY }; count],
            holdings: HashMap::new(),
            last_number: NOBODY,
        }
    }

    /// What is written down of it.
    pub fn saved(&self) -> SavedBoard {
        let until = |holding: &Holding| {
            let first = holding.seats.first().and_then(|seat| self.states.get(*seat as usize));
            first.map_or(FREE, |seat| seat.until)
        };
        let holdings = self.holdings.iter().map(|(booking, holding)| SavedHolding {
            booking: booking.clone(),
            until: until(holding),
            holding: holding.clone(),
        });
        SavedBoard {
            show: Arc::clone(&self.show),
            cancelled: self.cancelled,
            position: self.position,
            last_number: self.last_number,
            holdings: holdings.collect(),
        }
    }

    fn apply(&mut self, event: &ShowEvent) -> Result<(), Poison> {
        match event {
            ShowEvent::Scheduled(_) => Err(Poison::AlreadyThere),
            ShowEvent::Changed(changed) => {
                Arc::make_mut(&mut self.show).change(changed);
                self.template = OnceLock::new();
                Ok(())
            }
            ShowEvent::Cancelled(_) => {
                self.cancelled = true;
                Ok(())
            }
            ShowEvent::SeatsLocked(locked) => self.lock(locked),
            ShowEvent::PaymentPending(priced) => {
                let holding = self.holding(&priced.booking_id, &[BookingStatus::SeatsLocked])?;
                holding.status = BookingStatus::PaymentPending;
                Ok(())
            }
            ShowEvent::Confirmed(confirmed) => {
                let holding = self.holding(&confirmed.booking_id, &[BookingStatus::PaymentPending])?;
                holding.status = BookingStatus::Confirmed;
                for seat in holding.seats.clone() {
                    self.states[seat as usize].until = SOLD;
                }
                Ok(())
            }
            ShowEvent::Failed(failed) => self.release(&failed.booking_id, PENDING),
            ShowEvent::Expired(expired) => self.release(&expired.booking_id, PENDING),
            ShowEvent::BookingCancelled(cancelled) => self.release(&cancelled.booking_id, CANCELLABLE),
            ShowEvent::Completed(completed) => {
                let holding = self.holding(&completed.booking_id, &[BookingStatus::Confirmed])?;
                holding.status = BookingStatus::Completed;
                Ok(())
            }
        }
    }

    fn lock(&mut self, locked: &SeatsLocked) -> Result<(), Poison> {
        let id = &locked.booking_id;
        if id.show().as_ref() != Some(&self.show.show_id) {
            return Err(Poison::ForeignBooking(id.to_string()));
        }
        if self.holdings.contains_key(id) {
            return Err(Poison::AlreadyThere);
        }
        let mut seats = Vec::with_capacity(locked.seat_ids.len());
        for seat in &locked.seat_ids {
            let index = *self.index.get(seat).ok_or_else(|| Poison::UnknownSeat(seat.to_string()))?;
            let owner = self.states[index as usize].owner;
            if owner != NOBODY {
                let holder = self.holdings.iter().find(|(_, holding)| holding.number == owner);
                let holder = holder.map(|(id, _)| id.to_string()).unwrap_or_default();
                return Err(Poison::DoubleBooking { seat: seat.to_string(), holder });
            }
            seats.push(index);
        }
        self.last_number += 1;
        let until = locked.expires_at.as_millisecond();
        for seat in &seats {
            self.states[*seat as usize] = Seat { until, owner: self.last_number };
        }
        let holding = Holding { number: self.last_number, status: BookingStatus::SeatsLocked, seats };
        self.holdings.insert(id.clone(), holding);
        Ok(())
    }

    fn release(&mut self, id: &BookingId, from: &[BookingStatus]) -> Result<(), Poison> {
        let seats = std::mem::take(&mut self.holding(id, from)?.seats);
        for seat in seats {
            self.states[seat as usize] = Seat { until: FREE, owner: NOBODY };
        }
        self.holdings.remove(id);
        Ok(())
    }

    fn holding(&mut self, id: &BookingId, from: &[BookingStatus]) -> Result<&mut Holding, Poison> {
        let holding = self.holdings.get_mut(id).ok_or_else(|| Poison::UnknownBooking(id.to_string()))?;
        if !from.contains(&holding.status) {
            return Err(Poison::BadTransition { booking: id.to_string(), status: holding.status.as_str() });
        }
        Ok(holding)
    }

    /// When the first lock ends, in milliseconds; [`SOLD`] where there is none.
    fn next_expiry(&self, now: i64) -> i64 {
        self.states.iter().map(|seat| seat.until).filter(|until| *until > now).min().unwrap_or(SOLD)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use marquee_domain::money::Currency;
    use marquee_domain::show::ShowCancelled;
    use marquee_domain::theatre::{LayoutRow, LayoutSeat, SeatType};

    use super::*;

    fn show() -> ShowDetails {
        let seat = |seat: &str| LayoutSeat { seat_id: seat.into(), seat_type: SeatType::Regular };
        ShowDetails {
            show_id: "sh_1".into(),
            partner_id: "p_1".into(),
            theatre_id: "th_1".into(),
            city_id: "blr".into(),
            timezone: "Asia/Kolkata".into(),
            screen_id: "sc_1".into(),
            screen_name: "Screen 1".into(),
            movie_id: "mv_1".into(),
            start_time: Timestamp::UNIX_EPOCH,
            end_time: Timestamp::UNIX_EPOCH,
            language: "en".into(),
            format: "2D".into(),
            currency: Currency::inr(),
            prices: BTreeMap::new(),
            rows: vec![LayoutRow { row_label: "A".into(), seats: vec![seat("A1"), seat("A2")] }],
        }
    }

    fn text(board: &Board) -> String {
        serde_json::to_string(&board.content()).unwrap()
    }

    #[test]
    fn what_was_captured_stays_while_the_board_goes_on() {
        let board = Board::new(show(), Position(1));
        let (before, captured) = (text(&board), board.capture());
        board.apply(&ShowCancelled::default().into(), Position(2)).unwrap();
        let restored = Board::restore(captured.saved()).unwrap();
        assert_eq!(text(&restored), before);
        assert_ne!(text(&board), before);
    }

    #[test]
    fn a_booking_of_a_seat_that_the_show_does_not_have_is_no_board() {
        let mut saved = Board::new(show(), Position(1)).capture().saved();
        let holding = Holding { number: 1, status: BookingStatus::Confirmed, seats: vec![2] };
        let booking = BookingId::compose(&"sh_1".into(), "01");
        saved.holdings.push(SavedHolding { booking, until: SOLD, holding });
        assert!(Board::restore(saved).is_none());
    }
}
