//! What must hold of what is cancelled: it is split into what goes back and what is kept, as the policy has it.

use std::collections::HashSet;

use jiff::Timestamp;
use marquee_domain::cancel_policy::CancelTier;
use marquee_domain::ids::{BookingId, SeatId};
use marquee_domain::money::Currency;
use marquee_domain::show::{BookingCancelled, BookingSeatsCancelled, CancelledBy};

use super::{Checked, Checker, Life, Recorded, Rule, Running, Violation, require};

impl Checker {
    pub(super) fn booking_cancelled(&mut self, recorded: &Recorded, cancelled: &BookingCancelled) -> Checked {
        let Recorded { stream, time, .. } = recorded;
        let Some(show) = self.shows.get(stream) else { return Ok(()) };
        let from: &[Life] = if cancelled.paid { &[Life::Confirmed] } else { &[Life::Locked, Life::Pending] };
        let id = &cancelled.booking_id;
        let by_customer = cancelled.by == CancelledBy::Customer;
        let inside = self.bookings.get(id).is_some_and(|booking| booking.redeemed);
        require(!(inside && by_customer), Rule::States, || format!("{id} cancels from inside"))?;
        let judged = if by_customer && cancelled.paid { show.gives_back(id, *time) } else { Ok(None) };
        self.ends(id, stream, from, Life::Cancelled)?;
        let Some(booking) = self.bookings.get_mut(id) else { return Ok(()) };
        let price = booking.price.as_ref().map_or(0, |price| price.minor);
        let (refund, retained) = (cancelled.refund, cancelled.retained.unwrap_or(0));
        let whole = retained >= 0 && refund.is_none_or(|refund| refund >= 0 && refund + retained == price);
        require(whole, Rule::Money, || format!("{id} is split into {refund:?} and {retained}"))?;
        let spared = !booking.owed.is_empty() && refund.is_none();
        require(!spared, Rule::Money, || format!("{id} owes what is left, and does not say it"))?;
        let refund = refund.unwrap_or(price);
        if cancelled.paid {
            within(judged?, refund, price, booking.seats.len(), id)?;
            booking.owed.insert(None, Some(refund));
        }
        booking.retained += retained;
        Ok(())
    }

    pub(super) fn seats_cancelled(
        &mut self,
        recorded: &Recorded,
        cancelled: &BookingSeatsCancelled,
    ) -> Checked {
        let Recorded { stream, time, .. } = recorded;
        let Some(show) = self.shows.get(stream) else { return Ok(()) };
        let id = &cancelled.booking_id;
        let started = *time >= show.start;
        let inside = self.bookings.get(id).is_some_and(|booking| booking.redeemed);
        require(!inside, Rule::States, || format!("{id} cancels seats from inside"))?;
        let judged = show.gives_back(id, *time)?;
        let booking = self.steps(id, stream, &[Life::Confirmed], Life::Confirmed)?;
        let gone: HashSet<&SeatId> = cancelled.seat_ids.iter().collect();
        let owns = gone.iter().all(|seat| booking.seats.contains(seat));
        let some = owns && !gone.is_empty() && gone.len() < booking.seats.len();
        require(some && !started, Rule::States, || format!("{id} cannot lose {gone:?}"))?;
        let before = booking.price.replace(cancelled.pricing.amount()).map_or(0, |price| price.minor);
        let (refund, retained) = (cancelled.refund, cancelled.retained);
        let share = before - cancelled.pricing.total;
        let exact = refund >= 0 && retained >= 0 && refund + retained == share;
        require(exact, Rule::Money, || format!("{id}: {share} is split into {refund} and {retained}"))?;
        within(judged, refund, share, gone.len(), id)?;
        let known = booking.owed.insert(Some(cancelled.part), Some(refund));
        require(known.is_none(), Rule::Idempotent, || format!("{id} has its part twice"))?;
        booking.retained += retained;
        booking.seats.retain(|seat| !gone.contains(seat));
        for seat in &cancelled.seat_ids {
            self.live.remove(&(stream.to_owned(), seat.clone()));
        }
        let user = self.bookings[id].user.clone();
        cancelled.request.as_ref().map_or(Ok(()), |request| {
            let key = (format!("{stream} {}", request.route), user, request.idempotency_key.clone());
            require(self.keys.insert(key), Rule::Idempotent, || format!("{id} repeats its key"))
        })
    }
}

impl Running {
    /// The tier that a customer who cancels meets: its percentage in hundredths, and its fee in minor units.
    fn gives_back(&self, id: &BookingId, time: Timestamp) -> Result<Option<(i64, i64)>, Violation> {
        let Some(policy) = &self.policy else { return Ok(None) };
        let ahead = |tier: &&CancelTier| {
            time.as_millisecond() < self.start.as_millisecond() - i64::from(tier.hours_before) * 3_600_000
        };
        let tier = policy.tiers.iter().find(ahead).ok_or_else(|| Violation {
            rule: Rule::Money,
            what: format!("{id} is cancelled where no tier holds"),
        })?;
        let percent = tier.refund_percent.share_of(10_000);
        let fee = tier.fee_per_ticket.as_ref().map_or(0, |fee| fee.rounded(&Currency::inr()));
        Ok(Some((percent, fee)))
    }
}

/// Whether a refund is what its tier gives of a price, but for a minor unit a seat. Only upwards where the fee may be more than a
/// seat's part.
fn within(tier: Option<(i64, i64)>, refund: i64, price: i64, seats: usize, id: &BookingId) -> Checked {
    let seats = i64::try_from(seats).unwrap_or(i64::MAX);
    let (percent, fee) = tier.unwrap_or((10_000, 0));
    let exact = (price * percent / 10_000 - seats * fee).max(0);
    let sound = (exact - seats..=exact + seats + seats * fee).contains(&refund) && refund <= price;
    require(sound, Rule::Money, || format!("{id} gets {refund} of {price}, not {exact}"))
}
