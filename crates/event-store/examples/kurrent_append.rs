//! How fast the KurrentDB adapter appends, through a door on this machine: one writer, then many, each to a stream of its own.
//!
//! `cargo run --release -p marquee-event-store --example kurrent_append [-- <writers> <seconds>]`
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that fails ends")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use marquee_domain::show::{BookingExpired, ShowEvent};
use marquee_event_store::clock::SystemClock;
use marquee_event_store::door::{Door, DoorConfig};
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::kurrent::{KurrentStore, Seeds};
use marquee_event_store::{EventStore, Expected, Metadata, NewEvent, StreamName};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

fn event() -> NewEvent {
    NewEvent {
        id: Uuid::now_v7(),
        time: Timestamp::UNIX_EPOCH,
        event: ShowEvent::from(BookingExpired { booking_id: "bk_sh_1_1".into() }).into(),
        metadata: Arc::new(Metadata::default()),
    }
}

async fn measure(store: &dyn EventStore, writers: u64, time: Duration) {
    let (appends, began) = (AtomicU64::new(0), Instant::now());
    let writers = (0..writers).map(async |_| {
        let stream = StreamName::new(format!("show-sh_{}", Uuid::now_v7().simple()));
        for count in 0.. {
            if began.elapsed() >= time {
                break;
            }
            store.append(stream.clone(), Expected::after(count), vec![event()]).await.unwrap();
            appends.fetch_add(1, Ordering::Relaxed);
        }
    });
    let count = futures_util::future::join_all(writers).await.len();
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    let rate = appends.into_inner() as f64 / began.elapsed().as_secs_f64();
    println!("{count} writers: {rate:.0} appends a second");
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().unwrap());
    let (writers, seconds) = (args.next().unwrap_or(64), Duration::from_secs(args.next().unwrap_or(5)));
    let home = tempfile::tempdir().unwrap();
    let log = Arc::new(EmbeddedStore::open(&DataDir::lock(home.path()).unwrap()).unwrap());
    let stop = CancellationToken::new();
    let config = DoorConfig { listen: "127.0.0.1:0".parse().unwrap(), writable: true };
    let door = Door::bind(config, log, Arc::new(SystemClock), stop.clone()).await.unwrap();
    let seeds = Seeds::parse(&format!("kurrentdb://{}?tls=false", door.listen())).unwrap();
    let serving = tokio::spawn(door.serve());
    let store = KurrentStore::open(seeds, Arc::new(SystemClock), Duration::from_secs(10)).await.unwrap();
    measure(&store, 1, seconds).await;
    measure(&store, writers, seconds).await;
    stop.cancel();
    serving.await.unwrap().unwrap();
}
