//! Customers' contacts in the database that nodes share: the write side's vault, on the read side's connection.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use marquee_commands::{ContactVault, ContactsError};
use marquee_domain::ids::UserId;
use marquee_event_store::EventStore;
use marquee_projections::{Postgres, PostgresContacts, SourceError};

/// The contacts of all nodes.
pub struct SharedVault(PostgresContacts);

impl SharedVault {
    /// In a database that must not be made of another log.
    pub fn new(database: &Postgres, store: &Arc<dyn EventStore>) -> Self {
        Self(PostgresContacts::new(database.clone(), Arc::clone(store)))
    }
}

fn out(error: &SourceError) -> ContactsError {
    ContactsError::Out(error.to_string())
}

impl ContactVault for SharedVault {
    fn key(&self, user: UserId) -> BoxFuture<'_, Result<Option<Vec<u8>>, ContactsError>> {
        Box::pin(async move { self.0.key(user.as_str()).await.map_err(|error| out(&error)) })
    }

    fn add_key(&self, user: UserId, wrapped: Vec<u8>) -> BoxFuture<'_, Result<(), ContactsError>> {
        Box::pin(async move { self.0.add_key(user.as_str(), &wrapped).await.map_err(|error| out(&error)) })
    }

    fn sealed(&self, user: UserId) -> BoxFuture<'_, Result<Option<Vec<u8>>, ContactsError>> {
        Box::pin(async move { self.0.sealed(user.as_str()).await.map_err(|error| out(&error)) })
    }

    fn put(&self, user: UserId, sealed: Vec<u8>) -> BoxFuture<'_, Result<(), ContactsError>> {
        Box::pin(async move { self.0.put(user.as_str(), &sealed).await.map_err(|error| out(&error)) })
    }

    fn erase(&self, user: UserId) -> BoxFuture<'_, Result<(), ContactsError>> {
        Box::pin(async move { self.0.erase(user.as_str()).await.map_err(|error| out(&error)) })
    }
}
