//! What ends a run before its figures are in.

/// Why a run cannot go on. A broken promise of the server is not one of these: it is a finding, and the run goes on.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file, a socket or a process failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A request got no answer.
    #[error("{request} got no answer: {reason}")]
    NoAnswer {
        /// Method and path.
        request: String,
        /// What the client library says.
        reason: String,
    },
    /// A request of the set-up was refused.
    #[error("{request} answered {status}: {body}")]
    Refused {
        /// Method and path.
        request: String,
        /// The status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// An answer does not have the shape that it must have.
    #[error("{what} does not parse: {source}")]
    Shape {
        /// What was parsed.
        what: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A child process did not come up, or ended too soon.
    #[error("{0}")]
    Child(String),
    /// A token could not be made.
    #[error("a token could not be made: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// The log ceiling could not be measured.
    #[error("the log failed: {0}")]
    Log(String),
}

impl LoadError {
    /// Names what was tried when the system failed.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Names what did not parse.
    pub fn shape(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> Self {
        let what = what.into();
        move |source| Self::Shape { what, source }
    }
}
