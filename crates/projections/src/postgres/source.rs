//! Whether the tables are made of the log that this node has.

use marquee_event_store::identity::LogId;
use marquee_event_store::{EventStore, ReadError};

use super::{CONNECT, Postgres, bounded};

pub(crate) const CLAIM: &str = "INSERT INTO source_log (log_id) VALUES ($1) ON CONFLICT DO NOTHING";
pub(crate) const SOURCE: &str = "SELECT log_id FROM source_log";

/// Of which log the tables are, seen from this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Of the one that this node has.
    Ours,
    /// Neither has anything in it yet.
    Open,
}

/// Why it is not certain that the tables are made of the log that this node has.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// They are made of another.
    #[error(
        "the database's tables are made of another log, {theirs}, and this one is {}: give each log a database of its own",
        ours.as_ref().map_or("empty", LogId::as_str)
    )]
    Another {
        /// The log that they are made of.
        theirs: LogId,
        /// This node's.
        ours: Option<LogId>,
    },
    /// The database does not answer.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The tables cannot be made.
    #[error(transparent)]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The log does not answer.
    #[error(transparent)]
    Log(#[from] ReadError),
}

impl Postgres {
    /// Makes sure, before anything is taken from the database or written to it, that its tables are made of this log.
    ///
    /// # Errors
    /// [`SourceError::Another`] where they are not; the others say that it could not be found out now.
    pub async fn claim(&self, log: &dyn EventStore) -> Result<Source, SourceError> {
        self.migrate().await?;
        self.check_source(log).await
    }

    pub(crate) async fn check_source(&self, log: &dyn EventStore) -> Result<Source, SourceError> {
        let mut ours = LogId::of(log).await?;
        let theirs: Option<String> = bounded(CONNECT, async {
            let mut db = self.steward().await?;
            if let Some(ours) = &ours {
                sqlx::query(CLAIM).bind(ours.as_str()).execute(&mut db).await?;
            }
            sqlx::query_scalar(SOURCE).fetch_optional(&mut db).await
        })
        .await?;
        let Some(theirs) = theirs.map(LogId::from_text) else { return Ok(Source::Open) };
        if ours.is_none() {
            // Another node may have appended the first event, and claimed the tables, after this one looked.
            ours = LogId::of(log).await?;
        }
        if ours.as_ref() == Some(&theirs) {
            return Ok(Source::Ours);
        }
        let another = SourceError::Another { theirs, ours };
        self.refused.send_replace(Some(another.to_string()));
        Err(another)
    }

    /// Waits until this database turns out to be made of another log, and says so: nothing may be read from it then, nor written.
    pub async fn refused(&self) -> String {
        let mut refused = self.refused.subscribe();
        let said = refused.wait_for(Option::is_some).await;
        said.ok().and_then(|said| said.clone()).unwrap_or_default()
    }
}
