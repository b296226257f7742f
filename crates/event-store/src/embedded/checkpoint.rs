//! Moves the WAL into the file, off the commit path.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode};

use super::schema::{self, WalState};
use super::writer::Shared;

/// Pages not yet moved that set the checkpoint thread going (4 KiB each).
const WAKE_PAGES: i64 = 2_000;
/// Pages in the WAL at which the writer itself moves the rest, so that the next commit begins the WAL anew.
/// Beside a busy writer the thread never catches up wholly, and only a WAL that is wholly moved can begin anew.
const MAX_PAGES: i64 = 16_000;

/// The checkpoint thread, as the writer sees it.
pub(super) struct Checkpoints {
    wake: mpsc::SyncSender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts the thread. Where it cannot run, the writer checkpoints alone.
    pub fn start(file: &Path, shared: &Arc<Shared>) -> Self {
        let (wake, woken) = mpsc::sync_channel::<()>(1);
        let (file, shared) = (file.to_owned(), Arc::clone(shared));
        let work = move || match schema::open_checkpointer(&file) {
            Ok(conn) => {
                while woken.recv().is_ok() {
                    run(&conn, "PASSIVE", &shared);
                }
            }
            Err(error) => tracing::warn!(%error, "the log is checkpointed by its writer alone"),
        };
        let thread = std::thread::Builder::new().name("log-checkpoint".into()).spawn(work).ok();
        Self { wake, thread }
    }

    /// Looks at the WAL after a commit.
    pub fn after_commit(&self, conn: &Connection, shared: &Shared) {
        let Some(wal) = run(conn, "NOOP", shared) else { return };
        if wal.pages >= MAX_PAGES && wal.moved < wal.pages {
            run(conn, "PASSIVE", shared);
        } else if wal.pages - wal.moved >= WAKE_PAGES {
            // Full: it has been told already.
            let _ = self.wake.try_send(());
        }
    }

    /// Ends the thread and waits for it.
    pub fn stop(self) {
        drop(self.wake);
        if let Some(thread) = self.thread {
            let _ = thread.join();
        }
    }
}

/// A full disk or a busy file leaves the WAL as it is, to be moved later. A failed write or sync stops the store.
fn run(conn: &Connection, mode: &str, shared: &Shared) -> Option<WalState> {
    match schema::checkpoint(conn, mode) {
        Ok(state) => Some(state),
        Err(error) => {
            match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {}
                _ => shared.fail_stop(&format!("checkpoint: {error}")),
            }
            None
        }
    }
}
