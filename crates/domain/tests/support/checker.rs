//! What must hold of every prefix of a log, folded from its events alone: nothing here asks a decider or its state.

#[path = "cancelled.rs"]
mod cancelled;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use marquee_domain::Event;
use marquee_domain::cancel_policy::CancelPolicy;
use marquee_domain::ids::{BookingId, IdempotencyKey, PaymentId, RefundId, SeatId, UserId};
use marquee_domain::money::Money;
use marquee_domain::payment::{PaymentEvent, RefundCause};
use marquee_domain::show::{SalesWindow, SeatsLocked, ShowEvent};

/// How long before a show's start the worlds redeem its tickets.
pub const DOORS_OPEN: Duration = Duration::from_secs(10 * 60);
/// And how long after its end, whatever the operator sets.
const LATE_ENTRY: Duration = Duration::from_secs(30 * 60);

/// An event as a log holds it.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub position: u64,
    pub stream: String,
    pub revision: u64,
    pub id: u64,
    pub time: Timestamp,
    pub event: Event,
}

/// The rules that a log may break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A seat has one live booking at most.
    Seat,
    /// Revisions have no gaps, ids are unique, the time of a stream never runs backwards.
    Log,
    /// A booking takes only the steps there are.
    States,
    /// One key, one effect.
    Idempotent,
    /// What goes back has come; what was kept is what was sold.
    Money,
    /// A lock ends at its deadline, neither sooner nor later.
    Expiry,
}

/// A broken rule, and how.
#[derive(Debug, Clone)]
pub struct Violation {
    pub rule: Rule,
    pub what: String,
}

type Checked = Result<(), Violation>;

fn require(holds: bool, rule: Rule, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Violation { rule, what: what() }) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Locked,
    Pending,
    Confirmed,
    Completed,
    Failed,
    Expired,
    Cancelled,
}

struct Seen {
    stream: String,
    seats: Vec<SeatId>,
    expires_at: Timestamp,
    extended: bool,
    redeemed: bool,
    life: Life,
    user: UserId,
    /// What was agreed on, or what remains of it.
    price: Option<Money>,
    /// What of it was kept for seats that were cancelled.
    retained: i64,
    /// What is owed back, by part; all of what was captured and is left where there is no amount.
    owed: BTreeMap<Option<u32>, Option<i64>>,
}

struct Running {
    start: Timestamp,
    end: Timestamp,
    policy: Option<CancelPolicy>,
    sales: SalesWindow,
    cancelled: bool,
}

/// Minor units of one currency.
#[derive(Default, Clone, Copy)]
struct Sums {
    captured: i64,
    granted: i64,
    paid_back: i64,
}

#[derive(Default)]
struct Account {
    booking: Option<BookingId>,
    asked: Option<Money>,
    succeeded: bool,
    parts_back: HashSet<Option<u32>>,
    sums: BTreeMap<String, Sums>,
}

/// The fold.
#[derive(Default)]
pub struct Checker {
    positions: Option<u64>,
    streams: HashMap<String, (u64, Timestamp)>,
    ids: HashSet<u64>,
    shows: HashMap<String, Running>,
    bookings: HashMap<BookingId, Seen>,
    live: HashMap<(String, SeatId), BookingId>,
    house: HashSet<(String, SeatId)>,
    keys: HashSet<(String, UserId, IdempotencyKey)>,
    accounts: HashMap<String, Account>,
    captures: HashSet<PaymentId>,
    refunds: HashMap<RefundId, (Money, bool)>,
    /// How often each stored name was seen.
    pub seen: BTreeMap<&'static str, u64>,
}

impl Checker {
    /// Takes the next event: together with those before it, it must break no rule.
    pub fn accept(&mut self, recorded: &Recorded) -> Checked {
        self.log(recorded)?;
        *self.seen.entry(recorded.event.stored_name()).or_default() += 1;
        match &recorded.event {
            Event::Show(event) => self.show(recorded, event),
            Event::Payment(event) => self.payment(&recorded.stream, event),
            Event::City(_)
            | Event::Movie(_)
            | Event::Partner(_)
            | Event::Theatre(_)
            | Event::Schedule(_)
            | Event::Offer(_)
            | Event::Policy(_)
            | Event::Redemption(_)
            | Event::Customer(_) => Ok(()),
        }
    }

