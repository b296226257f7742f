//! Messages to the outside: where they go, and the bus that is open.

use std::path::Path;
use std::sync::Arc;

use marquee_api::Outbound;
use marquee_event_store::EventStore;
use marquee_event_store::clock::Clock;
use marquee_event_store::lease::{Leases, keep};
use marquee_notifications::Notifications;
use marquee_projections::messages::{
    EmbeddedBus, MessageBus, Messages, NatsBus, NatsConfig, NatsCredentials, Retention,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cli::Failure;
use crate::config::ConfigError;

const NAME: &str = "messages";
const VARIABLE: &str = "MARQUEE_MESSAGES";
const USER: &str = "MARQUEE_NATS_USER";
const PASSWORD: &str = "MARQUEE_NATS_PASSWORD";
const TOKEN: &str = "MARQUEE_NATS_TOKEN";
const AUTHORITY: &str = "MARQUEE_NATS_CA";

/// Where messages go.
#[derive(Debug, Clone)]
pub enum MessagesChoice {
    /// Into a queue in the data directory.
    Embedded,
    /// To NATS.
    Nats(NatsConfig),
}

impl MessagesChoice {
    /// Settles what was given: a flag, else the environment, else the file, else the embedded queue.
    pub fn settle(flag: Option<&str>, file: Option<&str>) -> Result<Self, ConfigError> {
        let variable = variable(VARIABLE);
        match (flag, &variable, file) {
            (Some(open), _, _) | (None, None, Some(open)) if open.contains('@') => {
                let reason = format!(
                    "a password comes by {VARIABLE}, {PASSWORD} or {TOKEN} alone, which fewer can read"
                );
                Err(ConfigError::Value(NAME, reason))
            }
            (Some(choice), _, _) | (None, None, Some(choice)) => Self::parse(choice, credentials()?),
            (None, Some(choice), _) => Self::parse(choice, credentials()?),
            (None, None, None) => Ok(Self::Embedded),
        }
    }

    fn parse(choice: &str, credentials: Option<NatsCredentials>) -> Result<Self, ConfigError> {
        if choice == "embedded" {
            return Ok(Self::Embedded);
        }
        let config = NatsConfig::new(choice, credentials);
        let authority = variable(AUTHORITY);
        config
            .map(|config| authority.into_iter().fold(config, |config, file| config.believing(file.into())))
            .map(Self::Nats)
            .map_err(|error| ConfigError::Value(NAME, format!("neither embedded nor a URL: {error}")))
    }

    /// Opens the bus and starts to publish. NATS need not be there: it is waited for. Of the nodes that share `leases`, one
    /// publishes to NATS; a queue in the data directory is each node's own.
    pub fn start(
        &self,
        state_dir: &Path,
        store: Arc<dyn EventStore>,
        clock: Arc<dyn Clock>,
        leases: Arc<dyn Leases>,
        notifications: Notifications,
        stop: CancellationToken,
    ) -> Result<Outbound, Failure> {
        let (bus, queue, chosen): (Arc<dyn MessageBus>, _, _) = match self {
            Self::Embedded => {
                let queue = EmbeddedBus::open(state_dir, Retention::default())?;
                (Arc::new(queue.clone()), Some(queue), watch::channel(true).1)
            }
            Self::Nats(config) => {
                tracing::info!(servers = ?config, "messages go to NATS");
                (Arc::new(NatsBus::new(config.clone())), None, chosen(leases, NAME, stop.clone()))
            }
        };
        Ok(Outbound { publisher: Messages::start(store, bus, clock, chosen, stop)?, queue, notifications })
    }
}

/// Whether this node is the one that has a lease. Where nobody can say, each node acts: what is told twice has the same id.
pub fn chosen(
    leases: Arc<dyn Leases>,
    lease: &'static str,
    stop: CancellationToken,
) -> watch::Receiver<bool> {
    let (sender, chosen) = watch::channel(false);
    let (mut tenancy, keeping) = keep(leases, lease, stop);
    tokio::spawn(async move {
        let telling = async {
            loop {
                let now = tenancy.should_act();
                sender.send_if_modified(|before| std::mem::replace(before, now) != now);
                tenancy.changed().await;
            }
        };
        // The lease is let go before this ends.
        tokio::select! {
            () = keeping => {}
            () = telling => {}
        }
    });
    chosen
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn credentials() -> Result<Option<NatsCredentials>, ConfigError> {
    match (variable(USER), variable(PASSWORD), variable(TOKEN)) {
        (None, None, None) => Ok(None),
        (Some(user), Some(password), None) => Ok(Some(NatsCredentials::User { user, password })),
        (None, None, Some(token)) => Ok(Some(NatsCredentials::Token(token))),
        _ => Err(ConfigError::Value(NAME, format!("give {USER} with {PASSWORD}, or {TOKEN}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_to_a_queue_or_to_nats() {
        for embedded in [MessagesChoice::settle(Some("embedded"), None), MessagesChoice::settle(None, None)] {
            assert!(matches!(embedded, Ok(MessagesChoice::Embedded)));
        }
        let nats = MessagesChoice::settle(Some("nats://one:4222,nats://two"), Some("embedded"));
        assert!(matches!(nats, Ok(MessagesChoice::Nats(_))));
        for wrong in ["kafka://one", "http://one", "sqlite"] {
            assert!(MessagesChoice::settle(None, Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_taken_from_neither_flag_nor_file() {
        let url = "nats://marquee:changeit@one";
        for refused in [MessagesChoice::settle(Some(url), None), MessagesChoice::settle(None, Some(url))] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("MARQUEE_NATS_PASSWORD") && !error.contains("changeit"), "{error}");
        }
    }
}
