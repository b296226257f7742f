//! Why a log cannot be opened.

use std::path::PathBuf;

use crate::port::Position;

/// Why a log file was refused. It is never changed when it is.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is something else's.
    #[error("{} is not a Marquee log: {reason}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What tells.
        reason: String,
    },
    /// A newer release wrote it.
    #[error("{} has schema {found}, and this release knows {known}: run the release that wrote it", path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The file's schema.
        found: i64,
        /// This release's schema.
        known: i64,
    },
    /// The file is damaged. Restore a backup; nothing repairs it silently.
    #[error(
        "{} is corrupt{}: {reason}; restore it from a backup",
        path.display(),
        position.map_or_else(String::new, |position| format!(" at position {position}"))
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The first event that is missing or damaged, where the damage lies in one.
        position: Option<Position>,
        /// What is wrong.
        reason: String,
    },
    /// The file cannot be read or made.
    #[error("{} cannot be opened: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}
