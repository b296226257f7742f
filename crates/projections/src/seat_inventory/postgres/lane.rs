//! The projection as the rest of the read side sees it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;
use marquee_event_store::lease::{Epoch, keep};
use marquee_event_store::{EventStore, Position};
use sqlx::Connection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::bookings::Source;
use super::super::{Bookings, NAME};
use super::making::{self, State};
use super::reader::PostgresBookings;
use super::writer::Writer;
use crate::fingerprint::Fingerprint;
use crate::postgres::Postgres;
use crate::runtime::{Gauges, Projection};
use crate::status::ProjectionStatus;
use crate::views::{RebuildError, View, ViewsError};

/// The seat inventory in PostgreSQL, on this node.
pub(crate) struct PostgresInventory {
    database: Postgres,
    store: Arc<dyn EventStore>,
    gauges: Arc<Gauges>,
    reader: PostgresBookings,
}

impl PostgresInventory {
    /// Begins to follow the log, here or by reading what another node writes. To be called within the runtime that reads.
    pub fn start(
        database: &Postgres,
        store: Arc<dyn EventStore>,
        shutdown: &CancellationToken,
        threads: &TaskTracker,
    ) -> Result<Arc<Self>, ViewsError> {
        let end = *store.head().borrow();
        let gauges = Arc::new(Gauges::new(NAME, &[View::Bookings], end));
        let reader = PostgresBookings::new(database.readers(), Arc::clone(&gauges));
        let (tenancy, keeping) = keep(database.leases(Arc::clone(&store)), NAME, shutdown.clone());
        let writer =
            Writer::new(database.clone(), Arc::clone(&store), Arc::clone(&gauges), tenancy, shutdown.clone());
        let running = threads.token();
        // A runtime of its own: what a view does never delays a request. The lease is kept on another thread, so that a page
        // that takes long does not cost it.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        threads.spawn(keeping);
        std::thread::Builder::new().name(NAME.into()).spawn(move || {
            runtime.block_on(writer.run());
            drop(running);
        })?;
        Ok(Arc::new(Self { database: database.clone(), store, gauges, reader }))
    }

    pub fn bookings(&self) -> Bookings {
        Bookings(Source::Postgres(self.reader.clone()))
    }

    /// Asks for a new making. Whichever node has the lease builds it.
    async fn ask_for_another(&self) -> Result<(), RebuildError> {
        let asked = async {
            let mut db = self.database.writer().await?;
            let mut transaction = db.begin().await?;
            making::create(&mut transaction, State::Building, Epoch(0)).await?;
            transaction.commit().await?;
            db.close().await
        };
        asked.await.map_err(|error: sqlx::Error| {
            let taken =
                error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation);
            if taken { RebuildError::AlreadyRebuilding } else { RebuildError::Unavailable(error.to_string()) }
        })?;
        self.gauges.rebuilding.store(true, Ordering::Release);
        Ok(())
    }
}

impl Projection for PostgresInventory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn watch(&self, view: View) -> Option<watch::Receiver<Position>> {
        self.gauges.watch(view)
    }

    fn status(&self) -> ProjectionStatus {
        self.gauges.status(*self.store.head().borrow())
    }

    fn caught_up(&self) -> bool {
        self.gauges.caught_up()
    }

    fn fingerprint(&self) -> BoxFuture<'_, Result<Fingerprint, ViewsError>> {
        Box::pin(self.reader.fingerprint())
    }

    fn rebuild(self: Arc<Self>) -> BoxFuture<'static, Result<(), RebuildError>> {
        Box::pin(async move { self.ask_for_another().await })
    }
}
