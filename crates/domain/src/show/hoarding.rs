//! What keeps one customer from holding a hall without buying.

use jiff::Timestamp;

use crate::ids::{BookingId, UserId};
use crate::show::Screening;
use crate::show::booking::{Booking, BookingState};
use crate::show::command::Rejection;
use crate::time;

/// A lock that was not paid for is held against its customer this long after its deadline.
pub const LAPSED_MEMORY_MILLIS: u64 = 3_600_000;

/// Limits on one customer in one show; there is none where one is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HoardingLimits {
    /// Most live locks.
    pub live_locks: Option<u32>,
    /// Most locks that ended unpaid, within [`LAPSED_MEMORY_MILLIS`].
    pub lapsed_locks: Option<u32>,
}

/// What a customer does in a show.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Customer {
    /// The bookings that no event has ended.
    open: Vec<BookingId>,
    /// The deadlines of the locks that were not paid for.
    lapsed: Vec<Timestamp>,
}

impl Customer {
    pub(super) fn begins(&mut self, booking: BookingId) {
        self.open.push(booking);
    }

    /// Money that came and went back was no lock. A payment that failed is one: who can decline it could hold seats by it.
    pub(super) fn ends(&mut self, booking: &Booking, state: &BookingState) {
        self.open.retain(|open| *open != booking.id);
        let lapsed = match state {
            BookingState::Failed | BookingState::Expired | BookingState::Cancelled { .. } => {
                booking.is_pending()
            }
            BookingState::SeatsLocked
            | BookingState::PaymentPending
            | BookingState::Confirmed { .. }
            | BookingState::Completed { .. } => false,
        };
        if lapsed {
            self.lapsed.push(booking.expires_at);
        }
    }
}

impl Screening {
    /// Whether a customer may lock seats again, as far as the locks go that it has had.
    pub(super) fn check_hoarding(
        &self,
        now: Timestamp,
        user: &UserId,
        limits: HoardingLimits,
    ) -> Result<(), Rejection> {
        let Some(customer) = self.customers.get(user) else { return Ok(()) };
        let pending = || self.open(customer).filter(|booking| booking.is_pending());
        let until = |instant: Timestamp| {
            u64::try_from(instant.as_millisecond() - now.as_millisecond()).unwrap_or_default()
        };
        if let Some(most) = limits.live_locks {
            let mut live: Vec<Timestamp> =
                pending().map(|booking| booking.expires_at).filter(|deadline| *deadline > now).collect();
            if live.len() >= most as usize {
                live.sort_unstable();
                let first = live.first().copied().unwrap_or(now);
                return Err(Rejection::TooManyLocks { retry_after_millis: until(first) });
            }
        }
        if let Some(most) = limits.lapsed_locks {
            // Also those that have run out and are not written down yet.
            let overdue = pending().map(|booking| booking.expires_at).filter(|deadline| *deadline <= now);
            let forgotten = customer.lapsed.iter().copied().chain(overdue);
            let mut forgotten: Vec<Timestamp> =
                forgotten.map(|deadline| time::after(deadline, LAPSED_MEMORY_MILLIS)).collect();
            forgotten.retain(|instant| *instant > now);
            if forgotten.len() >= most as usize {
                forgotten.sort_unstable();
                let enough = forgotten.get(forgotten.len() - most as usize).copied().unwrap_or(now);
                return Err(Rejection::TooManyLapsedLocks { retry_after_millis: until(enough) });
            }
        }
        Ok(())
    }

    /// How many seats a customer holds or has bought.
    pub(super) fn seats_of(&self, now: Timestamp, user: &UserId) -> u32 {
        let open = self.customers.get(user).into_iter().flat_map(|customer| self.open(customer));
        let seats = open.filter(|booking| booking.holds_seats(now)).map(|booking| booking.seat_ids.len());
        u32::try_from(seats.sum::<usize>()).unwrap_or(u32::MAX)
    }

    fn open<'a>(&'a self, customer: &'a Customer) -> impl Iterator<Item = &'a Booking> {
        customer.open.iter().filter_map(|id| self.bookings.get(id)).map(AsRef::as_ref)
    }
}
