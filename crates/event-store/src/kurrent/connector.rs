//! The one client in use, made anew whenever it fails.
//!
//! A client (1.2.0) that fails to connect once is dead for ever, and one whose node dies never asks another. So each client knows one
//! node alone, and the next is made for the next seed.

use std::sync::Arc;
use std::time::Duration;

use kurrentdb::Client;
use tokio::sync::watch;

use super::Shared;
use super::seeds::{Seed, Seeds};
use super::sessions::Sessions;

/// Longest that one seed may take to answer.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest that a call waits for a connection.
const WAIT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A client, and which one it is.
#[derive(Clone)]
pub(super) struct Lease {
    pub client: Client,
    pub sessions: Arc<Sessions>,
    number: u64,
}

/// Hands out the client.
pub(super) struct Connector {
    current: watch::Sender<Option<Lease>>,
}

impl Connector {
    pub fn new() -> Self {
        Self { current: watch::Sender::new(None) }
    }

    /// The client; waits a little where there is none. `None` where none comes.
    pub async fn get(&self) -> Option<Lease> {
        tokio::time::timeout(WAIT, self.get_patiently()).await.ok().flatten()
    }

    /// The client; waits for it as long as it takes. `None` once the store is closed.
    pub async fn get_patiently(&self) -> Option<Lease> {
        let mut current = self.current.subscribe();
        let lease = current.wait_for(Option::is_some).await.ok()?;
        lease.clone()
    }

    /// Says that a client is of no more use.
    pub fn broken(&self, lease: &Lease) {
        self.current.send_if_modified(|current| {
            let same = current.as_ref().is_some_and(|current| current.number == lease.number);
            if same {
                *current = None;
            }
            same
        });
    }
}

/// Makes clients, one after the other, until the store is closed.
pub(super) async fn keep_connected(shared: Arc<Shared>, seeds: Seeds) {
    let stop = shared.stop.clone();
    tokio::select! {
        () = connect_again_and_again(&shared, &seeds) => {}
        () = stop.cancelled() => {
            shared.connector.current.send_replace(None);
            shared.out("the store is closed");
        }
    }
}

async fn connect_again_and_again(shared: &Shared, seeds: &Seeds) {
    let mut current = shared.connector.current.subscribe();
    let (mut number, mut pause) = (0, FIRST_PAUSE);
    for seed in seeds.all().iter().cycle() {
        if current.wait_for(Option::is_none).await.is_err() {
            return;
        }
        match connect(seed).await {
            Ok(client) => {
                tracing::info!(node = seed.name, "connected to KurrentDB");
                number += 1;
                shared.meters.connections.increment(1);
                pause = FIRST_PAUSE;
                shared.connector.current.send_replace(Some(Lease {
                    client,
                    sessions: Arc::new(Sessions::new()),
                    number,
                }));
            }
            Err(reason) => {
                tracing::debug!(node = seed.name, reason, "no connection to KurrentDB");
                shared.out(&format!("{}: {reason}", seed.name));
                // Nodes that come back together must not be asked by everybody at once.
                tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

async fn connect(seed: &Seed) -> Result<Client, String> {
    let client = Client::new(seed.settings.clone()).map_err(|error| error.to_string())?;
    match tokio::time::timeout(CONNECT, client.server_info()).await {
        Ok(Ok(_)) => Ok(client),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it does not answer within {} s", CONNECT.as_secs())),
    }
}
