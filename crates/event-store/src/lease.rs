//! Work that one node does at a time.
//!
//! A lease says who may begin; it never says that the former holder has ended, for that one may have been stalled and
//! not know. So each change of hands has an **epoch** of its own, and what is written under a lease is committed only
//! where the epoch is still the writer's. Work that cannot be fenced so must be safe to do twice.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A change of hands. Grows each time that another takes a lease over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Why it is not known who has a lease. The holder keeps what it has until that runs out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("leases are unavailable: {0}")]
pub struct LeaseError(pub String);

/// Grants leases to one holder: this process.
pub trait Leases: Send + Sync + 'static {
    /// How long a lease lasts unless it is renewed; `None` for as long as the process.
    fn term(&self) -> Option<Duration>;

    /// Takes a lease that is free or has run out, or renews one that this process has. `None` where another has it.
    ///
    /// The time that a term begins is the store's; a holder counts it from before it asked.
    fn hold<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Epoch>, LeaseError>>;

    /// Lets go, so that nobody need wait for the term to end. Does nothing where another has it.
    fn release<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), LeaseError>>;
}

/// Every lease, for the one process that has the data directory: its lock is the lease.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnerOfTheLog;

impl Leases for OwnerOfTheLog {
    fn term(&self) -> Option<Duration> {
        None
    }

    fn hold<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<Option<Epoch>, LeaseError>> {
        Box::pin(async { Ok(Some(Epoch(1))) })
    }

    fn release<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<(), LeaseError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A lease as its holder has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tenure {
    epoch: Epoch,
    /// When it runs out, by the holder's own clock; `None` for never.
    until: Option<Instant>,
}

/// Whether this process has a lease, as it stands.
#[derive(Debug, Clone)]
pub struct Tenancy(watch::Receiver<Option<Tenure>>);

impl Tenancy {
    /// The epoch, where this process has the lease now.
    pub fn epoch(&self) -> Option<Epoch> {
        let tenure = (*self.0.borrow())?;
        tenure.until.is_none_or(|until| Instant::now() < until).then_some(tenure.epoch)
    }

    /// Whether this process has the lease now.
    pub fn held(&self) -> bool {
        self.epoch().is_some()
    }

    /// Waits until the lease was taken, renewed or lost. Never returns once it is no longer kept. Cancel-safe.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Keeps a lease for as long as it can be had, until `shutdown`, and then lets go. The future is to be spawned.
pub fn keep(
    leases: Arc<dyn Leases>,
    name: &'static str,
    shutdown: CancellationToken,
) -> (Tenancy, impl Future<Output = ()> + Send + 'static) {
    let (sender, receiver) = watch::channel(None);
    let keeping = async move {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = ask(&*leases, name, &sender) => {}
            }
            // A third of the term: two attempts may fail before it runs out.
            match leases.term() {
                None if sender.borrow().is_some() => shutdown.cancelled().await,
                term => {
                    let wait = term.map_or(Duration::from_secs(1), |term| term / 3);
                    tokio::select! {
                        () = shutdown.cancelled() => break,
                        () = tokio::time::sleep(wait) => {}
                    }
                }
            }
        }
        if sender.send_replace(None).is_some()
            && let Err(error) = leases.release(name).await
        {
            tracing::debug!(lease = name, %error, "a lease is left to run out");
        }
    };
    (Tenancy(receiver), keeping)
}

async fn ask(leases: &dyn Leases, name: &'static str, sender: &watch::Sender<Option<Tenure>>) {
    let asked = Instant::now();
    let had = *sender.borrow();
    let has = match leases.hold(name).await {
        Ok(epoch) => epoch.map(|epoch| Tenure { epoch, until: leases.term().map(|term| asked + term) }),
        Err(error) => {
            tracing::warn!(lease = name, %error, "a lease cannot be renewed");
            had.filter(|had| had.until.is_none_or(|until| Instant::now() < until))
        }
    };
    match (had.map(|had| had.epoch), has.map(|has| has.epoch)) {
        (before, Some(epoch)) if before != Some(epoch) => {
            tracing::info!(lease = name, %epoch, "this node has the lease");
        }
        (Some(epoch), None) => tracing::warn!(lease = name, %epoch, "this node has lost the lease"),
        (None | Some(_), None | Some(_)) => {}
    }
    metrics::gauge!("marquee_lease_held", "lease" => name).set(f64::from(u8::from(has.is_some())));
    sender.send_replace(has);
}
