//! The data directory and the lock that keeps a second process out of it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A data directory that this process alone holds. The lock goes when this and every store in it are dropped, and with
/// the process however that ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: Arc<File>,
}

/// Why a data directory could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another holder, most likely a running server, has it.
    #[error(
        "the data directory {} is in use by {}; stop that one, or use another directory",
        path.display(),
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("the process {pid}"))
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The holder's process id, where it left one.
        pid: Option<u32>,
    },
    /// It cannot be made, opened or written.
    #[error("the data directory {} cannot be used: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl DataDir {
    /// Takes the directory, and makes it (for its owner alone) where it is missing.
    pub fn lock(path: &Path) -> Result<Self, DataDirError> {
        let io_error = |source| DataDirError::Io { path: path.to_owned(), source };
        create_private(path).map_err(io_error)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("lock"))
            .map_err(io_error)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::InUse { path: path.to_owned(), pid: holder(&mut lock) });
            }
            Err(TryLockError::Error(source)) => return Err(io_error(source)),
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(io_error)?;
        Ok(Self { path: path.to_owned(), lock: Arc::new(lock) })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A share in the lock: it is released when the last one is dropped.
    pub(super) fn share(&self) -> Arc<File> {
        Arc::clone(&self.lock)
    }
}

fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The process id in the lock file. The holder may be about to write it, so it is only for the message.
fn holder(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
