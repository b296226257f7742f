//! The seats that the house keeps for itself.

use jiff::Timestamp;

use crate::ids::SeatId;
use crate::show::Screening;
use crate::show::command::Rejection;
use crate::show::decide::{Decision, expired};
use crate::show::event::{SeatsBlocked, SeatsReleased, ShowEvent};

impl Screening {
    /// All or none: a seat that somebody holds or has bought cannot be taken away.
    pub(super) fn block(&self, now: Timestamp, wanted: &SeatsBlocked) -> Decision {
        self.check_house(now, &wanted.seat_ids)?;
        let taken = |seat: &&SeatId| self.owner(seat, now).is_some();
        let taken: Vec<SeatId> = wanted.seat_ids.iter().filter(taken).cloned().collect();
        if !taken.is_empty() {
            return Err(Rejection::SeatsUnavailable { seats: taken, instead: None });
        }
        let seat_ids = self.house_seats(&wanted.seat_ids, false);
        if seat_ids.is_empty() {
            return Ok(vec![]);
        }
        // As for a customer: a lock that has run out is written down before its seat goes to the house.
        let mut events: Vec<ShowEvent> = self.overdue_holders(&seat_ids).iter().map(expired).collect();
        events.push(SeatsBlocked { seat_ids, ..wanted.clone() }.into());
        Ok(events)
    }

    pub(super) fn give_back(&self, now: Timestamp, wanted: &SeatsReleased) -> Decision {
        self.check_house(now, &wanted.seat_ids)?;
        let seat_ids = self.house_seats(&wanted.seat_ids, true);
        let released = SeatsReleased { seat_ids, ..wanted.clone() };
        Ok(if released.seat_ids.is_empty() { vec![] } else { vec![released.into()] })
    }

    fn check_house(&self, now: Timestamp, seats: &[SeatId]) -> Result<(), Rejection> {
        self.check_bookable(now)?;
        if seats.is_empty() {
            return Err(Rejection::NoSeats);
        }
        self.check_names(seats)
    }

    /// Those of the seats that the house keeps, or does not.
    fn house_seats(&self, seats: &[SeatId], kept: bool) -> Vec<SeatId> {
        seats.iter().filter(|seat| self.is_blocked(seat) == kept).cloned().collect()
    }
}
