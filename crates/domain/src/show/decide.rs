//! The rules of booking.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::Decider;
use crate::ids::{BookingId, OfferCode, PaymentId, SeatId};
use crate::pricing::{PriceTerms, Pricing};
use crate::seat_rules::{SeatRule, SeatRules};
use crate::show::booking::{Booking, BookingState, BookingStatus};
use crate::show::command::{
    CancelBooking, ExtendLock, LockSeats, MAX_SEATS_PER_BOOKING, Rejection, SeatChoice, ShowCommand,
};
use crate::show::event::{
    BookingCancelled, BookingCompleted, BookingConfirmed, BookingExpired, BookingFailed,
    BookingPaymentPending, CancelledBy, LockExtended, SeatsLocked, ShowCancelled, ShowChanged, ShowDetails,
    ShowEvent, ShowScheduled,
};
use crate::show::seating::Seating;
use crate::show::{Screening, Show};
use crate::theatre::SeatType;
use crate::time;

/// Most bookings that one sweep ends: bounds an append. The next sweep takes the rest.
const MOST_AT_ONCE: usize = 500;
const MILLIS_PER_SECOND: u64 = 1_000;

pub(super) type Decision = Result<Vec<ShowEvent>, Rejection>;

impl Decider for Show {
    type Command = ShowCommand;
    type Event = ShowEvent;
    type Rejection = Rejection;

    fn decide(&self, now: Timestamp, command: &ShowCommand) -> Decision {
        if let (Self::Scheduled(screening), request @ Some(_)) = (self, command.request())
            && screening.answered.seen(request)?
        {
            return Ok(vec![]);
        }
        match command {
            ShowCommand::Schedule(scheduled) => match self {
                Self::Unscheduled => schedule(now, scheduled),
                Self::Scheduled(_) => Err(Rejection::AlreadyScheduled),
            },
            ShowCommand::Change(change) => self.screening()?.change(now, &change.0),
            ShowCommand::Replace(changed) => self.screening()?.replace(now, changed),
            ShowCommand::Cancel(cancelled) => self.screening()?.cancel(now, cancelled),
            ShowCommand::BlockSeats(wanted) => self.screening()?.block(now, wanted),
            ShowCommand::ReleaseSeats(wanted) => self.screening()?.give_back(now, wanted),
            ShowCommand::LockSeats(lock) => self.screening()?.lock_seats(now, lock),
            ShowCommand::ExtendLock(extend) => self.screening()?.extend_lock(now, extend),
            ShowCommand::Confirm { booking_id, payment_id } => {
                self.screening()?.confirm(now, booking_id, payment_id)
            }
            ShowCommand::Fail { booking_id, reason } => {
                let booking = self.screening()?.booking(booking_id)?;
                match booking.status(now) {
                    BookingStatus::SeatsLocked | BookingStatus::PaymentPending => Ok(vec![
                        BookingFailed { booking_id: booking_id.clone(), reason: reason.clone() }.into(),
                    ]),
                    BookingStatus::Failed => Ok(vec![]),
                    BookingStatus::Expired => Err(Rejection::BookingExpired),
                    status @ (BookingStatus::Confirmed
                    | BookingStatus::Completed
                    | BookingStatus::Cancelled) => Err(Rejection::NotPayable(status)),
                }
            }
            ShowCommand::CancelBooking(cancel) => self.screening()?.cancel_booking(now, cancel),
            ShowCommand::ExpireDue => {
                Ok(self.screening()?.overdue(now).take(MOST_AT_ONCE).map(|id| expired(&id)).collect())
            }
            ShowCommand::CompleteDue => Ok(self.screening()?.complete(now)),
        }
    }

    fn evolve(&mut self, event: &ShowEvent) {
        self.apply(event);
    }
}

