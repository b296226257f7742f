//! Which log it is.

use std::fmt;

use crate::port::{EventStore, Position, ReadError, TypeFilter};

/// A log, by its first event and where that lies. What is kept with a position is kept with this: in another log, be it a copy,
/// the position means something else.
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
