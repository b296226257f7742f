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

/// Who has a lease, as this process knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It has been asked for, and nothing was answered yet.
    Asking,
    /// This process has it, until the instant by its own clock; `None` for as long as it lives.
    Held { epoch: Epoch, until: Option<Instant> },
    /// Another has it: so it was answered then.
    Elsewhere { answered: Instant },
    /// The store of leases does not answer, and whoever had it may have it no longer.
    Unknown,
}

impl Standing {
    fn epoch(self) -> Option<Epoch> {
        match self {
            Self::Held { epoch, until } => until.is_none_or(|until| Instant::now() < until).then_some(epoch),
            Self::Asking | Self::Elsewhere { .. } | Self::Unknown => None,
        }
    }

    /// What is left of it when the store of leases does not answer.
    fn unanswered(self, term: Duration) -> Self {
        match self {
            Self::Held { .. } if self.epoch().is_some() => self,
            Self::Elsewhere { answered } if answered.elapsed() < term * 2 => self,
            Self::Held { .. } | Self::Elsewhere { .. } | Self::Asking | Self::Unknown => Self::Unknown,
        }
    }
}

/// Whether this process has a lease, as it stands.
#[derive(Debug, Clone)]
pub struct Tenancy(watch::Receiver<Standing>);

impl Tenancy {
    /// The epoch, where this process has the lease now: for work that must be done once, and is fenced.
    pub fn epoch(&self) -> Option<Epoch> {
        self.0.borrow().epoch()
    }

    /// Whether this process should do what is safe to do twice: it has the lease, or nobody can say who has.
    pub fn should_act(&self) -> bool {
        match *self.0.borrow() {
            // A term that ran out between two answers ends nothing that is safe to do twice.
            Standing::Held { .. } | Standing::Unknown => true,
            Standing::Asking | Standing::Elsewhere { .. } => false,
        }
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
    let (sender, receiver) = watch::channel(Standing::Asking);
    let keeping = async move {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = ask(&*leases, name, &sender) => {}
            }
            let held = sender.borrow().epoch().is_some();
            match leases.term() {
                None if held => {
                    shutdown.cancelled().await;
                    break;
                }
                term => {
                    // A third of the term: two attempts may fail before it runs out.
                    let wait = term.map_or(RETRY, |term| term / 3);
                    tokio::select! {
                        () = shutdown.cancelled() => break,
                        () = tokio::time::sleep(wait) => {}
                    }
                }
            }
        }
        let last = sender.send_replace(Standing::Asking);
        if last.epoch().is_some()
            && let Err(error) = leases.release(name).await
        {
            tracing::debug!(lease = name, %error, "a lease is left to run out");
        }
    };
    (Tenancy(receiver), keeping)
}

const RETRY: Duration = Duration::from_secs(1);

async fn ask(leases: &dyn Leases, name: &'static str, sender: &watch::Sender<Standing>) {
    let asked = Instant::now();
    let before = *sender.borrow();
    let now = match leases.hold(name).await {
        Ok(Some(epoch)) => Standing::Held { epoch, until: leases.term().map(|term| asked + term) },
        Ok(None) => Standing::Elsewhere { answered: asked },
        Err(error) => {
            tracing::debug!(lease = name, %error, "a lease cannot be renewed");
            before.unanswered(leases.term().unwrap_or(RETRY))
        }
    };
    tell(name, before, now);
    metrics::gauge!("marquee_lease_held", "lease" => name).set(f64::from(u8::from(now.epoch().is_some())));
    sender.send_replace(now);
}

