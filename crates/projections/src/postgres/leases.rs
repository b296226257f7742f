//! Leases as rows, timed by the server's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use marquee_event_store::EventStore;
use marquee_event_store::lease::{Epoch, LeaseError, Leases};
use sqlx::postgres::PgConnection;
use tokio::sync::Mutex;

use super::{Postgres, Source, bounded};

/// A standby takes over within this and a third of it, well under ten seconds.
const TERM: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_millis(1_500);

/// The epoch grows where the holder changes. A holder whose term ended, but whom nobody has replaced, goes on.
pub(crate) const HOLD: &str = "
    INSERT INTO leases AS held (name, holder, epoch, expires_at)
    VALUES ($1, $2, 1, clock_timestamp() + $3::bigint * interval '1 millisecond')
    ON CONFLICT (name) DO UPDATE SET
        epoch = held.epoch + CASE WHEN held.holder = excluded.holder THEN 0 ELSE 1 END,
        holder = excluded.holder,
        expires_at = excluded.expires_at
    WHERE held.holder = excluded.holder OR held.expires_at <= clock_timestamp()
    RETURNING epoch";

pub(crate) const RELEASE: &str =
    "UPDATE leases SET expires_at = clock_timestamp() WHERE name = $1 AND holder = $2";

/// The leases of one database, for one process.
pub(crate) struct PostgresLeases {
    database: Postgres,
    store: Arc<dyn EventStore>,
    /// Whether the database is known to be made of this log.
    ours: AtomicBool,
    connection: Mutex<Option<PgConnection>>,
}

impl PostgresLeases {
    pub fn new(database: Postgres, store: Arc<dyn EventStore>) -> Self {
        Self { database, store, ours: AtomicBool::new(false), connection: Mutex::new(None) }
    }

    async fn connected(&self) -> Result<PgConnection, LeaseError> {
        self.database.migrate().await.map_err(|error| LeaseError(error.to_string()))?;
        self.database.steward().await.map_err(|error| unavailable(&error))
    }

    /// A node of another log that took a lease here would keep it from those whose database it is.
    async fn check_source(&self) -> Result<(), LeaseError> {
        if !self.ours.load(Ordering::Acquire) {
            let source = self.database.claim(&*self.store).await;
            let source = source.map_err(|error| LeaseError(error.to_string()))?;
            self.ours.store(source == Source::Ours, Ordering::Release);
        }
        Ok(())
    }

    async fn attempt<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
    ) -> Result<T, LeaseError> {
        let mut kept = self.connection.lock().await;
        // Taken out while it is in use: what fails or is cancelled in the middle is not used again.
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.connected().await?,
        };
        let answer = bounded(PATIENCE, work(&mut connection)).await.map_err(|error| unavailable(&error))?;
        *kept = Some(connection);
        Ok(answer)
    }
}

fn unavailable(error: &sqlx::Error) -> LeaseError {
    LeaseError(error.to_string())
}

impl Leases for PostgresLeases {
    fn term(&self) -> Option<Duration> {
        Some(TERM)
    }

    fn hold<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Epoch>, LeaseError>> {
        Box::pin(async move {
            self.check_source().await?;
            let holder = self.database.holder();
            let term = i64::try_from(TERM.as_millis()).unwrap_or(i64::MAX);
            let epoch: Option<i64> = self
                .attempt(async |connection| {
                    let hold = sqlx::query_scalar(HOLD).bind(name).bind(holder).bind(term);
                    hold.fetch_optional(connection).await
                })
                .await?;
            Ok(epoch.map(|epoch| Epoch(epoch.cast_unsigned())))
        })
    }

    fn release<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), LeaseError>> {
        Box::pin(async move {
            let holder = self.database.holder();
            let released = self.attempt(async |connection| {
                sqlx::query(RELEASE).bind(name).bind(holder).execute(connection).await
            });
            released.await.map(|_| ())
        })
    }
}
