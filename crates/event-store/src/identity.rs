//! Which log it is.

use std::fmt;

use crate::port::{EventStore, Position, ReadError, TypeFilter};

/// A log, by its first event and where that lies. What is kept with a position is kept with this, for in another log the position
/// means something else. A log restored from a backup has the same identity and goes on from where the backup ends: a view that is
/// ahead of its log is made again, whatever the identities are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogId(String);

impl LogId {
    /// The log that a store holds; `None` while it is empty.
    ///
    /// # Errors
    /// The log cannot be read now.
    pub async fn of(store: &dyn EventStore) -> Result<Option<Self>, ReadError> {
        let page = store.read_all(Position(0), 1, TypeFilter::All).await?;
        Ok(page.events.first().map(|event| Self(format!("{}@{}", event.id, event.position))))
    }

    /// As it was written down.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// To write it down.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
