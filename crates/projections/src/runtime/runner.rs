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
    /// What was read and is yet to be applied.
    pending: Option<Page>,
    retry_at: Instant,
    backoff: Duration,
    gauges: Arc<Gauges>,
    shutdown: CancellationToken,
    parked: usize,
    /// Whether it is built beside the one that serves reads.
    making: bool,
    pace: Pace,
}

enum Step {
    Stop,
    Asked(Option<Ask>),
    Read,
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
        let (retry_at, backoff) = (Instant::now(), FIRST_BACKOFF);
        let (pending, parked, making, pace) = (None, 0, false, Pace::new());
        Self { projector, follower, pending, retry_at, backoff, gauges, shutdown, parked, making, pace }
    }

    /// Serves reads from this making and follows the log until it is told to stop or hands over.
    pub async fn follow(mut self, mut asks: mpsc::Receiver<Ask>) {
        self.show_all();
        let shutdown = self.shutdown.clone();
        let (mut settle_at, mut read_at) = (None, Instant::now());
        loop {
            let step = tokio::select! {
                biased;
                () = shutdown.cancelled() => Step::Stop,
                ask = asks.recv() => Step::Asked(ask),
                () = tokio::time::sleep_until(settle_at.unwrap_or(read_at)), if settle_at.is_some() => Step::Settle,
                () = self.read(read_at) => Step::Read,
            };
            match step {
                Step::Stop | Step::Asked(None) => {
                    self.projector.close();
                    return;
                }
                Step::Asked(Some(Ask::Fingerprint(reply))) => {
                    let fingerprint = self.projector.fingerprint();
                    self.show();
                    let _ = reply.send(fingerprint);
                }
                Step::Asked(Some(Ask::HandOver(reply))) => {
                    let _ = reply.send((self, asks));
                    return;
                }
                Step::Read => {
                    let began = Instant::now();
                    self.apply();
                    settle_at = self.settle();
                    self.show();
                    let rest = (began.elapsed() * REST_FACTOR).clamp(SHORTEST_REST, LONGEST_REST);
                    let behind = self.follower.head().0.saturating_sub(self.follower.position().0) >= BEHIND;
                    read_at = Instant::now() + if behind { Duration::ZERO } else { rest };
                }
                Step::Settle => {
                    settle_at = self.settle();
                    self.show();
                }
            }
        }
    }

    /// Reads until this making is near the end of the log, which may move all the while.
    pub async fn come_near(&mut self) -> Result<(), Stopped> {
        self.making = true;
        while self.follower.head().0.saturating_sub(self.projector.checkpoint().0) > BEHIND {
            self.read_on().await?;
        }
        Ok(())
    }

    /// Reads until this making holds every event up to a position of the log.
    pub async fn reach(&mut self, position: Position) -> Result<(), Stopped> {
        while self.projector.checkpoint() < position {
            self.read_on().await?;
        }
        self.making = false;
        Ok(())
    }

    async fn read_on(&mut self) -> Result<(), Stopped> {
        let shutdown = self.shutdown.clone();
        shutdown.run_until_cancelled(self.read(Instant::now())).await.ok_or(Stopped)?;
        self.apply();
        Ok(())
    }

    /// Waits until there is something to apply and it is time to. Cancel-safe.
    async fn read(&mut self, not_before: Instant) {
        tokio::time::sleep_until(not_before.max(self.retry_at)).await;
        while self.pending.is_none() {
            match self.follower.next_page(PAGE).await {
                Ok(page) => self.pending = Some(page),
                Err(error) => {
                    tracing::warn!(%error, "a projection cannot read the log; it will try again");
                    self.back_off();
                    tokio::time::sleep_until(self.retry_at).await;
                }
            }
        }
    }

    /// Applies what was read. What fails is kept, and tried again after a while.
    fn apply(&mut self) {
        let Some(page) = &self.pending else { return };
        if let Err(error) = self.projector.apply(&page.events, page.next) {
            tracing::error!(%error, "a view cannot be written; it will try again");
            self.back_off();
            return;
        }
        let events = page.events.len();
        (self.pending, self.backoff) = (None, FIRST_BACKOFF);
        self.gauges.count(events);
        if self.making || !self.gauges.caught_up() {
            self.pace.add(events, self.projector.checkpoint());
            self.gauges.show_pace(Some(self.pace));
        }
    }

    fn back_off(&mut self) {
        self.retry_at = Instant::now() + self.backoff;
        self.backoff = (self.backoff * 2).min(LAST_BACKOFF);
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
        let parked = self.projector.parked();
        if parked.len() != self.parked {
            self.parked = parked.len();
            self.gauges.show_parked(parked);
        }
        self.gauges.show(&*self.projector, self.follower.head());
        if self.gauges.caught_up() && !self.gauges.rebuilding.load(std::sync::atomic::Ordering::Acquire) {
            self.gauges.show_pace(None);
        }
    }
}
