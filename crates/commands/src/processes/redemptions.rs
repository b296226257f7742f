//! Gives redemptions back: of bookings that ended unpaid or were cancelled, and of those that never began.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use marquee_domain::Event;
use marquee_domain::ids::{BookingId, OfferCode};
use marquee_domain::redemption::{Attempts, RedemptionEvent};
use marquee_domain::show::ShowEvent;
use marquee_domain::time;
use marquee_event_store::lease::Tenancy;
use marquee_event_store::{Follower, Metadata, Recorded};
use smol_str::SmolStr;

use crate::Commands;
use crate::error::CommandError;
use crate::processes::state::ProcessState;
use crate::processes::{CONCURRENCY, ProcessesError, next_page, note_position};
use crate::writer::Seen;

const PROCESS: &str = "redemptions";
const TICK: Duration = Duration::from_millis(250);
/// How much longer than a claim lasts a booking is waited for: nodes' clocks differ.
const GRACE_MILLIS: u64 = 60_000;

/// A booking's claim of an offer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ClaimId {
    pub booking: BookingId,
    pub code: OfferCode,
}

/// What is to be done about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing before the booking ends.
    Held,
    /// The booking has not begun. From this instant on it is looked for, and the claim given back where it is not there.
    Check(Timestamp),
    /// It is given back.
    Release,
}

pub(super) struct RedemptionProcess {
    commands: Commands,
    state: ProcessState,
    follower: Follower,
    claims: HashMap<BookingId, HashSet<OfferCode>>,
    /// Those with which something is to be done.
    due: HashMap<ClaimId, Due>,
    tenancy: Tenancy,
}

/// What a page of events changed about the claims: `None` where one is over.
type Changes = HashMap<ClaimId, Option<Due>>;

impl RedemptionProcess {
    pub(super) fn new(
        commands: Commands,
        state: ProcessState,
        tenancy: Tenancy,
    ) -> Result<Self, ProcessesError> {
        let checkpoint = state.checkpoint(PROCESS, *commands.inner.store.head().borrow())?;
        let kept = state.claims()?;
        let follower = Follower::new(Arc::clone(&commands.inner.store), checkpoint);
        let (claims, due) = (HashMap::new(), HashMap::new());
        let mut process = Self { commands, state, follower, claims, due, tenancy };
        for (ClaimId { booking, code }, due) in kept {
            process.set(&booking, &code, due, &mut Changes::new());
        }
        Ok(process)
    }

    pub(super) async fn run(mut self) {
        let mut changes = Changes::new();
        loop {
            let page = next_page(&mut self.follower, PROCESS, TICK).await;
            for recorded in &page.events {
                self.note(recorded, &mut changes);
            }
            if self.tenancy.should_act() {
                self.work(&mut changes).await;
            }
            if changes.is_empty() && page.events.is_empty() {
                continue;
            }
            note_position(PROCESS, page.next);
            let told = changes.iter().map(|(claim, due)| (claim.clone(), *due)).collect();
            match self.state.save_claims(PROCESS, page.next, told).await {
                Ok(()) => changes.clear(),
                // What could not be kept is kept with the next page: the checkpoint must not pass it.
                Err(error) => {
                    tracing::error!(process = PROCESS, %error, "the checkpoint cannot be kept; it is tried again");
                }
            }
            tokio::time::sleep(TICK).await;
        }
    }

    fn note(&mut self, recorded: &Recorded, changes: &mut Changes) {
        let Ok(event) = recorded.event() else { return };
        match event {
            Event::Redemption(RedemptionEvent::Claimed(claimed)) => {
                let check = Due::Check(time::after(claimed.lock_before, GRACE_MILLIS));
                self.set(&claimed.booking_id, &claimed.code, check, changes);
            }
            // Of other attempts the check that is set is the last one's.
            Event::Redemption(RedemptionEvent::Released(released)) if !released.attempts.is_empty() => {}
            Event::Redemption(RedemptionEvent::Released(released)) => {
                self.forget(&released.booking_id, &released.code, changes);
            }
            Event::Show(ShowEvent::PaymentPending(priced)) => {
                let applied = &priced.pricing.applied_offers;
                let due = |code: &OfferCode| {
                    let used = applied.iter().any(|offer| offer.limited && offer.code == *code);
                    if used { Due::Held } else { Due::Release }
                };
                self.set_all(&priced.booking_id, due, changes);
            }
            Event::Show(
                ShowEvent::Failed(marquee_domain::show::BookingFailed { booking_id, .. })
                | ShowEvent::Expired(marquee_domain::show::BookingExpired { booking_id })
                | ShowEvent::BookingCancelled(marquee_domain::show::BookingCancelled { booking_id, .. }),
            ) => self.set_all(booking_id, |_| Due::Release, changes),
            Event::Show(ShowEvent::Completed(completed)) => {
                for code in self.codes(&completed.booking_id) {
                    self.forget(&completed.booking_id, &code, changes);
                }
            }
            Event::Show(
                ShowEvent::Scheduled(_)
                | ShowEvent::Changed(_)
                | ShowEvent::Cancelled(_)
                | ShowEvent::SeatsBlocked(_)
                | ShowEvent::SeatsReleased(_)
                | ShowEvent::SeatsLocked(_)
                | ShowEvent::LockExtended(_)
                | ShowEvent::SeatsCancelled(_)
                | ShowEvent::Confirmed(_)
                | ShowEvent::TicketRedeemed(_),
            )
            | Event::Payment(_)
            | Event::City(_)
            | Event::Movie(_)
            | Event::Partner(_)
            | Event::Theatre(_)
            | Event::Schedule(_)
            | Event::Offer(_)
            | Event::Policy(_)
            | Event::Customer(_) => {}
        }
    }

