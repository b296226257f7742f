//! Reads from the file, on connections of their own and off the server's threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use marquee_domain::ids::{BookingId, ShowId, UserId};
use rusqlite::{Connection, OptionalExtension, params};

use super::refunds::totals;
use super::rows::{self, booking_row};
use super::schema::open_reader;
use super::{BookingPage, BookingRow, RefundTotal};
use crate::views::ViewsError;

/// Idle connections that are kept. More are opened under load and closed after it.
const IDLE_CONNECTIONS: usize = 8;

/// Connections to one making's file.
pub(super) struct ReadPool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl ReadPool {
    pub fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    fn read<T>(&self, query: &impl Fn(&Connection) -> Result<T, ViewsError>) -> Result<T, ViewsError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = idle.map_or_else(|| open_reader(&self.path), Ok)?;
        let answer = query(&connection)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS {
            idle.push(connection);
        }
        Ok(answer)
    }
}

/// Reads bookings from the file. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddedBookings {
    pub(super) pool: Arc<ArcSwap<ReadPool>>,
}

impl EmbeddedBookings {
    pub async fn get(&self, id: &BookingId) -> Result<Option<BookingRow>, ViewsError> {
        let Some(show) = id.show() else { return Ok(None) };
        let id = id.clone();
        self.read(move |db| {
            let mut statement = db.prepare_cached(&format!(
                "SELECT {}, s.show_id, s.theatre_id, s.start_time, s.end_time, s.timezone, b.booking FROM shows s \
                 JOIN bookings b ON b.show = s.show WHERE s.show_id = ?1 AND b.booking = ?2",
                rows::COLUMNS
            ))?;
            Ok(statement.query_row(params![show.as_str(), id.unique()], booking_row).optional()?)
        })
        .await
    }

    pub async fn list(&self, user: &UserId, before: i64, limit: u32) -> Result<BookingPage, ViewsError> {
        let user = user.clone();
        self.read(move |db| {
            let mut statement = db.prepare_cached(&format!(
                "SELECT {}, s.show_id, s.theatre_id, s.start_time, s.end_time, s.timezone, b.booking, b.began \
                 FROM bookings b INDEXED BY bookings_of_user CROSS JOIN shows s ON s.show = b.show \
                 WHERE b.user_id = ?1 AND b.began < ?2 ORDER BY b.began DESC LIMIT ?3",
                rows::COLUMNS
            ))?;
            let rows = statement.query_map(params![user.as_str(), before, i64::from(limit) + 1], |row| {
                Ok((row.get::<_, i64>("began")?, booking_row(row)?))
            })?;
            let mut found = rows.collect::<Result<Vec<_>, _>>()?;
            let more = found.len() > limit as usize;
            found.truncate(limit as usize);
            let next_cursor = found.last().filter(|_| more).map(|(began, _)| began.to_string());
            Ok(BookingPage { bookings: found.into_iter().map(|(_, booking)| booking).collect(), next_cursor })
        })
        .await
    }

    pub async fn refunds_of(&self, show: &ShowId) -> Result<Vec<RefundTotal>, ViewsError> {
        let show = show.clone();
        self.read(move |db| {
            let mut statement = db.prepare_cached(
                "SELECT b.refund_id, b.refund_status, b.refund_amount, b.refund_currency, b.refunds \
                 FROM shows s JOIN bookings b INDEXED BY refunds_of_show ON b.show = s.show \
                 WHERE s.show_id = ?1 AND (b.refund_id IS NOT NULL OR b.refunds IS NOT NULL)",
            )?;
            let rows = statement.query_map([show.as_str()], |row| rows::refunds(row, 0))?;
            Ok(totals(rows.collect::<Result<Vec<_>, _>>()?))
        })
        .await
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl Fn(&Connection) -> Result<T, ViewsError> + Send + 'static,
    ) -> Result<T, ViewsError> {
        let serving = Arc::clone(&self.pool);
        let reading = tokio::task::spawn_blocking(move || {
            loop {
                let pool = serving.load_full();
                match pool.read(&query) {
                    // A rebuild took this making's file away in the middle: another serves reads by now.
                    Err(_) if !Arc::ptr_eq(&pool, &serving.load()) => {}
                    answer => return answer,
                }
            }
        });
        reading.await.map_err(|_| ViewsError::Closed)?
    }
}