    /// What must hold once nothing is under way any more.
    pub fn quiescent(&self) -> Checked {
        for (refund, (_, open)) in &self.refunds {
            require(!open, Rule::Money, || format!("refund {refund} is still open"))?;
        }
        let mut kept: BTreeMap<String, i64> = BTreeMap::new();
        for (stream, account) in &self.accounts {
            for (currency, sums) in &account.sums {
                let rest = sums.captured - sums.granted;
                *kept.entry(currency.clone()).or_default() += rest;
                let sold = account.booking.as_ref().and_then(|id| self.sold(id));
                let due = sold.filter(|price| price.currency.as_str() == currency);
                let due = due.map_or(0, |price| price.minor);
                require(rest == due, Rule::Money, || format!("{stream} keeps {rest}, sold for {due}"))?;
            }
        }
        let mut sold: BTreeMap<String, i64> = BTreeMap::new();
        for price in self.bookings.keys().filter_map(|id| self.sold(id)) {
            *sold.entry(price.currency.as_str().to_owned()).or_default() += price.minor;
        }
        kept.retain(|_, minor| *minor != 0);
        sold.retain(|_, minor| *minor != 0);
        require(kept == sold, Rule::Money, || format!("kept {kept:?}, sold for {sold:?}"))
    }

    /// What came in all, by currency.
    pub fn captured(&self) -> BTreeMap<String, i64> {
        let mut all = BTreeMap::new();
        for (currency, sums) in self.accounts.values().flat_map(|account| &account.sums) {
            *all.entry(currency.clone()).or_default() += sums.captured;
        }
        all.retain(|_, minor| *minor != 0);
        all
    }

    /// What a booking was sold for, as it stands: what remains of its price, and what was kept for the seats that it gave back.
    fn sold(&self, id: &BookingId) -> Option<Money> {
        let booking = self.bookings.get(id)?;
        let price = booking.price.as_ref()?;
        let remains = match booking.life {
            Life::Confirmed | Life::Completed => price.minor,
            Life::Locked | Life::Pending | Life::Failed | Life::Expired | Life::Cancelled => 0,
        };
        Some(Money::new(remains + booking.retained, price.currency.clone()))
    }

    fn log(&mut self, recorded: &Recorded) -> Checked {
        let Recorded { position, stream, revision, id, time, .. } = recorded;
        let grows = self.positions.is_none_or(|last| last < *position);
        require(grows, Rule::Log, || format!("position {position} after {:?}", self.positions))?;
        self.positions = Some(*position);
        require(self.ids.insert(*id), Rule::Log, || format!("event id {id} is there twice"))?;
        let last = self.streams.insert(stream.clone(), (*revision, *time));
        let (next, since) = last.map_or((0, *time), |(revision, time)| (revision + 1, time));
        require(*revision == next, Rule::Log, || format!("{stream} has {revision} where {next} follows"))?;
        require(*time >= since, Rule::Log, || format!("{stream} goes back from {since} to {time}"))
    }

