//! The production backends of a run: a log behind KurrentDB's protocol, PostgreSQL and NATS, all on this machine and all
//! with their own durability.
//!
//! No KurrentDB runs here: a door on an embedded log, in a process of its own, stands in for it. The protocol, the official
//! client and a flush for every append are real; KurrentDB's own speed is not in the figures.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use marquee_event_store::clock::SystemClock;
use marquee_event_store::door::{Door, DoorConfig};
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_test_postgres::Postgres;
use tokio_util::sync::CancellationToken;

use crate::bare::Announcement;
use crate::error::LoadError;
use crate::nats::NatsServer;
use crate::process::Server;

/// The servers. They end when dropped.
pub struct Backends {
    log: Server,
    postgres: Postgres,
    nats: NatsServer,
}

impl Backends {
    /// Starts them, empty.
    pub async fn start(dir: &Path) -> Result<Self, LoadError> {
        let log = Server::door(dir).await?;
        let starting = tokio::task::spawn_blocking(|| (Postgres::start_durable(), NatsServer::started()));
        let (postgres, nats) = starting.await.map_err(|error| LoadError::Child(error.to_string()))?;
        Ok(Self { log, postgres, nats })
    }

    /// What tells Marquee to use them: new tables, a new log.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let log = self.log.base.trim_start_matches("http://");
        vec![
            ("MARQUEE_EVENT_STORE", format!("kurrentdb://{log}?tls=false")),
            ("MARQUEE_READ_MODEL", self.postgres.create_database("load")),
            ("MARQUEE_MESSAGES", self.nats.url()),
        ]
    }
}

/// Serves a writable door on an empty log until the process is stopped, and writes where to `announce`.
pub async fn serve_door(dir: &Path, announce: &Path) -> Result<(), LoadError> {
    let failed = |error: &dyn std::fmt::Display| LoadError::Log(error.to_string());
    let dir = DataDir::lock(dir).map_err(|error| failed(&error))?;
    let store = EmbeddedStore::open(&dir).map_err(|error| failed(&error))?;
    store.let_others_append();
    let config = DoorConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), writable: true };
    let door = Door::bind(config, Arc::new(store), Arc::new(SystemClock), CancellationToken::new());
    let door = door.await.map_err(|error| failed(&error))?;
    Announcement { listen: door.listen() }.write(announce)?;
    door.serve().await.map_err(|error| failed(&error))
}
