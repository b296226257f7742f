//! A log with its views, and a past to fill it with.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use marquee_domain::Event;
use marquee_domain::catalogue::{CityAdded, CityEvent, MovieAdded, MovieDetails, MovieEvent};
use marquee_domain::ids::*;
use marquee_domain::money::{Currency, Money};
use marquee_domain::payment::*;
use marquee_domain::pricing::{AppliedOffer, Pricing};
use marquee_domain::seat_rules::SeatRules;
use marquee_domain::show::*;
use marquee_domain::theatre::*;
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::{EventStore, Expected, Metadata, NewEvent, Position, StreamName, TypeFilter};
use marquee_projections::{Postgres, ReadModel, View, Views, ViewsConfig};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const ALL_VIEWS: [View; 4] = [View::SeatMaps, View::Catalogue, View::Browse, View::Bookings];
pub const ALL_NAMES: [&str; 3] = ["seat-inventory", "seat-maps", "browse"];
const PATIENCE: Duration = Duration::from_secs(20);

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An hour before the first show.
pub fn before() -> Timestamp {
    time("2026-02-01T12:00:00Z")
}

pub struct World {
    pub store: EmbeddedStore,
    pub views: Views,
    pub dir: TempDir,
    pub head: Position,
    /// When the next events are decided.
    pub now: Timestamp,
    /// The address of the database that keeps the inventory; `None` where a file does.
    pub database: Option<String>,
    shutdown: CancellationToken,
    revisions: HashMap<StreamName, u64>,
}

/// The inventory in a file of its own.
pub async fn open_views(dir: &Path, store: &EmbeddedStore) -> (Views, CancellationToken) {
    open_views_on(dir, store, None).await
}

/// The inventory in a database, as another process would have it.
pub async fn open_views_on(
    dir: &Path,
    store: &EmbeddedStore,
    database: Option<&str>,
) -> (Views, CancellationToken) {
    open_views_of(dir, Arc::new(store.clone()), database).await
}

pub async fn open_views_of(
    dir: &Path,
    store: Arc<dyn EventStore>,
    database: Option<&str>,
) -> (Views, CancellationToken) {
    let shutdown = CancellationToken::new();
    let read_model = match database {
        None => ReadModel::Embedded,
        Some(url) => ReadModel::Postgres(Postgres::new(url).unwrap()),
    };
    let config = ViewsConfig { dir: dir.to_owned(), read_model };
    let views = Views::open(config, store, shutdown.clone()).await.unwrap();
    (views, shutdown)
}

impl World {
    pub async fn new() -> Self {
        Self::on(None).await
    }

    pub async fn on(database: Option<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::lock(&dir.path().join("log")).unwrap();
        let store = EmbeddedStore::open(&data).unwrap();
        let (views, shutdown) = open_views_on(&dir.path().join("views"), &store, database.as_deref()).await;
        let revisions = HashMap::new();
        Self { store, views, dir, head: Position(0), now: before(), database, shutdown, revisions }
    }

    /// Bangalore, its theatre and three films.
    pub async fn with_catalogue() -> Self {
        Self::with_catalogue_on(None).await
    }

    pub async fn with_catalogue_on(database: Option<String>) -> Self {
        let mut world = Self::on(database).await;
        world.city("blr", "Bengaluru").await;
        world.theatre("th_101", "blr", "PVR Orion").await;
        world.movie("mv_1", "Interstellar", &["Science Fiction"]).await;
        world.movie("mv_2", "The Grand Budapest Hotel", &["Comedy", "Drama"]).await;
        world.movie("mv_3", "Amélie", &["Romance"]).await;
        world
    }

