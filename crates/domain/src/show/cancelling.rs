//! How bookings are cancelled, whole or seat by seat, and what goes back.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cancel_policy::CancelTier;
use crate::ids::{BookingId, SeatId};
use crate::payment::{RefundCause, RefundDue};
use crate::pricing::{Pricing, Share};
use crate::show::Screening;
use crate::show::booking::{Begun, Booking, BookingState, BookingStatus, CancelledPart};
use crate::show::command::{CancelBooking, Rejection};
use crate::show::decide::Decision;
use crate::show::event::{BookingCancelled, BookingSeatsCancelled, CancelledBy, ShowEvent};

/// The end of a booking that nothing was paid for.
pub(super) fn unpaid(id: &BookingId, by: CancelledBy) -> ShowEvent {
    BookingCancelled { booking_id: id.clone(), by, paid: false, refund: None, retained: None }.into()
}

/// What goes back of some seats, and what is kept, in minor units.
#[derive(Default)]
struct Split {
    refund: i64,
    retained: i64,
}

impl Split {
    /// Seat by seat, so that it is no matter whether they go at once or one after another.
    fn of<'a>(
        shares: impl IntoIterator<Item = &'a (SeatId, Share)>,
        tier: Option<&CancelTier>,
        pricing: &Pricing,
    ) -> Self {
        let mut split = Self::default();
        for (_, share) in shares {
            let paid = share.total();
            let refund = tier.map_or(paid, |tier| tier.refund_of(paid, &pricing.currency));
            split.refund += refund;
            split.retained += paid - refund;
        }
        split
    }
}

impl Screening {
    pub(super) fn cancel_booking(&self, now: Timestamp, cancel: &CancelBooking) -> Decision {
        let booking = self.booking(&cancel.booking_id)?;
        if booking.user_id != cancel.user_id {
            return Err(Rejection::NotYours);
        }
        let status = booking.status(now);
        let confirmed = match status {
            BookingStatus::Cancelled => return Ok(vec![]),
            BookingStatus::SeatsLocked | BookingStatus::PaymentPending => false,
            // Whoever is in has had what was paid for.
            BookingStatus::Confirmed if now < self.details.start_time && booking.redeemed.is_none() => true,
            BookingStatus::Confirmed
            | BookingStatus::Completed
            | BookingStatus::Failed
            | BookingStatus::Expired => return Err(Rejection::NotCancellable(status)),
        };
        let some = cancel.seat_ids.as_deref().map(|seats| booking.some_of(seats)).transpose()?.flatten();
        match (confirmed, some) {
            (false, None) => Ok(vec![unpaid(&booking.id, CancelledBy::Customer)]),
            (false, Some(_)) => Err(Rejection::NotDivisible(status)),
            (true, None) => Ok(vec![booking.given_back(self.tier(now)?)]),
            (true, Some(seats)) => {
                let begun = booking.first_pricing().ok_or(Rejection::NotDivisible(status))?;
                Ok(vec![booking.without(&seats, begun, self.tier(now)?, cancel).into()])
            }
        }
    }

    /// The tier that holds now; none where there is no policy, so that everything goes back.
    fn tier(&self, now: Timestamp) -> Result<Option<&CancelTier>, Rejection> {
        let Some(policy) = &self.details.cancel_policy else { return Ok(None) };
        let tier = policy.tier(now, self.details.start_time);
        tier.map(Some).ok_or_else(|| Rejection::AgainstCancelPolicy(policy.clone()))
    }
}

impl Booking {
    /// The seats that are named, as a part of those that it has; `None` where they are all of them.
    fn some_of(&self, named: &[SeatId]) -> Result<Option<BTreeSet<SeatId>>, Rejection> {
        if named.is_empty() {
            return Err(Rejection::NoSeats);
        }
        let mut seats = BTreeSet::new();
        let twice: Vec<SeatId> =
            named.iter().filter(|seat| !seats.insert((*seat).clone())).cloned().collect();
        if !twice.is_empty() {
            return Err(Rejection::DuplicateSeats(twice));
        }
        let foreign: Vec<SeatId> =
            named.iter().filter(|seat| !self.seat_ids.contains(seat)).cloned().collect();
        if !foreign.is_empty() {
            return Err(Rejection::NotOfTheBooking(foreign));
        }
        Ok((seats.len() < self.seat_ids.len()).then_some(seats))
    }