    fn show(&mut self, recorded: &Recorded, event: &ShowEvent) -> Checked {
        let Recorded { stream, time, .. } = recorded;
        if let ShowEvent::Scheduled(scheduled) = event {
            require(recorded.revision == 0, Rule::States, || format!("{stream} is scheduled late"))?;
            let (start, end) = (scheduled.show.start_time, scheduled.show.end_time);
            let (policy, sales) = (scheduled.show.cancel_policy.clone(), scheduled.show.sales);
            self.shows.insert(stream.clone(), Running { start, end, policy, sales, cancelled: false });
            return Ok(());
        }
        let Some(show) = self.shows.get_mut(stream) else {
            return require(false, Rule::States, || format!("{stream} was never scheduled"));
        };
        match event {
            ShowEvent::Scheduled(_) => Ok(()),
            ShowEvent::Changed(changed) => {
                require(!show.cancelled, Rule::States, || format!("{stream} changes after its end"))?;
                show.start = changed.start_time.unwrap_or(show.start);
                show.end = changed.end_time.unwrap_or(show.end);
                show.sales = changed.sales.unwrap_or(show.sales);
                Ok(())
            }
            ShowEvent::Cancelled(_) => {
                require(!show.cancelled, Rule::States, || format!("{stream} is called off twice"))?;
                show.cancelled = true;
                Ok(())
            }
            ShowEvent::SeatsBlocked(blocked) => {
                require(!show.cancelled, Rule::States, || format!("{stream} blocks seats after its end"))?;
                blocked.seat_ids.iter().try_for_each(|seat| self.blocked(stream, seat))
            }
            ShowEvent::SeatsReleased(released) => released.seat_ids.iter().try_for_each(|seat| {
                let kept = self.house.remove(&(stream.clone(), seat.clone()));
                require(kept, Rule::Seat, || format!("{stream} releases {seat}, which it does not keep"))
            }),
            ShowEvent::SeatsLocked(locked) => {
                let on_sale = show.sales.from.is_none_or(|from| from <= *time)
                    && show.sales.until.is_none_or(|until| *time < until);
                let open = !show.cancelled && *time < show.start && on_sale;
                require(open, Rule::States, || format!("{} is not bookable", locked.booking_id))?;
                self.locked(stream, *time, locked)
            }
            ShowEvent::PaymentPending(begun) => {
                let booking = self.steps(&begun.booking_id, stream, &[Life::Locked], Life::Pending)?;
                booking.price = Some(begun.pricing.amount());
                Ok(())
            }
            ShowEvent::LockExtended(extended) => {
                let id = &extended.booking_id;
                let booking = self.steps(id, stream, &[Life::Pending], Life::Pending)?;
                let (before, once) = (booking.expires_at, !booking.extended);
                booking.extended = true;
                booking.expires_at = extended.expires_at;
                let sound = once && *time < before && before < extended.expires_at;
                require(sound, Rule::Expiry, || format!("{id} is extended from {before} at {time}"))
            }
            ShowEvent::Confirmed(confirmed) => {
                let paid = self.captures.contains(&confirmed.payment_id);
                let id = &confirmed.booking_id;
                let booking = self.steps(id, stream, &[Life::Pending], Life::Confirmed)?;
                let in_time = *time < booking.expires_at && confirmed.confirmed_at < booking.expires_at;
                require(in_time, Rule::Expiry, || format!("{id} is confirmed after its deadline"))?;
                require(paid, Rule::Money, || format!("{id} is confirmed without its money"))
            }
            ShowEvent::Failed(failed) => {
                self.ends(&failed.booking_id, stream, &[Life::Locked, Life::Pending], Life::Failed)
            }
            ShowEvent::Expired(expired) => {
                let id = &expired.booking_id;
                self.ends(id, stream, &[Life::Locked, Life::Pending], Life::Expired)?;
                let due = self.bookings.get(id).is_some_and(|booking| booking.expires_at <= *time);
                require(due, Rule::Expiry, || format!("{id} expires before its deadline"))
            }
            ShowEvent::BookingCancelled(cancelled) => self.booking_cancelled(recorded, cancelled),
            ShowEvent::SeatsCancelled(cancelled) => self.seats_cancelled(recorded, cancelled),
            ShowEvent::Completed(completed) => {
                let id = &completed.booking_id;
                require(*time >= show.end, Rule::States, || format!("{id} is completed too soon"))?;
                self.steps(id, stream, &[Life::Confirmed], Life::Completed).map(|_| ())
            }
            ShowEvent::TicketRedeemed(redeemed) => {
                let id = &redeemed.booking_id;
                let open = show.start - DOORS_OPEN <= *time && *time < show.end + LATE_ENTRY;
                require(open, Rule::States, || format!("{id} is redeemed at {time}, doors closed"))?;
                let stands = |booking: &&mut Seen| {
                    booking.stream == *stream && matches!(booking.life, Life::Confirmed | Life::Completed)
                };
                let booking = self.bookings.get_mut(id).filter(stands);
                let first = booking.is_some_and(|booking| !std::mem::replace(&mut booking.redeemed, true));
                require(first, Rule::States, || format!("{id} is redeemed unpaid or twice"))
            }
        }
    }

    fn blocked(&mut self, stream: &str, seat: &SeatId) -> Checked {
        let place = (stream.to_owned(), seat.clone());
        let holder = self.live.get(&place);
        require(holder.is_none(), Rule::Seat, || format!("{stream} takes {seat} from {holder:?}"))?;
        require(self.house.insert(place), Rule::Seat, || format!("{stream} blocks {seat} twice"))
    }

    fn locked(&mut self, stream: &str, time: Timestamp, locked: &SeatsLocked) -> Checked {
        let id = &locked.booking_id;
        let key = (stream.to_owned(), locked.user_id.clone(), locked.idempotency_key.clone());
        require(self.keys.insert(key), Rule::Idempotent, || format!("{id} is a second effect of its key"))?;
        require(!self.bookings.contains_key(id), Rule::Idempotent, || format!("{id} begins twice"))?;
        require(!locked.seat_ids.is_empty(), Rule::Seat, || format!("{id} has no seats"))?;
        require(locked.expires_at > time, Rule::Expiry, || format!("{id} begins after its deadline"))?;
        for seat in &locked.seat_ids {
            let place = (stream.to_owned(), seat.clone());
            require(!self.house.contains(&place), Rule::Seat, || {
                format!("{id} takes {seat} from the house")
            })?;
            let holder = self.live.insert(place, id.clone());
            require(holder.is_none(), Rule::Seat, || format!("{id} takes {seat} from {holder:?}"))?;
        }
        let seen = Seen {
            stream: stream.to_owned(),
            seats: locked.seat_ids.clone(),
            expires_at: locked.expires_at,
            extended: false,
            redeemed: false,
            life: Life::Locked,
            user: locked.user_id.clone(),
            price: None,
            retained: 0,
            owed: BTreeMap::new(),
        };
        self.bookings.insert(id.clone(), seen);
        Ok(())
    }

