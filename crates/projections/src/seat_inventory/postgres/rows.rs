//! Between rows and what they mean.

use jiff::Timestamp;
use marquee_domain::ids::{BookingId, RefundId, ShowId, TheatreId, TicketId, UserId};
use marquee_domain::money::{Currency, Money};
use marquee_domain::pricing::Pricing;
use marquee_domain::show::BookingStatus;
use marquee_event_store::{Position, StreamName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::{Error, Result, Row};

use super::super::reasons::Reasons;
use super::super::refunds::{Refund, Refunds};
use super::super::rows::{Booking, position};
use super::super::{BookingRow, RefundStatus};
use crate::status::ParkedStream;

const STATUSES: [BookingStatus; 7] = [
    BookingStatus::SeatsLocked,
    BookingStatus::PaymentPending,
    BookingStatus::Confirmed,
    BookingStatus::Completed,
    BookingStatus::Failed,
    BookingStatus::Expired,
    BookingStatus::Cancelled,
];

pub(super) fn booking_id(row: &PgRow) -> Result<BookingId> {
    Ok(BookingId::new(row.try_get::<&str, _>("booking_id")?))
}

pub(super) fn show_id(row: &PgRow) -> Result<ShowId> {
    Ok(ShowId::new(row.try_get::<&str, _>("show_id")?))
}

pub(super) fn booking(row: &PgRow) -> Result<Booking> {
    let pricing = match row.try_get::<Option<&str>, _>("currency")? {
        None => None,
        Some(code) => {
            let pricing = Pricing {
                subtotal: row.try_get("subtotal")?,
                discount: row.try_get("discount")?,
                fees: row.try_get("fees")?,
                tax: row.try_get("tax")?,
                total: row.try_get("total")?,
                ..Pricing::of_seats(currency(code)?, [])
            };
            let reasons: Option<Reasons> = row.try_get::<Option<&str>, _>("offers")?.map(json).transpose()?;
            Some(reasons.unwrap_or_default().explain(pricing))
        }
    };
    Ok(Booking {
        user_id: UserId::new(row.try_get::<&str, _>("user_id")?),
        began: position(row.try_get("began")?),
        position: position(row.try_get("position")?),
        status: status_of(row.try_get("status")?)?,
        seat_ids: json(row.try_get("seat_ids")?)?,
        expires_at: instant(row.try_get("expires_at")?)?,
        pricing,
        confirmed_at: row.try_get::<Option<i64>, _>("confirmed_at")?.map(instant).transpose()?,
        ticket_id: row.try_get::<Option<&str>, _>("ticket_id")?.map(TicketId::new),
        refunds: refunds(row)?,
    })
}

pub(super) fn refunds(row: &PgRow) -> Result<Refunds> {
    if let Some(apart) = row.try_get::<Option<&str>, _>("refunds")? {
        return Ok(Refunds::new(json(apart)?));
    }
    let Some(id) = row.try_get::<Option<&str>, _>("refund_id")? else { return Ok(Refunds::default()) };
    let status = refund_status_of(row.try_get("refund_status")?)?;
    let amount = Money::new(row.try_get("refund_amount")?, currency(row.try_get("refund_currency")?)?);
    Ok(Refunds::new(vec![Refund { id: RefundId::new(id), status, amount, aside: false }]))
}

pub(super) fn booking_row(row: &PgRow) -> Result<BookingRow> {
    let booking = booking(row)?;
    Ok(BookingRow {
        booking_id: booking_id(row)?,
        user_id: booking.user_id,
        show_id: show_id(row)?,
        theatre_id: TheatreId::new(row.try_get::<&str, _>("theatre_id")?),
        start_time: instant(row.try_get("start_time")?)?,
        end_time: instant(row.try_get("end_time")?)?,
        timezone: row.try_get::<&str, _>("timezone")?.into(),
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

pub(super) fn parked(row: &PgRow) -> Result<ParkedStream> {
    Ok(ParkedStream {
        stream: StreamName::new(row.try_get::<&str, _>("stream")?),
        position: checkpoint(row)?,
        error: row.try_get("error")?,
    })
}

pub(super) fn checkpoint(row: &PgRow) -> Result<Position> {
    Ok(position(row.try_get("position")?))
}

pub(super) fn refund_status(status: RefundStatus) -> &'static str {
    match status {
        RefundStatus::Initiated => "INITIATED",
        RefundStatus::Succeeded => "SUCCEEDED",
        RefundStatus::Failed => "FAILED",
    }
}

fn refund_status_of(text: &str) -> Result<RefundStatus> {
    [RefundStatus::Initiated, RefundStatus::Succeeded, RefundStatus::Failed]
        .into_iter()
        .find(|status| refund_status(*status) == text)
        .ok_or_else(|| unreadable(format!("{text} is no status of a refund")))
}

fn status_of(text: &str) -> Result<BookingStatus> {
    let status = STATUSES.into_iter().find(|status| status.as_str() == text);
    status.ok_or_else(|| unreadable(format!("{text} is no status of a booking")))
}

pub(super) fn to_json(value: &(impl Serialize + ?Sized)) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Encode(error.into()))
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(unreadable)
}

/// The last instants of all time count more milliseconds than can be read back; nobody tells them apart.
fn instant(millis: i64) -> Result<Timestamp> {
    match Timestamp::from_millisecond(millis) {
        Ok(instant) => Ok(instant),
        Err(_) if millis > 0 => Ok(Timestamp::MAX),
        Err(error) => Err(unreadable(error)),
    }
}

fn currency(code: &str) -> Result<Currency> {
    Currency::parse(code).ok_or_else(|| unreadable(format!("{code} is no currency")))
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Decode(error.into())
}
