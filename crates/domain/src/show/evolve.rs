//! What each event leaves behind.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::ids::{BookingId, SeatId};
use crate::request::Answered;
use crate::show::booking::{Booking, BookingState, Redeemed};
use crate::show::event::{
    BookingCancelled, BookingSeatsCancelled, LockExtended, SeatsLocked, ShowChanged, ShowDetails, ShowEvent,
    ShowScheduled,
};
use crate::show::{Screening, Seat, Show};

impl Show {
    pub(super) fn apply(&mut self, event: &ShowEvent) {
        match (&mut *self, event) {
            (Self::Unscheduled, ShowEvent::Scheduled(scheduled)) => {
                *self = Self::Scheduled(Screening::new(scheduled));
            }
            (Self::Scheduled(screening), event) => screening.apply(event),
            // No log has these: a show's first event schedules it.
            (
                Self::Unscheduled,
                ShowEvent::Changed(_)
                | ShowEvent::Cancelled(_)
                | ShowEvent::SeatsBlocked(_)
                | ShowEvent::SeatsReleased(_)
                | ShowEvent::SeatsLocked(_)
                | ShowEvent::PaymentPending(_)
                | ShowEvent::LockExtended(_)
                | ShowEvent::Confirmed(_)
                | ShowEvent::Failed(_)
                | ShowEvent::Expired(_)
                | ShowEvent::BookingCancelled(_)
                | ShowEvent::SeatsCancelled(_)
                | ShowEvent::Completed(_)
                | ShowEvent::TicketRedeemed(_),
            ) => {}
        }
    }
}

impl ShowDetails {
    /// Applies a change.
    pub fn change(&mut self, changed: &ShowChanged) {
        let ShowChanged { start_time, end_time, language, format, prices, sales, request: _ } = changed;
        if let Some(start) = start_time {
            self.start_time = *start;
        }
        if let Some(end) = end_time {
            self.end_time = *end;
        }
        if let Some(language) = language {
            self.language = language.clone();
        }
        if let Some(format) = format {
            self.format = format.clone();
        }
        self.prices.extend(prices);
        self.sales = sales.unwrap_or(self.sales);
    }
}

impl Screening {
    fn new(scheduled: &ShowScheduled) -> Self {
        let seats = scheduled.show.rows.iter().flat_map(|row| &row.seats);
        let mut answered = Answered::default();
        answered.remember(scheduled.request.as_ref());
        Self {
            details: Arc::new(scheduled.show.clone()),
            cancelled: false,
            seats: seats
                .map(|seat| (seat.seat_id.clone(), Seat { seat_type: seat.seat_type, holder: None }))
                .collect(),
            house: BTreeSet::new(),
            bookings: HashMap::new(),
            keys: HashMap::new(),
            pending: BTreeSet::new(),
            customers: HashMap::new(),
            confirmed: BTreeSet::new(),
            answered: Arc::new(answered),
        }
    }

    fn apply(&mut self, event: &ShowEvent) {
        match event {
            ShowEvent::Scheduled(_) => {}
            ShowEvent::Changed(changed) => {
                Arc::make_mut(&mut self.details).change(changed);
                Arc::make_mut(&mut self.answered).remember(changed.request.as_ref());
            }
            ShowEvent::Cancelled(cancelled) => {
                self.cancelled = true;
                Arc::make_mut(&mut self.answered).remember(cancelled.request.as_ref());
            }
            ShowEvent::SeatsBlocked(blocked) => {
                self.house.extend(blocked.seat_ids.iter().cloned());
                Arc::make_mut(&mut self.answered).remember(blocked.request.as_ref());
            }
            ShowEvent::SeatsReleased(released) => {
                for seat in &released.seat_ids {
                    self.house.remove(seat);
                }
                Arc::make_mut(&mut self.answered).remember(released.request.as_ref());
            }
            ShowEvent::SeatsLocked(locked) => self.lock(locked),
            ShowEvent::PaymentPending(priced) => self.update(&priced.booking_id, |booking| {
                booking.pricing = Some(priced.pricing.clone());
                booking.state = BookingState::PaymentPending;
            }),
            ShowEvent::LockExtended(extended) => self.extend(extended),
            ShowEvent::Confirmed(confirmed) => {
                self.no_longer_pending(&confirmed.booking_id);
                self.confirmed.insert(confirmed.booking_id.clone());
                self.update(&confirmed.booking_id, |booking| {
                    booking.state = BookingState::Confirmed {
                        payment: confirmed.payment_id.clone(),
                        ticket: confirmed.ticket_id.clone(),
                        at: confirmed.confirmed_at,
                    };
                });
            }
            ShowEvent::Failed(failed) => self.release(&failed.booking_id, BookingState::Failed),
            ShowEvent::Expired(expired) => self.release(&expired.booking_id, BookingState::Expired),
            ShowEvent::BookingCancelled(cancelled) => {
                let BookingCancelled { booking_id, by, paid, refund, retained } = cancelled;
                let (by, paid, refund, retained) = (*by, *paid, *refund, retained.unwrap_or_default());
                self.release(booking_id, BookingState::Cancelled { by, paid, refund, retained });
            }
            ShowEvent::SeatsCancelled(cancelled) => self.cancel_seats(cancelled),
            ShowEvent::Completed(completed) => {
                self.confirmed.remove(&completed.booking_id);
                self.update(&completed.booking_id, |booking| {
                    if let BookingState::Confirmed { payment, ticket, at } = booking.state.clone() {
                        booking.state = BookingState::Completed { payment, ticket, confirmed_at: at };
                    }
                });
            }
            ShowEvent::TicketRedeemed(redeemed) => {
                Arc::make_mut(&mut self.answered).remember(redeemed.request.as_ref());
                self.update(&redeemed.booking_id, |booking| {
                    booking.redeemed =
                        Some(Redeemed { at: redeemed.redeemed_at, gate: redeemed.gate.clone() });
                });
            }
        }
    }

