//! The log: which one it is, and the one that is open.

mod source;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use marquee_event_store::EventStore;
use marquee_event_store::clock::Clock;
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::kurrent::{KurrentStore, Seeds};

use crate::cli::Failure;
use crate::config::ConfigError;

const NAME: &str = "event-store";
const VARIABLE: &str = "MARQUEE_EVENT_STORE";
/// Longest that a start waits for a server. Past it the process ends, and whoever supervises it starts it again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the log is.
#[derive(Debug, Clone)]
pub enum LogChoice {
    /// In the data directory.
    Embedded,
    /// On KurrentDB.
    Kurrent(Seeds),
}

impl LogChoice {
    /// Settles what was given: a flag, else the environment, else the file, else the embedded log.
    pub fn settle(flag: Option<&str>, file: Option<&str>) -> Result<Self, ConfigError> {
        let variable = std::env::var(VARIABLE).ok().filter(|value| !value.is_empty());
        match (flag, &variable, file) {
            (Some(open), _, _) | (None, None, Some(open)) if Seeds::has_password(open) => {
                let reason = format!("a password comes by {VARIABLE} alone, which fewer can read");
                Err(ConfigError::Value(NAME, reason))
            }
            (Some(choice), _, _) | (None, None, Some(choice)) => Self::parse(choice),
            (None, Some(choice), _) => Self::parse(choice),
            (None, None, None) => Ok(Self::Embedded),
        }
    }

    fn parse(choice: &str) -> Result<Self, ConfigError> {
        if choice == "embedded" {
            return Ok(Self::Embedded);
        }
        let seeds = Seeds::parse(choice);
        seeds.map(Self::Kurrent).map_err(|error| ConfigError::Value(NAME, error.to_string()))
    }

    /// Where views and processes keep what they make of this log. Their positions are those of one log, and mean nothing in another.
    pub fn state_dir(&self, data_dir: &Path) -> PathBuf {
        match self {
            Self::Embedded => data_dir.to_owned(),
            Self::Kurrent(_) => data_dir.join("kurrentdb"),
        }
    }
}

/// A log that is open.
pub enum Log {
    /// The data directory's.
    Embedded(EmbeddedStore),
    /// KurrentDB's.
    Kurrent(KurrentStore),
}

impl Log {
    /// Opens the log, and makes the directory for what is made of it.
    pub async fn open(choice: &LogChoice, dir: &DataDir, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        std::fs::create_dir_all(choice.state_dir(dir.path()))?;
        match choice {
            LogChoice::Embedded => Ok(Self::Embedded(EmbeddedStore::open(dir)?)),
            LogChoice::Kurrent(seeds) => {
                tracing::info!(%seeds, "the log is on KurrentDB");
                let store = KurrentStore::open(seeds.clone(), clock, PATIENCE).await?;
                source::check(&choice.state_dir(dir.path()), &store).await?;
                Ok(Self::Kurrent(store))
            }
        }
    }

    /// As everybody else sees it.
    pub fn store(&self) -> Arc<dyn EventStore> {
        match self {
            Self::Embedded(store) => Arc::new(store.clone()),
            Self::Kurrent(store) => Arc::new(store.clone()),
        }
    }

    /// Why the log has stopped for good, once it has. A server that is away comes back, so that is no such reason.
    pub async fn failed(&self) -> String {
        match self {
            Self::Embedded(store) => {
                let mut fatal = store.fatal();
                let reason = fatal.wait_for(Option::is_some).await;
                reason.ok().and_then(|reason| reason.clone()).unwrap_or_else(|| "it closed".into())
            }
            Self::Kurrent(_) => std::future::pending().await,
        }
    }

    /// Finishes what waits, and lets go.
    pub async fn close(&self) {
        match self {
            Self::Embedded(store) => store.close().await,
            Self::Kurrent(store) => store.close(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_embedded_or_on_kurrentdb() {
        assert!(matches!(LogChoice::settle(Some("embedded"), None), Ok(LogChoice::Embedded)));
        assert!(matches!(LogChoice::settle(None, None), Ok(LogChoice::Embedded)));
        let kurrent = LogChoice::settle(Some("kurrentdb://one:2113?tls=false"), Some("embedded"));
        assert!(matches!(kurrent, Ok(LogChoice::Kurrent(_))));
        for wrong in ["sqlite", "postgres://one", "kurrentdb://one?tsl=no"] {
            assert!(LogChoice::settle(None, Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_taken_from_neither_flag_nor_file() {
        let url = "kurrentdb://admin:changeit@one";
        for refused in [LogChoice::settle(Some(url), None), LogChoice::settle(None, Some(url))] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("MARQUEE_EVENT_STORE") && !error.contains("changeit"), "{error}");
        }
    }
}
