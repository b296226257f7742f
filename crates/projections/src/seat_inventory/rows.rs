//! A booking between the log and its row.

use jiff::Timestamp;
use marquee_domain::ids::{BookingId, RefundId, SeatId, ShowId, TicketId, UserId};
use marquee_domain::money::{Currency, Money};
use marquee_domain::pricing::Pricing;
use marquee_domain::show::BookingStatus;
use marquee_event_store::Position;
use rusqlite::types::Type;
use rusqlite::{Result, Row, Statement, params};
use serde::Serialize;

use super::reasons::Reasons;
use super::refunds::{Refund, Refunds};
use super::{BookingRow, RefundStatus};

/// The columns of a booking that [`Booking::read`] takes, in its order.
pub(super) const COLUMNS: &str = "b.user_id, b.began, b.position, b.status, b.seats, b.expires_at, b.currency, \
    b.subtotal, b.discount, b.fees, b.tax, b.total, b.offers, b.confirmed_at, b.ticket_id, b.refund_id, \
    b.refund_status, b.refund_amount, b.refund_currency, b.refunds";
const COUNT: usize = 20;

/// A booking, as the row holds it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Booking {
    pub user_id: UserId,
    /// The position of the event that began it: the order in which a customer sees bookings.
    pub began: Position,
    pub position: Position,
    pub status: BookingStatus,
    pub seat_ids: Vec<SeatId>,
    pub expires_at: Timestamp,
    pub pricing: Option<Pricing>,
    pub confirmed_at: Option<Timestamp>,
    pub ticket_id: Option<TicketId>,
    pub refunds: Refunds,
}

impl Booking {
    /// Reads [`COLUMNS`] from the column `at` on.
    pub fn read(row: &Row<'_>, at: usize) -> Result<Self> {
        let pricing = match row.get::<_, Option<String>>(at + 6)? {
            None => None,
            Some(currency) => {
                let pricing = Pricing {
                    subtotal: row.get(at + 7)?,
                    discount: row.get(at + 8)?,
                    fees: row.get(at + 9)?,
                    tax: row.get(at + 10)?,
                    total: row.get(at + 11)?,
                    ..Pricing::of_seats(currency_of(&currency, at + 6)?, [])
                };
                let reasons: Option<Reasons> =
                    row.get::<_, Option<String>>(at + 12)?.map(|text| json(&text, at + 12)).transpose()?;
                Some(reasons.unwrap_or_default().explain(pricing))
            }
        };
        Ok(Self {
            user_id: UserId::new(row.get::<_, String>(at)?),
            began: position(row.get(at + 1)?),
            position: position(row.get(at + 2)?),
            status: status_of(row.get(at + 3)?, at + 3)?,
            seat_ids: json(&row.get::<_, String>(at + 4)?, at + 4)?,
            expires_at: instant(row.get(at + 5)?, at + 5)?,
            pricing,
            confirmed_at: row
                .get::<_, Option<i64>>(at + 13)?
                .map(|millis| instant(millis, at + 13))
                .transpose()?,
            ticket_id: row.get::<_, Option<String>>(at + 14)?.map(TicketId::new),
            refunds: refunds(row, at + 15)?,
        })
    }

    /// Inserts it as a new row.
    pub fn insert(&self, statement: &mut Statement<'_>, show: i64, booking: &str) -> Result<usize> {
        let seats = to_json(&self.seat_ids)?;
        let (pricing, shown) = (self.pricing.as_ref(), self.refunds.shown());
        let (refund, apart) = (shown.as_ref(), self.refunds.apart().map(to_json).transpose()?);
        statement.execute(params![
            show,
            booking,
            self.user_id.as_str(),
            stored(self.began),
            stored(self.position),
            status_number(self.status),
            seats,
            self.expires_at.as_millisecond(),
            pricing.map(|pricing| pricing.currency.as_str()),
            pricing.map(|pricing| pricing.subtotal),
            pricing.map(|pricing| pricing.discount),
            pricing.map(|pricing| pricing.fees),
            pricing.map(|pricing| pricing.tax),
            pricing.map(|pricing| pricing.total),
            reasons(pricing)?,
            self.confirmed_at.map(Timestamp::as_millisecond),
            self.ticket_id.as_ref().map(TicketId::as_str),
            self.refunds.latest().map(RefundId::as_str),
            refund.map(|refund| refund_number(refund.status)),
            refund.map(|refund| refund.amount.minor),
            refund.map(|refund| refund.amount.currency.as_str()),
            apart,
        ])
    }

    /// Writes over its row what may change after it began.
    pub fn update(&self, statement: &mut Statement<'_>, show: i64, booking: &str) -> Result<usize> {
        let (pricing, shown) = (self.pricing.as_ref(), self.refunds.shown());
        let (refund, apart) = (shown.as_ref(), self.refunds.apart().map(to_json).transpose()?);
        statement.execute(params![
            show,
            booking,
            stored(self.position),
            status_number(self.status),
            pricing.map(|pricing| pricing.currency.as_str()),
            pricing.map(|pricing| pricing.subtotal),
            pricing.map(|pricing| pricing.discount),
            pricing.map(|pricing| pricing.fees),
            pricing.map(|pricing| pricing.tax),
            pricing.map(|pricing| pricing.total),
            reasons(pricing)?,
            self.confirmed_at.map(Timestamp::as_millisecond),
            self.ticket_id.as_ref().map(TicketId::as_str),
            self.refunds.latest().map(RefundId::as_str),
            refund.map(|refund| refund_number(refund.status)),
            refund.map(|refund| refund.amount.minor),
            refund.map(|refund| refund.amount.currency.as_str()),
            self.expires_at.as_millisecond(),
            to_json(&self.seat_ids)?,
            apart,
        ])
    }
}

