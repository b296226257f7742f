//! Delivers what is due in a channel. What a provider took is settled before anything else is handed to it; what it did not is
//! tried again, on its own time: the rest goes on.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use marquee_domain::customer::Channel;
use marquee_event_store::EventStore;
use marquee_event_store::clock::Clock;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::names::Names;
use crate::provider::{DeliveryError, Letter, Provider};
use crate::queue::{Depth, Due, Outcome, Queue};
use crate::text::{Library, Part};
use crate::{AddressBook, Retries};

/// Deliveries of a channel that are under way at once.
const AT_ONCE: usize = 8;
const PAGE: u32 = 64;
/// The queue is looked at this often, nudged or not.
const TICK: Duration = Duration::from_millis(500);
/// What was settled is forgotten after so long.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
const SWEEP_EVERY: u32 = 600;

/// Delivers in one channel.
pub(crate) struct Sender {
    pub channel: Channel,
    pub provider: Arc<dyn Provider>,
    pub queue: Queue,
    pub library: Arc<Library>,
    pub store: Arc<dyn EventStore>,
    pub contacts: Arc<dyn AddressBook>,
    pub clock: Arc<dyn Clock>,
    pub retries: Retries,
    pub nudged: watch::Receiver<()>,
    pub stop: CancellationToken,
}

impl Sender {
    /// Delivers until the stop; what is under way then is finished.
    pub async fn run(mut self) {
        tracing::info!(
            channel = self.channel.as_str(),
            provider = self.provider.name(),
            "notifications are delivered"
        );
        while !self.stop.is_cancelled() {
            self.nudged.mark_unchanged();
            match self.queue.due(self.channel, self.clock.now(), PAGE) {
                Ok(due) if due.is_empty() => {}
                Ok(due) => {
                    stream::iter(due).for_each_concurrent(AT_ONCE, |due| self.deliver(due)).await;
                    continue;
                }
                Err(error) => tracing::error!(%error, "notifications cannot be delivered; trying again"),
            }
            let nudged = timeout(TICK, self.nudged.changed());
            // Nobody is left who could nudge: the queue is looked at all the same.
            if let Some(Ok(Err(_))) = self.stop.run_until_cancelled(nudged).await {
                tokio::time::sleep(TICK).await;
            }
        }
    }

    async fn deliver(&self, due: Due) {
        if self.stop.is_cancelled() {
            return;
        }
        let outcome = self.outcome(&due).await;
        let (result, reason) = match &outcome {
            Outcome::Sent => ("sent", ""),
            Outcome::Retry { reason, .. } => ("retried", reason.as_str()),
            Outcome::Dead { reason } => ("dead", reason.as_str()),
            Outcome::Suppressed { reason } => ("suppressed", *reason),
        };
        metrics::counter!("marquee_notifications_deliveries_total", "channel" => self.channel.as_str(), "result" => result).increment(1);
        match &outcome {
            Outcome::Dead { .. } => tracing::error!(
                notification = due.id,
                channel = self.channel.as_str(),
                attempts = due.attempts + 1,
                reason,
                "a notification cannot be delivered: it is a dead letter"
            ),
            Outcome::Retry { .. } => {
                tracing::debug!(notification = due.id, reason, "a notification is tried again");
            }
            Outcome::Sent | Outcome::Suppressed { .. } => {}
        }
        // What was sent and is not known to be would be sent again: nothing else is, until it is known.
        while let Err(error) = self.queue.settle(&due.id, &outcome, self.clock.now()) {
            tracing::error!(notification = due.id, %error, "what became of a notification cannot be kept; trying again");
            tokio::time::sleep(TICK).await;
        }
    }

    async fn outcome(&self, due: &Due) -> Outcome {
        match self.letter(due).await {
            Ok(letter) => match self.provider.deliver(&letter).await {
                Ok(()) => Outcome::Sent,
                Err(DeliveryError::Refused(reason)) => Outcome::Dead { reason },
                Err(DeliveryError::Later(reason)) => self.again(due, reason),
            },
            Err(outcome) => outcome,
        }
    }