    fn lock(&mut self, locked: &SeatsLocked) {
        let booking = Booking {
            id: locked.booking_id.clone(),
            user_id: locked.user_id.clone(),
            seat_ids: locked.seat_ids.clone(),
            expires_at: locked.expires_at,
            extended_from: None,
            idempotency_key: locked.idempotency_key.clone(),
            fingerprint: locked.fingerprint.clone(),
            pricing: None,
            seat_prices: locked.seat_ids.iter().map(|seat| self.price_of(seat)).collect(),
            parts: vec![],
            begun: None,
            state: BookingState::SeatsLocked,
            redeemed: None,
        };
        self.set_holder(&locked.seat_ids, |_| Some(locked.booking_id.clone()));
        self.keys.insert((locked.user_id.clone(), locked.idempotency_key.clone()), locked.booking_id.clone());
        self.pending.insert((locked.expires_at, locked.booking_id.clone()));
        self.customers.entry(locked.user_id.clone()).or_default().begins(locked.booking_id.clone());
        self.bookings.insert(locked.booking_id.clone(), Arc::new(booking));
    }

    fn release(&mut self, id: &BookingId, state: BookingState) {
        let Some(booking) = self.bookings.get(id).cloned() else { return };
        self.no_longer_pending(id);
        self.confirmed.remove(id);
        if let Some(customer) = self.customers.get_mut(&booking.user_id) {
            customer.ends(&booking, &state);
        }
        self.set_holder(&booking.seat_ids, |holder| holder.filter(|holder| holder != id));
        self.update(id, |booking| booking.state = state);
    }

    fn cancel_seats(&mut self, cancelled: &BookingSeatsCancelled) {
        let id = &cancelled.booking_id;
        Arc::make_mut(&mut self.answered).remember(cancelled.request.as_ref());
        self.set_holder(&cancelled.seat_ids, |holder| holder.filter(|holder| holder != id));
        self.update(id, |booking| booking.lose(cancelled));
    }

    fn no_longer_pending(&mut self, id: &BookingId) {
        let Some(booking) = self.bookings.get(id) else { return };
        self.pending.remove(&(booking.expires_at, id.clone()));
    }

    fn extend(&mut self, extended: &LockExtended) {
        Arc::make_mut(&mut self.answered).remember(extended.request.as_ref());
        let id = &extended.booking_id;
        let Some(before) = self.bookings.get(id).map(|booking| booking.expires_at) else { return };
        if self.pending.remove(&(before, id.clone())) {
            self.pending.insert((extended.expires_at, id.clone()));
        }
        self.update(id, |booking| {
            booking.extended_from = Some(before);
            booking.expires_at = extended.expires_at;
        });
    }

    fn set_holder(&mut self, seats: &[SeatId], holder: impl Fn(Option<BookingId>) -> Option<BookingId>) {
        for id in seats {
            if let Some(seat) = self.seats.get_mut(id) {
                seat.holder = holder(seat.holder.take());
            }
        }
    }

    fn update(&mut self, id: &BookingId, change: impl FnOnce(&mut Booking)) {
        if let Some(booking) = self.bookings.get_mut(id) {
            change(Arc::make_mut(booking));
        }
    }
}
