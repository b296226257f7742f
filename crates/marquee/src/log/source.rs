//! Which log the views of a directory were made of. Beside an embedded log nobody need ask; a log elsewhere may be another one
//! the next time, and its positions mean nothing to views of the former.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use marquee_event_store::EventStore;
use marquee_event_store::identity::LogId;
use marquee_event_store::kurrent::KurrentStore;

use crate::cli::Failure;

const FILE: &str = "log-id";

/// The directory belongs to another log.
#[derive(Debug, thiserror::Error)]
#[error(
    "what is in {} was made of another log, {theirs}, and this one is {}: delete that directory to have it made anew",
    dir.display(),
    ours.as_ref().map_or("empty", LogId::as_str)
)]
pub struct AnotherLog {
    dir: PathBuf,
    theirs: LogId,
    ours: Option<LogId>,
}

/// Compares what the directory was made of with the log, and writes it down where that was not yet done.
pub async fn check(dir: &Path, store: &KurrentStore) -> Result<(), Failure> {
    let theirs = match std::fs::read_to_string(dir.join(FILE)) {
        Ok(text) => Some(text.trim()).filter(|text| !text.is_empty()).map(LogId::from_text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    match (theirs, LogId::of(store).await?) {
        (Some(theirs), ours) if ours.as_ref() != Some(&theirs) => {
            Err(AnotherLog { dir: dir.to_owned(), theirs, ours }.into())
        }
        (Some(_), _) => Ok(()),
        (None, Some(ours)) => Ok(write(dir, &ours)?),
        (None, None) => {
            let (dir, store) = (dir.to_owned(), store.clone());
            tokio::spawn(async move {
                if let Err(error) = write_the_first(&dir, &store).await {
                    tracing::warn!(%error, "which log the views are made of could not be written down");
                }
            });
            Ok(())
        }
    }
}

/// Waits for the first event of an empty log.
async fn write_the_first(dir: &Path, store: &KurrentStore) -> Result<(), Failure> {
    let mut head = store.head();
    if head.wait_for(|head| head.0 > 0).await.is_ok()
        && let Some(id) = LogId::of(store).await?
    {
        write(dir, &id)?;
    }
    Ok(())
}

/// Whole or not at all: a torn identity would refuse the directory to the log that it was made of.
fn write(dir: &Path, id: &LogId) -> std::io::Result<()> {
    let unfinished = dir.join(FILE).with_extension("new");
    let mut file = File::create(&unfinished)?;
    file.write_all(id.as_str().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(unfinished, dir.join(FILE))?;
    File::open(dir)?.sync_all()
}
