//! What the file holds, in an order that the log alone decides.

use marquee_event_store::Position;
use rusqlite::Connection;
use serde::Serialize;

use super::parked_rows;
use super::rows::{self, Booking};
use crate::fingerprint::{Canonical, Fingerprint};
use crate::views::ViewsError;

/// A record of the canonical form. Numbers of shows are left out: they are the file's own.
#[derive(Serialize)]
pub(super) enum Content<'a> {
    Show { id: String, theatre: String, start: i64, end: i64, timezone: String, cancelled: bool },
    Booking { show: String, unique: String, row: &'a Booking },
    Seat { show: String, seat: String, booking: String },
}

/// Hashes all rows.
pub(super) fn fingerprint(db: &Connection, at: Position) -> Result<Fingerprint, ViewsError> {
    let mut canonical = Canonical::new();
    let mut add = |content: &Content<'_>| {
        canonical.record(content).map_err(|error| ViewsError::Corrupt(error.to_string()))
    };

    let mut select = db.prepare(
        "SELECT show_id, theatre_id, start_time, end_time, timezone, cancelled FROM shows ORDER BY show_id",
    )?;
    let mut shows = select.query([])?;
    while let Some(row) = shows.next()? {
        let (id, theatre, start, end) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        add(&Content::Show { id, theatre, start, end, timezone: row.get(4)?, cancelled: row.get(5)? })?;
    }
    let mut select = db.prepare(&format!(
        "SELECT s.show_id, b.booking, {} FROM shows s JOIN bookings b ON b.show = s.show ORDER BY s.show_id, b.booking",
        rows::COLUMNS
    ))?;
    let mut bookings = select.query([])?;
    while let Some(row) = bookings.next()? {
        let booking = Booking::read(row, 2)?;
        add(&Content::Booking { show: row.get(0)?, unique: row.get(1)?, row: &booking })?;
    }
    let mut select = db.prepare(
        "SELECT s.show_id, t.seat, t.booking FROM shows s JOIN seats t ON t.show = s.show ORDER BY s.show_id, t.seat",
    )?;
    let mut seats = select.query([])?;
    while let Some(row) = seats.next()? {
        add(&Content::Seat { show: row.get(0)?, seat: row.get(1)?, booking: row.get(2)? })?;
    }
    for parked in parked_rows(db)? {
        canonical.record(&parked).map_err(|error| ViewsError::Corrupt(error.to_string()))?;
    }
    Ok(canonical.finish(at))
}
