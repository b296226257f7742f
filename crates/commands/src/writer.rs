//! One writer task for each hot show: it keeps the fold, decides all that waits, and appends it at once.
//!
//! Correctness rests on the expected revision alone; the writer is only what makes a hot show fast.

mod answers;
mod durable;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use jiff::Timestamp;
use marquee_domain::Decider;
use marquee_domain::ids::{BookingId, ShowId};
use marquee_domain::show::{Booking, Show, ShowCommand, ShowDetails};
use marquee_event_store::clock::Clock;
use marquee_event_store::{AppendError, EventStore, Expected, Metadata, NewEvent, Position, StreamName};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::error::CommandError;
use crate::execute::new_event;
use answers::{Noted, Span, note};
use durable::Durable;

/// Most commands that are decided together: bounds the size of an append.
const MOST_IN_BATCH: usize = 256;
const MAILBOX: usize = 1_024;
/// A writer that was closed while a command was on its way looks again after this long.
const IDLE_RECHECK: Duration = Duration::from_millis(100);

/// A command's outcome, durable.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    /// The show's facts after it.
    pub show: Arc<ShowDetails>,
    /// The booking that it was about, after it.
    pub booking: Option<Arc<Booking>>,
    pub position: Position,
    /// Whether it had happened before.
    pub replayed: bool,
}

/// A show as its writer knows it, and the instant at which it was asked.
pub(crate) struct Seen<'a> {
    pub show: &'a Show,
    pub now: Timestamp,
    pub position: Position,
}

