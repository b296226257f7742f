//! What readers ask, of whichever adapter keeps the inventory.

use marquee_domain::ids::{BookingId, ShowId, UserId};

use super::postgres::PostgresBookings;
use super::query::EmbeddedBookings;
use super::{BookingPage, BookingRow, RefundTotal};
use crate::views::ViewsError;

/// Reads bookings. Cheap to clone.
#[derive(Clone)]
pub struct Bookings(pub(super) Source);

/// Where bookings are kept.
#[derive(Clone)]
pub(super) enum Source {
    /// In a file of this node.
    Embedded(EmbeddedBookings),
    /// In a database that nodes share.
    Postgres(PostgresBookings),
}

impl Bookings {
    /// A booking; `None` where the view has none of this id.
    pub async fn get(&self, id: &BookingId) -> Result<Option<BookingRow>, ViewsError> {
        match &self.0 {
            Source::Embedded(bookings) => bookings.get(id).await,
            Source::Postgres(bookings) => bookings.get(id).await,
        }
    }

    /// What goes back of the money of a show's bookings, by status and currency, those that are owed first.
    pub async fn refunds_of(&self, show: &ShowId) -> Result<Vec<RefundTotal>, ViewsError> {
        match &self.0 {
            Source::Embedded(bookings) => bookings.refunds_of(show).await,
            Source::Postgres(bookings) => bookings.refunds_of(show).await,
        }
    }

    /// A customer's bookings, the newest first, at most `limit`; `after` is the `next_cursor` of the page before. A
    /// cursor that no page gave is [`ViewsError::InvalidCursor`].
    pub async fn list(
        &self,
        user: &UserId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<BookingPage, ViewsError> {
        let before = match after {
            None => i64::MAX,
            Some(cursor) => {
                cursor.parse().ok().filter(|began| *began > 0).ok_or(ViewsError::InvalidCursor)?
            }
        };
        match &self.0 {
            Source::Embedded(bookings) => bookings.list(user, before, limit).await,
            Source::Postgres(bookings) => bookings.list(user, before, limit).await,
        }
    }
}
