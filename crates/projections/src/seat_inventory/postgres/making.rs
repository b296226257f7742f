//! One making: a partition of each table, and its checkpoint.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use marquee_domain::ids::{BookingId, ShowId};
use marquee_event_store::lease::Epoch;
use marquee_event_store::{Position, Recorded};
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Postgres, Row, Transaction};

use super::super::rows::stored;
use super::fold::{Fold, Stored, Wanted};
use super::{columns, rows, sql};
use crate::projector::{Parking, Poison};
use crate::status::ParkedStream;

/// Shows that are remembered to be there. More are looked up again.
const MOST_SHOWS: usize = 100_000;

/// Why events were not applied. Nothing of them was.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unapplied {
    /// Another node has taken over, or has come further.
    #[error("another node writes this view")]
    Fenced,
    /// The database failed, or does not answer.
    #[error(transparent)]
    Failed(#[from] sqlx::Error),
}

/// Why a page was not written.
enum Unwritten {
    /// A row was there that a sound log leaves no room for. Apply the page again, looking before each step.
    Clash,
    /// The database takes a value for one that it cannot store.
    Refused(String),
    Fenced,
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for Unwritten {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default();
        match (code.as_ref(), code.get(..2)) {
            ("23505", _) => Self::Clash,
            // Data, integrity and size: another attempt ends the same.
            (_, Some("22" | "23" | "54")) => Self::Refused(error.to_string()),
            _ => Self::Failed(error),
        }
    }
}

/// What a making is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is made beside the one that serves reads.
    Building,
    /// It serves reads.
    Serving,
    /// Another serves reads; it is to be deleted.
    Retired,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Building => "BUILDING",
            Self::Serving => "SERVING",
            Self::Retired => "RETIRED",
        }
    }
}

/// A making as its row has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    pub generation: i64,
    pub state: State,
    pub position: Position,
    pub epoch: Epoch,
}

/// Every making.
pub(super) async fn all(db: &mut PgConnection) -> sqlx::Result<Vec<Listed>> {
    let rows = sqlx::query(sql::GENERATIONS).fetch_all(db).await?;
    rows.iter().map(listed).collect()
}

fn listed(row: &PgRow) -> sqlx::Result<Listed> {
    let state: &str = row.try_get("state")?;
    let state = [State::Building, State::Serving, State::Retired]
        .into_iter()
        .find(|known| known.as_str() == state)
        .ok_or_else(|| sqlx::Error::Decode(format!("{state} is no state of a generation").into()))?;
    Ok(Listed {
        generation: row.try_get("generation")?,
        state,
        position: rows::checkpoint(row)?,
        epoch: Epoch(row.try_get::<i64, _>("epoch")?.cast_unsigned()),
    })
}

/// Begins an empty making.
pub(super) async fn create(
    transaction: &mut Transaction<'_, Postgres>,
    state: State,
    epoch: Epoch,
) -> sqlx::Result<i64> {
    let new = sqlx::query_scalar(sql::NEW_GENERATION).bind(state.as_str()).bind(epoch.0.cast_signed());
    let generation: i64 = new.fetch_one(&mut **transaction).await?;
    let partitions = format!(
        "CREATE TABLE shows_{generation} PARTITION OF shows FOR VALUES IN ({generation});
         CREATE TABLE bookings_{generation} PARTITION OF bookings FOR VALUES IN ({generation}) WITH (fillfactor = 85);
         CREATE TABLE live_seats_{generation} PARTITION OF live_seats FOR VALUES IN ({generation});"
    );
    sqlx::raw_sql(AssertSqlSafe(partitions)).execute(&mut **transaction).await?;
    Ok(generation)
}

