//! What partners and customers do.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use marquee_domain::cancel_policy::{CancelPolicy, CancelTier};
use marquee_domain::ids::{BookingId, SeatId, ShowId, UserId};
use marquee_domain::money::Currency;
use marquee_domain::payment::{IntentCreated, PaymentCommand, PaymentInitiated};
use marquee_domain::pricing::{MajorAmount, Percent, PriceTerms};
use marquee_domain::request::Request;
use marquee_domain::seat_rules::SeatRules;
use marquee_domain::show::{
    BookingState, CancelBooking, ExtendLock, HoardingLimits, LockSeats, Near, RedeemTicket, SalesWindow,
    SeatChoice, SeatWish, SeatsBlocked, SeatsReleased, ShowCancelled, ShowChanged, ShowCommand, ShowDetails,
    ShowScheduled,
};
use marquee_domain::theatre::{LayoutRow, LayoutSeat, SeatType};
use serde::Deserialize;
use serde::de::{IntoDeserializer, value};

use crate::checker::DOORS_OPEN;

use super::{Done, Intent, KEYS, MINUTE, SEATS, USERS, World, intent_id, payment_stream, show_stream};

impl World {
    pub(super) fn schedule(&mut self, show: &ShowId) -> ShowCommand {
        let seat = |number: usize| {
            let seat_type = if number.is_multiple_of(2) { SeatType::Regular } else { SeatType::Premium };
            LayoutSeat::new(SeatId::new(format!("A{number}")), seat_type)
        };
        let start = self.clock + self.rng.i64(10 * MINUTE..60 * MINUTE);
        let end = start + self.rng.i64(MINUTE..60 * MINUTE);
        let at = |millis| Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
        let details = ShowDetails {
            show_id: show.clone(),
            partner_id: "pt".into(),
            theatre_id: "th".into(),
            city_id: "blr".into(),
            timezone: "Asia/Kolkata".into(),
            screen_id: "sc".into(),
            screen_name: "Screen".into(),
            movie_id: "mv".into(),
            start_time: at(start),
            end_time: at(end),
            language: "English".into(),
            format: "2D".into(),
            currency: Currency::inr(),
            prices: BTreeMap::from([(SeatType::Regular, 18_000), (SeatType::Premium, 25_050)]),
            sales: SalesWindow::default(),
            seat_rules: SeatRules {
                no_single_seats: self.rng.bool(),
                seats_per_user: self.rng.bool().then_some(4),
                lock_extension_seconds: self.rng.bool().then_some(60),
                ..SeatRules::default()
            },
            cancel_policy: self.cancel_policy(),
            rows: vec![LayoutRow { row_label: "A".into(), seats: (0..SEATS).map(seat).collect() }],
        };
        ShowCommand::Schedule(ShowScheduled { show: details, request: None })
    }

    /// None, or tiers that a booking may meet within the hour that a show is on sale.
    fn cancel_policy(&mut self) -> Option<CancelPolicy> {
        let fee = |major: f64| {
            MajorAmount::deserialize(IntoDeserializer::<value::Error>::into_deserializer(major)).ok()
        };
        let tier = |hours_before, hundredths, major: Option<f64>| CancelTier {
            hours_before,
            refund_percent: Percent::of_hundredths(hundredths).expect("a share of the whole"),
            fee_per_ticket: major.and_then(fee),
        };
        match self.rng.u32(0..4) {
            0 => None,
            1 => Some(CancelPolicy { tiers: vec![tier(1, 10_000, None), tier(0, 5_000, Some(10.5))] }),
            2 => Some(CancelPolicy { tiers: vec![tier(0, 3_333, None)] }),
            _ => Some(CancelPolicy { tiers: vec![tier(2, 10_000, None), tier(1, 9_000, Some(1_000.0))] }),
        }
    }

    pub(super) fn change_show(&mut self) -> Done {
        let (node, show) = (self.node(), self.any_show());
        let start = self.clock + self.rng.i64(-MINUTE..60 * MINUTE);
        let at = |millis| Timestamp::from_millisecond(millis).ok();
        let moves = self.rng.bool();
        let changed = ShowChanged {
            start_time: moves.then(|| at(start)).flatten(),
            end_time: moves.then(|| at(start + 30 * MINUTE)).flatten(),
            prices: BTreeMap::from([(SeatType::Regular, self.rng.i64(1..30_000))]),
            sales: self.rng.bool().then(|| self.sales()),
            ..ShowChanged::default()
        };
        self.show(node, &show, &[ShowCommand::Change(changed.into())]).map(|_| ())
    }

    /// On sale from about now, or until later, or always.
    fn sales(&mut self) -> SalesWindow {
        let at = |millis| Timestamp::from_millisecond(millis).ok();
        let from = self.clock + self.rng.i64(-MINUTE..MINUTE);
        let until = self.clock + self.rng.i64(MINUTE..60 * MINUTE);
        SalesWindow {
            from: if self.rng.bool() { at(from) } else { None },
            until: if self.rng.u32(0..4) == 0 { at(until) } else { None },
        }
    }

