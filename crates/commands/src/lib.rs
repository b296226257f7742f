//! The write side: commands in, events appended.
//!
//! Architecture invariant: this is the only writer of streams, and it never reads a view. What joins it to the read
//! side is the log.

mod bookings;
mod catalogue;
mod contacts;
mod context;
mod counters;
mod customers;
mod error;
mod execute;
pub mod gateway;
mod house;
mod offers;
mod payments;
mod processes;
mod redemptions;
mod refunds;
mod rule_book;
mod shows;
mod theatres;
mod tickets;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use marquee_domain::ids::{BookingId, IdempotencyKey, OfferCode};
use marquee_domain::show::HoardingLimits;
use marquee_event_store::clock::Clock;
use marquee_event_store::{EventStore, StreamName};

pub use bookings::{BookingAnswer, BookingSnapshot, CancelAnswer, CreateBooking, RefundView};
pub use contacts::{ContactVault, Contacts, ContactsError};
pub use context::{Answer, Context};
pub use error::CommandError;
pub use gateway::razorpay::{RazorpayConfig, RazorpayGateway, URL as RAZORPAY_URL};
pub use gateway::sandbox::SandboxGateway;
pub use gateway::secret::Secret;
pub use gateway::stripe::{StripeConfig, StripeGateway, URL as STRIPE_URL};
pub use gateway::{Gateways, LineError};
pub use marquee_domain::show::{CancelBooking, ExtendLock};
pub use offers::AskQuote;
pub use payments::{InitiatePayment, PaymentAnswer};
pub use processes::{Processes, ProcessesConfig, ProcessesError};
pub use shows::{ScheduleShow, ShowPatch, ShowReplacement};
pub use tickets::{RedeemAtDoor, TicketSnapshot};

use crate::execute::Loaded;
use crate::redemptions::RedemptionFold;
use crate::rule_book::RuleBook;
use crate::writer::ShowWriters;

/// How bookings behave; the operator's choice.
#[derive(Debug, Clone)]
pub struct CommandsConfig {
    /// How long a seat lock lasts.
    pub seat_lock_ttl: Duration,
    /// What keeps one customer from holding a hall without buying.
    pub hoarding: HoardingLimits,
    /// How long a gateway may take to confirm a refund before somebody is told.
    pub refund_patience: Duration,
    /// How long before a show's start its tickets are redeemed.
    pub doors_open: Duration,
    /// How often a second each gateway is asked to pay something back; `None` for no limit.
    pub refunds_per_second: Option<u32>,
    /// A show's writer is let go after this long without a command.
    pub writer_idle: Duration,
}

impl Default for CommandsConfig {
    fn default() -> Self {
        Self {
            seat_lock_ttl: Duration::from_secs(5 * 60),
            hoarding: HoardingLimits { live_locks: Some(2), lapsed_locks: Some(6) },
            refund_patience: Duration::from_hours(3 * 24),
            doors_open: Duration::from_secs(4 * 60 * 60),
            refunds_per_second: Some(20),
            writer_idle: Duration::from_secs(60),
        }
    }
}

/// Everything that may be asked of Marquee. Cheap to clone.
#[derive(Clone)]
pub struct Commands {
    inner: Arc<Inner>,
}

struct Inner {
    config: CommandsConfig,
    store: Arc<dyn EventStore>,
    clock: Arc<dyn Clock>,
    writers: ShowWriters,
    gateways: Gateways,
    contacts: Contacts,
    /// Recent folds of payment streams. Only a hint: an append proves it fresh, anything else reads the stream.
    payments: DashMap<BookingId, Loaded<marquee_domain::payment::Payment>>,
    payments_in_flight: DashMap<BookingId, IdempotencyKey>,
    rules: RuleBook,
    redemptions: DashMap<OfferCode, RedemptionFold>,
}

impl Commands {
    /// Commands over a log.
    pub fn new(
        config: CommandsConfig,
        store: Arc<dyn EventStore>,
        clock: Arc<dyn Clock>,
        gateways: impl Into<Gateways>,
        contacts: Contacts,
    ) -> Self {
        counters::register();
        let writers = ShowWriters::new(Arc::clone(&store), Arc::clone(&clock), config.writer_idle);
        let rules = RuleBook::new(Arc::clone(&store));
        let inner = Inner {
            config,
            store,
            clock,
            writers,
            gateways: gateways.into(),
            contacts,
            payments: DashMap::new(),
            payments_in_flight: DashMap::new(),
            rules,
            redemptions: DashMap::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Personal data, apart from the log.
    pub fn contacts(&self) -> &Contacts {
        &self.inner.contacts
    }

    /// The built-in gateway, where it is on.
    pub fn sandbox(&self) -> Option<&SandboxGateway> {
        self.inner.gateways.sandbox()
    }

    async fn load<D>(&self, stream: StreamName) -> Result<Loaded<D>, CommandError>
    where
        D: marquee_domain::Decider,
        for<'a> &'a D::Event: TryFrom<&'a marquee_domain::Event>,
    {
        Ok(execute::load(&*self.inner.store, stream).await?)
    }
}
