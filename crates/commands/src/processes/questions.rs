//! Asks gateways how payments and refunds stand, so that nothing hangs on a webhook that never comes.
//!
//! A payment is asked after shortly before its lock runs out, so that money which is there confirms the booking instead of
//! being paid back; and for a day afterwards, so that late money is found and returned. A payment whose booking cannot take
//! it any more is closed. A refund is asked after until it is over; one that takes too long is somebody's to look at.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use marquee_domain::ids::{BookingId, RefundId};
use marquee_domain::payment::{
    IntentCreated, Payment, PaymentEvent, PaymentInitiated, PaymentState, RefundRequested,
};
use marquee_domain::show::ShowEvent;
use marquee_domain::{Event, time};
use marquee_event_store::lease::Tenancy;
use marquee_event_store::{Follower, Metadata, Recorded, StreamName};
use smol_str::SmolStr;

use crate::context::Context;
use crate::error::CommandError;
use crate::gateway::{GatewayError, PaymentGateway, PaymentStatus, RefundProgress};
use crate::processes::state::ProcessState;
use crate::processes::{CONCURRENCY, ProcessesError, next_page, note_position};
use crate::writer::Seen;
use crate::{Commands, counters};

const PROCESS: &str = "gateway-questions";
const TICK: Duration = Duration::from_millis(250);
/// When a payment is asked after, in seconds from the end of its lock.
const ASKED_AT: [i64; 8] = [-20, -3, 5, 60, 600, 3_600, 21_600, 86_400];
/// How soon again, where the gateway or the store did not answer and the lock still holds.
const AGAIN_MILLIS: u64 = 3_000;
/// How soon a refund is asked after; then after half its age, at most each hour.
const FIRST_LOOK_MILLIS: u64 = 2_000;
const LAST_WAIT_MILLIS: u64 = 3_600_000;
/// How long a standby remembers a payment that nobody ended: a little longer than it is asked after.
const STANDBY_MEMORY_MILLIS: u64 = 25 * 3_600_000;
/// Payments asked after in one round; the log is followed between rounds.
const MOST_AT_ONCE: usize = 256;
/// Refunds asked after in one round: each is two calls.
const MOST_REFUNDS_AT_ONCE: usize = 4;

/// What a gateway is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// How does the payment of this booking stand?
    Payment(BookingId),
    /// How far is this refund, of that stream?
    Refund(StreamName, RefundId),
}

/// How a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// When it came up.
    pub since: Timestamp,
    /// When it is asked next.
    pub due: Timestamp,
    /// Whether somebody was told that it takes too long.
    pub alerted: bool,
}

/// What became of questions: `None` where one is answered.
type Changes = HashMap<Question, Option<Standing>>;

pub(super) struct QuestionProcess {
    commands: Commands,
    state: ProcessState,
    follower: Follower,
    open: HashMap<Question, Standing>,
    /// What could not be kept on disk yet.
    unsaved: Changes,
    tenancy: Tenancy,
}

impl QuestionProcess {
    pub(super) fn new(
        commands: Commands,
        state: ProcessState,
        tenancy: Tenancy,
    ) -> Result<Self, ProcessesError> {
        let checkpoint = state.checkpoint(PROCESS, *commands.inner.store.head().borrow())?;
        let open = state.questions()?.into_iter().collect();
        let follower = Follower::new(Arc::clone(&commands.inner.store), checkpoint);
        Ok(Self { commands, state, follower, open, unsaved: Changes::new(), tenancy })
    }

    pub(super) async fn run(mut self) {
        loop {
            let page = next_page(&mut self.follower, PROCESS, TICK).await;
            let mut changes = std::mem::take(&mut self.unsaved);
            for recorded in &page.events {
                self.note(recorded, &mut changes);
            }
            if self.tenancy.should_act() {
                self.work(&mut changes).await;
            } else {
                self.stand_by(&mut changes);
            }
            if changes.is_empty() && page.events.is_empty() {
                continue;
            }
            note_position(PROCESS, page.next);
            let kept = changes.iter().map(|(question, standing)| (question.clone(), *standing)).collect();
            if let Err(error) = self.state.save_questions(PROCESS, page.next, kept).await {
                self.unsaved = changes;
                tracing::error!(process = PROCESS, %error, "the checkpoint cannot be kept; it is tried again");
            }
            tokio::time::sleep(TICK).await;
        }
    }

