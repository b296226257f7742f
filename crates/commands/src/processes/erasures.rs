//! The erasures process: destroys at this node what the log says was erased. Where the customer asked, that is done at once;
//! this is for the crash in between, for the other nodes, and for contacts that were put back from a backup.
//!
//! Each node does it for itself, lease or not: what a node keeps, only that node can destroy.

use std::sync::Arc;
use std::time::Duration;

use marquee_domain::Event;
use marquee_domain::customer::CustomerEvent;
use marquee_event_store::{Follower, Position, Recorded, TypeFilter};
use tokio::time::Instant;

use crate::Commands;
use crate::processes::state::ProcessState;
use crate::processes::{ProcessesError, next_page, note_position};

const PROCESS: &str = "erasures";
const TICK: Duration = Duration::from_millis(500);
/// Erasures that are read at once at the start.
const PAGE: usize = 256;
const RETRY: Duration = Duration::from_secs(1);
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

pub(super) struct ErasureProcess {
    commands: Commands,
    state: ProcessState,
    follower: Follower,
    checkpoint: Position,
    checkpointed: Instant,
}

impl ErasureProcess {
    pub(super) fn new(commands: Commands, state: ProcessState) -> Result<Self, ProcessesError> {
        let checkpoint = state.checkpoint(PROCESS, *commands.inner.store.head().borrow())?;
        let follower = Follower::new(Arc::clone(&commands.inner.store), checkpoint);
        Ok(Self { commands, state, follower, checkpoint, checkpointed: Instant::now() })
    }

    pub(super) async fn run(mut self) {
        self.erase_again().await;
        loop {
            let page = next_page(&mut self.follower, PROCESS, TICK).await;
            for recorded in &page.events {
                self.erase(recorded).await;
            }
            self.keep_checkpoint().await;
            // The cores are left to those who book.
            tokio::time::sleep(TICK).await;
        }
    }

    /// Contacts may have been put back from a backup since the last start: whoever was ever erased is erased again.
    async fn erase_again(&self) {
        let erased = TypeFilter::Prefix("customer.erased.".into());
        let (store, mut after) = (&self.commands.inner.store, Position(0));
        while after < self.checkpoint {
            match store.read_all(after, PAGE, erased.clone()).await {
                Ok(page) => {
                    for recorded in &page.events {
                        self.erase(recorded).await;
                    }
                    if page.next <= after {
                        return;
                    }
                    after = page.next;
                }
                Err(error) => {
                    tracing::warn!(process = PROCESS, %error, "the log cannot be read just now; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn erase(&self, recorded: &Recorded) {
        let Ok(Event::Customer(CustomerEvent::Erased(erased))) = recorded.event() else { return };
        while let Err(error) = self.commands.destroy_contact(&erased.user_id).await {
            tracing::error!(process = PROCESS, %error, "a contact is not destroyed yet; trying again");
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn keep_checkpoint(&mut self) {
        let position = self.follower.position();
        note_position(PROCESS, position);
        if position == self.checkpoint || self.checkpointed.elapsed() < CHECKPOINT_EVERY {
            return;
        }
        self.checkpointed = Instant::now();
        match self.state.save(PROCESS, position, vec![], vec![]).await {
            Ok(()) => self.checkpoint = position,
            Err(error) => {
                tracing::error!(process = PROCESS, %error, "the checkpoint cannot be kept; it is tried again");
            }
        }
    }
}
