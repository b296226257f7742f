//! Reads from whichever making serves reads, as it is at one instant.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use marquee_domain::ids::{BookingId, ShowId, UserId};
use marquee_event_store::Position;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::{Row, raw_sql};

use super::super::content::Content;
use super::super::refunds::totals;
use super::super::{BookingPage, BookingRow, RefundTotal};
use super::{rows, sql};
use crate::fingerprint::{Canonical, Fingerprint};
use crate::postgres::bounded;
use crate::runtime::Gauges;
use crate::views::ViewsError;

/// A reader waits this long, then says that the database is out.
const PATIENCE: Duration = Duration::from_secs(3);

/// The same for one booking, which its show's stream has as well: who asks for it has just paid, and asks again and again.
const PATIENCE_FOR_ONE: Duration = Duration::from_millis(500);

/// Reads bookings from PostgreSQL. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PostgresBookings {
    pool: PgPool,
    gauges: Arc<Gauges>,
}

impl PostgresBookings {
    pub fn new(pool: PgPool, gauges: Arc<Gauges>) -> Self {
        Self { pool, gauges }
    }

    pub async fn get(&self, id: &BookingId) -> Result<Option<BookingRow>, ViewsError> {
        let query = sqlx::query(sql::BOOKING).bind(id.as_str());
        let row = self.read(PATIENCE_FOR_ONE, query.fetch_optional(&self.pool)).await?;
        Ok(row.as_ref().map(rows::booking_row).transpose()?)
    }

    pub async fn list(&self, user: &UserId, before: i64, limit: u32) -> Result<BookingPage, ViewsError> {
        let query =
            sqlx::query(sql::BOOKINGS_OF_USER).bind(user.as_str()).bind(before).bind(i64::from(limit) + 1);
        let mut found: Vec<PgRow> = self.read(PATIENCE, query.fetch_all(&self.pool)).await?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let last = found.last().filter(|_| more).map(|row| row.try_get::<i64, _>("began")).transpose()?;
        let bookings = found.iter().map(rows::booking_row).collect::<sqlx::Result<_>>()?;
        Ok(BookingPage { bookings, next_cursor: last.map(|began| began.to_string()) })
    }

    pub async fn refunds_of(&self, show: &ShowId) -> Result<Vec<RefundTotal>, ViewsError> {
        let from = BookingId::compose(show, "");
        // The next character after the one that ends the show's part.
        let until = format!("{}`", from.as_str().strip_suffix('_').unwrap_or_default());
        let query = sqlx::query(sql::REFUNDS_OF_SHOW).bind(show.as_str()).bind(from.as_str()).bind(until);
        let found: Vec<PgRow> = self.read(PATIENCE, query.fetch_all(&self.pool)).await?;
        let refunds = found.iter().map(rows::refunds).collect::<sqlx::Result<Vec<_>>>()?;
        Ok(totals(refunds))
    }

    /// While the database is known to be out, nobody waits for it.
    async fn read<T>(
        &self,
        patience: Duration,
        query: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T, ViewsError> {
        if let Some(outage) = self.gauges.outage() {
            return Err(ViewsError::Unavailable(outage.reason));
        }
        Ok(bounded(patience, query).await?)
    }

    /// Hashes all rows, together with the position that they are at.
    pub async fn fingerprint(&self) -> Result<Fingerprint, ViewsError> {
        let mut transaction = self.pool.begin().await?;
        let settings =
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL statement_timeout = '10min'";
        raw_sql(settings).execute(&mut *transaction).await?;
        let serving = sqlx::query(sql::SERVING).fetch_optional(&mut *transaction).await?;
        let Some(serving) = serving else { return Ok(Canonical::new().finish(Position(0))) };
        let (generation, position): (i64, _) = (serving.try_get("generation")?, rows::checkpoint(&serving)?);

        let mut canonical = Canonical::new();
        let mut shows = sqlx::query(sql::ALL_SHOWS).bind(generation).fetch(&mut *transaction);
        while let Some(row) = shows.try_next().await? {
            add(&mut canonical, &show(&row)?)?;
        }
        drop(shows);
        let mut bookings = sqlx::query(sql::ALL_BOOKINGS).bind(generation).fetch(&mut *transaction);
        while let Some(row) = bookings.try_next().await? {
            let (show, unique) = (row.try_get("show_id")?, rows::booking_id(&row)?.unique().to_owned());
            add(&mut canonical, &Content::Booking { show, unique, row: &rows::booking(&row)? })?;
        }
        drop(bookings);
        let mut seats = sqlx::query(sql::ALL_SEATS).bind(generation).fetch(&mut *transaction);
        while let Some(row) = seats.try_next().await? {
            let (show, seat) = (row.try_get("show_id")?, row.try_get("seat_id")?);
            let booking = rows::booking_id(&row)?.unique().to_owned();
            add(&mut canonical, &Content::Seat { show, seat, booking })?;
        }
        drop(seats);
        for parked in super::making::parked(&mut transaction, generation).await? {
            canonical.record(&parked).map_err(|error| ViewsError::Corrupt(error.to_string()))?;
        }
        Ok(canonical.finish(position))
    }
}

fn show(row: &PgRow) -> sqlx::Result<Content<'static>> {
    Ok(Content::Show {
        id: row.try_get("show_id")?,
        theatre: row.try_get("theatre_id")?,
        start: row.try_get("start_time")?,
        end: row.try_get("end_time")?,
        timezone: row.try_get("timezone")?,
        cancelled: row.try_get("cancelled")?,
    })
}

fn add(canonical: &mut Canonical, content: &Content<'_>) -> Result<(), ViewsError> {
    canonical.record(content).map_err(|error| ViewsError::Corrupt(error.to_string()))
}
