//! How fast views are made from the log, what they cost while they follow it, and how long a start takes.
//!
//! `cargo run --release -p marquee-projections --example view_rates -- [bookings] [bookings a second] [inventory]`
//!
//! The inventory is `embedded`, the address of a PostgreSQL database, or `private`: a server of its own on this machine, with
//! fsync on.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use marquee_domain::Event;
use marquee_domain::ids::{BookingId, SeatId, ShowId};
use marquee_domain::money::Currency;
use marquee_domain::pricing::Pricing;
use marquee_domain::seat_rules::SeatRules;
use marquee_domain::show::{
    BookingConfirmed, BookingExpired, BookingPaymentPending, SalesWindow, SeatsLocked, ShowDetails,
    ShowEvent, ShowScheduled,
};
use marquee_domain::theatre::{LayoutRow, LayoutSeat, SeatType};
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::{EventStore, Expected, Metadata, NewEvent, Position, StreamName};
use marquee_projections::{Postgres, ReadModel, View, Views, ViewsConfig};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const SHOWS: u64 = 500;
const SEATS: u64 = 200;
const VIEWS: [(&str, View); 3] =
    [("seat-inventory", View::Bookings), ("seat-maps", View::SeatMaps), ("browse", View::Browse)];
const PATIENCE: Duration = Duration::from_mins(5);

/// Show after show, seat after seat; every other booking is paid for, and the others expire before their seats are
/// booked again.
struct Load {
    store: EmbeddedStore,
    counts: Vec<u64>,
    next: u64,
    pending: Vec<Vec<(u64, BookingId)>>,
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn show_id(show: u64) -> ShowId {
    ShowId::new(format!("sh_{show}"))
}

impl Load {
    fn append(
        &mut self,
        show: u64,
        events: Vec<ShowEvent>,
    ) -> impl Future<Output = Outcome<Position>> + use<> {
        let count = &mut self.counts[usize::try_from(show).unwrap_or_default()];
        let expected = Expected::after(*count);
        *count += events.len() as u64;
        let metadata = Arc::<Metadata>::default();
        let new = |event: ShowEvent| {
            let (event, metadata) = (Event::from(event), Arc::clone(&metadata));
            NewEvent { id: Uuid::now_v7(), time: now(), event, metadata }
        };
        let events: Vec<_> = events.into_iter().map(new).collect();
        let (store, stream) = (self.store.clone(), StreamName::show(&show_id(show)));
        async move { Ok(store.append(stream, expected, events).await?.position) }
    }

    async fn schedule(&mut self) -> Outcome {
        for show in 0..SHOWS {
            let seat = |seat| LayoutSeat::new(SeatId::new(format!("A{seat}")), SeatType::Regular);
            let details = ShowDetails {
                show_id: show_id(show),
                partner_id: "p_1".into(),
                theatre_id: "th_1".into(),
                city_id: "blr".into(),
                timezone: "Asia/Kolkata".into(),
                screen_id: "sc_1".into(),
                screen_name: "Screen 1".into(),
                movie_id: "mv_1".into(),
                start_time: Timestamp::MAX,
                end_time: Timestamp::MAX,
                language: "en".into(),
                format: "2D".into(),
                currency: Currency::inr(),
                prices: BTreeMap::from([(SeatType::Regular, 18_000)]),
                sales: SalesWindow::default(),
                seat_rules: SeatRules::default(),
                cancel_policy: None,
                rows: vec![LayoutRow { row_label: "A".into(), seats: (0..SEATS).map(seat).collect() }],
            };
            self.append(show, vec![ShowScheduled { show: details, request: None }.into()]).await?;
        }
        Ok(())
    }

    /// Makes bookings, one in each show, all at once.
    async fn round(&mut self, bookings: u64) -> Outcome<(Position, u64)> {
        let (mut appends, mut events) = (tokio::task::JoinSet::new(), 0);
        for _ in 0..bookings {
            let (show, turn) = (self.next % SHOWS, self.next / SHOWS);
            // The first half of the hall is sold, seat by seat; the other half is locked over and over.
            let paid = turn < SEATS && turn % 2 == 0;
            let seat = if paid { turn / 2 } else { SEATS / 2 + turn % 20 };
            let id = BookingId::compose(&show_id(show), &Uuid::now_v7().simple().to_string());
            let mut batch: Vec<ShowEvent> = vec![];
            let pending = &mut self.pending[usize::try_from(show).unwrap_or_default()];
            if let Some(at) = pending.iter().position(|(held, _)| *held == seat) {
                batch.push(BookingExpired { booking_id: pending.swap_remove(at).1 }.into());
            }
            batch.push(
                SeatsLocked {
                    booking_id: id.clone(),
                    user_id: format!("u_{}", self.next % 50_000).as_str().into(),
                    seat_ids: vec![SeatId::new(format!("A{seat}"))],
                    expires_at: Timestamp::MAX,
                    idempotency_key: id.as_str().into(),
                    fingerprint: "0123456789abcdef0123456789abcdef".into(),
                    client: None,
                }
                .into(),
            );
            let pricing = Pricing::of_seats(Currency::inr(), [18_000]);
            batch.push(BookingPaymentPending { booking_id: id.clone(), pricing }.into());
            if paid {
                let (payment_id, ticket_id) = (id.payment(), id.ticket());
                batch.push(
                    BookingConfirmed { booking_id: id, payment_id, ticket_id, confirmed_at: now() }.into(),
                );
            } else {
                pending.push((seat, id));
            }
            self.next += 1;
            events += batch.len() as u64;
            let append = self.append(show, batch);
            appends.spawn(async move { append.await.map_err(|error| error.to_string()) });
        }
        let mut head = Position(0);
        while let Some(appended) = appends.join_next().await {
            head = head.max(appended??);
        }
        Ok((head, events))
    }
}

async fn open(
    dir: &Path,
    store: &EmbeddedStore,
    read_model: ReadModel,
) -> Outcome<(Views, CancellationToken)> {
    let shutdown = CancellationToken::new();
    let config = ViewsConfig { dir: dir.to_owned(), read_model };
    Ok((Views::open(config, Arc::new(store.clone()), shutdown.clone()).await?, shutdown))
}

/// Processor time of the threads of each projection, where the system tells it.
fn processor_time() -> BTreeMap<String, f64> {
    let mut times = BTreeMap::new();
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return times };
    for thread in threads.flatten() {
        let Ok(stat) = std::fs::read_to_string(thread.path().join("stat")) else { continue };
        let Some((name, rest)) = stat.split_once('(').and_then(|(_, stat)| stat.rsplit_once(')')) else {
            continue;
        };
        let ticks: f64 =
            rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
        *times.entry(name.to_owned()).or_default() += ticks / 100.0;
    }
    times
}