    pub async fn append(&mut self, stream: StreamName, events: Vec<Event>) -> Position {
        let count = self.revisions.entry(stream.clone()).or_default();
        let expected = Expected::after(*count);
        *count += events.len() as u64;
        let (time, metadata) = (self.now, Arc::<Metadata>::default());
        let event = |event| NewEvent { id: Uuid::now_v7(), time, event, metadata: Arc::clone(&metadata) };
        let appended =
            self.store.append(stream, expected, events.into_iter().map(event).collect()).await.unwrap();
        self.head = appended.position;
        appended.position
    }

    /// The log as an early copy has it.
    pub async fn restored_to_its_first_event(&self) -> Self {
        let mut restored = Self::new().await;
        let first = self.store.read_all(Position(0), 1, TypeFilter::All).await.unwrap().events.remove(0);
        let again = NewEvent {
            id: first.id,
            time: first.time,
            event: first.event().unwrap().clone(),
            metadata: Arc::new(first.metadata.clone()),
        };
        let appended = restored.store.append(first.stream.clone(), Expected::NoStream, vec![again]).await;
        restored.head = appended.unwrap().position;
        assert_eq!(restored.head, first.position);
        restored
    }

    pub async fn on_show(&mut self, show: &str, event: impl Into<ShowEvent>) -> Position {
        let event: ShowEvent = event.into();
        self.append(StreamName::show(&show.into()), vec![event.into()]).await
    }

    pub async fn on_payment(&mut self, booking: &BookingId, event: impl Into<PaymentEvent>) -> Position {
        let event: PaymentEvent = event.into();
        self.append(StreamName::payment(booking), vec![event.into()]).await
    }

    pub async fn city(&mut self, id: &str, name: &str) {
        let city = CityAdded {
            city_id: id.into(),
            name: name.into(),
            timezone: "Asia/Kolkata".into(),
            currency: Currency::inr(),
            request: None,
        };
        self.append(StreamName::city(&id.into()), vec![CityEvent::from(city).into()]).await;
    }

    pub async fn movie(&mut self, id: &str, title: &str, genres: &[&str]) {
        self.film(film(id, title, genres)).await;
    }

    pub async fn film(&mut self, movie: MovieDetails) {
        let stream = StreamName::movie(&movie.movie_id);
        let added = MovieEvent::from(MovieAdded { movie, request: None });
        self.append(stream, vec![added.into()]).await;
    }

    pub async fn theatre(&mut self, id: &str, city: &str, name: &str) {
        let theatre = TheatreDetails {
            theatre_id: id.into(),
            partner_id: "p_1".into(),
            name: name.into(),
            city_id: city.into(),
            area: "Malleshwaram".into(),
            address: None,
            seat_rules: SeatRules::default(),
            cancel_policy: None,
        };
        let added = TheatreEvent::from(TheatreAdded { theatre, request: None });
        self.append(StreamName::theatre(&id.into()), vec![added.into()]).await;
    }

    /// A show of one film at one time, with rows of ten seats.
    pub async fn show(&mut self, id: &str, movie: &str, start: &str, rows: usize) -> Position {
        self.scheduled(screening(id, movie, start, rows)).await
    }

    pub async fn scheduled(&mut self, show: ShowDetails) -> Position {
        let id = show.show_id.clone();
        self.on_show(id.as_str(), ShowScheduled { show, request: None }).await
    }

    /// A booking that awaits its payment; its two events in one append.
    pub async fn lock(
        &mut self,
        show: &str,
        unique: &str,
        user: &str,
        seats: &[&str],
        until: Timestamp,
    ) -> BookingId {
        let id = BookingId::compose(&show.into(), unique);
        let locked = locked(&id, user, seats.iter().map(|seat| (*seat).into()).collect(), until);
        let events: [ShowEvent; 2] = [locked.into(), priced(&id, seats.len()).into()];
        self.append(StreamName::show(&show.into()), events.map(Event::from).to_vec()).await;
        id
    }

    pub async fn confirm(&mut self, show: &str, id: &BookingId) -> Position {
        self.on_show(show, confirmed(id)).await
    }

