//! Who sits where and every booking, in SQLite.

use jiff::Timestamp;
use marquee_domain::ids::{BookingId, SeatId, ShowId, TheatreId, TicketId, UserId};
use marquee_domain::money::Money;
use marquee_domain::pricing::Pricing;
use marquee_domain::show::BookingStatus;
use marquee_event_store::Position;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::views::ViewsError;

/// How far a refund has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundStatus {
    /// It is owed; the gateway has not answered yet.
    Initiated,
    /// The money went back.
    Succeeded,
    /// The gateway refused; somebody must look.
    Failed,
}

/// What a booking gets back: its latest refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRow {
    /// How far it has come.
    pub status: RefundStatus,
    /// How much.
    pub amount: Money,
}

/// A booking as the view holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct BookingRow {
    /// The booking.
    pub booking_id: BookingId,
    /// Whose it is.
    pub user_id: UserId,
    /// The show.
    pub show_id: ShowId,
    /// Where it runs.
    pub theatre_id: TheatreId,
    /// When the show starts, as it now stands.
    pub start_time: Timestamp,
    /// The IANA time zone of the show's city.
    pub timezone: SmolStr,
    /// As it was last written down: a pending booking whose `expires_at` has passed has expired, see
    /// [`BookingRow::status_at`].
    pub status: BookingStatus,
    /// The seats, as they were asked for.
    pub seat_ids: Vec<SeatId>,
    /// The end of its seat lock.
    pub expires_at: Timestamp,
    /// What it costs; absent only between the two events that begin a booking.
    pub pricing: Option<Pricing>,
    /// When it was confirmed, if it was.
    pub confirmed_at: Option<Timestamp>,
    /// Its ticket, if it was confirmed.
    pub ticket_id: Option<TicketId>,
    /// Its refund, if it has one.
    pub refund: Option<RefundRow>,
    /// The position of the last event that changed it.
    pub position: Position,
}

impl BookingRow {
    /// Its status at an instant: a pending booking whose deadline has passed is expired, written down or not.
    pub fn status_at(&self, now: Timestamp) -> BookingStatus {
        match self.status {
            BookingStatus::SeatsLocked | BookingStatus::PaymentPending if now >= self.expires_at => BookingStatus::Expired,
            status => status,
        }
    }
}

/// Some of a customer's bookings, the newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct BookingPage {
    /// The bookings.
    pub bookings: Vec<BookingRow>,
    /// Reads on from here; `None` at the end.
    pub next_cursor: Option<String>,
}

/// Reads bookings. Cheap to clone.
#[derive(Clone)]
pub struct Bookings {}

impl Bookings {
    /// A booking; `None` where the view has none of this id.
    pub async fn get(&self, id: &BookingId) -> Result<Option<BookingRow>, ViewsError> {
        let _ = id;
        Ok(None)
    }

    /// A customer's bookings, the newest first, at most `limit`; `after` is the `next_cursor` of the page before. A
    /// cursor that no page gave is [`ViewsError::InvalidCursor`].
    pub async fn list(&self, user: &UserId, after: Option<&str>, limit: u32) -> Result<BookingPage, ViewsError> {
        let _ = (user, after, limit);
        Ok(BookingPage { bookings: vec![], next_cursor: None })
    }
}
