//! The payment outcome process: settles bookings whose payment ended, grants the refunds that are due, and has the
//! gateway pay them. For the first two it is the recovery, not the fast path.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use marquee_domain::Event;
use marquee_domain::ids::{BookingId, RefundId};
use marquee_domain::payment::{Payment, PaymentCommand, PaymentEvent, RefundCause, RefundRequested};
use marquee_domain::show::{CancelledBy, ShowEvent};
use marquee_event_store::lease::Tenancy;
use marquee_event_store::{Follower, Position, Recorded, StreamName};
use tokio::time::Instant;

use crate::error::CommandError;
use crate::execute::execute;
use crate::gateway::GatewayError;
use crate::processes::state::ProcessState;
use crate::processes::{
    CONCURRENCY, ProcessesError, STANDBY_MEMORY, in_the_name_of, next_page, note_position,
};
use crate::{Commands, counters};

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
    /// Grant the refund of a booking that was cancelled after it was paid.
    Refund(BookingId),
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
        Ok(Self { commands, state, follower, open, checkpoint, checkpointed, tenancy })
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
                    if let Some(booking) = recorded.stream.as_payment() {
                        self.open.remove(&Task::Refund(booking));
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
                ShowEvent::BookingCancelled(cancelled) if cancelled.paid => {
                    let patience = match cancelled.by {
                        CancelledBy::Customer => GRACE,
                        CancelledBy::Show => Duration::ZERO,
                    };
                    self.open(Task::Refund(cancelled.booking_id.clone()), recorded, patience);
                }
                ShowEvent::BookingCancelled(_)
                | ShowEvent::Scheduled(_)
                | ShowEvent::Changed(_)
                | ShowEvent::Cancelled(_)
                | ShowEvent::SeatsBlocked(_)
                | ShowEvent::SeatsReleased(_)
                | ShowEvent::SeatsLocked(_)
                | ShowEvent::PaymentPending(_)
                | ShowEvent::LockExtended(_)
                | ShowEvent::Expired(_)
                | ShowEvent::Completed(_) => {}
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
            Task::Refund(_) | Task::PayBack(_) => true,
        });
    }

    async fn work(&mut self) {
        let now = Instant::now();
        let due: Vec<(Task, Open)> = self
            .open
            .iter()
            .filter(|(_, open)| open.not_before <= now)
            .map(|(task, open)| (task.clone(), open.clone()))
            .collect();
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
        Task::Refund(booking) => {
            let by = match cause.event() {
                Ok(Event::Show(ShowEvent::BookingCancelled(cancelled))) => cancelled.by,
                _ => CancelledBy::Customer,
            };
            let cause = match by {
                CancelledBy::Customer => RefundCause::BookingCancelled,
                CancelledBy::Show => RefundCause::ShowCancelled,
            };
            commands.request_refund(&metadata, booking, cause).await.map(|_| ())
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
    let command = match gateway.refund(refund).await {
        Ok(()) => PaymentCommand::RefundSucceeded(refund.refund_id.clone()),
        Err(GatewayError::Refused(reason)) => {
            tracing::error!(refund = %refund.refund_id, %reason, "alert: a gateway refuses a refund");
            metrics::counter!(counters::REFUNDS_FAILED).increment(1);
            PaymentCommand::RefundFailed(refund.refund_id.clone(), reason)
        }
        Err(GatewayError::Unavailable(reason)) => return Err(CommandError::Unavailable(reason)),
    };
    let (store, clock) = (&*commands.inner.store, &*commands.inner.clock);
    execute::<Payment>(store, clock, stream.clone(), metadata, None, &command).await.map(|_| ())
}
