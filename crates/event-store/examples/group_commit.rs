//! The raw rate of the embedded log: appends of two events of about 350 bytes over 500 streams, for growing numbers of
//! appenders. `cargo run --release -p marquee-event-store --example group_commit [seconds [directory]]`

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use marquee_domain::Event;
use marquee_domain::show::{SeatsLocked, ShowEvent};
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::{EventStore, Expected, Metadata, NewEvent, StreamName};
use uuid::Uuid;

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let seconds = args.next().map_or(Ok(5), |text| text.parse())?;
    let scratch = tempfile::tempdir()?;
    let root = args.next().map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    for appenders in [1, 16, 64, 256, 1_024] {
        measure(&root.join(appenders.to_string()), appenders, Duration::from_secs(seconds)).await?;
    }
    Ok(())
}

async fn measure(path: &Path, appenders: usize, time: Duration) -> Result<(), Failure> {
    let dir = DataDir::lock(path)?;
    let store = EmbeddedStore::open(&dir)?;
    let started = Instant::now();
    let running: Vec<_> =
        (0..appenders).map(|n| tokio::spawn(append(store.clone(), n, appenders, started + time))).collect();
    let mut took = Vec::new();
    for appender in running {
        took.extend(appender.await??);
    }
    let elapsed = started.elapsed().as_secs_f64();
    took.sort_unstable();
    let head = *store.head().borrow();
    let wal = std::fs::metadata(path.join("log.sqlite-wal"))?.len() / (1024 * 1024);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = |count: u64, seconds: f64| count as f64 / seconds;
    println!(
        "{appenders:>5} appenders: {:>7.0} appends/s, {:>7.0} events/s; p50 {:?}, p99 {:?}, max {:?}; WAL {wal} MiB",
        rate(head.0 / 2, elapsed),
        rate(head.0, elapsed),
        took[took.len() / 2],
        took[took.len() * 99 / 100],
        took[took.len() - 1],
    );
    store.close().await;
    drop(store);
    let started = Instant::now();
    drop(EmbeddedStore::open(&dir)?);
    println!("      proven again at {:.0} events/s", rate(head.0, started.elapsed().as_secs_f64()));
    Ok(())
}

/// Appends to streams that are this appender's alone, and says how long each append took.
async fn append(
    store: EmbeddedStore,
    n: usize,
    appenders: usize,
    until: Instant,
) -> Result<Vec<Duration>, Failure> {
    let own = (500 / appenders).max(1);
    let mut streams: Vec<_> = (0..own).map(|m| (StreamName::new(format!("show-sh_{n}_{m}")), 0)).collect();
    let metadata = Arc::new(Metadata {
        actor: "customer:u_2001".into(),
        correlation_id: "req_0f8fad5bd9cb469fa16570867728950e".into(),
        causation_id: None,
    });
    let mut took = Vec::new();
    for turn in (0..own).cycle() {
        let (stream, count) = &mut streams[turn];
        let events = (0..2).map(|_| NewEvent {
            id: Uuid::now_v7(),
            time: Timestamp::UNIX_EPOCH,
            event: event(),
            metadata: Arc::clone(&metadata),
        });
        let started = Instant::now();
        store.append(stream.clone(), Expected::after(*count), events.collect()).await?;
        took.push(started.elapsed());
        *count += 2;
        if Instant::now() > until {
            break;
        }
    }
    Ok(took)
}

fn event() -> Event {
    ShowEvent::from(SeatsLocked {
        booking_id: "bk_sh_5001_01JD3Q8M6Y2V4T9X7B5N1C0KFA".into(),
        user_id: "u_2001".into(),
        seat_ids: vec!["A10".into(), "A11".into()],
        expires_at: Timestamp::UNIX_EPOCH,
        idempotency_key: "8b9c1a52-3f0e-4a61-9d2b-6f6d3c7e5a10".into(),
        fingerprint: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        client: None,
    })
    .into()
}