type Look = Box<dyn FnOnce(Result<Seen<'_>, CommandError>) + Send>;

enum Mail {
    Command { command: Box<ShowCommand>, metadata: Arc<Metadata>, reply: Reply },
    Read(Look),
}

/// The writers of this node.
pub(crate) struct ShowWriters {
    shared: Arc<Shared>,
}

struct Shared {
    mailboxes: DashMap<ShowId, mpsc::Sender<Mail>>,
    store: Arc<dyn EventStore>,
    clock: Arc<dyn Clock>,
    idle: Duration,
    metrics: WriterMetrics,
}

struct WriterMetrics {
    live: Gauge,
    batch_size: Histogram,
    conflicts: Counter,
}

impl ShowWriters {
    pub(crate) fn new(store: Arc<dyn EventStore>, clock: Arc<dyn Clock>, idle: Duration) -> Self {
        let metrics = WriterMetrics {
            live: gauge!("marquee_show_writers"),
            batch_size: histogram!("marquee_show_writer_batch_size"),
            conflicts: counter!("marquee_show_writer_conflicts_total"),
        };
        Self { shared: Arc::new(Shared { mailboxes: DashMap::new(), store, clock, idle, metrics }) }
    }

    /// Has a command decided, and answers once it is durable.
    pub(crate) async fn decide(
        &self,
        show: &ShowId,
        command: ShowCommand,
        metadata: Arc<Metadata>,
    ) -> Result<Decided, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.send(show, Mail::Command { command: Box::new(command), metadata, reply }).await?;
        answer.await.map_err(|_| gone())?
    }

    /// Looks at the show as the log has it.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        show: &ShowId,
        look: impl FnOnce(Seen<'_>) -> T + Send + 'static,
    ) -> Result<T, CommandError> {
        let (reply, answer) = oneshot::channel();
        let look = Box::new(move |seen: Result<Seen<'_>, CommandError>| _ = reply.send(seen.map(look)));
        self.send(show, Mail::Read(look)).await?;
        answer.await.map_err(|_| gone())?
    }

    async fn send(&self, show: &ShowId, mut mail: Mail) -> Result<(), CommandError> {
        loop {
            let mailbox = self.mailbox(show);
            match mailbox.send(mail).await {
                Ok(()) => return Ok(()),
                // The writer went idle between the look-up and the send.
                Err(mpsc::error::SendError(unsent)) => {
                    self.shared.mailboxes.remove_if(show, |_, known| known.same_channel(&mailbox));
                    mail = unsent;
                }
            }
        }
    }

    fn mailbox(&self, show: &ShowId) -> mpsc::Sender<Mail> {
        if let Some(mailbox) = self.shared.mailboxes.get(show) {
            return mailbox.clone();
        }
        let entry = self.shared.mailboxes.entry(show.clone());
        entry
            .or_insert_with(|| {
                let (mailbox, mails) = mpsc::channel(MAILBOX);
                let writer = Writer::new(show.clone(), Arc::clone(&self.shared));
                tokio::spawn(writer.run(mails));
                mailbox
            })
            .clone()
    }
}

fn gone() -> CommandError {
    CommandError::Unavailable("the show's writer stopped".into())
}

struct Writer {
    show: ShowId,
    stream: StreamName,
    shared: Arc<Shared>,
    durable: Option<Durable>,
}

struct Verdict {
    show: Arc<ShowDetails>,
    booking: Option<Arc<Booking>>,
    written: Written,
}

enum Written {
    /// Its last event has this index in the batch.
    At(usize),
    /// Nothing: this booking was created before.
    CreatedBefore(BookingId),
    /// Nothing: this booking had come that far before.
    ReachedBefore(BookingId),
    /// Nothing: the show had come that far before.
    Before,
}

impl Writer {
    fn new(show: ShowId, shared: Arc<Shared>) -> Self {
        let stream = StreamName::show(&show);
        Self { show, stream, shared, durable: None }
    }

    async fn run(mut self, mut mails: mpsc::Receiver<Mail>) {
        self.shared.metrics.live.increment(1.0);
        let mut batch = Vec::new();
        let mut active = Instant::now();
        let idle = tokio::time::sleep(self.shared.idle);
        tokio::pin!(idle);
        loop {
            tokio::select! {
                biased;
                received = mails.recv_many(&mut batch, MOST_IN_BATCH) => {
                    if received == 0 {
                        break;
                    }
                    active = Instant::now();
                    self.answer(&mut batch).await;
                    // A show that was never scheduled must not keep a task for whoever asks for it.
                    if matches!(&self.durable, Some(durable) if durable.loaded.count == 0) && mails.is_empty() {
                        mails.close();
                    }
                }
                // Set anew only when it fires: arming a timer for every batch costs more than deciding it.
                () = &mut idle => {
                    let until = active + self.shared.idle;
                    if until <= Instant::now() {
                        mails.close();
                    }
                    idle.as_mut().reset(until.max(Instant::now() + IDLE_RECHECK));
                }
            }
            if mails.is_closed() && mails.is_empty() {
                break;
            }
        }
        self.shared.mailboxes.remove_if(&self.show, |_, mailbox| mailbox.is_closed());
        self.shared.metrics.live.decrement(1.0);
    }

    async fn answer(&mut self, batch: &mut Vec<Mail>) {
        let mut commands = Vec::with_capacity(batch.len());
        let mut reads = Vec::new();
        for mail in batch.drain(..) {
            match mail {
                Mail::Command { command, metadata, reply } => commands.push((command, metadata, reply)),
                Mail::Read(look) => reads.push(look),
            }
        }
        let proven = match self.load(!reads.is_empty()).await {
            Ok(proven) => proven,
            Err(error) => {
                let refused = || CommandError::Unavailable(error.clone());
                // A caller that has gone away needs no answer, here and below.
                for look in reads {
                    look(Err(refused()));
                }
                for (_, _, reply) in commands {
                    _ = reply.send(Err(refused()));
                }
                return;
            }
        };
        if let Some(durable) = &self.durable {
            let now = self.shared.clock.now().max(durable.loaded.time);
            for look in reads {
                let position = durable.loaded.position;
                look(Ok(Seen { show: &durable.loaded.state, now, position }));
            }
        }
        if !commands.is_empty() {
            #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
            self.shared.metrics.batch_size.record(commands.len() as f64);
            self.decide_and_append(commands, proven).await;
        }
    }

    /// Folds the stream where it is not; whether the fold is proven to be all that the log has. `to_read` demands that.
    async fn load(&mut self, to_read: bool) -> Result<bool, String> {
        let known = self.durable.take();
        let proven = known.is_none() || !self.shared.store.shared() || to_read;
        let read = known.is_none() || (to_read && self.shared.store.shared());
        let mut durable = known.unwrap_or_default();
        if read {
            self.catch_up(&mut durable).await?;
        }
        self.durable = Some(durable);
        Ok(proven)
    }

    async fn catch_up(&self, durable: &mut Durable) -> Result<(), String> {
        durable.catch_up(&*self.shared.store, &self.stream).await.map_err(|error| {
            tracing::error!(stream = %self.stream, %error, "a show's stream cannot be read");
            error.to_string()
        })
    }

    async fn decide_and_append(
        &mut self,
        commands: Vec<(Box<ShowCommand>, Arc<Metadata>, Reply)>,
        mut proven: bool,
    ) {
        let shared = self.shared.store.shared();
        let (commands, mut replies): (Vec<_>, Vec<_>) =
            commands.into_iter().map(|(command, metadata, reply)| ((command, metadata), Some(reply))).unzip();
        loop {
            let Some(mut durable) = self.durable.take() else { return };
            if shared {
                // Conflicts are to be expected. Elsewhere this would cost every batch what none needs.
                durable.remember();
            }
            let mut time = durable.loaded.time;
            let mut events: Vec<NewEvent> = Vec::new();
            let mut waiting = Vec::with_capacity(commands.len());
            for ((command, metadata), reply) in commands.iter().zip(&mut replies) {
                let now = self.shared.clock.now().max(time);
                let verdict = judge(&mut durable.loaded.state, now, command, metadata, &mut events);
                if verdict.as_ref().is_ok_and(|verdict| matches!(verdict.written, Written::At(_))) {
                    time = now;
                }
                waiting.push((reply, verdict));
            }
            if events.is_empty() {
                if !proven {
                    // An append would have proven the fold; a refusal does not.
                    let count = durable.loaded.count;
                    if let Err(error) = self.catch_up(&mut durable).await {
                        return unavailable(&mut replies, &error);
                    }
                    proven = true;
                    if durable.loaded.count != count {
                        self.durable = Some(durable);
                        continue;
                    }
                }
                for (reply, verdict) in waiting {
                    let decided = verdict.map(|verdict| settle(verdict, &durable, Span::NOTHING));
                    finish(reply.take(), decided);
                }
                self.durable = Some(durable);
                return;
            }
            let count = events.len();
            let noted: Vec<Option<Noted>> = events.iter().map(|new| Noted::of(&new.event)).collect();
            let again = durable.for_the_spare(events.iter().map(|new| &new.event));
            let folded = durable.loaded.count;
            let expected = Expected::after(folded);
            let appended = self.shared.store.append(self.stream.clone(), expected, events).await;
            match appended {
                Ok(appended) => {
                    let counted = self.shared.store.counts_events();
                    let span = Span { end: appended.position, count, counted };
                    for (index, noted) in noted.into_iter().enumerate() {
                        note(&mut durable.answers, noted, span.place(index));
                    }
                    durable.loaded.count = appended.revision + 1;
                    durable.loaded.time = time;
                    durable.loaded.position = appended.position;
                    durable.move_on(&again);
                    for (reply, verdict) in waiting {
                        let decided = verdict.map(|verdict| settle(verdict, &durable, span));
                        finish(reply.take(), decided);
                    }
                    self.durable = Some(durable);
                    return;
                }
                // Another writer was first: nothing of this batch is in the log, and the fold is ahead of it. Fold what the log
                // has, and decide the batch again.
                Err(AppendError::Conflict { .. }) => {
                    self.shared.metrics.conflicts.increment(1);
                    durable.go_back();
                    if let Err(error) = self.catch_up(&mut durable).await {
                        return unavailable(&mut replies, &error);
                    }
                    if durable.loaded.count == folded {
                        // To decide again would conflict again, without end.
                        tracing::error!(stream = %self.stream, "the log refuses an append at the end that it shows");
                        return unavailable(&mut replies, "the log does not agree with itself");
                    }
                    proven = true;
                    self.durable = Some(durable);
                }
                // The outcome is unknown: the fold is dropped, and the same key finds out.
                Err(error @ (AppendError::TooLarge | AppendError::Unavailable(_))) => {
                    return unavailable(&mut replies, &error.to_string());
                }
            }
        }
    }
}

type Reply = oneshot::Sender<Result<Decided, CommandError>>;

fn unavailable(replies: &mut [Option<Reply>], reason: &str) {
    for reply in replies {
        finish(reply.take(), Err(CommandError::Unavailable(reason.to_owned())));
    }
}

fn finish(reply: Option<Reply>, decided: Result<Decided, CommandError>) {
    if let Some(reply) = reply {
        _ = reply.send(decided);
    }
}

/// Decides one command on the running state and puts its events into the batch.
fn judge(
    running: &mut Show,
    now: Timestamp,
    command: &ShowCommand,
    metadata: &Arc<Metadata>,
    events: &mut Vec<NewEvent>,
) -> Result<Verdict, CommandError> {
    let decided = running.decide(now, command)?;
    for event in &decided {
        running.evolve(event);
    }
    let new = !decided.is_empty();
    events.extend(decided.into_iter().map(|event| new_event(now, event, metadata)));
    let screening = running.screening()?;
    let booking = match command {
        ShowCommand::LockSeats(lock) => screening.booking_by_key(&lock.user_id, &lock.idempotency_key),
        ShowCommand::Confirm { booking_id, .. } | ShowCommand::Fail { booking_id, .. } => {
            screening.booking(booking_id).ok()
        }
        ShowCommand::CancelBooking(cancel) => screening.booking(&cancel.booking_id).ok(),
        ShowCommand::ExtendLock(extend) => screening.booking(&extend.booking_id).ok(),
        ShowCommand::RedeemTicket(redeem) => screening.booking(&redeem.booking_id).ok(),
        ShowCommand::Schedule(_)
        | ShowCommand::Change(_)
        | ShowCommand::Replace(_)
        | ShowCommand::Cancel(_)
        | ShowCommand::BlockSeats(_)
        | ShowCommand::ReleaseSeats(_)
        | ShowCommand::ExpireDue
        | ShowCommand::CompleteDue => None,
    };
    let written = match (new, booking, command) {
        (true, _, _) => Written::At(events.len() - 1),
        (false, Some(booking), ShowCommand::LockSeats(_)) => Written::CreatedBefore(booking.id.clone()),
        (false, Some(booking), _) => Written::ReachedBefore(booking.id.clone()),
        (false, None, _) => Written::Before,
    };
    Ok(Verdict { show: Arc::clone(&screening.details), booking: booking.cloned(), written })
}

/// A verdict with its place in the log.
fn settle(verdict: Verdict, durable: &Durable, span: Span) -> Decided {
    let Verdict { show, booking, written } = verdict;
    let replayed = !matches!(written, Written::At(_));
    let answers = |id: &BookingId| durable.answers.get(id).copied();
    let position = match written {
        Written::At(index) => span.place(index),
        Written::CreatedBefore(id) => answers(&id).map_or(durable.loaded.position, |known| known.created),
        Written::ReachedBefore(id) => answers(&id).map_or(durable.loaded.position, |known| known.last),
        Written::Before => durable.loaded.position,
    };
    Decided { show, booking, position, replayed }
}