    /// The shares of the seats that it has, of the price that it began with.
    fn shares(&self) -> Vec<(SeatId, Share)> {
        let Some(pricing) = self.first_pricing() else { return vec![] };
        let shares = pricing.shares(&self.seat_prices);
        let all = self.first_seats().iter().cloned().zip(shares);
        all.filter(|(seat, _)| self.seat_ids.contains(seat)).collect()
    }

    /// Its end by the partner's doing: everything goes back that has not gone already, whatever the policy.
    pub(super) fn called_off(&self) -> ShowEvent {
        self.ended(CancelledBy::Show, None)
    }

    /// Its end by its customer's.
    fn given_back(&self, tier: Option<&CancelTier>) -> ShowEvent {
        self.ended(CancelledBy::Customer, tier)
    }

    fn ended(&self, by: CancelledBy, tier: Option<&CancelTier>) -> ShowEvent {
        let (booking_id, paid) = (self.id.clone(), !self.is_free());
        let split = match &self.pricing {
            // Nothing was reckoned with: that everything goes back need not be said.
            Some(pricing) if paid && (tier.is_some() || !self.parts.is_empty()) => {
                Some(Split::of(&self.shares(), tier, pricing))
            }
            Some(_) | None => None,
        };
        let refund = split.as_ref().map(|split| split.refund);
        let retained = split.map(|split| split.retained);
        BookingCancelled { booking_id, by, paid, refund, retained }.into()
    }

    fn without(
        &self,
        seats: &BTreeSet<SeatId>,
        begun: &Pricing,
        tier: Option<&CancelTier>,
        cancel: &CancelBooking,
    ) -> BookingSeatsCancelled {
        let (gone, left): (Vec<_>, Vec<_>) =
            self.shares().into_iter().partition(|(seat, _)| seats.contains(seat));
        let Split { refund, retained } = Split::of(&gone, tier, begun);
        BookingSeatsCancelled {
            booking_id: self.id.clone(),
            seat_ids: gone.into_iter().map(|(seat, _)| seat).collect(),
            part: self.parts.last().map_or(1, |last| last.number.saturating_add(1)),
            pricing: begun.of_shares(left.iter().map(|(_, share)| share)),
            refund,
            retained,
            request: cancel.request.clone(),
        }
    }

    /// Takes seats out.
    pub(super) fn lose(&mut self, cancelled: &BookingSeatsCancelled) {
        if let (None, Some(pricing)) = (&self.begun, &self.pricing) {
            let begun = Begun { seat_ids: self.seat_ids.clone(), pricing: pricing.clone() };
            self.begun = Some(Arc::new(begun));
        }
        self.seat_ids.retain(|seat| !cancelled.seat_ids.contains(seat));
        self.pricing = Some(cancelled.pricing.clone());
        self.parts.push(CancelledPart {
            number: cancelled.part,
            refund: cancelled.refund,
            retained: cancelled.retained,
            seats_left: self.seat_ids.clone(),
            pricing: cancelled.pricing.clone(),
            request: cancelled.request.clone(),
        });
    }

    /// What is owed back of what was paid for it. A refund that was granted is among these as well: the payment tells repeats apart.
    pub fn refunds_due(&self) -> Vec<RefundDue> {
        let part = |part: &CancelledPart| RefundDue {
            cause: RefundCause::SeatsCancelled,
            amount: Some(part.refund),
            part: Some(part.number),
        };
        let mut due: Vec<RefundDue> = self.parts.iter().map(part).collect();
        if let BookingState::Cancelled { by, paid: true, refund: amount, .. } = self.state {
            let cause = match by {
                CancelledBy::Customer => RefundCause::BookingCancelled,
                CancelledBy::Show => RefundCause::ShowCancelled,
            };
            due.push(RefundDue { cause, amount, part: None });
        }
        due.retain(|due| due.amount != Some(0));
        due
    }
}
