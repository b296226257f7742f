//! A projection: the making that serves reads, and the one that may be built beside it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;
use marquee_event_store::{EventStore, Position};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gauges::Gauges;
use super::projection::Projection;
use super::runner::{Ask, Runner, Stopped};
use crate::fingerprint::Fingerprint;
use crate::projector::{Blueprint, Projector};
use crate::status::ProjectionStatus;
use crate::views::{RebuildError, View, ViewsError};

/// A projection. It lives for as long as the server.
pub(crate) struct Lane {
    blueprint: Arc<dyn Blueprint>,
    store: Arc<dyn EventStore>,
    gauges: Arc<Gauges>,
    asks: mpsc::Sender<Ask>,
    shutdown: CancellationToken,
    threads: TaskTracker,
}

impl Lane {
    /// Opens the view and starts to follow the log.
    pub fn start(
        blueprint: Arc<dyn Blueprint>,
        store: Arc<dyn EventStore>,
        shutdown: CancellationToken,
        threads: TaskTracker,
    ) -> Result<Arc<Self>, ViewsError> {
        let end = *store.head().borrow();
        let gauges = Arc::new(Gauges::new(blueprint.name(), blueprint.views(), end));
        let projector = begin(&*blueprint, end)?;
        let (asks, asked) = mpsc::channel(16);
        let lane = Arc::new(Self { blueprint, store, gauges, asks, shutdown, threads });
        let runner = lane.runner(projector);
        lane.spawn(runner.follow(asked))?;
        Ok(lane)
    }

    fn begin_rebuild(self: &Arc<Self>) -> Result<(), RebuildError> {
        if self.gauges.rebuilding.swap(true, Ordering::AcqRel) {
            return Err(RebuildError::AlreadyRebuilding);
        }
        let started = self.spawn(Arc::clone(self).make_again());
        if let Err(error) = started {
            tracing::error!(projection = self.name(), %error, "a rebuild cannot start");
            self.gauges.rebuilding.store(false, Ordering::Release);
        }
        Ok(())
    }

    fn runner(&self, projector: Box<dyn Projector>) -> Runner {
        let (store, gauges) = (Arc::clone(&self.store), Arc::clone(&self.gauges));
        Runner::new(projector, store, gauges, self.shutdown.clone())
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), ViewsError> {
        let running = self.threads.token();
        // A runtime of its own: what a view does never delays a request, and it outlives no timer of the server's.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::thread::Builder::new().name(self.name().into()).spawn(move || {
            runtime.block_on(work);
            drop(running);
        })?;
        Ok(())
    }

    async fn make_again(self: Arc<Self>) {
        let projection = self.name();
        tracing::info!(projection, "rebuild begun");
        let made = self.build_beside().await;
        self.gauges.rebuilding.store(false, Ordering::Release);
        match made {
            Ok((runner, asks)) => {
                tracing::info!(projection, generation = runner.projector.generation(), "rebuild ended");
                runner.follow(asks).await;
            }
            Err(Unmade::Stopped) => {}
            Err(Unmade::Failed(error)) => {
                tracing::error!(projection, %error, "rebuild failed; the view is as it was");
                self.gauges.show_pace(None);
            }
        }
    }

    /// Builds a making beside the one that serves reads, stops that one, and puts the new one in its place. Whichever
    /// serves reads afterwards is returned, to go on following.
    async fn build_beside(&self) -> Result<(Runner, mpsc::Receiver<Ask>), Unmade> {
        let mut new = self.runner(self.blueprint.build(self.gauges.generation() + 1)?);
        new.come_near().await?;

        let (reply, handed) = oneshot::channel();
        self.asks.send(Ask::HandOver(reply)).await.map_err(|_| Unmade::Stopped)?;
        let (old, asks) = handed.await.map_err(|_| Unmade::Stopped)?;
        // A reader never sees a view go back.
        new.reach(old.projector.checkpoint()).await?;
        match new.projector.promote() {
            Ok(()) => {
                old.projector.retire();
                Ok((new, asks))
            }
            Err(error) => {
                tracing::error!(projection = self.name(), %error, "a rebuilt view cannot take over; the old one stays");
                new.projector.retire();
                Ok((old, asks))
            }
        }
    }
}

impl Projection for Lane {
    fn name(&self) -> &'static str {
        self.blueprint.name()
    }

    fn watch(&self, view: View) -> Option<watch::Receiver<Position>> {
        self.gauges.watch(view)
    }

    fn status(&self) -> ProjectionStatus {
        self.gauges.status(*self.store.head().borrow())
    }

    fn caught_up(&self) -> bool {
        self.gauges.caught_up()
    }

    fn fingerprint(&self) -> BoxFuture<'_, Result<Fingerprint, ViewsError>> {
        Box::pin(async {
            let (reply, answer) = oneshot::channel();
            self.asks.send(Ask::Fingerprint(reply)).await.map_err(|_| ViewsError::Closed)?;
            answer.await.map_err(|_| ViewsError::Closed)?
        })
    }

    fn rebuild(self: Arc<Self>) -> BoxFuture<'static, Result<(), RebuildError>> {
        Box::pin(std::future::ready(self.begin_rebuild()))
    }
}

/// Opens the making that serves reads. One that is ahead of the log was made of another log, or of this one before an
/// older copy was put back: it is made again.
fn begin(blueprint: &dyn Blueprint, head: Position) -> Result<Box<dyn Projector>, ViewsError> {
    let kept = blueprint.open()?;
    if kept.kept() <= head {
        return Ok(kept);
    }
    tracing::error!(
        projection = blueprint.name(), view = %kept.kept(), log = %head,
        "the view is ahead of the log; it is made again from the log",
    );
    let mut fresh = blueprint.build(kept.generation() + 1)?;
    fresh.promote()?;
    kept.retire();
    Ok(fresh)
}

/// Why a rebuild did not end.
enum Unmade {
    Stopped,
    Failed(ViewsError),
}

impl From<Stopped> for Unmade {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<ViewsError> for Unmade {
    fn from(error: ViewsError) -> Self {
        Self::Failed(error)
    }
}
