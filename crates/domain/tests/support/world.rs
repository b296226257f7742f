//! A small world around the deciders: customers, partners, a gateway that repeats, reorders and loses its notices, and
//! processes that crash. Everything is drawn from one seed, so that a failure is replayed by it.

#[path = "gateway.rs"]
mod gateway;
#[path = "people.rs"]
mod people;
#[path = "processes.rs"]
mod processes;

use std::collections::{BTreeMap, HashMap, HashSet};

use fastrand::Rng;
use jiff::Timestamp;
use marquee_domain::Decider;
use marquee_domain::ids::{BookingId, PaymentIntentId, ShowId, UserId};
use marquee_domain::money::{Currency, Money};
use marquee_domain::payment::{Notice, Payment, PaymentCommand, PaymentRejection, RefundDue};
use marquee_domain::show::{Rejection, Show, ShowCommand};

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
    Refund(BookingId, RefundDue),
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
            0..240 => self.lock(),
            240..260 => self.extend_lock(),
            260..425 => self.pay(),
            425..440 => self.redeem(),
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
            880..930 => self.cancel_booking(),
            930..950 => self.sweep(ShowCommand::ExpireDue),
            950..965 => self.sweep(ShowCommand::CompleteDue),
            965..975 => self.change_show(),
            975 => self.cancel_show(),
            976..981 => {
                self.cursor = self.cursor.saturating_sub(self.rng.usize(0..60));
                Ok(())
            }
            981..984 => {
                let skew = self.nodes[0].skew;
                let node = self.rng.usize(0..2);
                self.nodes[node] = Node { skew, ..Node::default() };
                Ok(())
            }
            984..994 => self.house_seats(),
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
}

/// The gateway's name for a booking's payment.
fn intent_id(booking: &BookingId) -> PaymentIntentId {
    PaymentIntentId::new(format!("pi_{booking}"))
}
