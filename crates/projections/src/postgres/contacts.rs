//! What is sealed of customers, for all nodes that share the database. Bytes alone: neither key nor content is known here.

use std::sync::Arc;
use std::time::Duration;

use marquee_event_store::EventStore;
use sqlx::postgres::PgConnection;
use tokio::sync::Mutex;

use super::{Postgres, Source, SourceError, bounded};

const PATIENCE: Duration = Duration::from_secs(2);

const KEY: &str = "SELECT wrapped FROM customer_keys WHERE user_id = $1";
const ADD_KEY: &str = "INSERT INTO customer_keys (user_id, wrapped) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const SEALED: &str = "SELECT sealed FROM customer_contacts WHERE user_id = $1";
const PUT: &str = "INSERT INTO customer_contacts (user_id, sealed) VALUES ($1, $2)
    ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed";
const ERASE_KEY: &str = "DELETE FROM customer_keys WHERE user_id = $1";
const ERASE: &str = "DELETE FROM customer_contacts WHERE user_id = $1";

/// The contacts in one database.
pub struct PostgresContacts {
    database: Postgres,
    store: Arc<dyn EventStore>,
    /// The one connection, once the database is known not to be another log's.
    connection: Mutex<Option<PgConnection>>,
}

impl PostgresContacts {
    /// The contacts in this database, which must not be made of another log than `store`.
    pub fn new(database: Postgres, store: Arc<dyn EventStore>) -> Self {
        Self { database, store, connection: Mutex::new(None) }
    }

    /// A customer's wrapped key.
    pub async fn key(&self, user: &str) -> Result<Option<Vec<u8>>, SourceError> {
        self.attempt(async |connection| sqlx::query_scalar(KEY).bind(user).fetch_optional(connection).await)
            .await
    }

    /// Keeps a customer's wrapped key, unless there is one.
    pub async fn add_key(&self, user: &str, wrapped: &[u8]) -> Result<(), SourceError> {
        self.attempt(async |connection| {
            sqlx::query(ADD_KEY).bind(user).bind(wrapped).execute(connection).await.map(|_| ())
        })
        .await
    }

    /// What is sealed of a customer.
    pub async fn sealed(&self, user: &str) -> Result<Option<Vec<u8>>, SourceError> {
        self.attempt(async |connection| {
            sqlx::query_scalar(SEALED).bind(user).fetch_optional(connection).await
        })
        .await
    }

    /// Keeps what is sealed of a customer, in place of what was.
    pub async fn put(&self, user: &str, sealed: &[u8]) -> Result<(), SourceError> {
        self.attempt(async |connection| {
            sqlx::query(PUT).bind(user).bind(sealed).execute(connection).await.map(|_| ())
        })
        .await
    }

    /// Deletes a customer's key, then what it sealed.
    pub async fn erase(&self, user: &str) -> Result<(), SourceError> {
        self.attempt(async |connection| {
            sqlx::query(ERASE_KEY).bind(user).execute(&mut *connection).await?;
            sqlx::query(ERASE).bind(user).execute(connection).await.map(|_| ())
        })
        .await
    }

    async fn attempt<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
    ) -> Result<T, SourceError> {
        let mut kept = self.connection.lock().await;
        // Taken out while it is in use: what fails or is cancelled in the middle is not used again.
        let (mut connection, ours) = match kept.take() {
            Some(connection) => (connection, true),
            None => {
                let source = self.database.claim(&*self.store).await?;
                (self.database.steward().await?, source == Source::Ours)
            }
        };
        let answer = bounded(PATIENCE, work(&mut connection)).await?;
        // While nobody can say whose the database is, it is asked again.
        *kept = ours.then_some(connection);
        Ok(answer)
    }
}
