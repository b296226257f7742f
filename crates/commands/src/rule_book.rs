//! The rules of prices, in memory: bookings and quotes are priced without a read.
//!
//! What another node has just set comes with the log. A price by the rule before is no error: the booking says which version made it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use marquee_domain::Event;
use marquee_domain::ids::OfferCode;
use marquee_domain::offer::{Offer, OfferChanged, OfferCreated, OfferDetails, OfferEvent, OfferRegister};
use marquee_domain::policy::{Policy, PolicyDetails, PolicyEvent, PolicyRegister, PolicyScope};
use marquee_domain::pricing::{PriceRules, Versioned};
use marquee_event_store::{EventStore, Follower, ReadError, Recorded, StreamName};
use tokio::sync::OnceCell;
use tokio_util::task::AbortOnDropHandle;

use crate::execute::{Loaded, load};

/// Streams that are read at once when the book is opened.
const AT_ONCE: usize = 16;
/// Events that are looked at together.
const PAGE: usize = 4_096;
/// Between two looks at what is new, and before the next try where the log cannot be read.
const PACE: Duration = Duration::from_millis(50);

/// The offers and policies of a log. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RuleBook(Arc<Book>);

struct Book {
    store: Arc<dyn EventStore>,
    known: Arc<Mutex<Known>>,
    following: OnceCell<AbortOnDropHandle<()>>,
}

#[derive(Default)]
struct Known {
    offers: HashMap<OfferCode, Arc<Versioned<OfferDetails>>>,
    /// What a booking is given.
    rules: Arc<PriceRules>,
}

impl Known {
    /// Takes in an offer, unless it is known as it stood later.
    fn learn_offer(&mut self, details: OfferDetails, version: u64) {
        let code = details.code.clone();
        if self.offers.get(&code).is_some_and(|known| known.version >= version) {
            return;
        }
        self.offers.insert(code, Arc::new(Versioned { details, version }));
        let automatic = self.offers.values().filter(|offer| offer.details.automatic && offer.details.active);
        let mut automatic: Vec<_> = automatic.cloned().collect();
        automatic.sort_by(|one, other| one.details.code.cmp(&other.details.code));
        Arc::make_mut(&mut self.rules).automatic = automatic;
    }

    fn learn_policy(&mut self, details: PolicyDetails, version: u64) {
        if self.rules.policies.get(&details.scope).is_some_and(|known| known.version >= version) {
            return;
        }
        let policies = &mut Arc::make_mut(&mut self.rules).policies;
        policies.insert(details.scope.clone(), Versioned { details, version });
    }

    fn learn(&mut self, recorded: &Recorded) {
        if !["offer.", "policy."].iter().any(|kind| recorded.stored_name.starts_with(kind)) {
            return;
        }
        match recorded.event() {
            Ok(Event::Offer(
                OfferEvent::Created(OfferCreated { offer, .. })
                | OfferEvent::Changed(OfferChanged { offer, .. }),
            )) => self.learn_offer(offer.clone(), recorded.revision),
            Ok(Event::Policy(PolicyEvent::Set(set))) => {
                self.learn_policy(set.policy.clone(), recorded.revision);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(stream = %recorded.stream, revision = recorded.revision, %error, "a rule of prices cannot be read");
            }
        }
    }
}

impl RuleBook {
    pub(crate) fn new(store: Arc<dyn EventStore>) -> Self {
        Self(Arc::new(Book { store, known: Arc::default(), following: OnceCell::new() }))
    }

    /// The rules that hold for everybody.
    pub(crate) async fn rules(&self) -> Result<Arc<PriceRules>, ReadError> {
        self.opened().await?;
        Ok(Arc::clone(&lock(&self.0.known).rules))
    }

    /// Every offer, valid or not, in no order.
    pub(crate) async fn offers(&self) -> Result<Vec<Arc<Versioned<OfferDetails>>>, ReadError> {
        self.opened().await?;
        Ok(lock(&self.0.known).offers.values().cloned().collect())
    }

    /// An offer by its code, valid or not.
    pub(crate) async fn offer(
        &self,
        code: &OfferCode,
    ) -> Result<Option<Arc<Versioned<OfferDetails>>>, ReadError> {
        self.opened().await?;
        if let Some(known) = lock(&self.0.known).offers.get(code) {
            return Ok(Some(Arc::clone(known)));
        }
        // Another node may have made it just now.
        self.load_offer(code).await?;
        Ok(lock(&self.0.known).offers.get(code).cloned())
    }

    /// An offer as this node has just changed it.
    pub(crate) async fn load_offer(&self, code: &OfferCode) -> Result<(), ReadError> {
        let Loaded { state, count, .. } = load::<Offer>(&*self.0.store, StreamName::offer(code)).await?;
        if let Some(details) = state.details {
            lock(&self.0.known).learn_offer(details, count - 1);
        }
        Ok(())
    }

    /// A policy as this node has just set it.
    pub(crate) async fn load_policy(&self, scope: &PolicyScope) -> Result<(), ReadError> {
        let Loaded { state, count, .. } = load::<Policy>(&*self.0.store, StreamName::policy(scope)).await?;
        if let Some(details) = state.details {
            lock(&self.0.known).learn_policy(details, count - 1);
        }
        Ok(())
    }

    /// Opened by a task of its own: a caller that goes away does not make the next one begin anew.
    async fn opened(&self) -> Result<(), ReadError> {
        if self.0.following.initialized() {
            return Ok(());
        }
        let book = self.clone();
        let opening =
            tokio::spawn(async move { book.0.following.get_or_try_init(|| book.open()).await.map(|_| ()) });
        opening.await.unwrap_or_else(|error| Err(ReadError::Unavailable(error.to_string())))
    }

    /// Whatever is set while the registers are read comes again with the log.
    async fn open(&self) -> Result<AbortOnDropHandle<()>, ReadError> {
        let mut follower = Follower::new(Arc::clone(&self.0.store), *self.0.store.head().borrow());
        let offers = load::<OfferRegister>(&*self.0.store, StreamName::offer_register()).await?;
        let loading = offers.state.codes.into_iter().map(|code| {
            let book = self.clone();
            async move { book.load_offer(&code).await }
        });
        stream::iter(loading).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let policies = load::<PolicyRegister>(&*self.0.store, StreamName::policy_register()).await?;
        let loading = policies.state.scopes.into_iter().map(|scope| {
            let book = self.clone();
            async move { book.load_policy(&scope).await }
        });
        stream::iter(loading).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let known = Arc::clone(&self.0.known);
        let following = tokio::spawn(async move {
            loop {
                match follower.next_page(PAGE).await {
                    Ok(page) => page.events.iter().for_each(|recorded| lock(&known).learn(recorded)),
                    Err(error) => tracing::debug!(%error, "the rules of prices cannot be followed just now"),
                }
                tokio::time::sleep(PACE).await;
            }
        });
        Ok(AbortOnDropHandle::new(following))
    }
}

fn lock(known: &Mutex<Known>) -> std::sync::MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
