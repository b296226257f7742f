//! When a view is written down, and the thread that does it: the projector itself only hands over what it holds.

use std::io;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Header, write};

/// While events come, a view is written down this long after the time before.
const EVERY: Duration = Duration::from_secs(60);
/// Earlier after so many events: what a start after a crash reads again stays bounded.
const EVERY_EVENTS: u64 = 200_000;
/// Writing takes at most one part in so many of a core.
const REST_FACTOR: u32 = 20;

/// Keeps the snapshot of one making.
pub(crate) struct Keeper {
    projection: &'static str,
    /// Events that no snapshot holds.
    unsaved: u64,
    began: Instant,
    not_before: Instant,
    writing: Option<JoinHandle<Result<Duration, io::Error>>>,
}

impl Keeper {
    pub fn new(projection: &'static str) -> Self {
        let began = Instant::now();
        Self { projection, unsaved: 0, began, not_before: began, writing: None }
    }

    /// Counts events that were applied.
    pub fn count(&mut self, events: usize) {
        self.unsaved += events as u64;
    }

    /// Whether there is anything that the snapshot lacks.
    pub fn is_behind(&self) -> bool {
        self.unsaved > 0
    }

    /// Whether it is time to write. Answers how long that is yet, where it is not; `None` where nothing is to be written.
    pub fn due(&mut self) -> Option<Duration> {
        if self.writing.as_ref().is_some_and(JoinHandle::is_finished) {
            self.finish();
        }
        if self.unsaved == 0 {
            return None;
        }
        let at = if self.unsaved >= EVERY_EVENTS { self.not_before } else { self.began + EVERY };
        let wait = at.max(self.not_before).saturating_duration_since(Instant::now());
        // One at a time.
        Some(if self.writing.is_some() { wait.max(Duration::from_secs(1)) } else { wait })
    }

    /// Writes what was handed over, on a thread of its own. The projector has paused since `paused`.
    pub fn begin<R: Serialize>(
        &mut self,
        paused: Instant,
        path: &Path,
        header: Header,
        records: impl Iterator<Item = R> + Send + 'static,
    ) {
        self.finish();
        self.began = Instant::now();
        self.not_before = self.began + Duration::from_secs(1);
        let (projection, path, began) = (self.projection, path.to_owned(), self.began);
        let work = move || write_down(projection, &path, &header, records, began);
        match std::thread::Builder::new().name(format!("{projection}-kept")).spawn(work) {
            Ok(thread) => (self.unsaved, self.writing) = (0, Some(thread)),
            Err(error) => self.failed(&error),
        }
        tracing::debug!(projection, pause = ?paused.elapsed(), "a view goes on while it is written down");
    }

    /// Writes now, and returns once it is on disk.
    pub fn write_now<R: Serialize>(
        &mut self,
        path: &Path,
        header: &Header,
        records: impl Iterator<Item = R>,
    ) -> io::Result<()> {
        self.finish();
        write_down(self.projection, path, header, records, Instant::now())?;
        self.unsaved = 0;
        Ok(())
    }

    /// Waits for what is being written.
    pub fn finish(&mut self) {
        match self.writing.take().map(JoinHandle::join) {
            None => {}
            Some(Ok(Ok(took))) => self.not_before = self.began + took * REST_FACTOR,
            Some(Ok(Err(error))) => self.failed(&error),
            Some(Err(_)) => self.failed(&io::Error::other("the thread that wrote it panicked")),
        }
    }

    /// The one before is still there; a start reads more of the log, no more than that.
    fn failed(&mut self, error: &io::Error) {
        tracing::warn!(projection = self.projection, %error, "a view's snapshot cannot be written");
        metrics::counter!("marquee_projection_snapshot_failures_total", "projection" => self.projection)
            .increment(1);
        self.unsaved = self.unsaved.max(1);
        self.not_before = Instant::now() + EVERY;
    }
}

impl Drop for Keeper {
    /// A making that is gone no longer writes.
    fn drop(&mut self) {
        self.finish();
    }
}

fn write_down<R: Serialize>(
    projection: &'static str,
    path: &Path,
    header: &Header,
    records: impl Iterator<Item = R>,
    began: Instant,
) -> io::Result<Duration> {
    let bytes = write(path, header, records)?;
    let took = began.elapsed();
    tracing::debug!(projection, position = %header.position, bytes, ?took, "a view was written down");
    Ok(took)
}

#[cfg(test)]
mod tests {
    use marquee_event_store::Position;

    use super::*;
    use crate::snapshot::load;

    fn header() -> Header {
        let (format, position) = ("words.1".into(), Position(7));
        Header { format, generation: 1, position, times: vec![], parked: vec![] }
    }

    #[test]
    fn a_view_is_written_down_a_minute_after_the_time_before_or_after_many_events() {
        let mut keeper = Keeper::new("words");
        assert_eq!(keeper.due(), None, "nothing happened");
        keeper.count(1);
        assert!(keeper.due().is_some_and(|wait| wait > EVERY / 2));
        keeper.began -= EVERY;
        assert_eq!(keeper.due(), Some(Duration::ZERO));

        let mut keeper = Keeper::new("words");
        keeper.count(usize::try_from(EVERY_EVENTS).unwrap());
        assert_eq!(keeper.due(), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_handed_over_is_written_beside_the_projector() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("words.snapshot");
        let mut keeper = Keeper::new("words");
        keeper.count(3);
        keeper.begin(Instant::now(), &path, header(), ["one", "two"].into_iter());
        assert!(!keeper.is_behind());
        keeper.finish();
        assert_eq!(load::<String>(&path, "words.1", 1).unwrap().1, ["one", "two"]);
        assert_eq!(keeper.due(), None);
    }

    #[test]
    fn what_could_not_be_written_is_tried_again_a_minute_later() {
        let dir = tempfile::tempdir().unwrap();
        let mut keeper = Keeper::new("words");
        keeper.count(3);
        keeper.begin(
            Instant::now(),
            &dir.path().join("nowhere/words.snapshot"),
            header(),
            ["one"].into_iter(),
        );
        keeper.finish();
        assert!(keeper.is_behind());
        assert!(keeper.due().is_some_and(|wait| wait > EVERY / 2));
    }
}
