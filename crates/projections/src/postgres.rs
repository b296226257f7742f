//! The PostgreSQL database that nodes share: how it is reached, its tables, and the leases in it.

mod contacts;
mod leases;
mod migrations;
mod source;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use marquee_event_store::EventStore;
use marquee_event_store::lease::Leases;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::watch;

pub use contacts::PostgresContacts;
pub(crate) use leases::PostgresLeases;
#[cfg(test)]
pub(crate) use leases::{HOLD, RELEASE};
#[cfg(test)]
pub(crate) use source::{CLAIM, SOURCE};
pub use source::{Source, SourceError};

/// Connections for those who read; a writer and the leases have one each of their own.
const READERS: u32 = 8;
/// A reader that waits longer than this answers that the database is out.
const ACQUIRE: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(3);
/// What a reader's statement may take.
const READ: Duration = Duration::from_secs(3);
/// What a statement of the writer may take, as the server counts it.
const WRITE: Duration = Duration::from_secs(8);
/// The server ends a transaction whose writer says nothing for this long: a node that was stalled in the middle of one
/// holds up nobody who takes over.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(4);

/// Why the address of a database does not hold.
#[derive(Debug, thiserror::Error)]
#[error("no address of a PostgreSQL database: {0}")]
pub struct InvalidAddress(String);

/// A PostgreSQL database. Nothing is connected before it is needed. Cheap to clone.
#[derive(Clone)]
pub struct Postgres {
    options: Arc<PgConnectOptions>,
    /// Who this process is among the holders of leases.
    holder: Arc<str>,
    /// Why nothing may be read or written here, once that has turned out.
    refused: Arc<watch::Sender<Option<String>>>,
}

/// Without the password.
impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (host, port) = (self.options.get_host(), self.options.get_port());
        write!(f, "postgres at {host}:{port}/{}", self.options.get_database().unwrap_or_default())
    }
}

impl Postgres {
    /// The database at `postgres://user:password@host:port/database?sslmode=…`.
    pub fn new(url: &str) -> Result<Self, InvalidAddress> {
        let scheme = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        if !scheme {
            return Err(InvalidAddress("it does not begin with postgres://".into()));
        }
        let options = PgConnectOptions::from_str(url).map_err(|error| InvalidAddress(error.to_string()))?;
        let options = options.application_name("marquee").disable_statement_logging();
        Ok(Self {
            options: Arc::new(options),
            holder: uuid::Uuid::new_v4().to_string().into(),
            refused: Arc::default(),
        })
    }

    /// The leases in this database, for this process. None is had while the database may be made of another log than `store`.
    pub fn leases(&self, store: Arc<dyn EventStore>) -> Arc<dyn Leases> {
        Arc::new(PostgresLeases::new(self.clone(), store))
    }

    pub(crate) fn holder(&self) -> &str {
        &self.holder
    }

    /// Connections for readers, none of which is made yet. To be called within the runtime that reads.
    pub(crate) fn readers(&self) -> PgPool {
        let millis = |time: Duration| time.as_millis().to_string();
        PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(Duration::from_mins(5))
            .max_lifetime(Duration::from_mins(30))
            .connect_lazy_with((*self.options).clone().options([
                ("statement_timeout", millis(READ)),
                ("default_transaction_read_only", "on".into()),
                // A page of a customer's bookings is found by its index, however little is known of a new table.
                ("plan_cache_mode", "force_generic_plan".into()),
                ("jit", "off".into()),
            ]))
    }

    /// A connection for the one who writes.
    pub(crate) async fn writer(&self) -> sqlx::Result<PgConnection> {
        let millis = |time: Duration| time.as_millis().to_string();
        let options = (*self.options).clone().options([
            ("statement_timeout", millis(WRITE)),
            ("lock_timeout", millis(WRITE / 2)),
            ("idle_in_transaction_session_timeout", millis(IDLE_IN_TRANSACTION)),
            // Rows are found by their keys, page after page. A planner that knows a new table to be empty would read all of it
            // each time.
            ("plan_cache_mode", "force_generic_plan".into()),
            // What little is read whole for want of an index would be costed so high as to be compiled first.
            ("jit", "off".into()),
            ("enable_seqscan", "off".into()),
            ("enable_hashjoin", "off".into()),
            ("enable_mergejoin", "off".into()),
        ]);
        connect(&options).await
    }

    /// A connection for small things that matter: leases.
    pub(crate) async fn steward(&self) -> sqlx::Result<PgConnection> {
        let options =
            (*self.options).clone().options([("statement_timeout", CONNECT.as_millis().to_string())]);
        connect(&options).await
    }

    /// Brings the tables to what this release needs. Nodes that start together wait for each other.
    pub(crate) async fn migrate(&self) -> Result<(), sqlx::migrate::MigrateError> {
        let mut connection = connect(&self.options).await?;
        migrations::migrator().run_direct(None, &mut connection, false).await?;
        connection.close().await?;
        Ok(())
    }
}

async fn connect(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    bounded(CONNECT, options.connect()).await
}

/// A server that has stopped answering is one that is out.
pub(crate) async fn bounded<T>(
    time: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    tokio::time::timeout(time, work).await.unwrap_or_else(|_| {
        Err(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no answer within {} ms", time.as_millis()),
        )))
    })
}
