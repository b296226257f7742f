//! A small world around the deciders: customers, partners, a gateway that repeats, reorders and loses its notices, and
//! processes that crash. Everything is drawn from one seed, so that a failure is replayed by it.

use std::collections::{BTreeMap, HashMap, HashSet};

use fastrand::Rng;
use jiff::Timestamp;
use marquee_domain::ids::{BookingId, PaymentIntentId, SeatId, ShowId, UserId};
use marquee_domain::money::{Currency, Money};
use marquee_domain::payment::{
    IntentCreated, Notice, Outcome, Payment, PaymentCommand, PaymentEvent, PaymentInitiated,
    PaymentRejection, PaymentState, PaymentUnmatched, RefundCause,
};
use marquee_domain::request::Request;
use marquee_domain::show::{
    BookingState, BookingStatus, CancelBooking, CancelledBy, ChangeShow, LockSeats, Rejection, Show,
    ShowCancelled, ShowChanged, ShowCommand, ShowDetails, ShowEvent, ShowScheduled,
};
use marquee_domain::theatre::{LayoutRow, LayoutSeat, SeatType};
use marquee_domain::{Decider, Event};

use crate::checker::Violation;
use crate::log::{Kept, Loaded, Log};

const SHOWS: usize = 3;
const SEATS: usize = 8;
const USERS: usize = 6;
const KEYS: usize = 12;
const MINUTE: i64 = 60_000;

type Done<T = ()> = Result<T, Violation>;
/// Whether a command was taken or why not.
type Answer<D> = Result<(), <D as Decider>::Rejection>;

/// What a node remembers, and how far its clock is off.
#[derive(Default)]
struct Node {
    shows: HashMap<String, Loaded<Show>>,
    payments: HashMap<String, Loaded<Payment>>,
    skew: i64,
}

/// What somebody was about to do when it was held up.
enum Later {
    Settle(BookingId, Box<Payment>),
    Refund(BookingId, RefundCause),
}

/// A payment as the gateway has it.
struct Intent {
    booking: BookingId,
    amount: Money,
    paid: bool,
}

pub struct World {
    rng: Rng,
    pub log: Log,
    nodes: [Node; 2],
    clock: i64,
    shows: Vec<ShowId>,
    bookings: Vec<(BookingId, UserId)>,
    intents: Vec<Intent>,
    /// Notices on their way, each with what the gateway says that it is for.
    notices: Vec<(BookingId, Notice)>,
    /// Every capture that was told at least once: intent, reference and money.
    told: HashSet<(PaymentIntentId, BookingId, Money)>,
    later: Vec<Later>,
    /// How far the processes have read.
    cursor: usize,
    dollar: Currency,
    serial: u64,
    /// Commands that were decided.
    pub commands: u64,
    /// How often a command was refused, by the name of the rejection.
    pub refusals: BTreeMap<String, u64>,
}

fn show_stream(show: &ShowId) -> String {
    format!("show-{show}")
}

fn payment_stream(booking: &BookingId) -> String {
    format!("payment-{booking}")
}

impl World {
    pub fn new(seed: u64) -> Done<Self> {
        let mut world = Self {
            rng: Rng::with_seed(seed),
            log: Log::default(),
            nodes: <[Node; 2]>::default(),
            clock: 1_800_000_000_000,
            shows: (0..SHOWS).map(|show| ShowId::new(format!("sh{show}"))).collect(),
            bookings: vec![],
            intents: vec![],
            notices: vec![],
            told: HashSet::new(),
            later: vec![],
            cursor: 0,
            dollar: Currency::parse("USD").unwrap_or(Currency::inr()),
            serial: 0,
            commands: 0,
            refusals: BTreeMap::new(),
        };
        for show in world.shows.clone() {
            let command = world.schedule(&show);
            world.show(0, &show, &[command])?;
        }
        Ok(world)
    }

