//! Follows the log for what customers are to be told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use marquee_domain::customer::Channel;
use marquee_event_store::clock::Clock;
use marquee_event_store::{EventStore, Follower, Position, ReadError};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::queue::{New, Queue, QueueError};
use crate::trigger::{Trigger, Triggers};
use crate::{AddressBook, AddressBookError};

const PAGE: usize = 512;
/// After a page the cores are left to those who book.
const REST: Duration = Duration::from_millis(50);
const TICK: Duration = Duration::from_secs(1);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(5);
/// A standby that takes over looks back this far: what another may have been about to find when it died. A lease changes hands
/// within seven seconds.
const LOOK_BACK: Duration = Duration::from_secs(15);

/// Finds what customers are to be told.
pub(crate) struct Follow {
    pub store: Arc<dyn EventStore>,
    pub queue: Queue,
    pub contacts: Arc<dyn AddressBook>,
    pub clock: Arc<dyn Clock>,
    /// Whether this node is the one that looks.
    pub chosen: watch::Receiver<bool>,
    pub nudge: watch::Sender<()>,
}

/// Why a run ended.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Log(#[from] ReadError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Contacts(#[from] AddressBookError),
    #[error("another node looks for notifications")]
    NotChosen,
}

impl Follow {
    /// Follows for ever.
    pub async fn run(mut self) {
        let mut backoff = FIRST_BACKOFF;
        loop {
            let began = Instant::now();
            let interrupted = match self.follow().await {
                Err(interrupted) => interrupted,
                Ok(never) => match never {},
            };
            match interrupted {
                Interrupted::NotChosen => tracing::info!("another node looks for notifications"),
                Interrupted::Log(_) | Interrupted::Queue(_) | Interrupted::Contacts(_) => {
                    tracing::warn!(error = %interrupted, "notifications cannot be looked for; trying again");
                }
            }
            if began.elapsed() > LAST_BACKOFF {
                backoff = FIRST_BACKOFF;
            }
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(LAST_BACKOFF);
        }
    }

    async fn follow(&mut self) -> Result<Infallible, Interrupted> {
        self.stand_by().await?;
        let mut follower = Follower::new(Arc::clone(&self.store), self.queue.checkpoint()?);
        let mut triggers = Triggers::new(Arc::clone(&self.store));
        let mut kept = Instant::now();
        loop {
            if !*self.chosen.borrow() {
                return Err(Interrupted::NotChosen);
            }
            let page = match timeout(TICK, follower.next_page(PAGE)).await {
                Ok(page) => page?,
                Err(_nothing_new) => continue,
            };
            let mut new = vec![];
            for event in &page.events {
                for trigger in triggers.of(event).await? {
                    new.extend(self.addressed(trigger).await?);
                }
            }
            // A flush for what tells nobody anything is one a second at most: it is looked at again after a crash.
            if !new.is_empty() || kept.elapsed() > TICK {
                self.queue.put(&new, page.next)?;
                kept = Instant::now();
            }
            if !new.is_empty() {
                self.nudge.send_replace(());
            }
            let lag = follower.head().0.saturating_sub(page.next.0);
            #[expect(clippy::cast_precision_loss, reason = "a gauge")]
            metrics::gauge!("marquee_notifications_lag").set(lag as f64);
            tokio::time::sleep(REST).await;
        }
    }

    /// One for each channel that the customer wants; one that says why there is none where there is none.
    async fn addressed(&self, trigger: Trigger) -> Result<Vec<New>, AddressBookError> {
        let contact = self.contacts.contact(&trigger.user).await?;
        let now = self.clock.now();
        let wanted: Vec<Channel> = match &contact {
            Some(contact) => {
                Channel::ALL.into_iter().filter(|channel| contact.address(*channel).is_some()).collect()
            }
            None => vec![],
        };
        if wanted.is_empty() {
            let reason = if contact.is_some() { "not-wanted" } else { "no-contact" };
            return Ok(vec![New { trigger, channel: Channel::Email, suppressed: Some(reason), now }]);
        }
        let new = |channel| New { trigger: trigger.clone(), channel, suppressed: None, now };
        Ok(wanted.into_iter().map(new).collect())
    }

    /// Waits for this node's turn. The log goes on meanwhile, and the node that looks has found what lies further back.
    async fn stand_by(&mut self) -> Result<(), QueueError> {
        if *self.chosen.borrow_and_update() {
            return Ok(());
        }
        let mut ends: VecDeque<(Instant, Position)> = VecDeque::new();
        while !*self.chosen.borrow_and_update() {
            ends.push_back((Instant::now(), *self.store.head().borrow()));
            while let Some((at, end)) = ends.front().copied()
                && at.elapsed() > LOOK_BACK
            {
                if end > self.queue.checkpoint()? {
                    self.queue.put(&[], end)?;
                }
                ends.pop_front();
            }
            // Nobody is left who could choose another: what was chosen last stands.
            if let Ok(Err(_)) = timeout(TICK, self.chosen.changed()).await {
                tokio::time::sleep(TICK).await;
            }
        }
        Ok(())
    }
}
