//! The payment outcome process: settles bookings whose payment ended, grants the refunds that are due, and has the
//! gateway pay them. For the first two it is the recovery, not the fast path.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use marquee_domain::Event;
use marquee_domain::ids::{BookingId, RefundId};
use marquee_domain::payment::{Payment, PaymentEvent, RefundRequested};
use marquee_domain::show::{CancelledBy, ShowEvent};
use marquee_event_store::lease::Tenancy;
use marquee_event_store::{Follower, Position, Recorded, StreamName};
use tokio::time::Instant;

use crate::Commands;
use crate::error::CommandError;
use crate::gateway::{GatewayError, RefundProgress};
use crate::processes::pace::Pace;
use crate::processes::state::ProcessState;
use crate::processes::{
    CONCURRENCY, ProcessesError, STANDBY_MEMORY, in_the_name_of, next_page, note_position,
};

const PROCESS: &str = "payment-outcome";
const TICK: Duration = Duration::from_millis(100);
/// How long the fast path has before the process does its work.
const GRACE: Duration = Duration::from_secs(1);
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(60);
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Task {
    /// Bring the booking to where its payment says.
    Settle(BookingId),
    /// Grant the refund of a booking that was cancelled after it was paid, or of a part of it.
    Refund(BookingId, Option<u32>),
    /// Have the gateway pay a refund.
    PayBack(RefundId),
}

/// A task, and the event that made it.
#[derive(Debug, Clone)]
struct Open {
    cause: Arc<Recorded>,
    not_before: Instant,
    retry: Duration,
}

pub(super) struct MoneyProcess {
    commands: Commands,
    state: ProcessState,
    follower: Follower,
    open: HashMap<Task, Open>,
    checkpoint: Position,
    checkpointed: Instant,
    tenancy: Tenancy,
    pace: Pace,
}

impl MoneyProcess {
    pub(super) fn new(
        commands: Commands,
        state: ProcessState,
        tenancy: Tenancy,
    ) -> Result<Self, ProcessesError> {
        let checkpoint = state.checkpoint(PROCESS, *commands.inner.store.head().borrow())?;
        let follower = Follower::new(Arc::clone(&commands.inner.store), checkpoint);
        let (open, checkpointed) = (HashMap::new(), Instant::now());
        let pace = Pace::new(commands.inner.config.refunds_per_second);
        Ok(Self { commands, state, follower, open, checkpoint, checkpointed, tenancy, pace })
    }

    pub(super) async fn run(mut self) {
        loop {
            let page = next_page(&mut self.follower, PROCESS, TICK).await;
            for recorded in &page.events {
                self.note(recorded);
            }
            if self.tenancy.should_act() {
                self.work().await;
            } else {
                self.stand_by();
            }
            self.keep_checkpoint().await;
            tokio::time::sleep(TICK).await;
        }
    }

    /// Opens and closes tasks.
    fn note(&mut self, recorded: &Arc<Recorded>) {
        let Ok(event) = recorded.event() else { return };
        match event {
            Event::Payment(event) => match event {
                PaymentEvent::Succeeded(succeeded) => {
                    self.open(Task::Settle(succeeded.booking_id.clone()), recorded, GRACE);
                }
                PaymentEvent::Failed(failed) => {
                    self.open(Task::Settle(failed.booking_id.clone()), recorded, GRACE);
                }
                PaymentEvent::RefundRequested(refund) => {
                    if let Some(booking) =
                        recorded.stream.as_payment().filter(|_| refund.cause.is_of_the_price())
                    {
                        self.close(&Task::Refund(booking, refund.part));
                    }
                    self.open(Task::PayBack(refund.refund_id.clone()), recorded, Duration::ZERO);
                }
                PaymentEvent::RefundSucceeded(refund) => self.close(&Task::PayBack(refund.refund_id.clone())),
                PaymentEvent::RefundFailed(refund) => self.close(&Task::PayBack(refund.refund_id.clone())),
                PaymentEvent::Initiated(_)
                | PaymentEvent::IntentCreated(_)
                | PaymentEvent::Mismatched(_)
                | PaymentEvent::Unmatched(_) => {}
            },
            Event::Show(event) => match event {
                ShowEvent::Confirmed(confirmed) => self.close(&Task::Settle(confirmed.booking_id.clone())),
                ShowEvent::Failed(failed) => self.close(&Task::Settle(failed.booking_id.clone())),
                ShowEvent::BookingCancelled(cancelled) if cancelled.paid && cancelled.refund != Some(0) => {
                    let patience = match cancelled.by {
                        CancelledBy::Customer => GRACE,
                        CancelledBy::Show => Duration::ZERO,
                    };
                    self.open(Task::Refund(cancelled.booking_id.clone(), None), recorded, patience);
                }
                ShowEvent::SeatsCancelled(cancelled) if cancelled.refund > 0 => {
                    let task = Task::Refund(cancelled.booking_id.clone(), Some(cancelled.part));
                    self.open(task, recorded, GRACE);
                }
                ShowEvent::BookingCancelled(_)
                | ShowEvent::SeatsCancelled(_)
                | ShowEvent::Scheduled(_)
                | ShowEvent::Changed(_)
                | ShowEvent::Cancelled(_)
                | ShowEvent::SeatsBlocked(_)
                | ShowEvent::SeatsReleased(_)
                | ShowEvent::SeatsLocked(_)
                | ShowEvent::PaymentPending(_)
                | ShowEvent::LockExtended(_)
                | ShowEvent::Expired(_)
                | ShowEvent::Completed(_)
                | ShowEvent::TicketRedeemed(_) => {}
            },
            Event::City(_)
            | Event::Movie(_)
            | Event::Partner(_)
            | Event::Theatre(_)
            | Event::Schedule(_)
            | Event::Offer(_)
            | Event::Policy(_)
            | Event::Redemption(_)
            | Event::Customer(_) => {}
        }
    }