    /// One thing happens.
    pub fn step(&mut self) -> Done {
        self.clock += self.rng.i64(0..6_000);
        match self.rng.u32(0..1_000) {
            0..260 => self.lock(),
            260..440 => self.pay(),
            440..600 => {
                self.gateway_acts();
                Ok(())
            }
            600..760 => self.deliver(),
            760..840 => {
                let most = self.rng.usize(1..30);
                self.processes(most)
            }
            840..880 => self.at_last(),
            880..910 => self.cancel_booking(),
            910..950 => self.sweep(ShowCommand::ExpireDue),
            950..965 => self.sweep(ShowCommand::CompleteDue),
            965..975 => self.change_show(),
            975 => self.cancel_show(),
            976..985 => {
                self.cursor = self.cursor.saturating_sub(self.rng.usize(0..60));
                Ok(())
            }
            985..990 => {
                let skew = self.nodes[0].skew;
                let node = self.rng.usize(0..2);
                self.nodes[node] = Node { skew, ..Node::default() };
                Ok(())
            }
            _ => {
                let reach = *self.rng.choice(&[500, 2_000, 30_000, 10 * MINUTE]).unwrap_or(&0);
                let node = self.rng.usize(0..2);
                self.nodes[node].skew = self.rng.i64(-reach..=reach);
                Ok(())
            }
        }
    }

    /// The shows end, every notice arrives, every process finishes.
    pub fn come_to_rest(&mut self) -> Done {
        while !self.notices.is_empty() {
            self.deliver()?;
        }
        self.finish()?;
        self.clock += 24 * 60 * MINUTE;
        for show in self.shows.clone() {
            self.show(0, &show, &[ShowCommand::ExpireDue, ShowCommand::CompleteDue])?;
        }
        self.finish()
    }

    fn finish(&mut self) -> Done {
        self.processes(usize::MAX)?;
        while !self.later.is_empty() {
            self.at_last()?;
        }
        self.processes(usize::MAX)
    }

    /// What the gateway captured and told, by currency: the log must hold exactly this.
    pub fn told(&self) -> BTreeMap<String, i64> {
        let mut all = BTreeMap::new();
        for (_, _, money) in &self.told {
            *all.entry(money.currency.as_str().to_owned()).or_default() += money.minor;
        }
        all.retain(|_, minor| *minor != 0);
        all
    }

    fn execute<D: Kept>(
        &mut self,
        node: usize,
        stream: &str,
        memory: impl Fn(&mut Node) -> &mut HashMap<String, Loaded<D>>,
        commands: &[D::Command],
    ) -> Done<(D, Vec<Answer<D>>)> {
        self.commands += commands.len() as u64;
        let clock = Timestamp::from_millisecond(self.clock + self.nodes[node].skew).unwrap_or(Timestamp::MAX);
        let loaded = memory(&mut self.nodes[node]).entry(stream.to_owned()).or_default();
        let answers = loaded.execute(&mut self.log, stream, clock, commands)?;
        Ok((loaded.state.clone(), answers))
    }