#[tokio::main]
async fn main() -> Outcome {
    // `RUST_LOG=marquee_projections=debug` tells what snapshots cost.
    tracing_subscriber::fmt().with_env_filter(EnvFilter::from_default_env()).init();
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |argument| argument.parse::<u64>());
    let (bookings, a_second) = (number(200_000)?, number(15_000)?);
    let inventory = arguments.next().unwrap_or_else(|| "embedded".into());
    let private = (inventory == "private").then(marquee_test_postgres::Postgres::start_durable);
    let read_model = match (&private, inventory.as_str()) {
        (Some(server), _) => ReadModel::Postgres(Postgres::new(&server.create_database("rates"))?),
        (None, "embedded") => ReadModel::Embedded,
        (None, url) => ReadModel::Postgres(Postgres::new(url)?),
    };

    let dir = tempfile::tempdir_in(".")?;
    let store = EmbeddedStore::open(&DataDir::lock(&dir.path().join("log"))?)?;
    let size = usize::try_from(SHOWS)?;
    let mut load = Load { store: store.clone(), counts: vec![0; size], next: 0, pending: vec![vec![]; size] };
    load.schedule().await?;

    // Live, at a steady rate.
    let (views, shutdown) = open(&dir.path().join("views"), &store, read_model.clone()).await?;
    let (began, before) = (Instant::now(), processor_time());
    let (mut head, mut events, mut made, mut worst) = (Position(0), 0, 0, 0);
    while made < bookings {
        let round = load.round(250).await?;
        (head, events, made) = (round.0, events + round.1, made + 250);
        worst = worst.max(views.status().iter().map(|status| status.lag).max().unwrap_or_default());
        let due =
            Duration::from_secs_f64(f64::from(u32::try_from(made)?) / f64::from(u32::try_from(a_second)?));
        tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
    }
    for (_, view) in VIEWS {
        views.wait_for(view, head, PATIENCE).await?;
    }
    let elapsed = began.elapsed().as_secs_f64();
    println!("live: {made} bookings, {events} events in {elapsed:.2} s; largest lag {worst} events");
    for (name, time) in processor_time() {
        let spent = time - before.get(&name).copied().unwrap_or_default();
        println!("  {name}: {spent:.2} s of processor time, {:.1} % of a core", 100.0 * spent / elapsed);
    }

    // From position 0, one after the other.
    for (name, _) in VIEWS {
        let generation =
            |views: &Views| views.status().iter().find(|view| view.name == name).map(|view| view.generation);
        let (before, began) = (generation(&views), Instant::now());
        views.rebuild(name).await?;
        while generation(&views) == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let elapsed = began.elapsed().as_secs_f64();
        println!(
            "rebuild {name}: {} events in {elapsed:.2} s, {:.0} a second",
            head.0,
            u64_to_f64(head.0) / elapsed
        );
    }
    println!("parked: {}", views.status().iter().map(|status| status.parked.len()).sum::<usize>());
    let closing = Instant::now();
    shutdown.cancel();
    views.closed().await;
    println!("closed, snapshots written, in {:.3} s", closing.elapsed().as_secs_f64());
    starts(&dir.path().join("views"), &store, &read_model, head).await
}

/// Opens the views as they were closed, and again without their snapshots.
async fn starts(dir: &Path, store: &EmbeddedStore, read_model: &ReadModel, head: Position) -> Outcome {
    for kept in [true, false] {
        let mut bytes = 0;
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == "snapshot") {
                bytes += entry.metadata()?.len();
                if !kept {
                    std::fs::remove_file(entry.path())?;
                }
            }
        }
        let began = Instant::now();
        let (views, shutdown) = open(dir, store, read_model.clone()).await?;
        let reached = async |view| {
            let waited = views.wait_for(view, head, PATIENCE).await;
            waited.map(|()| began.elapsed().as_secs_f64())
        };
        let (maps, browse) = tokio::join!(reached(View::SeatMaps), reached(View::Browse));
        let from = if kept { "snapshots" } else { "the beginning of the log" };
        println!(
            "start from {from} ({bytes} bytes of snapshots): seat-maps {:.3} s, browse {:.3} s",
            maps?, browse?
        );
        shutdown.cancel();
        views.closed().await;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
fn u64_to_f64(number: u64) -> f64 {
    number as f64
}
