//! A projection: the making that serves reads, and the one that may be built beside it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use marquee_event_store::{EventStore, Position};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gauges::Gauges;
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
        handle: &Handle,
    ) -> Result<Arc<Self>, ViewsError> {
        let gauges = Arc::new(Gauges::new(blueprint.name(), blueprint.views()));
        let projector = blueprint.open()?;
        let (asks, asked) = mpsc::channel(16);
        let lane = Arc::new(Self { blueprint, store, gauges, asks, shutdown, threads });
        let runner = lane.runner(projector);
        lane.spawn(handle, Arc::clone(&lane).follow(runner, asked))?;
        Ok(lane)
    }

    pub fn name(&self) -> &'static str {
        self.blueprint.name()
    }

    /// How far readers of a view see; `None` where another lane feeds it.
    pub fn watch(&self, view: View) -> Option<watch::Receiver<Position>> {
        self.gauges.watch(view)
    }

    pub fn status(&self) -> ProjectionStatus {
        self.gauges.status(*self.store.head().borrow())
    }

    pub fn caught_up(&self) -> bool {
        self.gauges.caught_up()
    }

    pub async fn fingerprint(&self) -> Result<Fingerprint, ViewsError> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask::Fingerprint(reply)).await.map_err(|_| ViewsError::Closed)?;
        answer.await.map_err(|_| ViewsError::Closed)?
    }

    /// Begins a new making beside the one that serves reads.
    pub fn rebuild(self: &Arc<Self>, handle: &Handle) -> Result<(), RebuildError> {
        if self.gauges.rebuilding.swap(true, Ordering::AcqRel) {
            return Err(RebuildError::AlreadyRebuilding);
        }
        let started = self.spawn(handle, Arc::clone(self).make_again());
        if let Err(error) = started {
            tracing::error!(projection = self.name(), %error, "a rebuild cannot start");
            self.gauges.rebuilding.store(false, Ordering::Release);
        }
        Ok(())
    }

    fn runner(&self, projector: Box<dyn Projector>) -> Box<Runner> {
        let (store, gauges) = (Arc::clone(&self.store), Arc::clone(&self.gauges));
        Box::new(Runner::new(projector, store, gauges, self.shutdown.clone()))
    }

    fn spawn(&self, handle: &Handle, work: impl Future<Output = ()> + Send + 'static) -> Result<(), ViewsError> {
        let (handle, running) = (handle.clone(), self.threads.token());
        std::thread::Builder::new().name(self.name().into()).spawn(move || {
            handle.block_on(work);
            drop(running);
        })?;
        Ok(())
    }

    async fn follow(self: Arc<Self>, runner: Box<Runner>, asks: mpsc::Receiver<Ask>) {
        // Whoever takes over goes on with the same asks; nobody who asks notices.
        if let Some(asks) = runner.follow(asks).await {
            *self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(asks);
        }
    }

    async fn make_again(self: Arc<Self>) {
        let name = self.name();
        tracing::info!(projection = name, "rebuild begun");
        todo!()
    }
}