    fn note(&mut self, recorded: &Recorded, changes: &mut Changes) {
        let Ok(event) = recorded.event() else { return };
        if let Event::Show(ShowEvent::BookingCancelled(cancelled)) = event {
            self.hurry(&cancelled.booking_id, recorded.time, changes);
        }
        let Event::Payment(event) = event else { return };
        let of_refund = |id: &RefundId| Question::Refund(recorded.stream.clone(), id.clone());
        match event {
            PaymentEvent::Initiated(initiated) if self.is_asked(&initiated.provider) => {
                let question = Question::Payment(initiated.booking_id.clone());
                self.set(question, begun(recorded.time, 0), changes);
            }
            PaymentEvent::Succeeded(succeeded) => {
                self.forget(Question::Payment(succeeded.booking_id.clone()), changes);
            }
            PaymentEvent::Failed(failed) => {
                self.forget(Question::Payment(failed.booking_id.clone()), changes);
            }
            PaymentEvent::RefundRequested(refund) if self.is_asked(&refund.provider) => {
                self.set(of_refund(&refund.refund_id), begun(recorded.time, FIRST_LOOK_MILLIS), changes);
            }
            PaymentEvent::RefundSucceeded(refund) => self.forget(of_refund(&refund.refund_id), changes),
            PaymentEvent::RefundFailed(refund) => self.forget(of_refund(&refund.refund_id), changes),
            PaymentEvent::Initiated(_)
            | PaymentEvent::RefundRequested(_)
            | PaymentEvent::IntentCreated(_)
            | PaymentEvent::Mismatched(_)
            | PaymentEvent::Unmatched(_) => {}
        }
    }

    /// A gateway that is off may be turned on again.
    fn is_asked(&self, provider: &str) -> bool {
        self.commands.inner.gateways.get(provider).is_none_or(PaymentGateway::can_be_asked)
    }

    /// A booking was cancelled: its payment, if it is open, is to be closed.
    fn hurry(&mut self, booking: &BookingId, due: Timestamp, changes: &mut Changes) {
        let question = Question::Payment(booking.clone());
        if let Some(standing) = self.open.get(&question).copied() {
            self.set(question, Standing { due, ..standing }, changes);
        }
    }

    fn set(&mut self, question: Question, standing: Standing, changes: &mut Changes) {
        self.open.insert(question.clone(), standing);
        changes.insert(question, Some(standing));
    }

    fn forget(&mut self, question: Question, changes: &mut Changes) {
        if self.open.remove(&question).is_some() {
            changes.insert(question, None);
        }
    }

    /// The log tells what the holder of the lease was answered, but not that it gave up.
    fn stand_by(&mut self, changes: &mut Changes) {
        let now = self.commands.inner.clock.now();
        let over = |(question, standing): (&Question, &Standing)| {
            let old = time::after(standing.since, STANDBY_MEMORY_MILLIS) < now;
            (old && matches!(question, Question::Payment(_))).then(|| question.clone())
        };
        let over: Vec<Question> = self.open.iter().filter_map(over).collect();
        for question in over {
            self.forget(question, changes);
        }
    }

    async fn work(&mut self, changes: &mut Changes) {
        let now = self.commands.inner.clock.now();
        let due = due(&self.open, now);
        let commands = &self.commands;
        let asked = stream::iter(due).map(|(question, standing)| async move {
            let next = match &question {
                Question::Payment(booking) => ask_payment(commands, booking, standing).await,
                Question::Refund(stream, refund) => ask_refund(commands, stream, refund, standing).await,
            };
            (question, standing, next)
        });
        let asked: Vec<_> = asked.buffer_unordered(CONCURRENCY).collect().await;
        for (question, standing, next) in asked {
            match next {
                Ok(Some(next)) => self.set(question, next, changes),
                Ok(None) => self.forget(question, changes),
                Err(error) => {
                    tracing::warn!(process = PROCESS, ?question, %error, "not asked yet; trying again");
                    let due = time::after(self.commands.inner.clock.now(), AGAIN_MILLIS);
                    self.set(question, Standing { due, ..standing }, changes);
                }
            }
        }
    }
}

/// The questions of a round, the longest due first. Payments cannot wait, as their locks end; of refunds, which can, there may be
/// thousands at once, so that only a few are asked after between two looks at payments.
fn due(open: &HashMap<Question, Standing>, now: Timestamp) -> Vec<(Question, Standing)> {
    let due = open.iter().filter(|(_, standing)| standing.due <= now);
    let due = due.map(|(question, standing)| (question.clone(), *standing));
    let (mut payments, mut refunds): (Vec<_>, Vec<_>) =
        due.partition(|(question, _)| matches!(question, Question::Payment(_)));
    payments.sort_unstable_by_key(|(_, standing)| standing.due);
    refunds.sort_unstable_by_key(|(_, standing)| standing.due);
    payments.truncate(MOST_AT_ONCE);
    refunds.truncate(MOST_REFUNDS_AT_ONCE);
    payments.extend(refunds);
    payments
}

