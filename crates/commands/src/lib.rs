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
mod rule_book;
mod shows;
mod theatres;
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
pub use gateway::sandbox::SandboxGateway;
pub use marquee_domain::show::{CancelBooking, ExtendLock};
pub use offers::AskQuote;
pub use payments::{InitiatePayment, PaymentAnswer};
pub use processes::{Processes, ProcessesConfig, ProcessesError};
pub use shows::{ScheduleShow, ShowPatch, ShowReplacement};

use crate::execute::Loaded;
use crate::gateway::Gateways;
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
    /// A show's writer is let go after this long without a command.
    pub writer_idle: Duration,
}

impl Default for CommandsConfig {
    fn default() -> Self {
        Self {
            seat_lock_ttl: Duration::from_secs(5 * 60),
            hoarding: HoardingLimits { live_locks: Some(2), lapsed_locks: Some(6) },
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
        sandbox: Option<SandboxGateway>,
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
            gateways: Gateways::new(sandbox),
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
