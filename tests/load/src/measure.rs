//! A phase: clients in closed loops, each sending its next request when the last is answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::client::Reply;
use crate::error::LoadError;
use crate::machine;
use crate::wire::excerpt;

/// How long a phase runs. What is answered while it warms up is checked like the rest, but not counted.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Before counting.
    pub warm_up: Duration,
    /// Counting.
    pub seconds: Duration,
}

/// A booking that was acknowledged.
#[derive(Debug)]
pub struct Acknowledged {
    /// Its id.
    pub booking_id: String,
    /// Whose it is.
    pub user_id: Arc<str>,
    /// Its show.
    pub show_id: String,
    /// Its seats.
    pub seats: Vec<String>,
    /// Whether its payment's notice was answered 200, so that it is confirmed or soon will be.
    pub paid: bool,
}

/// What one client saw.
pub struct Tally {
    from: Instant,
    until: Instant,
    last: Option<Instant>,
    micros: Vec<u32>,
    total: u64,
    statuses: BTreeMap<u16, u64>,
    unexpected: u64,
    examples: Vec<String>,
    /// What was acknowledged.
    pub journal: Vec<Acknowledged>,
}

impl Tally {
    fn new(from: Instant, until: Instant) -> Self {
        Self {
            from,
            until,
            last: None,
            micros: Vec::with_capacity(1 << 16),
            total: 0,
            statuses: BTreeMap::new(),
            unexpected: 0,
            examples: Vec::new(),
            journal: Vec::new(),
        }
    }

    /// Counts an answer to a request that was sent at `sent`.
    pub fn answered(&mut self, sent: Instant, status: u16) {
        let now = Instant::now();
        self.total += 1;
        if now >= self.from && now < self.until {
            self.last = Some(now);
            *self.statuses.entry(status).or_default() += 1;
            self.micros.push(u32::try_from((now - sent).as_micros()).unwrap_or(u32::MAX));
        }
    }

    /// Notes an answer that the scenario cannot have.
    pub fn unexpected(&mut self, request: &str, reply: &Reply) {
        self.trouble(format!("{request} answered {}: {}", reply.status.as_u16(), excerpt(&reply.body)));
    }

    fn trouble(&mut self, text: String) {
        self.unexpected += 1;
        if self.examples.len() < 3 {
            self.examples.push(text);
        }
    }
}

/// What a client does, again and again.
pub trait Driver: Send + 'static {
    /// Does it once. `false` where there is nothing left to do.
    fn step(&mut self, tally: &mut Tally) -> impl Future<Output = Result<bool, LoadError>> + Send;
}

/// What all clients of a phase saw.
pub struct Phase {
    /// Requests answered a second.
    pub rate: f64,
    /// Latencies in microseconds.
    pub latencies: Histogram<u64>,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Answers that the scenario cannot have, warm-up included.
    pub unexpected: u64,
    /// Some of them.
    pub examples: Vec<String>,
    /// What was acknowledged, warm-up included.
    pub journal: Vec<Acknowledged>,
    /// Whether the work ran out before the time did.
    pub ran_out: bool,
    /// CPU time of the server for a request, in microseconds.
    pub server_cpu: f64,
    /// CPU time of the generator for a request, in microseconds.
    pub generator_cpu: f64,
}

impl Phase {
    /// Takes what another phase found wrong, and leaves its figures.
    pub fn take_findings(&mut self, other: Self) {
        self.unexpected += other.unexpected;
        self.examples.extend(other.examples);
    }
}

/// Runs a phase against the server with this process id.
pub async fn run<D: Driver>(drivers: Vec<D>, pace: Pace, server: u32) -> Result<Phase, LoadError> {
    let cpu = || (machine::cpu_time(server), machine::cpu_time(std::process::id()));
    let before = cpu();
    let from = Instant::now() + pace.warm_up;
    let until = from + pace.seconds;
    let tasks: Vec<_> = drivers.into_iter().map(|driver| tokio::spawn(drive(driver, from, until))).collect();
    let mut tallies = Vec::with_capacity(tasks.len());
    let mut lost = 0;
    for task in tasks {
        match task.await {
            Ok(tally) => tallies.push(tally),
            Err(_panicked) => lost += 1,
        }
    }
    let after = cpu();
    let requests = tallies.iter().map(|tally| tally.total).sum();
    let used = |before: Option<Duration>, after: Option<Duration>| {
        let used = after.unwrap_or_default().saturating_sub(before.unwrap_or_default());
        per(used.as_secs_f64() * 1e6, requests)
    };
    let server_cpu = used(before.0, after.0);
    let generator_cpu = used(before.1, after.1);
    let phase = gather(tallies, from, pace)?;
    Ok(Phase { unexpected: phase.unexpected + lost, server_cpu, generator_cpu, ..phase })
}

async fn drive<D: Driver>(mut driver: D, from: Instant, until: Instant) -> Tally {
    let mut tally = Tally::new(from, until);
    while Instant::now() < until {
        match driver.step(&mut tally).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                tally.trouble(error.to_string());
                break;
            }
        }
    }
    tally
}

fn gather(tallies: Vec<Tally>, from: Instant, pace: Pace) -> Result<Phase, LoadError> {
    let mut phase = Phase {
        rate: 0.0,
        latencies: latencies()?,
        statuses: BTreeMap::new(),
        unexpected: 0,
        examples: Vec::new(),
        journal: Vec::new(),
        ran_out: false,
        server_cpu: 0.0,
        generator_cpu: 0.0,
    };
    let mut last = from;
    for tally in tallies {
        last = last.max(tally.last.unwrap_or(from));
        for micros in tally.micros {
            phase.latencies.saturating_record(u64::from(micros));
        }
        for (status, count) in tally.statuses {
            *phase.statuses.entry(status).or_default() += count;
        }
        phase.unexpected += tally.unexpected;
        phase.examples.extend(tally.examples);
        phase.journal.extend(tally.journal);
    }
    // The last answers of a full phase lie within a request's time of its end; earlier than that, the work ran out.
    let elapsed = last - from;
    phase.ran_out = elapsed < pace.seconds.mul_f64(0.9);
    let counted = if phase.ran_out { elapsed } else { pace.seconds };
    phase.rate = rate(phase.latencies.len(), counted);
    Ok(phase)
}

/// An empty histogram of microseconds up to a minute, to three digits.
pub fn latencies() -> Result<Histogram<u64>, LoadError> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(|error| LoadError::Child(error.to_string()))
}

/// Events a second.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
pub fn rate(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { count as f64 / elapsed.as_secs_f64() }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn per(amount: f64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { amount / count as f64 }
}