    fn show(
        &mut self,
        node: usize,
        show: &ShowId,
        commands: &[ShowCommand],
    ) -> Done<Vec<Result<(), Rejection>>> {
        let (_, answers) =
            self.execute::<Show>(node, &show_stream(show), |node| &mut node.shows, commands)?;
        for rejection in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            let name = format!("{rejection:?}");
            let name = name.split('(').next().unwrap_or_default().to_owned();
            *self.refusals.entry(name).or_default() += 1;
        }
        Ok(answers)
    }

    fn payment(
        &mut self,
        node: usize,
        stream: &str,
        command: PaymentCommand,
    ) -> Done<(Payment, Result<(), PaymentRejection>)> {
        let (payment, mut answers) =
            self.execute::<Payment>(node, stream, |node| &mut node.payments, &[command])?;
        let answer = answers.pop().unwrap_or(Ok(()));
        if let Err(rejection) = &answer {
            *self.refusals.entry(format!("{rejection:?}")).or_default() += 1;
        }
        Ok((payment, answer))
    }

    fn node(&mut self) -> usize {
        self.rng.usize(0..2)
    }

    fn any_show(&mut self) -> ShowId {
        self.shows[self.rng.usize(0..SHOWS)].clone()
    }

    fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    // Partners.

    fn schedule(&mut self, show: &ShowId) -> ShowCommand {
        let seat = |number: usize| LayoutSeat {
            seat_id: SeatId::new(format!("A{number}")),
            seat_type: if number.is_multiple_of(2) { SeatType::Regular } else { SeatType::Premium },
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
            rows: vec![LayoutRow { row_label: "A".into(), seats: (0..SEATS).map(seat).collect() }],
        };
        ShowCommand::Schedule(ShowScheduled { show: details, request: None })
    }

    fn change_show(&mut self) -> Done {
        let (node, show) = (self.node(), self.any_show());
        let start = self.clock + self.rng.i64(-MINUTE..60 * MINUTE);
        let at = |millis| Timestamp::from_millisecond(millis).ok();
        let moves = self.rng.bool();
        let changed = ShowChanged {
            start_time: moves.then(|| at(start)).flatten(),
            end_time: moves.then(|| at(start + 30 * MINUTE)).flatten(),
            prices: BTreeMap::from([(SeatType::Regular, self.rng.i64(1..30_000))]),
            ..ShowChanged::default()
        };
        self.show(node, &show, &[ShowCommand::Change(ChangeShow(changed))]).map(|_| ())
    }

    fn cancel_show(&mut self) -> Done {
        let (node, show) = (self.node(), self.any_show());
        self.show(node, &show, &[ShowCommand::Cancel(ShowCancelled::default())]).map(|_| ())
    }

    // Customers.

    fn lock(&mut self) -> Done {
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

    fn wanted(&mut self, show: &ShowId) -> LockSeats {
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
            seat_ids: seats.into_iter().map(|seat| SeatId::new(format!("A{seat}"))).collect(),
            coupon_code: None,
            client: None,
            idempotency_key: key.as_str().into(),
            fingerprint: fingerprint.into(),
            ttl_millis: if self.rng.u32(0..4) == 0 {
                self.rng.u64(1..5_000)
            } else {
                self.rng.u64(1..900_000)
            },
            live_locks_per_user: self.rng.bool().then_some(2),
        }
    }

    /// A booking, most often one of the newest.
    fn any_booking(&mut self) -> Option<(BookingId, UserId)> {
        let newest = self.bookings.len().saturating_sub(12);
        let from = if self.rng.u32(0..4) == 0 { 0 } else { newest };
        (!self.bookings.is_empty()).then(|| self.bookings[self.rng.usize(from..self.bookings.len())].clone())
    }

    fn pay(&mut self) -> Done {
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
        let stream = payment_stream(&booking);
        let (_, answer) = self.payment(node, &stream, PaymentCommand::Initiate(initiated))?;
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
        let created = IntentCreated {
            payment_id: booking.payment(),
            payment_intent_id: intent_id(&booking),
            redirect_url: "https://pay.example.com".into(),
        };
        self.payment(node, &stream, PaymentCommand::RecordIntent(created)).map(|_| ())
    }

    fn cancel_booking(&mut self) -> Done {
        let node = self.node();
        let Some((booking_id, user)) = self.any_booking() else { return Ok(()) };
        let Some(show) = booking_id.show() else { return Ok(()) };
        let user_id = if self.rng.u32(0..10) == 0 { "stranger".into() } else { user };
        let command = CancelBooking { booking_id: booking_id.clone(), user_id };
        let answers = self.show(node, &show, &[ShowCommand::CancelBooking(command)])?;
        if answers.iter().all(Result::is_ok) && self.rng.bool() {
            self.refund(node, &booking_id, RefundCause::BookingCancelled)?;
        }
        Ok(())
    }

    // The gateway.

    fn gateway_acts(&mut self) {
        if self.intents.is_empty() {
            return;
        }
        let from = if self.rng.u32(0..3) == 0 { 0 } else { self.intents.len().saturating_sub(8) };
        let which = self.rng.usize(from..self.intents.len());
        let serial = self.serial();
        let intent = &mut self.intents[which];
        let mut notice = Notice {
            provider_event_id: format!("evt_{serial}").into(),
            payment_intent_id: intent_id(&intent.booking),
            outcome: Outcome::Captured,
            amount: intent.amount.clone(),
            occurred_at: Timestamp::UNIX_EPOCH,
        };
        let mut reference = intent.booking.clone();
        match self.rng.u32(0..20) {
            0..12 if intent.paid => return,
            0..12 => intent.paid = true,
            12..15 => notice.outcome = Outcome::Failed,
            15 => notice.amount.minor = (notice.amount.minor + self.rng.i64(-3..4) * 50).max(0),
            16 => notice.amount = Money::new(notice.amount.minor, self.dollar.clone()),
            17 => notice.amount.minor = 0,
            18 => notice.payment_intent_id = PaymentIntentId::new(format!("pi_foreign_{serial}")),
            _ => reference = BookingId::new(format!("nonsense{serial}")),
        }
        for _ in 0..self.rng.usize(1..4) {
            self.notices.push((reference.clone(), notice.clone()));
        }
        if self.rng.u32(0..4) == 0 {
            notice.provider_event_id = format!("evt_{serial}_replayed").into();
            self.notices.push((reference, notice));
        }
    }

    /// A notice arrives, in no order, or is lost.
    fn deliver(&mut self) -> Done {
        if self.notices.is_empty() {
            return Ok(());
        }
        let node = self.node();
        let which = self.rng.usize(0..self.notices.len());
        let (booking, notice) = self.notices.swap_remove(which);
        if self.rng.u32(0..10) == 0 {
            return Ok(());
        }
        if notice.outcome == Outcome::Captured {
            self.told.insert((notice.payment_intent_id.clone(), booking.clone(), notice.amount.clone()));
        }
        let command = PaymentCommand::RecordNotice(notice.clone());
        let (payment, answer) = self.payment(node, &payment_stream(&booking), command)?;
        match answer {
            Ok(()) => match self.rng.u32(0..6) {
                0 => Ok(()),
                1 => {
                    self.later.push(Later::Settle(booking, Box::new(payment)));
                    Ok(())
                }
                _ => self.settle(node, &booking, &payment),
            },
            Err(_) => self.unmatched(node, &booking, &notice),
        }
    }

    fn unmatched(&mut self, node: usize, reference: &BookingId, notice: &Notice) -> Done {
        let captured = notice.outcome == Outcome::Captured;
        let Notice { payment_intent_id, provider_event_id, amount, .. } = notice.clone();
        let name = format!("{payment_intent_id}-{captured}-{}-{}-{reference}", amount.minor, amount.currency);
        let unmatched = PaymentUnmatched {
            provider: "SANDBOX".into(),
            payment_id: name.as_str().into(),
            payment_intent_id,
            provider_event_id,
            booking_reference: reference.as_str().into(),
            amount,
            captured,
        };
        let stream = format!("payment-unmatched-{name}");
        self.payment(node, &stream, PaymentCommand::RecordUnmatched(unmatched)).map(|_| ())
    }

    // The processes.

    /// Brings a booking to where its payment says that it should be.
    fn settle(&mut self, node: usize, booking: &BookingId, payment: &Payment) -> Done {
        let (Some(show), Some(initiated)) = (booking.show(), &payment.initiated) else { return Ok(()) };
        let payment_id = initiated.payment_id.clone();
        let booking_id = booking.clone();
        match payment.state {
            Some(PaymentState::Captured) => {
                let confirm = ShowCommand::Confirm { booking_id, payment_id };
                let answers = self.show(node, &show, &[confirm])?;
                let shows = &self.nodes[node].shows[&show_stream(&show)].state;
                let known = shows.screening().and_then(|screening| screening.booking(booking));
                if known.is_ok_and(|known| known.state == BookingState::Expired) {
                    return self.refund(node, booking, RefundCause::LatePayment);
                }
                match answers.first() {
                    Some(Err(Rejection::NotPayable(BookingStatus::Cancelled))) => {
                        self.refund(node, booking, RefundCause::BookingCancelled)
                    }
                    Some(Err(_)) => self.refund(node, booking, RefundCause::LatePayment),
                    Some(Ok(())) | None => Ok(()),
                }
            }
            Some(PaymentState::Failed) => {
                let fail = ShowCommand::Fail { booking_id, reason: "declined".into() };
                self.show(node, &show, &[fail]).map(|_| ())
            }
            Some(PaymentState::Pending) | None => Ok(()),
        }
    }

    /// Somebody who was held up goes on with what they knew then.
    fn at_last(&mut self) -> Done {
        if self.later.is_empty() {
            return Ok(());
        }
        let (node, which) = (self.node(), self.rng.usize(0..self.later.len()));
        match self.later.swap_remove(which) {
            Later::Settle(booking, payment) => self.settle(node, &booking, &payment),
            Later::Refund(booking, cause) => self.grant(node, &booking, cause),
        }
    }

    fn refund(&mut self, node: usize, booking: &BookingId, cause: RefundCause) -> Done {
        if self.rng.u32(0..6) == 0 {
            self.later.push(Later::Refund(booking.clone(), cause));
            return Ok(());
        }
        self.grant(node, booking, cause)
    }

    fn grant(&mut self, node: usize, booking: &BookingId, cause: RefundCause) -> Done {
        self.payment(node, &payment_stream(booking), PaymentCommand::RequestRefund(cause)).map(|_| ())
    }

    /// The processes read on, acting on what they read.
    fn processes(&mut self, most: usize) -> Done {
        for _ in 0..most {
            let Some(recorded) = self.log.events.get(self.cursor) else { return Ok(()) };
            let (stream, event) = (recorded.stream.clone(), recorded.event.clone());
            self.cursor += 1;
            self.react(&stream, &event)?;
        }
        Ok(())
    }

    fn react(&mut self, stream: &str, event: &Event) -> Done {
        let node = self.node();
        match event {
            Event::Payment(PaymentEvent::Succeeded(_) | PaymentEvent::Failed(_)) => {
                let mut loaded = Loaded::<Payment>::default();
                loaded.catch_up(&self.log, stream);
                let Some(booking) = loaded.state.booking_id().cloned() else { return Ok(()) };
                self.settle(node, &booking, &loaded.state)
            }
            Event::Payment(PaymentEvent::RefundRequested(refund)) => {
                let id = refund.refund_id.clone();
                let command = match self.rng.u32(0..10) {
                    0 => PaymentCommand::RefundFailed(id, "refused".into()),
                    _ => PaymentCommand::RefundSucceeded(id),
                };
                self.payment(node, stream, command).map(|_| ())
            }
            Event::Show(ShowEvent::BookingCancelled(cancelled)) if cancelled.paid => {
                let cause = match cancelled.by {
                    CancelledBy::Customer => RefundCause::BookingCancelled,
                    CancelledBy::Show => RefundCause::ShowCancelled,
                };
                self.refund(node, &cancelled.booking_id, cause)
            }
            Event::Payment(_)
            | Event::Show(_)
            | Event::City(_)
            | Event::Movie(_)
            | Event::Partner(_)
            | Event::Theatre(_)
            | Event::Schedule(_) => Ok(()),
        }
    }

    fn sweep(&mut self, command: ShowCommand) -> Done {
        let (node, show) = (self.node(), self.any_show());
        self.show(node, &show, &[command]).map(|_| ())
    }
}

/// The gateway's name for a booking's payment.
fn intent_id(booking: &BookingId) -> PaymentIntentId {
    PaymentIntentId::new(format!("pi_{booking}"))
}