    fn open(&mut self, task: Task, cause: &Arc<Recorded>, patience: Duration) {
        let open =
            Open { cause: Arc::clone(cause), not_before: Instant::now() + patience, retry: FIRST_RETRY };
        self.open.entry(task).or_insert(open);
    }

    fn close(&mut self, task: &Task) {
        self.open.remove(task);
    }

    /// A refund that is owed is told by the log once it is paid; what came of a payment may leave no event that tells.
    fn stand_by(&mut self) {
        let now = Instant::now();
        self.open.retain(|task, open| match task {
            Task::Settle(_) => open.not_before + STANDBY_MEMORY > now,
            Task::Refund(..) | Task::PayBack(_) => true,
        });
    }

    /// What is to be done now, in the order in which it came up. Of what gateways are asked, no more than the pace allows: the rest
    /// stays open, and with it the checkpoint before it, so that a restart goes on with it.
    fn due(&mut self, now: Instant) -> Vec<(Task, Open)> {
        let due = self.open.iter().filter(|(_, open)| open.not_before <= now);
        let mut due: Vec<_> = due.map(|(task, open)| (task.clone(), open.clone())).collect();
        due.sort_unstable_by_key(|(_, open)| open.cause.position);
        due.retain(|(_, open)| match open.cause.event() {
            Ok(Event::Payment(PaymentEvent::RefundRequested(refund))) => {
                self.pace.allows(&refund.provider, now)
            }
            _ => true,
        });
        let waiting = self.open.keys().filter(|task| matches!(task, Task::PayBack(_))).count();
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("marquee_refunds_open").set(waiting as f64);
        due
    }

    async fn work(&mut self) {
        let due = self.due(Instant::now());
        let commands = &self.commands;
        let done = stream::iter(due)
            .map(|(task, open)| async move {
                let done = act(commands, &task, &open.cause).await;
                (task, done)
            })
            .buffer_unordered(CONCURRENCY);
        let done: Vec<(Task, Result<(), CommandError>)> = done.collect().await;
        for (task, result) in done {
            match result {
                Ok(()) => _ = self.open.remove(&task),
                Err(error) => {
                    tracing::warn!(process = PROCESS, ?task, %error, "not done yet; trying again");
                    if let Some(open) = self.open.get_mut(&task) {
                        open.not_before = Instant::now() + open.retry;
                        open.retry = (open.retry * 2).min(LAST_RETRY);
                    }
                }
            }
        }
    }

    /// The checkpoint is just before the earliest event whose task is not done.
    async fn keep_checkpoint(&mut self) {
        if self.checkpointed.elapsed() < CHECKPOINT_EVERY {
            return;
        }
        self.checkpointed = Instant::now();
        let unfinished =
            self.open.values().map(|open| Position(open.cause.position.0.saturating_sub(1))).min();
        let checkpoint = unfinished.unwrap_or(self.follower.position()).min(self.follower.position());
        note_position(PROCESS, checkpoint);
        if checkpoint == self.checkpoint {
            return;
        }
        match self.state.save(PROCESS, checkpoint, vec![], vec![]).await {
            Ok(()) => self.checkpoint = checkpoint,
            Err(error) => {
                tracing::error!(process = PROCESS, %error, "the checkpoint cannot be kept; it is tried again");
            }
        }
    }
}

async fn act(commands: &Commands, task: &Task, cause: &Arc<Recorded>) -> Result<(), CommandError> {
    let metadata = in_the_name_of(PROCESS, cause);
    match task {
        Task::Settle(booking) => {
            let payment = commands.payment(booking).await?;
            commands.settle(&metadata, booking, &payment).await
        }
        Task::Refund(booking, part) => {
            let mut due = commands.refunds_due(booking).await?.unwrap_or_default();
            due.retain(|due| due.part == *part);
            commands.grant(&metadata, booking, due).await
        }
        Task::PayBack(_) => match cause.event() {
            Ok(Event::Payment(PaymentEvent::RefundRequested(refund))) => {
                pay_back(commands, &cause.stream, refund, &metadata).await
            }
            _ => Ok(()),
        },
    }
}

/// Has the gateway pay a refund. Asked before whether it is still owed: a replay after a crash must not pay twice even
/// where a gateway forgets its keys.
async fn pay_back(
    commands: &Commands,
    stream: &StreamName,
    refund: &RefundRequested,
    metadata: &Arc<marquee_event_store::Metadata>,
) -> Result<(), CommandError> {
    let payment = commands.load::<Payment>(stream.clone()).await?.state;
    if !payment.owes(&refund.refund_id) {
        return Ok(());
    }
    let Some(gateway) = commands.inner.gateways.get(&refund.provider) else {
        return Err(CommandError::Unavailable(format!("no gateway {} is on", refund.provider)));
    };
    // One that is on its way is followed by the process that asks gateways.
    let progress = match gateway.refund(refund).await {
        Ok(progress) => progress,
        Err(GatewayError::Refused(reason)) => RefundProgress::Failed(reason),
        Err(GatewayError::Unavailable(reason)) => return Err(CommandError::Unavailable(reason)),
    };
    commands.record_refund(metadata, stream, &refund.refund_id, progress).await.map(|_| ())
}
