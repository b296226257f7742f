//! The seats of one show, folded from its events.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use marquee_domain::ids::{BookingId, SeatId, ShowId};
use marquee_domain::show::{BookingSeatsCancelled, BookingStatus, SeatsLocked, ShowDetails, ShowEvent};
use marquee_event_store::Position;
use serde::{Deserialize, Serialize};

use super::template::{SeatState, Template};
use crate::projector::Poison;

/// A seat's lock; [`FREE`] and [`SOLD`] are its two ends, so that one comparison tells whether it can be booked.
#[derive(Debug, Clone, Copy, Serialize)]
struct Seat {
    until: i64,
    /// The number of the booking that owns it, where one does.
    owner: u32,
}

const FREE: i64 = i64::MIN;
const SOLD: i64 = i64::MAX;
/// The end of the first lock, where there is none.
pub(super) const NEVER: i64 = SOLD;
const NOBODY: u32 = 0;
/// Owns the seats that are blocked: they look sold to whoever compares times. No booking has this number.
const HOUSE: u32 = u32::MAX;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Holding {
    number: u32,
    status: BookingStatus,
    seats: Vec<u32>,
}

/// The seats of a show at a position.
#[derive(Clone)]
pub(super) struct Seats {
    pub show: Arc<ShowDetails>,
    pub cancelled: bool,
    pub position: Position,
    /// Made by the first reader.
    pub template: OnceLock<Arc<Template>>,
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
    blocked: Vec<u32>,
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

impl Seat {
    const FREE: Self = Self { until: FREE, owner: NOBODY };
    const BLOCKED: Self = Self { until: SOLD, owner: HOUSE };

