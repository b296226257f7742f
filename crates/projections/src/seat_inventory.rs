//! Who sits where and every booking: in a file of this node (`SQLite`), or in a database that nodes share (PostgreSQL).

mod apply;
mod bookings;
mod content;
mod postgres;
mod query;
mod reasons;
mod refunds;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

pub use bookings::Bookings;
pub(crate) use postgres::PostgresInventory;
pub use refunds::RefundTotal;

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use marquee_domain::ids::{BookingId, SeatId, ShowId, TheatreId, TicketId, UserId};
use marquee_domain::money::Money;
use marquee_domain::pricing::Pricing;
use marquee_domain::show::BookingStatus;
use marquee_event_store::{Position, Recorded, StreamName};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::fingerprint::Fingerprint;
use crate::generation::Generations;
use crate::projector::{Blueprint, Parking, Projector};
use crate::status::ParkedStream;
use crate::views::{View, ViewsError};
use apply::{Batch, ShowNumbers, Unwritten};
use content::fingerprint;
use query::{EmbeddedBookings, ReadPool};
use schema::open_writer;

const NAME: &str = "seat-inventory";

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

/// What a booking gets back, all in all.
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
    /// When it ends, as it now stands: its tickets are good until then.
    pub end_time: Timestamp,
    /// The IANA time zone of the show's city.
    pub timezone: SmolStr,
    /// As it was last written down: a pending booking whose `expires_at` has passed has expired, see
    /// [`BookingRow::status_at`].
    pub status: BookingStatus,
    /// The seats that it has, as they were asked for.
    pub seat_ids: Vec<SeatId>,
    /// The end of its seat lock.
    pub expires_at: Timestamp,
    /// What those cost; absent only between the two events that begin a booking.
    pub pricing: Option<Pricing>,
    /// When it was confirmed, if it was.
    pub confirmed_at: Option<Timestamp>,
    /// Its ticket, if it was confirmed.
    pub ticket_id: Option<TicketId>,
    /// What goes back of it, where anything does: the sum, as far as the least advanced of it.
    pub refund: Option<RefundRow>,
    /// The position of the last event that changed it.
    pub position: Position,
}

impl BookingRow {
    /// Its status at an instant: a pending booking whose deadline has passed is expired, written down or not.
    pub fn status_at(&self, now: Timestamp) -> BookingStatus {
        match self.status {
            BookingStatus::SeatsLocked | BookingStatus::PaymentPending if now >= self.expires_at => {
                BookingStatus::Expired
            }
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

/// Opens the view and makes it again.
pub(crate) struct SeatInventory {
    generations: Generations,
    pool: Arc<ArcSwap<ReadPool>>,
}

impl SeatInventory {
    pub fn new(dir: PathBuf) -> Self {
        let generations = Generations::new(dir, NAME, ".sqlite");
        let pool = Arc::new(ArcSwap::from_pointee(ReadPool::new(generations.path(0))));
        Self { generations, pool }
    }

    /// Reads from whichever making serves reads.
    pub fn bookings(&self) -> Bookings {
        Bookings(bookings::Source::Embedded(EmbeddedBookings { pool: Arc::clone(&self.pool) }))
    }

    fn load(&self, generation: u64) -> Result<Making, ViewsError> {
        let db = open_writer(&self.generations.path(generation))?;
        let checkpoint =
            db.query_row("SELECT position FROM checkpoint", [], |row| row.get(0)).map(rows::position)?;
        let parking = Parking::from_rows(parked_rows(&db)?);
        let (generations, pool) = (self.generations.clone(), Arc::clone(&self.pool));
        Ok(Making { generation, db, checkpoint, parking, shows: ShowNumbers::new(), generations, pool })
    }

    fn begin(&self) -> Result<Making, ViewsError> {
        self.load(self.generations.unused()?)
    }
}

impl Blueprint for SeatInventory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn views(&self) -> &'static [View] {
        &[View::Bookings]
    }

    fn open(&self) -> Result<Box<dyn Projector>, ViewsError> {
        let mut making = match self.generations.current().map(|current| self.load(current)) {
            Some(Ok(making)) => making,
            Some(Err(error)) => {
                tracing::error!(projection = NAME, %error, "the view cannot be used; it is made again from the log");
                self.begin()?
            }
            None => self.begin()?,
        };
        making.promote()?;
        self.generations.keep_only(making.generation)?;
        Ok(Box::new(making))
    }

    fn build(&self, generation: u64) -> Result<Box<dyn Projector>, ViewsError> {
        self.generations.remove(generation);
        Ok(Box::new(self.load(generation)?))
    }
}

/// One making: a file.
struct Making {
    generation: u64,
    db: Connection,
    checkpoint: Position,
    parking: Parking,
    shows: ShowNumbers,
    generations: Generations,
    pool: Arc<ArcSwap<ReadPool>>,
}

impl Making {
    fn write(&mut self, page: &[Arc<Recorded>], next: Position, careful: bool) -> Result<(), Unwritten> {
        let transaction = self.db.unchecked_transaction()?;
        let mut batch = Batch::new(&transaction, &mut self.shows, &mut self.parking, careful);
        for recorded in page {
            batch.apply(recorded)?;
        }
        batch.write()?;
        transaction.prepare_cached("UPDATE checkpoint SET position = ?1")?.execute([rows::stored(next)])?;
        Ok(transaction.commit()?)
    }

    fn write_whole(
        &mut self,
        page: &[Arc<Recorded>],
        next: Position,
        careful: bool,
    ) -> Result<(), Unwritten> {
        let parking = self.parking.clone();
        self.write(page, next, careful).inspect_err(|_| {
            self.parking = parking;
            self.shows.clear();
        })
    }
}

impl Projector for Making {
    fn generation(&self) -> u64 {
        self.generation
    }

    fn checkpoint(&self) -> Position {
        self.checkpoint
    }

    fn kept(&self) -> Position {
        self.checkpoint
    }

    fn visible(&self, _view: View) -> Position {
        self.checkpoint
    }

    fn parked(&self) -> Vec<ParkedStream> {
        self.parking.rows()
    }

    fn apply(&mut self, page: &[Arc<Recorded>], next: Position) -> Result<(), ViewsError> {
        let written = match self.write_whole(page, next, false) {
            Err(Unwritten::Clash) => self.write_whole(page, next, true),
            written => written,
        };
        match written {
            Ok(()) => {
                self.checkpoint = next;
                Ok(())
            }
            Err(Unwritten::Failed(error)) => Err(error),
            Err(Unwritten::Clash) => Err(ViewsError::Corrupt("rows that its keys forbid".into())),
        }
    }

    fn fingerprint(&mut self) -> Result<Fingerprint, ViewsError> {
        fingerprint(&self.db, self.checkpoint)
    }

    fn promote(&mut self) -> Result<(), ViewsError> {
        if self.generations.current() != Some(self.generation) {
            self.generations.point_to(self.generation)?;
        }
        self.pool.store(Arc::new(ReadPool::new(self.generations.path(self.generation))));
        Ok(())
    }

    fn retire(self: Box<Self>) {
        let Self { generation, db, generations, .. } = *self;
        drop(db);
        generations.remove(generation);
    }
}

fn parked_rows(db: &Connection) -> Result<Vec<ParkedStream>, ViewsError> {
    let mut select = db.prepare("SELECT stream, position, error FROM parked ORDER BY stream")?;
    let rows = select.query_map([], |row| {
        let stream = StreamName::new(row.get::<_, String>(0)?);
        Ok(ParkedStream { stream, position: rows::position(row.get(1)?), error: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
