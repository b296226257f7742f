//! The seats of one show as they are read, while they change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use jiff::Timestamp;
use marquee_domain::show::{ShowDetails, ShowEvent};
use marquee_event_store::Position;
use serde::Serialize;

use super::seats::{NEVER, SavedBoard, Seats};
use super::template::{SeatState, Template};
use super::{Availability, AvailabilityStatus, RenderedSeatMap, SeatSnapshot, SeatStatus, ShowFacts};
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

impl Board {
    pub fn new(show: ShowDetails, position: Position) -> Self {
        Self::of(Seats::new(Arc::new(show), position))
    }

    /// A board as it was written down; `None` where a booking holds a seat that the show does not have.
    pub fn restore(saved: SavedBoard) -> Option<Self> {
        Seats::restore(saved).map(Self::of)
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
        seats.apply(event, at)?;
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

    pub fn facts(&self) -> ShowFacts {
        let seats = self.seats();
        ShowFacts { details: Arc::clone(&seats.show), cancelled: seats.cancelled }
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
        let body = Bytes::from(template.render(seats.states(now)));
        let map = RenderedSeatMap { body, position: seats.position };
        let rendered = Rendered { map: map.clone(), holds_until: seats.next_expiry(now) };
        self.rendered.store(Some(Arc::new(rendered)));
        map
    }

    pub fn availability(&self, now: Timestamp) -> Availability {
        let now = now.as_millisecond();
        let seats = self.seats();
        let count = |seats: usize| u32::try_from(seats).unwrap_or(u32::MAX);
        let free = seats.states(now).filter(|state| *state == SeatState::Free).count();
        Availability::of(count(free), count(seats.count()))
    }

    pub fn snapshot(&self, now: Timestamp) -> SeatSnapshot {
        let now = now.as_millisecond();
        let seats = self.seats();
        let ids = seats.show.rows.iter().flat_map(|row| &row.seats).map(|seat| seat.seat_id.clone());
        let states = seats.states(now).map(|state| match state {
            SeatState::Free => SeatStatus::Available,
            SeatState::Locked(until) => {
                SeatStatus::Locked { until: Timestamp::from_millisecond(until).unwrap_or(Timestamp::MAX) }
            }
            SeatState::Sold => SeatStatus::Sold,
            SeatState::Blocked => SeatStatus::Blocked,
        });
        let next = Some(seats.next_expiry(now)).filter(|next| *next != NEVER);
        SeatSnapshot {
            position: seats.position,
            seats: ids.zip(states).collect(),
            timezone: seats.show.timezone.clone(),
            next_expiry: next.and_then(|next| Timestamp::from_millisecond(next).ok()),
        }
    }

    /// What it holds, in an order that the log alone decides.
    pub fn content(&self) -> impl Serialize {
        self.seats().content()
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

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use marquee_domain::money::Currency;
    use marquee_domain::seat_rules::SeatRules;
    use marquee_domain::show::{SalesWindow, ShowCancelled};
    use marquee_domain::theatre::{LayoutRow, LayoutSeat, SeatType};

    use super::*;

    pub fn show() -> ShowDetails {
        let seat = |seat: &str| LayoutSeat::new(seat.into(), SeatType::Regular);
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
            sales: SalesWindow::default(),
            seat_rules: SeatRules::default(),
            cancel_policy: None,
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
}