    fn state(self, now: i64) -> SeatState {
        match self.until {
            SOLD if self.owner == HOUSE => SeatState::Blocked,
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
    pub fn new(show: Arc<ShowDetails>, position: Position) -> Self {
        let ids = show.rows.iter().flat_map(|row| &row.seats).map(|seat| seat.seat_id.clone());
        let index: HashMap<SeatId, u32> = ids.zip(0..).collect();
        let count = show.rows.iter().map(|row| row.seats.len()).sum();
        Self {
            show,
            cancelled: false,
            position,
            template: OnceLock::new(),
            index: Arc::new(index),
            states: vec![Seat::FREE; count],
            holdings: HashMap::new(),
            last_number: NOBODY,
        }
    }

    /// The seats as they were written down; `None` where one of them is not a seat of the show.
    pub fn restore(saved: SavedBoard) -> Option<Self> {
        let SavedBoard { show, cancelled, position, last_number, holdings, blocked } = saved;
        let mut seats = Self { cancelled, last_number, ..Self::new(show, position) };
        for SavedHolding { booking, until, holding } in holdings {
            for seat in &holding.seats {
                *seats.states.get_mut(*seat as usize)? = Seat { until, owner: holding.number };
            }
            seats.holdings.insert(booking, holding);
        }
        for seat in blocked {
            *seats.states.get_mut(seat as usize)? = Seat::BLOCKED;
        }
        Some(seats)
    }

    /// What it holds, in an order that the log alone decides.
    pub fn content(&self) -> impl Serialize + use<> {
        let mut holdings: Vec<_> =
            self.holdings.iter().map(|(id, holding)| (id.clone(), holding.clone())).collect();
        holdings.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        (Arc::clone(&self.show), self.cancelled, self.position, self.states.clone(), holdings)
    }

    /// The seats at an instant, in milliseconds, row after row.
    pub fn states(&self, now: i64) -> impl Iterator<Item = SeatState> {
        self.states.iter().map(move |seat| seat.state(now))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.states.len()
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
            blocked: (0..)
                .zip(&self.states)
                .filter(|(_, seat)| seat.owner == HOUSE)
                .map(|(at, _)| at)
                .collect(),
        }
    }

    /// Applies one fact. A poison one leaves all as it was.
    pub fn apply(&mut self, event: &ShowEvent, at: Position) -> Result<(), Poison> {
        self.apply_event(event)?;
        self.position = at;
        Ok(())
    }

    fn apply_event(&mut self, event: &ShowEvent) -> Result<(), Poison> {
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
            ShowEvent::SeatsBlocked(blocked) => self.block(&blocked.seat_ids),
            ShowEvent::SeatsReleased(released) => self.give_back(&released.seat_ids),
            ShowEvent::SeatsLocked(locked) => self.lock(locked),
            ShowEvent::PaymentPending(priced) => {
                let holding = self.holding(&priced.booking_id, &[BookingStatus::SeatsLocked])?;
                holding.status = BookingStatus::PaymentPending;
                Ok(())
            }
            ShowEvent::LockExtended(extended) => {
                let until = extended.expires_at.as_millisecond();
                for seat in self.holding(&extended.booking_id, PENDING)?.seats.clone() {
                    self.states[seat as usize].until = until;
                }
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
            ShowEvent::SeatsCancelled(cancelled) => self.lose(cancelled),
            ShowEvent::Completed(completed) => {
                let holding = self.holding(&completed.booking_id, &[BookingStatus::Confirmed])?;
                holding.status = BookingStatus::Completed;
                Ok(())
            }
            // Whoever is in sits where was booked.
            ShowEvent::TicketRedeemed(_) => Ok(()),
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
        let seats = self.unowned(&locked.seat_ids)?;
        self.last_number += 1;
        let until = locked.expires_at.as_millisecond();
        for seat in &seats {
            self.states[*seat as usize] = Seat { until, owner: self.last_number };
        }
        let holding = Holding { number: self.last_number, status: BookingStatus::SeatsLocked, seats };
        self.holdings.insert(id.clone(), holding);
        Ok(())
    }

    fn block(&mut self, ids: &[SeatId]) -> Result<(), Poison> {
        for seat in self.unowned(ids)? {
            self.states[seat as usize] = Seat::BLOCKED;
        }
        Ok(())
    }

    fn give_back(&mut self, ids: &[SeatId]) -> Result<(), Poison> {
        let seats = self.indices(ids)?;
        if seats.iter().any(|seat| self.states[*seat as usize].owner != HOUSE) {
            return Err(Poison::NothingToChange);
        }
        for seat in seats {
            self.states[seat as usize] = Seat::FREE;
        }
        Ok(())
    }

    fn indices(&self, ids: &[SeatId]) -> Result<Vec<u32>, Poison> {
        let index = |seat: &SeatId| self.index.get(seat).copied();
        ids.iter().map(|seat| index(seat).ok_or_else(|| Poison::UnknownSeat(seat.to_string()))).collect()
    }

    /// Seats that nobody holds, bought or keeps, by their place.
    fn unowned(&self, ids: &[SeatId]) -> Result<Vec<u32>, Poison> {
        let seats = self.indices(ids)?;
        for (seat, id) in seats.iter().zip(ids) {
            let holder = match self.states[*seat as usize].owner {
                NOBODY => continue,
                HOUSE => "the house".to_owned(),
                owner => {
                    let holder = self.holdings.iter().find(|(_, holding)| holding.number == owner);
                    holder.map(|(id, _)| id.to_string()).unwrap_or_default()
                }
            };
            return Err(Poison::DoubleBooking { seat: id.to_string(), holder });
        }
        Ok(seats)
    }

    fn release(&mut self, id: &BookingId, from: &[BookingStatus]) -> Result<(), Poison> {
        let seats = std::mem::take(&mut self.holding(id, from)?.seats);
        for seat in seats {
            self.states[seat as usize] = Seat::FREE;
        }
        self.holdings.remove(id);
        Ok(())
    }

    fn lose(&mut self, cancelled: &BookingSeatsCancelled) -> Result<(), Poison> {
        let gone = self.indices(&cancelled.seat_ids)?;
        let holding = self.holding(&cancelled.booking_id, &[BookingStatus::Confirmed])?;
        if gone.iter().any(|seat| !holding.seats.contains(seat)) {
            return Err(Poison::NothingToChange);
        }
        holding.seats.retain(|seat| !gone.contains(seat));
        for seat in gone {
            self.states[seat as usize] = Seat::FREE;
        }
        Ok(())
    }

    fn holding(&mut self, id: &BookingId, from: &[BookingStatus]) -> Result<&mut Holding, Poison> {
        let holding = self.holdings.get_mut(id).ok_or_else(|| Poison::UnknownBooking(id.to_string()))?;
        if !from.contains(&holding.status) {
            return Err(Poison::BadTransition { booking: id.to_string(), status: holding.status.as_str() });
        }
        Ok(holding)
    }

    /// When the first lock ends, in milliseconds; [`NEVER`] where there is none.
    pub fn next_expiry(&self, now: i64) -> i64 {
        self.states.iter().map(|seat| seat.until).filter(|until| *until > now).min().unwrap_or(SOLD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seat_maps::board::tests::show;

    #[test]
    fn seats_that_the_show_does_not_have_are_no_board() {
        let saved = || Seats::new(Arc::new(show()), Position(1)).saved();
        let mut booked = saved();
        let holding = Holding { number: 1, status: BookingStatus::Confirmed, seats: vec![2] };
        let booking = BookingId::compose(&"sh_1".into(), "01");
        booked.holdings.push(SavedHolding { booking, until: SOLD, holding });
        let blocked = SavedBoard { blocked: vec![2], ..saved() };
        assert!(Seats::restore(saved()).is_some());
        assert!(Seats::restore(booked).is_none() && Seats::restore(blocked).is_none());
    }
}