    fn codes(&self, booking: &BookingId) -> Vec<OfferCode> {
        self.claims.get(booking).map(|codes| codes.iter().cloned().collect()).unwrap_or_default()
    }

    fn set_all(&mut self, booking: &BookingId, due: impl Fn(&OfferCode) -> Due, changes: &mut Changes) {
        for code in self.codes(booking) {
            self.set(booking, &code, due(&code), changes);
        }
    }

    fn set(&mut self, booking: &BookingId, code: &OfferCode, due: Due, changes: &mut Changes) {
        self.claims.entry(booking.clone()).or_default().insert(code.clone());
        let claim = ClaimId { booking: booking.clone(), code: code.clone() };
        match due {
            Due::Held => _ = self.due.remove(&claim),
            Due::Check(_) | Due::Release => _ = self.due.insert(claim.clone(), due),
        }
        changes.insert(claim, Some(due));
    }

    fn forget(&mut self, booking: &BookingId, code: &OfferCode, changes: &mut Changes) {
        if let Some(codes) = self.claims.get_mut(booking) {
            codes.remove(code);
            if codes.is_empty() {
                self.claims.remove(booking);
            }
            let claim = ClaimId { booking: booking.clone(), code: code.clone() };
            self.due.remove(&claim);
            changes.insert(claim, None);
        }
    }

    async fn work(&mut self, changes: &mut Changes) {
        let now = self.commands.inner.clock.now();
        let is_due = |due: &Due| match due {
            Due::Held => false,
            Due::Check(from) => *from <= now,
            Due::Release => true,
        };
        let due: Vec<(ClaimId, Due)> = self
            .due
            .iter()
            .filter(|(_, due)| is_due(due))
            .map(|(claim, due)| (claim.clone(), *due))
            .collect();
        let commands = &self.commands;
        let done = stream::iter(due).map(|(claim, due)| async move {
            let done = act(commands, &claim, due).await;
            (claim, done)
        });
        let done: Vec<_> = done.buffer_unordered(CONCURRENCY).collect().await;
        for (ClaimId { booking, code }, done) in done {
            match done {
                Ok(Due::Release) => self.forget(&booking, &code, changes),
                Ok(due) => self.set(&booking, &code, due, changes),
                Err(error) => {
                    tracing::warn!(process = PROCESS, %booking, %code, %error, "not done yet; trying again");
                }
            }
        }
    }
}

/// What came of it: held, or given back.
async fn act(commands: &Commands, claim: &ClaimId, due: Due) -> Result<Due, CommandError> {
    let ClaimId { booking, code } = claim;
    let mut attempts = Attempts::All;
    if let Due::Check(from) = due {
        let show = booking.show().ok_or(CommandError::NotFound("booking"))?;
        let (wanted, offer) = (booking.clone(), code.clone());
        let uses = move |seen: Seen<'_>| {
            let screening = seen.show.screening().ok()?;
            let booking = screening.booking(&wanted).ok()?;
            let applied = booking.pricing.iter().flat_map(|pricing| &pricing.applied_offers);
            let uses = applied.into_iter().any(|applied| applied.limited && applied.code == offer);
            (uses && booking.holds_seats(seen.now)).then_some(())
        };
        if commands.inner.writers.read(&show, uses).await?.is_some() {
            return Ok(Due::Held);
        }
        // The same request may be made again just now: that attempt is not the one that was waited for.
        attempts = Attempts::Until(time::before(from, GRACE_MILLIS));
    }
    let metadata = Arc::new(Metadata {
        actor: SmolStr::new_static("process:redemptions"),
        correlation_id: SmolStr::from(format!("redemption-{booking}")),
        causation_id: None,
    });
    commands.release_redemption(&metadata, booking, code, attempts).await.map(|()| Due::Release)
}