    pub(super) fn cancel_show(&mut self) -> Done {
        let (node, show) = (self.node(), self.any_show());
        self.show(node, &show, &[ShowCommand::Cancel(ShowCancelled::default())]).map(|_| ())
    }

    /// The house takes seats, and gives as many back, so that it never keeps them all.
    pub(super) fn house_seats(&mut self) -> Done {
        let (node, show) = (self.node(), self.any_show());
        let mut seats = |most| {
            let named =
                (0..self.rng.usize(1..most)).map(|_| SeatId::new(format!("A{}", self.rng.usize(0..SEATS))));
            named.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        };
        let block = SeatsBlocked { seat_ids: seats(3), reason: None, request: None };
        let release = SeatsReleased { seat_ids: seats(SEATS), reason: None, request: None };
        self.show(node, &show, &[ShowCommand::ReleaseSeats(release), ShowCommand::BlockSeats(block)])
            .map(|_| ())
    }

    pub(super) fn lock(&mut self) -> Done {
        let (node, show) = (self.node(), self.any_show());
        let batch = self.rng.usize(1..4);
        let wanted: Vec<LockSeats> = (0..batch).map(|_| self.wanted(&show)).collect();
        let commands: Vec<_> = wanted.iter().cloned().map(ShowCommand::LockSeats).collect();
        let answers = self.show(node, &show, &commands)?;
        for (wanted, answer) in wanted.into_iter().zip(answers) {
            if answer.is_ok() {
                self.bookings.push((wanted.booking_id, wanted.user_id));
            }
        }
        Ok(())
    }

    /// These seats by name, or as many of whichever.
    fn choice(&mut self, seats: Vec<usize>) -> SeatChoice {
        if self.rng.u32(0..4) > 0 {
            let named = seats.into_iter().map(|seat| SeatId::new(format!("A{seat}")));
            return SeatChoice::These(named.collect());
        }
        SeatChoice::Best(SeatWish {
            quantity: seats.len(),
            types: if self.rng.bool() { [SeatType::Premium].into() } else { BTreeSet::new() },
            adjacent: self.rng.bool(),
            near: Near::Middle,
        })
    }

    pub(super) fn wanted(&mut self, show: &ShowId) -> LockSeats {
        let mut seats: Vec<usize> = (0..SEATS).collect();
        self.rng.shuffle(&mut seats);
        seats.truncate(self.rng.usize(1..4));
        let serial = self.serial();
        let again = self.rng.u32(0..3) == 0;
        let key = if again { self.rng.usize(0..KEYS).to_string() } else { format!("n{serial}") };
        let fingerprint = if self.rng.u32(0..4) == 0 { "other" } else { "body" };
        LockSeats {
            booking_id: BookingId::compose(show, &serial.to_string()),
            user_id: UserId::new(format!("u{}", self.rng.usize(0..USERS))),
            seats: self.choice(seats),
            terms: PriceTerms::default(),
            lock_before: None,
            client: None,
            idempotency_key: key.as_str().into(),
            fingerprint: fingerprint.into(),
            ttl_millis: if self.rng.u32(0..4) == 0 {
                self.rng.u64(1..5_000)
            } else {
                self.rng.u64(1..900_000)
            },
            hoarding: HoardingLimits {
                live_locks: self.rng.bool().then_some(2),
                lapsed_locks: self.rng.bool().then_some(9),
            },
        }
    }

    /// A booking, most often one of the newest.
    pub(super) fn any_booking(&mut self) -> Option<(BookingId, UserId)> {
        let newest = self.bookings.len().saturating_sub(12);
        let from = if self.rng.u32(0..4) == 0 { 0 } else { newest };
        (!self.bookings.is_empty()).then(|| self.bookings[self.rng.usize(from..self.bookings.len())].clone())
    }