fn begun(since: Timestamp, wait_millis: u64) -> Standing {
    Standing { since, due: time::after(since, wait_millis), alerted: false }
}

/// When a payment is asked after next, if ever again.
fn next_look(lock_ends: Timestamp, now: Timestamp) -> Option<Timestamp> {
    ASKED_AT
        .iter()
        .map(|seconds| lock_ends.as_millisecond().saturating_add(seconds * 1_000))
        .find(|at| *at > now.as_millisecond())
        .and_then(|at| Timestamp::from_millisecond(at).ok())
}

/// When the question is asked again; `None` where it is not.
async fn ask_payment(
    commands: &Commands,
    booking: &BookingId,
    standing: Standing,
) -> Result<Option<Standing>, CommandError> {
    let payment = commands.payment(booking).await?;
    let (Some(initiated), Some(PaymentState::Pending)) = (&payment.initiated, payment.state) else {
        return Ok(None);
    };
    let (lock_ends, holds_seats) = lock_of(commands, booking).await?.unwrap_or((standing.since, false));
    let now = commands.inner.clock.now();
    let next = next_look(lock_ends, now);
    let too_early = holds_seats && next_look(lock_ends, Timestamp::MIN).is_some_and(|first| now < first);
    // Nobody was sent to pay before the gateway's answer was written down.
    let said = match &payment.intent {
        Some(intent) if !too_early => put(commands, initiated, intent, holds_seats).await?,
        Some(_) | None => Said::Over,
    };
    let due = match (said, next) {
        (Said::Nothing, next) => {
            let wait = if now < lock_ends { AGAIN_MILLIS } else { LAST_WAIT_MILLIS };
            let again = time::after(now, wait);
            Some(next.map_or(again, |next| next.min(again)))
        }
        (Said::Open, None) => {
            tracing::error!(%booking, "alert: nobody knows how a payment ended at its gateway; it is not asked after any more");
            None
        }
        (Said::Open | Said::Over | Said::Off, next) => next,
    };
    Ok(due.map(|due| Standing { due, ..standing }))
}

/// What came of a question.
enum Said {
    /// The payment is not over, as far as anybody can say.
    Open,
    /// It is over, or was not asked after.
    Over,
    /// The gateway gave no answer: it is asked until it does.
    Nothing,
    /// It is off.
    Off,
}

/// Puts the question, and does with the answer what a webhook would.
async fn put(
    commands: &Commands,
    initiated: &PaymentInitiated,
    intent: &IntentCreated,
    holds_seats: bool,
) -> Result<Said, CommandError> {
    let booking = &initiated.booking_id;
    let Some(gateway) = commands.inner.gateways.get(&initiated.provider) else {
        tracing::warn!(process = PROCESS, %booking, provider = %initiated.provider, "no such gateway is on");
        return Ok(Said::Off);
    };
    match gateway.payment_status(initiated, intent).await {
        Ok(PaymentStatus::Captured(notice) | PaymentStatus::Failed(notice)) => {
            let ctx = Context {
                actor: SmolStr::from(format!("process:{PROCESS}")),
                correlation_id: SmolStr::from(format!("ask-{booking}")),
            };
            commands.told(&ctx, gateway.provider(), booking.as_str(), &notice).await?;
            Ok(Said::Over)
        }
        Ok(PaymentStatus::Open) => {
            // What cannot be closed has ended meanwhile, or is about to: the next answer tells.
            if !holds_seats && let Err(error) = gateway.close(intent).await {
                tracing::warn!(process = PROCESS, %booking, %error, "a payment is not closed yet");
            }
            Ok(Said::Open)
        }
        Err(error) => {
            tracing::warn!(process = PROCESS, %booking, %error, "a gateway does not say how a payment stands");
            Ok(match error {
                GatewayError::Refused(_) => Said::Open,
                GatewayError::Unavailable(_) => Said::Nothing,
            })
        }
    }
}

/// The end of a booking's lock, and whether its seats are still its own; `None` where there is no such booking.
async fn lock_of(
    commands: &Commands,
    booking: &BookingId,
) -> Result<Option<(Timestamp, bool)>, CommandError> {
    let Some(show) = booking.show() else { return Ok(None) };
    let wanted = booking.clone();
    let look = move |seen: Seen<'_>| {
        let booking = seen.show.screening().ok()?.booking(&wanted).ok()?;
        Some((booking.expires_at, booking.holds_seats(seen.now)))
    };
    commands.inner.writers.read(&show, look).await
}

