//! What a lane shows of itself: to readers who wait, to operators, to the metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use marquee_event_store::Position;
use metrics::{Counter, Gauge};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::projector::Projector;
use crate::status::{Outage, ParkedStream, ProjectionState, ProjectionStatus};
use crate::views::View;

/// How fast a projection reads what happened before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    began: Instant,
    events: u64,
    reached: Position,
}

impl Pace {
    pub fn new() -> Self {
        Self { began: Instant::now(), events: 0, reached: Position(0) }
    }

    pub fn add(&mut self, events: usize, reached: Position) {
        self.events += events as u64;
        self.reached = reached;
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    fn per_second(&self) -> f64 {
        self.events as f64 / self.began.elapsed().max(Duration::from_millis(1)).as_secs_f64()
    }
}

/// What a lane shows of itself.
pub(crate) struct Gauges {
    name: &'static str,
    visible: Vec<(View, watch::Sender<Position>)>,
    generation: AtomicU64,
    /// The end of the log when the view was opened: it has caught up once it is there, however the log grows.
    end: Position,
    caught_up: AtomicBool,
    pub rebuilding: AtomicBool,
    pace: Mutex<Option<Pace>>,
    outage: Mutex<Option<(Instant, Outage)>>,
    parked: Mutex<Arc<Vec<ParkedStream>>>,
    position_gauge: Gauge,
    lag_gauge: Gauge,
    parked_gauge: Gauge,
    events_total: Counter,
}

impl Gauges {
    pub fn new(name: &'static str, views: &[View], end: Position) -> Self {
        // Shown at 0, so that an alert on its increase sees the first one too.
        metrics::counter!("marquee_double_booking_prevented_total", "projection" => name).increment(0);
        metrics::counter!("marquee_projection_snapshot_failures_total", "projection" => name).increment(0);
        Self {
            name,
            visible: views.iter().map(|view| (*view, watch::Sender::new(Position(0)))).collect(),
            generation: AtomicU64::new(0),
            end,
            caught_up: AtomicBool::new(false),
            rebuilding: AtomicBool::new(false),
            pace: Mutex::new(None),
            outage: Mutex::new(None),
            parked: Mutex::default(),
            position_gauge: metrics::gauge!("marquee_projection_position", "projection" => name),
            lag_gauge: metrics::gauge!("marquee_projection_lag", "projection" => name),
            parked_gauge: metrics::gauge!("marquee_projection_parked_streams", "projection" => name),
            events_total: metrics::counter!("marquee_projection_events_total", "projection" => name),
        }
    }

    /// How far readers of a view see; `None` where this lane does not feed it.
    pub fn watch(&self, view: View) -> Option<watch::Receiver<Position>> {
        self.visible.iter().find(|(fed, _)| *fed == view).map(|(_, sender)| sender.subscribe())
    }

    /// Shows where the making that serves reads is.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats; exact to 2^53")]
    pub fn show(&self, projector: &dyn Projector, head: Position) {
        let visible: Vec<Position> = self.visible.iter().map(|(view, _)| projector.visible(*view)).collect();
        let slowest = visible.iter().copied().min().unwrap_or_default();
        // Before the positions: who waits for one finds the rest as it is by then.
        self.generation.store(projector.generation(), Ordering::Release);
        if slowest >= self.end {
            self.caught_up.store(true, Ordering::Release);
        }
        for ((_, sender), visible) in self.visible.iter().zip(visible) {
            sender.send_if_modified(|shown| {
                let moved = visible > *shown;
                *shown = visible.max(*shown);
                moved
            });
        }
        self.position_gauge.set(slowest.0 as f64);
        self.lag_gauge.set(head.0.saturating_sub(slowest.0) as f64);
    }

    /// Shows where a view is that nodes share. It may go back where the server that keeps it was restored.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats; exact to 2^53")]
    pub fn show_shared(&self, generation: u64, position: Position, head: Position) {
        self.generation.store(generation, Ordering::Release);
        if position >= self.end {
            self.caught_up.store(true, Ordering::Release);
        }
        for (_, sender) in &self.visible {
            sender.send_if_modified(|shown| std::mem::replace(shown, position) != position);
        }
        self.position_gauge.set(position.0 as f64);
        self.lag_gauge.set(head.0.saturating_sub(position.0) as f64);
    }

    /// What the view needs does not answer.
    pub fn out(&self, dependency: &'static str, reason: &str) {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *outage {
            Some((_, outage)) => reason.clone_into(&mut outage.reason),
            None => {
                tracing::error!(
                    projection = self.name,
                    dependency,
                    reason,
                    "a view is out; it will try again"
                );
                let reason = reason.to_owned();
                *outage = Some((Instant::now(), Outage { dependency, reason, lasted: Duration::ZERO }));
            }
        }
        metrics::gauge!("marquee_dependency_up", "dependency" => dependency).set(0.0);
    }

    /// What the view needs answers.
    pub fn back(&self) {
        let ended = self.outage.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((since, Outage { dependency, .. })) = ended {
            let seconds = since.elapsed().as_secs();
            tracing::info!(projection = self.name, dependency, seconds, "the view is back");
            metrics::gauge!("marquee_dependency_up", "dependency" => dependency).set(1.0);
        }
    }

    /// What the view needs and does not have.
    pub fn outage(&self) -> Option<Outage> {
        let outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        outage.as_ref().map(|(since, outage)| Outage { lasted: since.elapsed(), ..outage.clone() })
    }

    /// Counts what was read of what happened before the view was opened.
    pub fn keep_pace(&self, events: usize, reached: Position) {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        if self.caught_up() {
            *pace = None;
        } else {
            pace.get_or_insert_with(Pace::new).add(events, reached);
        }
    }

    pub fn count(&self, events: usize) {
        self.events_total.increment(events as u64);
    }

    pub fn show_parked(&self, parked: Vec<ParkedStream>) {
        #[expect(clippy::cast_precision_loss, reason = "a count of streams")]
        self.parked_gauge.set(parked.len() as f64);
        *self.parked.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(parked);
    }

    pub fn show_pace(&self, pace: Option<Pace>) {
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = pace;
    }

    pub fn caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub fn status(&self, head: Position) -> ProjectionStatus {
        let checkpoint = self.visible.iter().map(|(_, sender)| *sender.borrow()).min().unwrap_or_default();
        let parked = Arc::clone(&self.parked.lock().unwrap_or_else(PoisonError::into_inner));
        let pace = *self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let outage = self.outage();
        let status = match (self.rebuilding.load(Ordering::Acquire), self.caught_up(), parked.is_empty()) {
            _ if outage.is_some() => ProjectionState::Unavailable,
            (true, _, _) => ProjectionState::Rebuilding,
            (false, false, _) => ProjectionState::CatchingUp,
            (false, true, false) => ProjectionState::Parked,
            (false, true, true) => ProjectionState::Live,
        };
        ProjectionStatus {
            name: self.name,
            status,
            generation: self.generation(),
            checkpoint,
            lag: head.0.saturating_sub(checkpoint.0),
            events_per_second: pace.map(|pace| pace.per_second()),
            eta_seconds: pace.and_then(|pace| eta(head.0.saturating_sub(pace.reached.0), pace.per_second())),
            parked: parked.to_vec(),
            outage,
        }
    }
}

/// Whole seconds for `left` events at a pace; `None` where there is no pace to tell by.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate for people to read"
)]
fn eta(left: u64, per_second: f64) -> Option<u64> {
    (per_second > 0.0).then(|| (left as f64 / per_second).ceil() as u64)
}