    pub(super) fn pay(&mut self) -> Done {
        let node = self.node();
        let Some((booking, user)) = self.any_booking() else { return Ok(()) };
        let Some(show) = booking.show() else { return Ok(()) };
        let stream = show_stream(&show);
        let now = Timestamp::from_millisecond(self.clock + self.nodes[node].skew).unwrap_or(Timestamp::MAX);
        let loaded = self.nodes[node].shows.entry(stream.clone()).or_default();
        loaded.catch_up(&self.log, &stream);
        let payable = loaded.state.screening().and_then(|screening| screening.payable(now, &booking, &user));
        let Some(amount) = payable.ok().and_then(|booking| Some(booking.pricing.as_ref()?.amount())) else {
            return Ok(());
        };
        let key = if self.rng.u32(0..5) == 0 { "other" } else { "k" };
        let initiated = PaymentInitiated {
            payment_id: booking.payment(),
            booking_id: booking.clone(),
            user_id: user.clone(),
            provider: "SANDBOX".into(),
            amount: amount.clone(),
            return_url: "https://app.example.com".into(),
            request: Request {
                user_id: user,
                route: "pay".into(),
                idempotency_key: key.into(),
                fingerprint: if self.rng.u32(0..9) == 0 { "other".into() } else { "body".into() },
            },
        };
        let created = IntentCreated {
            payment_id: booking.payment(),
            payment_intent_id: intent_id(&booking),
            redirect_url: "https://pay.example.com".into(),
        };
        let begin = if self.rng.bool() {
            PaymentCommand::Initiate(initiated)
        } else {
            PaymentCommand::InitiateKnown(initiated, created.clone())
        };
        let stream = payment_stream(&booking);
        let (_, answer) = self.payment(node, &stream, begin)?;
        if answer.is_err() || self.rng.u32(0..12) == 0 {
            return Ok(());
        }
        // The gateway knows a booking by its id: asked again, it answers the same intent.
        if !self.intents.iter().any(|intent| intent.booking == booking) {
            self.intents.push(Intent { booking: booking.clone(), amount, paid: false });
        }
        if self.rng.u32(0..12) == 0 {
            return Ok(());
        }
        self.payment(node, &stream, PaymentCommand::RecordIntent(created)).map(|_| ())
    }

    pub(super) fn extend_lock(&mut self) -> Done {
        let node = self.node();
        let Some((booking_id, user_id)) = self.any_booking() else { return Ok(()) };
        let Some(show) = booking_id.show() else { return Ok(()) };
        let command = ShowCommand::ExtendLock(ExtendLock { booking_id, user_id, request: None });
        self.show(node, &show, &[command]).map(|_| ())
    }

    /// One door, or two at once.
    pub(super) fn redeem(&mut self) -> Done {
        let node = self.node();
        let Some((booking_id, _)) = self.any_booking() else { return Ok(()) };
        let Some(show) = booking_id.show() else { return Ok(()) };
        let doors_open_millis = u64::try_from(DOORS_OPEN.as_millis()).unwrap_or(u64::MAX);
        let redeem = RedeemTicket { booking_id, gate: None, doors_open_millis, request: None };
        let doors = self.rng.usize(1..3);
        self.show(node, &show, &vec![ShowCommand::RedeemTicket(redeem); doors]).map(|_| ())
    }

    pub(super) fn cancel_booking(&mut self) -> Done {
        let node = self.node();
        let several: Vec<_> = (0..8).filter_map(|_| self.any_booking()).collect();
        let paid = several.iter().find(|(booking, _)| self.is_paid(node, booking)).cloned();
        let first = several.into_iter().next();
        let Some((booking_id, user)) = (if self.rng.bool() { first } else { paid }) else { return Ok(()) };
        let Some(show) = booking_id.show() else { return Ok(()) };
        let user_id = if self.rng.u32(0..10) == 0 { "stranger".into() } else { user };
        let some = if self.rng.u32(0..3) > 0 { self.some_seats(node, &booking_id) } else { None };
        let key = self.rng.usize(0..KEYS).to_string();
        let request = some.as_ref().map(|seats| Request {
            user_id: user_id.clone(),
            route: "cancel".into(),
            idempotency_key: key.as_str().into(),
            fingerprint: format!("{booking_id} {seats:?}").into(),
        });
        let command = CancelBooking { booking_id: booking_id.clone(), user_id, seat_ids: some, request };
        let answers = self.show(node, &show, &[ShowCommand::CancelBooking(command)])?;
        if answers.iter().all(Result::is_ok) && self.rng.bool() {
            self.grant_all(node, &booking_id)?;
        }
        Ok(())
    }

    /// Whether a node remembers a booking as confirmed.
    fn is_paid(&self, node: usize, booking: &BookingId) -> bool {
        let show = booking.show().and_then(|show| self.nodes[node].shows.get(&show_stream(&show)));
        let known = show.and_then(|loaded| loaded.state.screening().ok()?.booking(booking).ok());
        known.is_some_and(|known| matches!(known.state, BookingState::Confirmed { .. }))
    }

    /// A seat or two, most often of those that a booking has.
    fn some_seats(&mut self, node: usize, booking: &BookingId) -> Option<Vec<SeatId>> {
        if self.rng.u32(0..8) == 0 {
            return Some(vec![SeatId::new(format!("A{}", self.rng.usize(0..SEATS)))]);
        }
        let stream = show_stream(&booking.show()?);
        let loaded = self.nodes[node].shows.entry(stream.clone()).or_default();
        loaded.catch_up(&self.log, &stream);
        let known = loaded.state.screening().ok()?.booking(booking).ok()?;
        let mut seats = known.seat_ids.clone();
        self.rng.shuffle(&mut seats);
        seats.truncate(self.rng.usize(1..3));
        Some(seats)
    }
}