fn tell(name: &'static str, before: Standing, now: Standing) {
    match (before, now) {
        (Standing::Held { epoch: before, .. }, Standing::Held { epoch, .. }) if before == epoch => {}
        (_, Standing::Held { epoch, .. }) => tracing::info!(lease = name, %epoch, "this node has the lease"),
        (Standing::Held { epoch, .. }, _) => {
            tracing::warn!(lease = name, %epoch, ?now, "this node has lost the lease");
        }
        (Standing::Asking | Standing::Elsewhere { .. }, Standing::Unknown) => {
            tracing::warn!(lease = name, "nobody can say who has the lease");
        }
        (_, Standing::Asking | Standing::Elsewhere { .. } | Standing::Unknown) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::*;

    const TERM: Duration = Duration::from_secs(6);

    /// Answers as it is told, then as last.
    struct Scripted {
        answers: Mutex<VecDeque<Result<Option<Epoch>, LeaseError>>>,
        released: Mutex<bool>,
    }

    impl Leases for Scripted {
        fn term(&self) -> Option<Duration> {
            Some(TERM)
        }

        fn hold<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Epoch>, LeaseError>> {
            let mut answers = self.answers.lock().unwrap();
            let answer = answers.pop_front().unwrap();
            if answers.is_empty() {
                answers.push_back(answer.clone());
            }
            Box::pin(std::future::ready(answer))
        }

        fn release<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), LeaseError>> {
            *self.released.lock().unwrap() = true;
            Box::pin(std::future::ready(Ok(())))
        }
    }

    fn kept(
        answers: impl IntoIterator<Item = Result<Option<Epoch>, LeaseError>>,
    ) -> (Tenancy, Arc<Scripted>, CancellationToken, tokio::task::JoinHandle<()>) {
        let leases = Arc::new(Scripted {
            answers: Mutex::new(answers.into_iter().collect()),
            released: Mutex::default(),
        });
        let shutdown = CancellationToken::new();
        let (tenancy, keeping) = keep(leases.clone(), "work", shutdown.clone());
        (tenancy, leases, shutdown, tokio::spawn(keeping))
    }

    fn out() -> Result<Option<Epoch>, LeaseError> {
        Err(LeaseError("out".into()))
    }

    async fn after(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_cannot_be_renewed_ends_with_its_term_and_safe_work_goes_on() {
        let (tenancy, ..) = kept([Ok(Some(Epoch(3))), out()]);
        assert_eq!((tenancy.epoch(), tenancy.should_act()), (None, false), "nothing was answered yet");
        after(1).await;
        assert_eq!((tenancy.epoch(), tenancy.should_act()), (Some(Epoch(3)), true));
        after(4).await;
        assert_eq!(tenancy.epoch(), Some(Epoch(3)), "two attempts may fail");
        after(2).await;
        assert_eq!((tenancy.epoch(), tenancy.should_act()), (None, true));
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_has_is_left_to_it_until_nobody_can_say_any_more() {
        let (tenancy, ..) = kept([Ok(None), Ok(None), out()]);
        after(1).await;
        assert_eq!((tenancy.epoch(), tenancy.should_act()), (None, false));
        after(5).await;
        assert!(!tenancy.should_act(), "the other may have it yet");
        after(12).await;
        assert_eq!((tenancy.epoch(), tenancy.should_act()), (None, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_let_go_at_the_end_and_only_by_its_holder() {
        for (answer, held) in [(Ok(Some(Epoch(1))), true), (Ok(None), false)] {
            let (tenancy, leases, shutdown, keeping) = kept([answer]);
            after(1).await;
            shutdown.cancel();
            keeping.await.unwrap();
            assert_eq!((*leases.released.lock().unwrap(), tenancy.epoch()), (held, None));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_owner_of_the_log_has_every_lease_for_as_long_as_it_lives() {
        let shutdown = CancellationToken::new();
        let (tenancy, keeping) = keep(Arc::new(OwnerOfTheLog), "work", shutdown.clone());
        let keeping = tokio::spawn(keeping);
        after(1_000_000).await;
        assert_eq!((tenancy.epoch(), tenancy.should_act()), (Some(Epoch(1)), true));
        shutdown.cancel();
        keeping.await.unwrap();
    }
}