    /// Until every view holds what was appended.
    pub async fn caught_up(&self) {
        for view in ALL_VIEWS {
            self.views.wait_for(view, self.head, PATIENCE).await.unwrap();
        }
    }

    pub async fn close_views(&self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.views.closed()).await.unwrap();
    }

    pub async fn reopen_views(&mut self) {
        self.close_views().await;
        let views = self.dir.path().join("views");
        (self.views, self.shutdown) = open_views_on(&views, &self.store, self.database.as_deref()).await;
    }

    pub async fn rebuild(&self, name: &str) {
        let generation = self.generation(name);
        self.views.rebuild(name).await.unwrap();
        let deadline = std::time::Instant::now() + PATIENCE;
        while self.generation(name) == generation {
            assert!(std::time::Instant::now() < deadline, "{name} was not rebuilt in time");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn generation(&self, name: &str) -> u64 {
        self.views.status().iter().find(|status| status.name == name).unwrap().generation
    }
}

pub fn film(id: &str, title: &str, genres: &[&str]) -> MovieDetails {
    MovieDetails {
        movie_id: id.into(),
        title: title.into(),
        titles: BTreeMap::new(),
        languages: vec!["en".into()],
        genres: genres.iter().map(|genre| (*genre).into()).collect(),
        duration_mins: 128,
        certificate: None,
        synopsis: Some(format!("The story of {title}")),
        release_date: None,
    }
}

/// A show in the one theatre, in English and 2D.
pub fn screening(id: &str, movie: &str, start: &str, rows: usize) -> ShowDetails {
    ShowDetails {
        show_id: id.into(),
        partner_id: "p_1".into(),
        theatre_id: "th_101".into(),
        city_id: "blr".into(),
        timezone: "Asia/Kolkata".into(),
        screen_id: "sc_3".into(),
        screen_name: "Screen 3".into(),
        movie_id: movie.into(),
        start_time: time(start),
        end_time: time(start) + jiff::SignedDuration::from_mins(128),
        language: "en".into(),
        format: "2D".into(),
        currency: Currency::inr(),
        prices: BTreeMap::from([(SeatType::Regular, 18_000), (SeatType::Premium, 25_050)]),
        sales: SalesWindow::default(),
        seat_rules: SeatRules::default(),
        cancel_policy: None,
        rows: layout(rows),
    }
}

fn layout(rows: usize) -> Vec<LayoutRow> {
    let row = |row: char| {
        let seat_type = if row == 'A' { SeatType::Premium } else { SeatType::Regular };
        let seat = |seat| LayoutSeat::new(SeatId::new(format!("{row}{seat}")), seat_type);
        LayoutRow { row_label: row.to_string().into(), seats: (1..=10).map(seat).collect() }
    };
    ('A'..).take(rows).map(row).collect()
}

pub fn locked(id: &BookingId, user: &str, seat_ids: Vec<SeatId>, expires_at: Timestamp) -> SeatsLocked {
    SeatsLocked {
        booking_id: id.clone(),
        user_id: user.into(),
        seat_ids,
        expires_at,
        idempotency_key: id.as_str().into(),
        fingerprint: "f".into(),
        client: None,
    }
}

fn priced(id: &BookingId, seats: usize) -> BookingPaymentPending {
    let mut pricing = Pricing::of_seats(Currency::inr(), std::iter::repeat_n(18_000, seats));
    if seats == 3 {
        pricing.discount = 9_000;
        pricing.total -= 9_000;
        let (code, description) = ("THIRD50".into(), "50% off the third ticket".into());
        pricing.applied_offers =
            vec![AppliedOffer { code, description, version: 2, discount: 9_000, limited: false }];
    }
    BookingPaymentPending { booking_id: id.clone(), pricing }
}

pub fn redeemed(id: &BookingId) -> TicketRedeemed {
    let (ticket_id, booking_id) = (id.ticket(), id.clone());
    TicketRedeemed { ticket_id, booking_id, redeemed_at: before(), gate: None, request: None }
}

pub fn confirmed(id: &BookingId) -> BookingConfirmed {
    let confirmed_at = before();
    BookingConfirmed {
        booking_id: id.clone(),
        payment_id: id.payment(),
        ticket_id: id.ticket(),
        confirmed_at,
    }
}

pub fn refund_requested(id: &BookingId, refund: &str, minor: i64) -> RefundRequested {
    RefundRequested {
        refund_id: refund.into(),
        payment_id: id.payment(),
        provider: "SANDBOX".into(),
        payment_intent_id: "pi_1".into(),
        amount: Money::new(minor, Currency::inr()),
        cause: RefundCause::BookingCancelled,
        part: None,
    }
}

/// Seats of a booking are cancelled, of whose price so much is left.
pub fn seats_cancelled(id: &BookingId, part: u32, seats: &[&str], left: i64) -> BookingSeatsCancelled {
    BookingSeatsCancelled {
        booking_id: id.clone(),
        seat_ids: seats.iter().map(|seat| SeatId::from(*seat)).collect(),
        part,
        pricing: Pricing::of_seats(Currency::inr(), [left]),
        refund: 17_000,
        retained: 1_000,
        request: None,
    }
}

/// Numbers that look random and are the same at every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// What a past has come to, so that every next event of it is a sound one.
pub struct Past {
    dice: Dice,
    pending: Vec<(String, BookingId)>,
    confirmed: Vec<(String, BookingId)>,
    next: usize,
    /// Live bookings by seat.
    seats: HashMap<(String, String), BookingId>,
    /// What the house keeps.
    house: Vec<(String, String)>,
}

impl Past {
    pub fn new() -> Self {
        Self {
            dice: Dice(42),
            pending: vec![],
            confirmed: vec![],
            next: 0,
            seats: HashMap::new(),
            house: vec![],
        }
    }

    /// Drives `steps` decisions of every kind into the log.
    pub async fn drive(&mut self, world: &mut World, shows: &[&str], steps: usize) {
        for _ in 0..steps {
            match self.dice.roll(20) {
                0..=8 => self.lock(world, shows).await,
                9..=12 => self.end_pending(world, |id| confirmed(id).into()).await,
                13..=14 => {
                    self.end_pending(world, |id| BookingExpired { booking_id: id.clone() }.into()).await;
                }
                15 => {
                    self.end_pending(world, |id| {
                        BookingFailed { booking_id: id.clone(), reason: "DECLINED".into() }.into()
                    })
                    .await;
                }
                16 => {
                    self.end_pending(world, |id| {
                        BookingCancelled {
                            booking_id: id.clone(),
                            by: CancelledBy::Customer,
                            paid: false,
                            refund: None,
                            retained: None,
                        }
                        .into()
                    })
                    .await;
                }
                17..=18 => self.cancel_paid(world).await,
                _ if self.next.is_multiple_of(3) => self.house(world, shows).await,
                _ => {
                    let show = shows[self.dice.roll(shows.len())];
                    let prices = BTreeMap::from([(
                        SeatType::Regular,
                        10_000 + 50 * i64::try_from(self.next).unwrap(),
                    )]);
                    world.on_show(show, ShowChanged { prices, ..ShowChanged::default() }).await;
                }
            }
        }
    }

    /// The house takes a seat if it is free, and gives the oldest of several back.
    async fn house(&mut self, world: &mut World, shows: &[&str]) {
        let wanted = (shows[self.dice.roll(shows.len())].to_owned(), format!("B{}", 1 + self.dice.roll(10)));
        if !self.seats.contains_key(&wanted) {
            let seat_ids = vec![wanted.1.as_str().into()];
            world.on_show(&wanted.0, SeatsBlocked { seat_ids, reason: None, request: None }).await;
            self.seats.insert(wanted.clone(), "house".into());
            self.house.push(wanted);
        }
        if self.house.len() > 3 {
            let back = self.house.remove(0);
            let seat_ids = vec![back.1.as_str().into()];
            world.on_show(&back.0, SeatsReleased { seat_ids, reason: None, request: None }).await;
            self.seats.remove(&back);
        }
    }

    async fn lock(&mut self, world: &mut World, shows: &[&str]) {
        let show = shows[self.dice.roll(shows.len())];
        let row = char::from(b'A' + u8::try_from(self.dice.roll(3)).unwrap());
        let first = 1 + self.dice.roll(8);
        let wanted: Vec<String> =
            (first..=first + self.dice.roll(3)).map(|seat| format!("{row}{seat}")).collect();
        if wanted.iter().any(|seat| self.seats.contains_key(&(show.into(), seat.clone()))) {
            return;
        }
        self.next += 1;
        let (unique, user) = (format!("{:08}", self.next), format!("u_{}", self.dice.roll(20)));
        let seats: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let id = world.lock(show, &unique, &user, &seats, before() + Duration::from_mins(5)).await;
        self.seats.extend(wanted.into_iter().map(|seat| ((show.to_owned(), seat), id.clone())));
        self.pending.push((show.to_owned(), id));
    }

    /// A seat of a booking that has more goes back, with its refund.
    async fn cancel_seat(&mut self, world: &mut World, show: &str, id: &BookingId) {
        let of_it = self.seats.iter().filter(|(_, holder)| *holder == id);
        let mut seats: Vec<String> = of_it.map(|((_, seat), _)| seat.clone()).collect();
        seats.sort_unstable();
        let Some(seat) = seats.pop().filter(|_| !seats.is_empty() && self.dice.roll(2) == 0) else { return };
        let left = 18_000 * i64::try_from(seats.len()).unwrap();
        world.on_show(show, seats_cancelled(id, 1, &[&seat], left)).await;
        self.seats.remove(&(show.to_owned(), seat));
        let part = RefundRequested { part: Some(1), ..refund_requested(id, "rf_part_1", 17_000) };
        world.on_payment(id, part).await;
        if self.dice.roll(2) == 0 {
            world.on_payment(id, RefundSucceeded { refund_id: "rf_part_1".into() }).await;
        }
    }

    async fn end_pending(&mut self, world: &mut World, event: impl Fn(&BookingId) -> ShowEvent) {
        if self.pending.is_empty() {
            return;
        }
        let (show, id) = self.pending.swap_remove(self.dice.roll(self.pending.len()));
        let event = event(&id);
        if matches!(event, ShowEvent::Confirmed(_)) {
            self.confirmed.push((show.clone(), id));
        } else {
            self.seats.retain(|_, holder| *holder != id);
        }
        world.on_show(&show, event).await;
    }

    async fn cancel_paid(&mut self, world: &mut World) {
        if self.confirmed.is_empty() {
            return;
        }
        let (show, id) = self.confirmed.swap_remove(self.dice.roll(self.confirmed.len()));
        self.cancel_seat(world, &show, &id).await;
        if self.dice.roll(3) == 0 {
            world.on_show(&show, redeemed(&id)).await;
            world.on_show(&show, BookingCompleted { booking_id: id }).await;
            return;
        }
        self.seats.retain(|_, holder| *holder != id);
        let cancelled = BookingCancelled {
            booking_id: id.clone(),
            by: CancelledBy::Customer,
            paid: true,
            refund: None,
            retained: None,
        };
        world.on_show(&show, cancelled).await;
        world.on_payment(&id, refund_requested(&id, "rf_1", 18_000)).await;
        match self.dice.roll(3) {
            0 => drop(world.on_payment(&id, RefundSucceeded { refund_id: "rf_1".into() }).await),
            1 => {
                world
                    .on_payment(&id, RefundFailed { refund_id: "rf_1".into(), reason: "CLOSED".into() })
                    .await;
            }
            _ => {}
        }
    }
}