/// Deletes a making that was retired.
pub(super) async fn delete(db: &mut PgConnection, generation: i64) -> sqlx::Result<()> {
    let mut transaction = db.begin().await?;
    let partitions =
        format!("DROP TABLE IF EXISTS shows_{generation}, bookings_{generation}, live_seats_{generation}");
    sqlx::raw_sql(AssertSqlSafe(partitions)).execute(&mut *transaction).await?;
    sqlx::query(sql::FORGET).bind(generation).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// The streams that a making has stopped reading.
pub(super) async fn parked(db: &mut PgConnection, generation: i64) -> sqlx::Result<Vec<ParkedStream>> {
    sqlx::query(sql::PARKED).bind(generation).fetch_all(db).await?.iter().map(rows::parked).collect()
}

/// One making, as its writer has it.
pub(super) struct Making {
    pub generation: i64,
    pub position: Position,
    pub parking: Parking,
    epoch: Epoch,
    shows: HashSet<ShowId>,
}

impl Making {
    pub async fn load(db: &mut PgConnection, listed: Listed, epoch: Epoch) -> sqlx::Result<Self> {
        let parking = Parking::from_rows(parked(db, listed.generation).await?);
        let (generation, position) = (listed.generation, listed.position);
        Ok(Self { generation, position, parking, epoch, shows: HashSet::new() })
    }

    /// Applies events and moves the checkpoint to `next`: both or neither. A fact that cannot be applied parks its stream.
    pub async fn apply(
        &mut self,
        db: &mut PgConnection,
        page: &[Arc<Recorded>],
        next: Position,
    ) -> Result<(), Unapplied> {
        // What the database refuses is found by halving the page until one event is left.
        let mut parts: Vec<(Range<usize>, Position)> = vec![(0..page.len(), next)];
        while let Some((range, next)) = parts.pop() {
            let events = &page[range.clone()];
            let written = match self.write_whole(db, events, next, false, None).await {
                Err(Unwritten::Clash) => self.write_whole(db, events, next, true, None).await,
                written => written,
            };
            let refused = match written {
                Ok(()) => continue,
                Err(Unwritten::Fenced) => return Err(Unapplied::Fenced),
                Err(Unwritten::Failed(error)) => return Err(error.into()),
                Err(Unwritten::Clash) => "its rows are there already".to_owned(),
                Err(Unwritten::Refused(reason)) => reason,
            };
            if let [event] = events {
                let poison = Poison::Refused(refused);
                match self.write_whole(db, &[], next, false, Some((event, &poison))).await {
                    Ok(()) => {}
                    Err(Unwritten::Fenced) => return Err(Unapplied::Fenced),
                    Err(Unwritten::Failed(error)) => return Err(error.into()),
                    Err(Unwritten::Clash) => {
                        return Err(sqlx::Error::Protocol("a parked stream".into()).into());
                    }
                    Err(Unwritten::Refused(reason)) => return Err(sqlx::Error::Protocol(reason).into()),
                }
            } else {
                let middle = range.start + events.len() / 2;
                let between = page[middle - 1].position;
                parts.push((middle..range.end, next));
                parts.push((range.start..middle, between));
            }
        }
        Ok(())
    }

    async fn write_whole(
        &mut self,
        db: &mut PgConnection,
        page: &[Arc<Recorded>],
        next: Position,
        careful: bool,
        poison: Option<(&Recorded, &Poison)>,
    ) -> Result<(), Unwritten> {
        let parking = self.parking.clone();
        let written = self.write(db, page, next, careful, poison).await;
        match &written {
            Ok(()) => self.position = next,
            Err(_) => {
                self.parking = parking;
                self.shows.clear();
            }
        }
        written
    }

    async fn write(
        &mut self,
        db: &mut PgConnection,
        page: &[Arc<Recorded>],
        next: Position,
        careful: bool,
        poison: Option<(&Recorded, &Poison)>,
    ) -> Result<(), Unwritten> {
        let mut transaction = db.begin().await?;
        match self.write_in(&mut transaction, page, next, careful, poison).await {
            Ok(scheduled) => {
                transaction.commit().await?;
                self.shows.extend(scheduled);
                Ok(())
            }
            Err(error) => {
                // Now, and not with the next statement: others may wait for these rows.
                let _ = transaction.rollback().await;
                Err(error)
            }
        }
    }

    /// Returns the shows that are new.
    async fn write_in(
        &mut self,
        transaction: &mut Transaction<'_, Postgres>,
        page: &[Arc<Recorded>],
        next: Position,
        careful: bool,
        poison: Option<(&Recorded, &Poison)>,
    ) -> Result<Vec<ShowId>, Unwritten> {
        // First, so that whoever is shut out finds out before anything else, and two writers never wait for rows of each
        // other.
        let checkpoint = sqlx::query(sql::CHECKPOINT)
            .bind(self.generation)
            .bind(stored(self.position))
            .bind(stored(next))
            .bind(self.epoch.0.cast_signed());
        if checkpoint.execute(&mut **transaction).await?.rows_affected() != 1 {
            return Err(Unwritten::Fenced);
        }
        let wanted = Wanted::of(page.iter().map(|event| &**event), careful);
        let stored_rows = self.fetch(transaction, wanted).await?;
        let mut fold = Fold::new(&self.shows, stored_rows, &mut self.parking);
        for recorded in page {
            fold.apply(recorded);
        }
        if let Some((event, poison)) = poison {
            fold.park(event, poison);
        }
        columns::write(transaction, self.generation, &fold).await?;
        Ok(fold.scheduled.into_keys().collect())
    }

    /// Reads the rows that a page may touch.
    async fn fetch(
        &mut self,
        transaction: &mut Transaction<'_, Postgres>,
        wanted: Wanted,
    ) -> sqlx::Result<Stored> {
        let mut found = Stored::default();
        if self.shows.len() > MOST_SHOWS {
            self.shows.clear();
        }
        let unknown: Vec<&str> =
            wanted.shows.iter().filter(|show| !self.shows.contains(*show)).map(ShowId::as_str).collect();
        if !unknown.is_empty() {
            let rows = sqlx::query(sql::KNOWN_SHOWS).bind(self.generation).bind(unknown);
            for row in rows.fetch_all(&mut **transaction).await? {
                self.shows.insert(rows::show_id(&row)?);
            }
        }
        if !wanted.bookings.is_empty() {
            // In the order of the key, so that neighbours are read together.
            let mut ids: Vec<&str> = wanted.bookings.iter().map(BookingId::as_str).collect();
            ids.sort_unstable();
            let rows = sqlx::query(sql::KNOWN_BOOKINGS).bind(self.generation).bind(ids);
            let rows = rows.fetch_all(&mut **transaction).await?;
            let bookings = rows.iter().map(|row| Ok((rows::booking_id(row)?, rows::booking(row)?)));
            found.bookings = bookings.collect::<sqlx::Result<HashMap<_, _>>>()?;
        }
        if !wanted.seats.is_empty() {
            let (shows, seats): (Vec<&str>, Vec<&str>) =
                wanted.seats.iter().map(|(show, seat)| (show.as_str(), seat.as_str())).unzip();
            let rows = sqlx::query(sql::HOLDERS).bind(self.generation).bind(shows).bind(seats);
            for row in rows.fetch_all(&mut **transaction).await? {
                let place = (rows::show_id(&row)?, row.try_get::<&str, _>("seat_id")?.into());
                found.holders.insert(place, rows::booking_id(&row)?);
            }
        }
        Ok(found)
    }

    /// Makes this the making that serves reads. Reads go over to it at once.
    pub async fn promote(&self, db: &mut PgConnection) -> Result<(), Unapplied> {
        let epoch = self.epoch.0.cast_signed();
        let mut transaction = db.begin().await?;
        let retired = sqlx::query(sql::RETIRE_SERVING).bind(epoch).execute(&mut *transaction).await?;
        let promote = sqlx::query(sql::PROMOTE).bind(self.generation).bind(epoch);
        let promoted = promote.execute(&mut *transaction).await?;
        if (retired.rows_affected(), promoted.rows_affected()) != (1, 1) {
            transaction.rollback().await?;
            return Err(Unapplied::Fenced);
        }
        Ok(transaction.commit().await?)
    }
}