pub(super) const INSERT: &str = "INSERT INTO bookings (show, booking, user_id, began, position, status, seats, \
    expires_at, currency, subtotal, discount, fees, tax, total, offers, confirmed_at, ticket_id, refund_id, \
    refund_status, refund_amount, refund_currency, refunds) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)";

pub(super) const UPDATE: &str = "UPDATE bookings SET position = ?3, status = ?4, currency = ?5, subtotal = ?6, \
    discount = ?7, fees = ?8, tax = ?9, total = ?10, offers = ?11, confirmed_at = ?12, ticket_id = ?13, \
    refund_id = ?14, refund_status = ?15, refund_amount = ?16, refund_currency = ?17, expires_at = ?18, \
    seats = ?19, refunds = ?20 \
    WHERE show = ?1 AND booking = ?2";

/// Reads [`COLUMNS`], then the show's id, theatre, start, end and time zone, then the booking's own part of its id.
pub(super) fn booking_row(row: &Row<'_>) -> Result<BookingRow> {
    let booking = Booking::read(row, 0)?;
    let show_id = ShowId::new(row.get::<_, String>(COUNT)?);
    Ok(BookingRow {
        booking_id: BookingId::compose(&show_id, &row.get::<_, String>(COUNT + 5)?),
        user_id: booking.user_id,
        theatre_id: marquee_domain::ids::TheatreId::new(row.get::<_, String>(COUNT + 1)?),
        start_time: instant(row.get(COUNT + 2)?, COUNT + 2)?,
        end_time: instant(row.get(COUNT + 3)?, COUNT + 3)?,
        timezone: row.get::<_, String>(COUNT + 4)?.into(),
        show_id,
        status: booking.status,
        seat_ids: booking.seat_ids,
        expires_at: booking.expires_at,
        pricing: booking.pricing,
        confirmed_at: booking.confirmed_at,
        ticket_id: booking.ticket_id,
        refund: booking.refunds.shown(),
        position: booking.position,
    })
}

/// Reads the columns of refunds, from `refund_id` on.
pub(super) fn refunds(row: &Row<'_>, at: usize) -> Result<Refunds> {
    if let Some(apart) = row.get::<_, Option<String>>(at + 4)? {
        return Ok(Refunds::new(json(&apart, at + 4)?));
    }
    let Some(id) = row.get::<_, Option<String>>(at)? else { return Ok(Refunds::default()) };
    let status = refund_status_of(row.get(at + 1)?, at + 1)?;
    let currency = currency_of(&row.get::<_, String>(at + 3)?, at + 3)?;
    let amount = Money::new(row.get(at + 2)?, currency);
    Ok(Refunds::new(vec![Refund { id: RefundId::new(id), status, amount, aside: false }]))
}

pub(super) fn position(stored: i64) -> Position {
    Position(stored.cast_unsigned())
}

pub(super) fn stored(position: Position) -> i64 {
    position.0.cast_signed()
}

fn reasons(pricing: Option<&Pricing>) -> Result<Option<String>> {
    Reasons::of(pricing).map(|reasons| to_json(&reasons)).transpose()
}

fn to_json(value: &(impl Serialize + ?Sized)) -> Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn json<T: serde::de::DeserializeOwned>(text: &str, column: usize) -> Result<T> {
    serde_json::from_str(text).map_err(|error| unreadable(column, error))
}

/// The last instants of all time count more milliseconds than can be read back; nobody tells them apart.
fn instant(millis: i64, column: usize) -> Result<Timestamp> {
    match Timestamp::from_millisecond(millis) {
        Ok(instant) => Ok(instant),
        Err(_) if millis > 0 => Ok(Timestamp::MAX),
        Err(error) => Err(unreadable(column, error)),
    }
}

fn currency_of(code: &str, column: usize) -> Result<Currency> {
    Currency::parse(code).ok_or_else(|| unreadable(column, format!("{code} is no currency")))
}

fn unreadable(column: usize, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}

const STATUSES: [BookingStatus; 7] = [
    BookingStatus::SeatsLocked,
    BookingStatus::PaymentPending,
    BookingStatus::Confirmed,
    BookingStatus::Completed,
    BookingStatus::Failed,
    BookingStatus::Expired,
    BookingStatus::Cancelled,
];

fn status_number(status: BookingStatus) -> i64 {
    match status {
        BookingStatus::SeatsLocked => 0,
        BookingStatus::PaymentPending => 1,
        BookingStatus::Confirmed => 2,
        BookingStatus::Completed => 3,
        BookingStatus::Failed => 4,
        BookingStatus::Expired => 5,
        BookingStatus::Cancelled => 6,
    }
}

fn status_of(number: i64, column: usize) -> Result<BookingStatus> {
    let status = STATUSES.into_iter().find(|status| status_number(*status) == number);
    status.ok_or_else(|| unreadable(column, format!("{number} is no status of a booking")))
}

fn refund_number(status: RefundStatus) -> i64 {
    match status {
        RefundStatus::Initiated => 0,
        RefundStatus::Succeeded => 1,
        RefundStatus::Failed => 2,
    }
}

fn refund_status_of(number: i64, column: usize) -> Result<RefundStatus> {
    match number {
        0 => Ok(RefundStatus::Initiated),
        1 => Ok(RefundStatus::Succeeded),
        2 => Ok(RefundStatus::Failed),
        _ => Err(unreadable(column, format!("{number} is no status of a refund"))),
    }
}