async fn ask_refund(
    commands: &Commands,
    stream: &StreamName,
    id: &RefundId,
    standing: Standing,
) -> Result<Option<Standing>, CommandError> {
    let payment = commands.load::<Payment>(stream.clone()).await?.state;
    let requested = payment.refunds.iter().map(|refund| &refund.requested);
    let Some(refund) = requested.filter(|_| payment.owes(id)).find(|refund| refund.refund_id == *id) else {
        return Ok(None);
    };
    let over = look_after(commands, stream, refund).await?;
    let now = commands.inner.clock.now();
    let age = u64::try_from(now.as_millisecond() - standing.since.as_millisecond()).unwrap_or_default();
    let patience = u64::try_from(commands.inner.config.refund_patience.as_millis()).unwrap_or(u64::MAX);
    let overdue = age >= patience && !over;
    if overdue && !standing.alerted {
        tracing::error!(refund = %id, %stream, since = %standing.since, "alert: a refund is not confirmed by its gateway for too long");
        metrics::counter!(counters::REFUNDS_OVERDUE).increment(1);
    }
    let due = time::after(now, next_wait(age, patience));
    Ok(Some(Standing { due, alerted: standing.alerted || overdue, ..standing }))
}

/// How long a refund of this age is left alone, but never past the end of patience. In milliseconds.
fn next_wait(age: u64, patience: u64) -> u64 {
    let wait = (age / 2).clamp(FIRST_LOOK_MILLIS, LAST_WAIT_MILLIS);
    if age < patience { wait.min(patience - age) } else { wait }
}

/// Asks how far a refund is, and writes down where it is over. Whether it is. Never pays: that is the payment outcome's to do.
async fn look_after(
    commands: &Commands,
    stream: &StreamName,
    refund: &RefundRequested,
) -> Result<bool, CommandError> {
    let id = &refund.refund_id;
    let Some(gateway) = commands.inner.gateways.get(&refund.provider) else {
        tracing::warn!(process = PROCESS, refund = %id, provider = %refund.provider, "no such gateway is on");
        return Ok(false);
    };
    match gateway.refund_status(refund).await {
        Ok(progress) => {
            let metadata = Arc::new(Metadata {
                actor: SmolStr::from(format!("process:{PROCESS}")),
                correlation_id: SmolStr::from(format!("ask-{id}")),
                causation_id: None,
            });
            let over = matches!(progress, RefundProgress::Paid | RefundProgress::Failed(_));
            commands.record_refund(&metadata, stream, id, progress).await.map(|_| over)
        }
        Err(error) => {
            tracing::warn!(process = PROCESS, refund = %id, %error, "a gateway does not say how far a refund is");
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_asked_after_before_its_lock_ends_and_for_a_day_afterwards() {
        let ends = Timestamp::from_second(1_000_000).unwrap();
        let (mut now, mut looks) = (Timestamp::UNIX_EPOCH, vec![]);
        while let Some(next) = next_look(ends, now) {
            assert!(next > now);
            looks.push(next.as_second() - ends.as_second());
            now = next;
        }
        assert!(looks.iter().filter(|seconds| **seconds < 0).count() >= 2, "one try may fail");
        assert_eq!(looks.last(), Some(&86_400));
    }

    #[test]
    fn a_payment_is_never_behind_the_refunds_of_a_show_that_was_called_off() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let refund = |number: i64| {
            let booking = BookingId::from(format!("bk_sh_1_{number}").as_str());
            let question = Question::Refund(StreamName::payment(&booking), "rf".into());
            (question, begun(at(number), 0))
        };
        let payment = (Question::Payment("bk_sh_2_1".into()), begun(at(9_000), 0));
        let open: HashMap<Question, Standing> = (0..5_000).map(refund).chain([payment.clone()]).collect();
        let due = due(&open, at(10_000));
        assert_eq!(due.len(), 1 + MOST_REFUNDS_AT_ONCE);
        assert_eq!(due[0], payment);
        assert_eq!(due[1], refund(0), "the longest due first");
    }

    #[test]
    fn a_refund_is_asked_after_ever_more_seldom_and_at_the_end_of_patience() {
        let patience = 3 * 24 * 3_600_000;
        let (mut age, mut looks, mut at_the_end) = (FIRST_LOOK_MILLIS, 0, false);
        while age < 30 * 24 * 3_600_000 {
            let wait = next_wait(age, patience);
            assert!((1..=LAST_WAIT_MILLIS).contains(&wait));
            age += wait;
            looks += 1;
            at_the_end |= age == patience;
        }
        assert!(at_the_end && (700..800).contains(&looks), "{looks} in a month");
    }
}