fn schedule(now: Timestamp, scheduled: &ShowScheduled) -> Decision {
    if scheduled.show.start_time <= now {
        return Err(Rejection::StartsInThePast);
    }
    check_prices(&scheduled.show)?;
    scheduled.show.check_sales()?;
    Ok(vec![scheduled.clone().into()])
}

/// Every seat of the hall must have a price, and every price must be more than zero.
fn check_prices(show: &ShowDetails) -> Result<(), Rejection> {
    check_positive(&show.prices)?;
    let priced = |seat_type| show.prices.contains_key(seat_type);
    let mut seats = show.rows.iter().flat_map(|row| &row.seats);
    if seats.all(|seat| priced(&seat.seat_type)) { Ok(()) } else { Err(Rejection::Unpriced) }
}

fn check_positive(prices: &BTreeMap<SeatType, i64>) -> Result<(), Rejection> {
    if prices.values().all(|minor| *minor > 0) { Ok(()) } else { Err(Rejection::PriceNotPositive) }
}

fn check_count(seats: usize) -> Result<(), Rejection> {
    match seats {
        0 => Err(Rejection::NoSeats),
        1..=MAX_SEATS_PER_BOOKING => Ok(()),
        _ => Err(Rejection::TooManySeats),
    }
}

/// What a theatre asks of seats that are free.
fn check_rules<F: Fn(&SeatId) -> bool>(
    seating: &Seating<'_, F>,
    rules: SeatRules,
    seats: &[SeatId],
) -> Result<(), Rejection> {
    seating.check_companions(seats)?;
    if rules.no_single_seats { seating.check_singles(seats) } else { Ok(()) }
}

pub(super) fn expired(booking_id: &BookingId) -> ShowEvent {
    BookingExpired { booking_id: booking_id.clone() }.into()
}

impl Screening {
    /// Whether a customer may pay for a booking now; its owner asks.
    ///
    /// Payable is a booking that awaits its payment, before its deadline.
    pub fn payable(
        &self,
        now: Timestamp,
        id: &BookingId,
        user: &crate::ids::UserId,
    ) -> Result<&Booking, Rejection> {
        let booking = self.booking(id)?;
        if booking.user_id != *user {
            return Err(Rejection::NotYours);
        }
        match booking.status(now) {
            BookingStatus::PaymentPending => Ok(booking),
            BookingStatus::Expired => Err(Rejection::BookingExpired),
            status @ (BookingStatus::SeatsLocked
            | BookingStatus::Confirmed
            | BookingStatus::Completed
            | BookingStatus::Failed
            | BookingStatus::Cancelled) => Err(Rejection::NotPayable(status)),
        }
    }

    fn change(&self, now: Timestamp, changed: &ShowChanged) -> Decision {
        self.check_bookable(now)?;
        if changed.start_time.is_some_and(|start| start <= now) {
            return Err(Rejection::StartsInThePast);
        }
        check_positive(&changed.prices)?;
        let mut after = (*self.details).clone();
        after.change(changed);
        after.check_sales()?;
        Ok(if after == *self.details { vec![] } else { vec![changed.clone().into()] })
    }

    /// A type that lost its price would keep the old one: a change leaves what it does not name.
    fn replace(&self, now: Timestamp, changed: &ShowChanged) -> Decision {
        if !self.details.prices.keys().all(|seat_type| changed.prices.contains_key(seat_type)) {
            return Err(Rejection::Unpriced);
        }
        self.change(now, changed)
    }

    fn cancel(&self, now: Timestamp, cancelled: &ShowCancelled) -> Decision {
        if self.cancelled {
            return Ok(vec![]);
        }
        if now >= self.details.end_time {
            return Err(Rejection::ShowOver);
        }
        let mut events = vec![ShowEvent::from(cancelled.clone())];
        events.extend(self.overdue(now).map(|id| expired(&id)));
        let pending = self.pending.iter().filter(|(deadline, _)| *deadline > now).map(|(_, id)| (id, false));
        let paid = |id: &BookingId| self.bookings.get(id).is_some_and(|booking| !booking.is_free());
        let confirmed = self.confirmed.iter().map(|id| (id, paid(id)));
        events.extend(pending.chain(confirmed).map(|(id, paid)| {
            BookingCancelled { booking_id: id.clone(), by: CancelledBy::Show, paid }.into()
        }));
        Ok(events)
    }