    /// What is to be delivered, and where to; what comes of it where there is no such thing.
    async fn letter(&self, due: &Due) -> Result<Letter, Outcome> {
        let contact = self.contacts.contact(&due.user).await;
        let contact = contact.map_err(|error| {
            tracing::warn!(%error, "how to reach a customer cannot be looked up; trying again");
            self.again(due, "contacts".into())
        })?;
        let Some(contact) = contact else { return Err(Outcome::Suppressed { reason: "no-contact" }) };
        let Some(to) = contact.address(self.channel) else {
            return Err(Outcome::Suppressed { reason: "not-wanted" });
        };
        let language = self.library.language(contact.language.as_deref());
        let dead = |reason: &str| Outcome::Dead { reason: reason.to_owned() };
        let kind = due.kind.ok_or_else(|| dead("kind"))?;
        let facts = serde_json::from_str(&due.facts).map_err(|_| dead("facts"))?;
        let names = Names::of(&*self.store, &facts, language).await;
        let names = names.map_err(|_out| self.again(due, "log".into()))?;
        let write = |part| {
            let written = self.library.write(language, (kind, part), &facts, &names);
            written.map_err(|error| {
                tracing::error!(notification = due.id, %error, "a text cannot be written");
                dead("text")
            })
        };
        let (subject, text) = match self.channel {
            Channel::Email => (write(Part::Subject)?, write(Part::Text)?),
            Channel::Sms | Channel::Whatsapp => (String::new(), write(Part::Short)?),
        };
        Ok(Letter {
            id: due.id.clone(),
            kind,
            channel: self.channel,
            time: due.time,
            to: to.to_string(),
            language,
            subject,
            text,
        })
    }

    fn again(&self, due: &Due, reason: String) -> Outcome {
        let failures = due.attempts + 1;
        if failures >= self.retries.attempts {
            return Outcome::Dead { reason };
        }
        let wait = backoff(self.retries, failures, fastrand::f64());
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO);
        Outcome::Retry { due: self.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX), reason }
    }
}

/// The wait after so many failures: twice the last one up to a bound, with as much as half of it taken off.
fn backoff(retries: Retries, failures: u32, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(30);
    let full = retries.first.saturating_mul(1 << doublings).min(retries.longest);
    full.mul_f64(1.0 - random / 2.0)
}

/// Shows how the queue stands, and forgets what is long settled.
pub(crate) async fn watch(queue: Queue, clock: Arc<dyn Clock>) {
    let mut ticks = 0_u32;
    loop {
        match queue.depth() {
            Ok(depth) => show(depth, clock.now()),
            Err(error) => tracing::warn!(%error, "how the queue of notifications stands is not known"),
        }
        if ticks.is_multiple_of(SWEEP_EVERY) {
            sweep(&queue, clock.now()).await;
        }
        ticks = ticks.wrapping_add(1);
        tokio::time::sleep(2 * TICK).await;
    }
}

async fn sweep(queue: &Queue, now: Timestamp) {
    loop {
        match queue.sweep(now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN)) {
            Ok(0) => return,
            // What is to be delivered goes first.
            Ok(_) => tokio::time::sleep(TICK / 10).await,
            Err(error) => return tracing::warn!(%error, "old notifications cannot be forgotten"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges")]
fn show(depth: Depth, now: Timestamp) {
    metrics::gauge!("marquee_notifications_pending").set(depth.pending as f64);
    metrics::gauge!("marquee_notifications_dead").set(depth.dead as f64);
    let oldest = depth.oldest.map_or(0, |oldest| now.as_millisecond().saturating_sub(oldest).max(0));
    metrics::gauge!("marquee_notifications_oldest_pending_seconds").set(oldest as f64 / 1_000.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_no_two_need_be_the_same() {
        let retries =
            Retries { first: Duration::from_secs(1), longest: Duration::from_secs(10), attempts: 9 };
        let full = |failures| backoff(retries, failures, 0.0).as_secs();
        assert_eq!([1, 2, 3, 4, 5, 6, 99].map(full), [1, 2, 4, 8, 10, 10, 10]);
        assert_eq!(backoff(retries, 2, 1.0), Duration::from_secs(1), "half is taken off at most");
    }
}