    fn steps(
        &mut self,
        id: &BookingId,
        stream: &str,
        from: &[Life],
        to: Life,
    ) -> Result<&mut Seen, Violation> {
        let illegal =
            |from| Violation { rule: Rule::States, what: format!("{id} goes from {from:?} to {to:?}") };
        let booking = self.bookings.get_mut(id).ok_or_else(|| illegal(None))?;
        if booking.stream != stream || !from.contains(&booking.life) {
            return Err(illegal(Some(booking.life)));
        }
        booking.life = to;
        Ok(booking)
    }

    fn ends(&mut self, id: &BookingId, stream: &str, from: &[Life], to: Life) -> Checked {
        for seat in self.steps(id, stream, from, to)?.seats.clone() {
            self.live.remove(&(stream.to_owned(), seat));
        }
        Ok(())
    }

    fn payment(&mut self, stream: &str, event: &PaymentEvent) -> Checked {
        let account = self.accounts.entry(stream.to_owned()).or_default();
        match event {
            PaymentEvent::Initiated(initiated) => {
                let first = account.asked.is_none();
                require(first, Rule::Idempotent, || format!("{stream} is initiated twice"))?;
                let price = self.bookings.get(&initiated.booking_id).and_then(|seen| seen.price.as_ref());
                let right = price == Some(&initiated.amount);
                require(right, Rule::Money, || format!("{stream} asks for another price"))?;
                account.asked = Some(initiated.amount.clone());
                account.booking = Some(initiated.booking_id.clone());
                Ok(())
            }
            PaymentEvent::IntentCreated(_) | PaymentEvent::Failed(_) => Ok(()),
            PaymentEvent::Succeeded(succeeded) => {
                require(!account.succeeded, Rule::Idempotent, || format!("{stream} succeeds twice"))?;
                account.succeeded = true;
                let right = account.asked.as_ref() == Some(&succeeded.amount);
                require(right, Rule::Money, || format!("{stream} succeeds with another amount"))?;
                self.captures.insert(succeeded.payment_id.clone());
                Self::came(account, &succeeded.amount);
                Ok(())
            }
            PaymentEvent::Mismatched(mismatched) => {
                Self::came(account, &mismatched.captured);
                Ok(())
            }
            PaymentEvent::Unmatched(unmatched) => {
                if unmatched.captured {
                    Self::came(account, &unmatched.amount);
                }
                Ok(())
            }
            PaymentEvent::RefundRequested(refund) => {
                let id = &refund.refund_id;
                match refund.cause {
                    RefundCause::LatePayment
                    | RefundCause::BookingCancelled
                    | RefundCause::SeatsCancelled
                    | RefundCause::ShowCancelled => {
                        let first = account.parts_back.insert(refund.part);
                        require(first, Rule::Money, || format!("{stream} goes back twice"))?;
                        let booking = account.booking.as_ref().and_then(|id| self.bookings.get(id));
                        let owed =
                            booking.and_then(|booking| booking.owed.get(&refund.part)).copied().flatten();
                        let asked = account.asked.as_ref().map(|asked| asked.minor);
                        let right = owed.or(asked) == Some(refund.amount.minor);
                        require(right, Rule::Money, || format!("{id} is not what is owed: {owed:?}"))?;
                    }
                    RefundCause::Mismatch | RefundCause::Unmatched => {}
                }
                let known = self.refunds.insert(id.clone(), (refund.amount.clone(), true));
                require(known.is_none(), Rule::Idempotent, || format!("{id} is granted twice"))?;
                let sums = account.sums.entry(refund.amount.currency.as_str().to_owned()).or_default();
                sums.granted += refund.amount.minor;
                let covered = refund.amount.minor >= 0 && sums.granted <= sums.captured;
                require(covered, Rule::Money, || format!("{id} grants more than came"))
            }
            PaymentEvent::RefundSucceeded(refund) => {
                let amount = Self::close(&mut self.refunds, &refund.refund_id)?;
                let sums = account.sums.entry(amount.currency.as_str().to_owned()).or_default();
                sums.paid_back += amount.minor;
                let covered = sums.paid_back <= sums.captured;
                require(covered, Rule::Money, || format!("{stream} pays back more than came"))
            }
            PaymentEvent::RefundFailed(refund) => {
                Self::close(&mut self.refunds, &refund.refund_id).map(|_| ())
            }
        }
    }

    fn came(account: &mut Account, amount: &Money) {
        account.sums.entry(amount.currency.as_str().to_owned()).or_default().captured += amount.minor;
    }

    fn close(refunds: &mut HashMap<RefundId, (Money, bool)>, id: &RefundId) -> Result<Money, Violation> {
        match refunds.get_mut(id) {
            Some((amount, open @ true)) => {
                *open = false;
                Ok(amount.clone())
            }
            Some((_, false)) | None => {
                Err(Violation { rule: Rule::Money, what: format!("{id} ends twice or was never granted") })
            }
        }
    }
}