    fn lock_seats(&self, now: Timestamp, lock: &LockSeats) -> Decision {
        if let Some(booking) = self.booking_by_key(&lock.user_id, &lock.idempotency_key) {
            if booking.fingerprint != lock.fingerprint {
                return Err(crate::request::KeyReused.into());
            }
            return match booking.status(now) {
                BookingStatus::Expired => Err(Rejection::BookingExpired),
                BookingStatus::SeatsLocked
                | BookingStatus::PaymentPending
                | BookingStatus::Confirmed
                | BookingStatus::Completed
                | BookingStatus::Failed
                | BookingStatus::Cancelled => Ok(vec![]),
            };
        }
        self.check_bookable(now)?;
        self.details.check_on_sale(now)?;
        match &lock.seats {
            SeatChoice::These(seats) => self.check_seats(seats)?,
            SeatChoice::Best(wish) => check_count(wish.quantity)?,
        }
        if lock.lock_before.is_some_and(|lock_before| now >= lock_before) {
            return Err(Rejection::ClaimLapsed);
        }
        self.check_hoarding(now, &lock.user_id, lock.hoarding)?;
        self.check_numbers(now, lock)?;
        let seat_ids = self.choose(now, &lock.seats)?;
        // A lock that has run out is written down before its seats go to somebody else: no prefix of the log shows
        // two live bookings on one seat.
        let mut events: Vec<ShowEvent> = self.overdue_holders(&seat_ids).iter().map(expired).collect();
        let pricing = self.price(now, &seat_ids, &lock.terms)?;
        let free = pricing.total == 0;
        events.push(
            SeatsLocked {
                booking_id: lock.booking_id.clone(),
                user_id: lock.user_id.clone(),
                seat_ids,
                expires_at: time::after(now, lock.ttl_millis),
                idempotency_key: lock.idempotency_key.clone(),
                fingerprint: lock.fingerprint.clone(),
                client: lock.client.clone(),
            }
            .into(),
        );
        events.push(BookingPaymentPending { booking_id: lock.booking_id.clone(), pricing }.into());
        if free {
            // No gateway takes a payment of nothing.
            events.push(
                BookingConfirmed {
                    booking_id: lock.booking_id.clone(),
                    payment_id: lock.booking_id.payment(),
                    ticket_id: lock.booking_id.ticket(),
                    confirmed_at: now,
                }
                .into(),
            );
        }
        Ok(events)
    }

    fn choose(&self, now: Timestamp, choice: &SeatChoice) -> Result<Vec<SeatId>, Rejection> {
        let free = |seat: &SeatId| self.is_free(seat, now);
        let rules = self.details.seat_rules;
        let seating = Seating::new(&self.details.rows, free, rules.companions);
        match choice {
            SeatChoice::These(seats) => {
                let unavailable: Vec<SeatId> = seats.iter().filter(|seat| !free(seat)).cloned().collect();
                if !unavailable.is_empty() {
                    let instead = seating.in_the_same_row(seats);
                    let instead = instead.filter(|seats| check_rules(&seating, rules, seats).is_ok());
                    return Err(Rejection::SeatsUnavailable { seats: unavailable, instead });
                }
                check_rules(&seating, rules, seats).map_err(|refused| match refused {
                    // What heals one rule may break another, or be more than a booking may have.
                    Rejection::AgainstSeatRule { rule, seats, instead } => {
                        let most =
                            rules.seats_per_booking.map_or(MAX_SEATS_PER_BOOKING, |most| most as usize);
                        let passes = |seats: &Vec<SeatId>| {
                            seats.len() <= most && check_rules(&seating, rules, seats).is_ok()
                        };
                        Rejection::AgainstSeatRule { rule, seats, instead: instead.filter(passes) }
                    }
                    other => other,
                })?;
                Ok(seats.clone())
            }
            // Of these the best break no rule: they leave nobody alone where any would.
            SeatChoice::Best(wish) => seating.best(wish).ok_or(Rejection::NoSeatsFit),
        }
    }

