//! A seat map's JSON, but for what changes: the status of each seat.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use marquee_domain::money::Money;
use marquee_domain::show::ShowDetails;
use serde::Serialize;

use crate::wire::{local_time, timezone};

/// Made once for a show's facts; a rendering copies it and writes the statuses in between.
pub(super) struct Template {
    /// What goes before the status of each seat.
    before: Vec<Box<str>>,
    tail: &'static str,
    timezone: TimeZone,
    length: usize,
}

const TAIL: &str = "]}]}}";
const EMPTY_TAIL: &str = "]}}";

impl Template {
    /// The fixed parts, in the order of the wire.
    pub fn new(show: &ShowDetails) -> Self {
        let timezone = timezone(&show.timezone);
        let mut piece = format!(
            r#"{{"showId":{},"theatreId":{},"screenName":{},"startTime":"{}","#,
            json(&show.show_id),
            json(&show.theatre_id),
            json(&show.screen_name),
            local_time(show.start_time, &timezone),
        );
        for (name, bound) in [("salesFrom", show.sales.from), ("salesUntil", show.sales.until)] {
            if let Some(bound) = bound {
                let _ = write!(piece, r#""{name}":"{}","#, local_time(bound, &timezone));
            }
        }
        piece.push_str(r#""seatMap":{"rows":["#);
        let mut before = vec![];
        for (at, row) in show.rows.iter().enumerate() {
            let close = if at == 0 { "" } else { "]}," };
            let _ = write!(piece, r#"{close}{{"rowLabel":{},"seats":["#, json(&row.row_label));
            for (at, seat) in row.seats.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                let price = show.prices.get(&seat.seat_type);
                let price = price.map(|minor| Money::new(*minor, show.currency.clone()).to_major());
                let _ = write!(
                    piece,
                    r#"{comma}{{"seatId":{},"type":{},"price":{},"#,
                    json(&seat.seat_id),
                    json(&seat.seat_type),
                    price.as_deref().unwrap_or("null"),
                );
                if seat.gap_before > 0 {
                    let _ = write!(piece, r#""gapBefore":{},"#, seat.gap_before);
                }
                piece.push_str(r#""status":""#);
                before.push(std::mem::take(&mut piece).into_boxed_str());
            }
        }
        let tail = if show.rows.is_empty() { EMPTY_TAIL } else { TAIL };
        let length = before.iter().map(|piece| piece.len() + 60).sum::<usize>() + piece.len();
        // Rows without a seat, after the last seat, would be lost: no layout has them.
        Self { before, tail, timezone, length }
    }

    /// Writes the map; `until` of a seat is `None` where it is sold, else the end of its lock in milliseconds.
    pub fn render(&self, seats: impl Iterator<Item = SeatState>) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.length);
        let mut last = (i64::MIN, String::new());
        for (before, state) in self.before.iter().zip(seats) {
            body.extend_from_slice(before.as_bytes());
            match state {
                SeatState::Free => body.extend_from_slice(br#"AVAILABLE"}"#),
                SeatState::Sold => body.extend_from_slice(br#"SOLD"}"#),
                SeatState::Blocked => body.extend_from_slice(br#"BLOCKED"}"#),
                SeatState::Locked(until) => {
                    if last.0 != until {
                        let until_text = Timestamp::from_millisecond(until).unwrap_or(Timestamp::MAX);
                        last = (until, local_time(until_text, &self.timezone));
                    }
                    body.extend_from_slice(br#"LOCKED","lockExpiresAt":""#);
                    body.extend_from_slice(last.1.as_bytes());
                    body.extend_from_slice(br#""}"#);
                }
            }
        }
        body.extend_from_slice(self.tail.as_bytes());
        body
    }
}

/// A seat at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SeatState {
    Free,
    /// Until then, in milliseconds since 1970.
    Locked(i64),
    Sold,
    Blocked,
}

/// A text as JSON.
fn json(text: &impl Serialize) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "null".into())
}
