//! Drives one making of a view, on a thread of its own: a view may block it, never the server.

use std::sync::Arc;
use std::time::Duration;

use marquee_event_store::{Follower, Page, Position};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::gauges::{Gauges, Pace};
use crate::fingerprint::Fingerprint;
use crate::projector::Projector;
use crate::views::ViewsError;

/// Events a page. A page is one transaction, and bounds what a view holds in memory.
const PAGE: usize = 8_192;

/// A view this far behind the log does not rest.
const BEHIND: u64 = 4_096;

/// After a live page a view rests for this many times as long as the page took: all views together leave the cores to
/// those who book.
const REST_FACTOR: u32 = 4;
const SHORTEST_REST: Duration = Duration::from_millis(10);
const LONGEST_REST: Duration = Duration::from_millis(150);

const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LAST_BACKOFF: Duration = Duration::from_secs(5);

/// What is asked of a runner between two pages.
pub(super) enum Ask {
    /// A hash of what the view holds.
    Fingerprint(oneshot::Sender<Result<Fingerprint, ViewsError>>),
    /// The runner itself, as it stands, and whatever else is asked: another making takes over.
    HandOver(oneshot::Sender<(Runner, mpsc::Receiver<Ask>)>),
}

/// The server is shutting down.
pub(super) struct Stopped;

/// One making of a view and its place in the log.
pub(super) struct Runner {
    pub projector: Box<dyn Projector>,
    follower: Follower,
    gauges: Arc<Gauges>,
    shutdown: CancellationToken,
    parked: usize,
    pace: Pace,
}

enum Step {
    Stop,
    Asked(Option<Ask>),
    Read(Result<Page, marquee_event_store::ReadError>),
    Settle,
}

impl Runner {
    pub fn new(
        projector: Box<dyn Projector>,
        store: Arc<dyn marquee_event_store::EventStore>,
        gauges: Arc<Gauges>,
        shutdown: CancellationToken,
    ) -> Self {
        let follower = Follower::new(store, projector.checkpoint());
        Self { projector, follower, gauges, shutdown, parked: 0, pace: Pace::new() }
    }

    /// Serves reads from this making and follows the log until it is told to stop or hands over.
    pub async fn follow(mut self, mut asks: mpsc::Receiver<Ask>) {
        self.show_all();
        let mut settle_at = None;
        let mut backoff = FIRST_BACKOFF;
        loop {
            let step = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => Step::Stop,
                ask = asks.recv() => Step::Asked(ask),
                () = tokio::time::sleep_until(settle_at.unwrap_or_else(Instant::now)), if settle_at.is_some() => Step::Settle,
                page = self.follower.next_page(PAGE) => Step::Read(page),
            };
            match step {
                Step::Stop | Step::Asked(None) => return,
                Step::Asked(Some(Ask::Fingerprint(reply))) => {
                    let fingerprint = self.projector.fingerprint();
                    self.show();
                    let _ = reply.send(fingerprint);
                }
                Step::Asked(Some(Ask::HandOver(reply))) => {
                    let _ = reply.send((self, asks));
                    return;
                }
                Step::Read(Ok(page)) => {
                    backoff = FIRST_BACKOFF;
                    let began = Instant::now();
                    if self.apply(&page).await.is_err() {
                        return;
                    }
                    settle_at = self.settle();
                    self.show();
                    let pause = (began.elapsed() * REST_FACTOR).clamp(SHORTEST_REST, LONGEST_REST);
                    let behind = self.follower.head().0.saturating_sub(page.next.0) >= BEHIND;
                    if !behind && rest(&self.shutdown, pause).await.is_err() {
                        return;
                    }
                }
                Step::Read(Err(error)) => {
                    tracing::warn!(%error, "a projection cannot read the log; it will try again");
                    if back_off(&self.shutdown, &mut backoff).await.is_err() {
                        return;
                    }
                }
                Step::Settle => {
                    settle_at = self.settle();
                    self.show();
                }
            }
        }
    }

    /// Reads until this making holds every event up to the end of the log as it stands, and up to `at_least`.
    pub async fn catch_up(&mut self, at_least: Position) -> Result<(), Stopped> {
        let mut backoff = FIRST_BACKOFF;
        while self.projector.checkpoint() < self.follower.head().max(at_least) {
            let page = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Err(Stopped),
                page = self.follower.next_page(PAGE) => page,
            };
            match page {
                Ok(page) => {
                    backoff = FIRST_BACKOFF;
                    self.apply(&page).await?;
                    self.pace.add(page.events.len(), page.next);
                    self.gauges.show_pace(Some(self.pace));
                }
                Err(error) => {
                    tracing::warn!(%error, "a rebuild cannot read the log; it will try again");
                    back_off(&self.shutdown, &mut backoff).await?;
                }
            }
        }
        Ok(())
    }

    async fn apply(&mut self, page: &Page) -> Result<(), Stopped> {
        let mut backoff = FIRST_BACKOFF;
        while let Err(error) = self.projector.apply(&page.events, page.next) {
            tracing::error!(%error, "a view cannot be written; it will try again");
            back_off(&self.shutdown, &mut backoff).await?;
        }
        self.gauges.count(page.events.len());
        if !self.gauges.caught_up() {
            self.pace.add(page.events.len(), page.next);
            self.gauges.show_pace(Some(self.pace));
        }
        Ok(())
    }

    fn settle(&mut self) -> Option<Instant> {
        match self.projector.settle() {
            Ok(again) => again.map(|wait| Instant::now() + wait),
            Err(error) => {
                tracing::error!(%error, "a view cannot be committed; it will try again");
                Some(Instant::now() + LAST_BACKOFF)
            }
        }
    }

    /// Shows where this making is; everything of it, since another may have been shown before.
    pub fn show_all(&mut self) {
        let parked = self.projector.parked();
        self.parked = parked.len();
        self.gauges.show_parked(parked);
        self.show();
    }

    fn show(&mut self) {
        self.gauges.show(&*self.projector, self.follower.head());
        if self.gauges.caught_up() && !self.gauges.rebuilding.load(std::sync::atomic::Ordering::Acquire) {
            self.gauges.show_pace(None);
        }
        let parked = self.projector.parked();
        if parked.len() != self.parked {
            self.parked = parked.len();
            self.gauges.show_parked(parked);
        }
    }
}

async fn back_off(shutdown: &CancellationToken, backoff: &mut Duration) -> Result<(), Stopped> {
    let wait = *backoff;
    *backoff = (wait * 2).min(LAST_BACKOFF);
    rest(shutdown, wait).await
}

async fn rest(shutdown: &CancellationToken, wait: Duration) -> Result<(), Stopped> {
    shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.ok_or(Stopped)
}