    /// A theatre's limits on how many seats a booking has, and a customer.
    fn check_numbers(&self, now: Timestamp, lock: &LockSeats) -> Result<(), Rejection> {
        let rules = &self.details.seat_rules;
        let wanted = match &lock.seats {
            SeatChoice::These(seats) => seats.len(),
            SeatChoice::Best(wish) => wish.quantity,
        };
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let broken = |rule| Rejection::AgainstSeatRule { rule, seats: vec![], instead: None };
        if let Some(most) = rules.seats_per_booking.filter(|most| wanted > *most) {
            return Err(broken(SeatRule::SeatsPerBooking { most }));
        }
        if let Some(most) = rules.seats_per_user {
            let held = self.seats_of(now, &lock.user_id);
            if held.saturating_add(wanted) > most {
                return Err(broken(SeatRule::SeatsPerUser { most, held }));
            }
        }
        Ok(())
    }

    fn extend_lock(&self, now: Timestamp, extend: &ExtendLock) -> Decision {
        let booking = self.booking(&extend.booking_id)?;
        if booking.user_id != extend.user_id {
            return Err(Rejection::NotYours);
        }
        match booking.status(now) {
            BookingStatus::PaymentPending => {}
            BookingStatus::Expired => return Err(Rejection::BookingExpired),
            status @ (BookingStatus::SeatsLocked
            | BookingStatus::Confirmed
            | BookingStatus::Completed
            | BookingStatus::Failed
            | BookingStatus::Cancelled) => return Err(Rejection::NotExtendable(status)),
        }
        let seconds = self.details.seat_rules.lock_extension_seconds.ok_or(Rejection::ExtensionNotOffered)?;
        if booking.extended_from.is_some() {
            return Err(Rejection::AlreadyExtended);
        }
        // Nobody pays for seats of a show that has begun.
        let longest = self.details.start_time.max(booking.expires_at);
        let expires_at = time::after(booking.expires_at, u64::from(seconds) * MILLIS_PER_SECOND).min(longest);
        if expires_at == booking.expires_at {
            return Err(Rejection::StartsTooSoon);
        }
        let (booking_id, request) = (booking.id.clone(), extend.request.clone());
        Ok(vec![LockExtended { booking_id, expires_at, request }.into()])
    }

    fn confirm(&self, now: Timestamp, id: &BookingId, payment: &PaymentId) -> Decision {
        let booking = self.booking(id)?;
        match (&booking.state, booking.status(now)) {
            (
                BookingState::Confirmed { payment: by, .. } | BookingState::Completed { payment: by, .. },
                _,
            ) if by == payment => Ok(vec![]),
            (_, BookingStatus::PaymentPending) => Ok(vec![
                BookingConfirmed {
                    booking_id: id.clone(),
                    payment_id: payment.clone(),
                    ticket_id: id.ticket(),
                    confirmed_at: now,
                }
                .into(),
            ]),
            // Money that came too late goes back, so that its lateness must be a fact: a refusal leaves no trace, and a clock
            // that is behind could yet confirm what was paid back.
            (BookingState::SeatsLocked | BookingState::PaymentPending, BookingStatus::Expired) => {
                Ok(vec![expired(id)])
            }
            (_, BookingStatus::Expired) => Err(Rejection::BookingExpired),
            (_, status) => Err(Rejection::NotPayable(status)),
        }
    }

    fn cancel_booking(&self, now: Timestamp, cancel: &CancelBooking) -> Decision {
        let booking = self.booking(&cancel.booking_id)?;
        if booking.user_id != cancel.user_id {
            return Err(Rejection::NotYours);
        }
        let paid = match booking.status(now) {
            BookingStatus::Cancelled => return Ok(vec![]),
            BookingStatus::SeatsLocked | BookingStatus::PaymentPending => false,
            BookingStatus::Confirmed if now < self.details.start_time => !booking.is_free(),
            status @ (BookingStatus::Confirmed
            | BookingStatus::Completed
            | BookingStatus::Failed
            | BookingStatus::Expired) => return Err(Rejection::NotCancellable(status)),
        };
        Ok(vec![BookingCancelled { booking_id: booking.id.clone(), by: CancelledBy::Customer, paid }.into()])
    }

    fn complete(&self, now: Timestamp) -> Vec<ShowEvent> {
        if now < self.details.end_time {
            return vec![];
        }
        let due = self.confirmed.iter().take(MOST_AT_ONCE);
        due.map(|id| BookingCompleted { booking_id: id.clone() }.into()).collect()
    }

    pub(super) fn check_bookable(&self, now: Timestamp) -> Result<(), Rejection> {
        if self.cancelled {
            Err(Rejection::ShowCancelled)
        } else if now >= self.details.start_time {
            Err(Rejection::ShowStarted)
        } else {
            Ok(())
        }
    }

    fn check_seats(&self, seats: &[SeatId]) -> Result<(), Rejection> {
        check_count(seats.len())?;
        self.check_names(seats)
    }

    /// Whether these are seats of the show, each named once.
    pub(super) fn check_names(&self, seats: &[SeatId]) -> Result<(), Rejection> {
        let mut seen = BTreeSet::new();
        let twice: Vec<SeatId> = seats.iter().filter(|seat| !seen.insert(*seat)).cloned().collect();
        if !twice.is_empty() {
            return Err(Rejection::DuplicateSeats(twice));
        }
        let unknown: Vec<SeatId> =
            seats.iter().filter(|seat| !self.seats.contains_key(*seat)).cloned().collect();
        if unknown.is_empty() { Ok(()) } else { Err(Rejection::UnknownSeats(unknown)) }
    }

    /// The bookings that still hold one of these seats in the log, though their deadline has passed.
    pub(super) fn overdue_holders(&self, seats: &[SeatId]) -> BTreeSet<BookingId> {
        let holders = seats.iter().filter_map(|seat| self.seats.get(seat)?.holder.clone());
        holders.filter(|id| self.bookings.get(id).is_some_and(|booking| booking.is_pending())).collect()
    }

    /// The pending bookings whose deadline has passed, earliest first.
    fn overdue(&self, now: Timestamp) -> impl Iterator<Item = BookingId> + '_ {
        self.pending.iter().take_while(move |(deadline, _)| *deadline <= now).map(|(_, id)| id.clone())
    }

    /// What these seats would cost now, taken or not.
    pub fn quote(&self, now: Timestamp, seats: &[SeatId], terms: &PriceTerms) -> Result<Pricing, Rejection> {
        self.check_bookable(now)?;
        self.check_seats(seats)?;
        self.price(now, seats, terms)
    }

    fn price(&self, now: Timestamp, seats: &[SeatId], terms: &PriceTerms) -> Result<Pricing, Rejection> {
        let seat_types = seats.iter().filter_map(|seat| self.seats.get(seat).map(|seat| seat.seat_type));
        let prices: Vec<i64> = seat_types
            .map(|seat_type| self.details.prices.get(&seat_type).copied().unwrap_or_default())
            .collect();
        terms.price(&self.details, now, &prices).map_err(|refused| {
            let code = terms.coupon.as_ref().map_or_else(|| OfferCode::new(""), |it| it.details.code.clone());
            Rejection::CouponRefused(code, refused)
        })
    }
}
