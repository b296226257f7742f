//! Several nodes on one database: one writes, the others read what it wrote, and whoever was stalled changes nothing.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use marquee_domain::show::BookingExpired;
use marquee_event_store::embedded::EmbeddedStore;
use marquee_event_store::{
    AppendError, Appended, EventStore, Expected, NewEvent, Page, Position, ReadError, Recorded, StreamName,
    TypeFilter,
};
use marquee_projections::{ProjectionState, View, Views};
use marquee_test_postgres::psql;
use tokio::sync::watch;

use crate::world::{Past, World, open_views, open_views_of, open_views_on, time};

const NAME: &str = "seat-inventory";
const SHOWS: [&str; 2] = ["sh_1", "sh_2"];
/// Within this another node has to take over.
const TAKEOVER: Duration = Duration::from_secs(10);

type Answer<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Holds up whoever passes, thread and all, while it is closed: as SIGSTOP would.
#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    waiting: Mutex<usize>,
    opened: Condvar,
}

impl Gate {
    fn close(&self) {
        *self.closed.lock().unwrap() = true;
    }

    fn open(&self) {
        *self.closed.lock().unwrap() = false;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let mut closed = self.closed.lock().unwrap();
        while *closed {
            *self.waiting.lock().unwrap() += 1;
            closed = self.opened.wait(closed).unwrap();
            *self.waiting.lock().unwrap() -= 1;
        }
    }

    fn waiting(&self) -> usize {
        *self.waiting.lock().unwrap()
    }
}

/// A log whose reader may be stalled with a page in its hands.
struct GatedStore(EmbeddedStore, Arc<Gate>);

impl EventStore for GatedStore {
    fn append(
        &self,
        stream: StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Answer<'_, Result<Appended, AppendError>> {
        self.0.append(stream, expected, events)
    }

    fn read_stream(
        &self,
        stream: StreamName,
        from: u64,
        limit: usize,
    ) -> Answer<'_, Result<Vec<Arc<Recorded>>, ReadError>> {
        self.0.read_stream(stream, from, limit)
    }

    fn read_stream_back(
        &self,
        stream: StreamName,
        from: Option<u64>,
        limit: usize,
    ) -> Answer<'_, Result<Vec<Arc<Recorded>>, ReadError>> {
        self.0.read_stream_back(stream, from, limit)
    }

    fn read_all(
        &self,
        after: Position,
        limit: usize,
        filter: TypeFilter,
    ) -> Answer<'_, Result<Page, ReadError>> {
        let page = self.0.read_all(after, limit, filter);
        Box::pin(async move {
            let page = page.await;
            self.1.pass();
            page
        })
    }

    fn read_all_back(
        &self,
        before: Option<Position>,
        limit: usize,
        filter: TypeFilter,
    ) -> Answer<'_, Result<Page, ReadError>> {
        self.0.read_all_back(before, limit, filter)
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.0.head()
    }
}

/// One node that leads, with shows and some past.
async fn leading(steps: usize) -> (World, Past) {
    let mut world = World::with_catalogue_on(Some(marquee_test_postgres::database())).await;
    for show in SHOWS {
        world.show(show, "mv_1", "2026-02-01T13:00:00Z", 3).await;
    }
    let mut past = Past::new();
    past.drive(&mut world, &SHOWS, steps).await;
    world.caught_up().await;
    (world, past)
}

fn database(world: &World) -> &str {
    world.database.as_deref().unwrap()
}

/// The fingerprint of the log, folded anew into a file.
async fn folded_anew(world: &World) -> marquee_projections::Fingerprint {
    let (fresh, shutdown) = open_views(&world.dir.path().join("fresh"), &world.store).await;
    fresh.wait_for(View::Bookings, world.head, TAKEOVER).await.unwrap();
    let fingerprint = fresh.fingerprint(NAME).await.unwrap();
    shutdown.cancel();
    fresh.closed().await;
    fingerprint
}

fn generation(views: &Views) -> u64 {
    views.status().into_iter().find(|status| status.name == NAME).unwrap().generation
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_shows_what_the_leader_writes_and_takes_over_when_it_leaves() {
    let (mut world, mut past) = leading(100).await;
    let (standby, shutdown) =
        open_views_on(&world.dir.path().join("b"), &world.store, Some(database(&world))).await;
    standby.wait_for(View::Bookings, world.head, TAKEOVER).await.unwrap();
    past.drive(&mut world, &SHOWS, 50).await;
    standby.wait_for(View::Bookings, world.head, TAKEOVER).await.unwrap();
    assert_eq!(psql(database(&world), "SELECT epoch FROM generations"), "1", "one writes");
    assert!(standby.ready());

    world.close_views().await;
    past.drive(&mut world, &SHOWS, 50).await;
    let began = Instant::now();
    standby.wait_for(View::Bookings, world.head, TAKEOVER).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "a lease that was let go is taken at once");
    assert_eq!(psql(database(&world), "SELECT epoch FROM generations"), "2");
    assert_eq!(standby.fingerprint(NAME).await.unwrap(), folded_anew(&world).await);
    shutdown.cancel();
    standby.closed().await;
}

/// The former leader has a page in its hands when it is stalled, and goes on with it when it wakes up.
#[test]
fn a_leader_that_was_stalled_is_replaced_in_ten_seconds_and_then_commits_nothing() {
    let stalled = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let others = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let gate = Arc::new(Gate::default());
    let (mut world, mut past) = others.block_on(leading(100));
    others.block_on(world.close_views());
    let url = database(&world).to_owned();

    let log: Arc<dyn EventStore> = Arc::new(GatedStore(world.store.clone(), Arc::clone(&gate)));
    let (dir, database) = (world.dir.path().join("a"), url.clone());
    let opening = stalled.spawn(async move { open_views_of(&dir, log, Some(&database)).await });
    let (former, former_shutdown) = others.block_on(opening).unwrap();
    others.block_on(past.drive(&mut world, &SHOWS, 50));
    others.block_on(world.show("sh_9", "mv_1", "2026-02-01T13:00:00Z", 1));
    others.block_on(former.wait_for(View::Bookings, world.head, TAKEOVER)).unwrap();
    assert_eq!(psql(&url, "SELECT epoch FROM generations"), "2");

    gate.close();
    let keeper = Arc::clone(&gate);
    stalled.spawn(async move { keeper.pass() });
    let id = others.block_on(world.lock("sh_9", "99", "u_1", &["A1"], time("2026-02-01T12:30:00Z")));
    let began = Instant::now();
    // The thread that keeps the lease, and the one that writes: each holds what it was about to do.
    while gate.waiting() < 2 {
        assert!(began.elapsed() < TAKEOVER, "the node is stalled");
        std::thread::sleep(Duration::from_millis(5));
    }
    others.block_on(async {
        let dir = world.dir.path().join("b");
        let (present, shutdown) = open_views_on(&dir, &world.store, Some(&url)).await;
        present.wait_for(View::Bookings, world.head, TAKEOVER).await.unwrap();
        assert!(began.elapsed() < TAKEOVER, "taken over after {:?}", began.elapsed());
        assert_eq!(psql(&url, "SELECT epoch FROM generations"), "3");
        world.on_show("sh_9", BookingExpired { booking_id: id }).await;
        present.wait_for(View::Bookings, world.head, TAKEOVER).await.unwrap();
        let before = present.fingerprint(NAME).await.unwrap();

        gate.open();
        former.wait_for(View::Bookings, world.head, TAKEOVER).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(present.fingerprint(NAME).await.unwrap(), before, "the one that woke up changed nothing");
        assert_eq!(before, folded_anew(&world).await);
        assert_eq!(psql(&url, "SELECT epoch FROM generations"), "3", "nor did it shut the other out");
        for views in [&former, &present] {
            let status = views.status().into_iter().find(|status| status.name == NAME).unwrap();
            assert_eq!((status.status, status.checkpoint), (ProjectionState::Live, world.head));
        }
        for (views, shutdown) in [(&former, &former_shutdown), (&present, &shutdown)] {
            shutdown.cancel();
            views.closed().await;
        }
    });
    stalled.shutdown_background();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_is_asked_of_any_node_is_built_by_the_leader_and_seen_by_all() {
    let (world, _) = leading(200).await;
    let (standby, shutdown) =
        open_views_on(&world.dir.path().join("b"), &world.store, Some(database(&world))).await;
    standby.wait_for(View::Bookings, world.head, TAKEOVER).await.unwrap();
    let before = standby.fingerprint(NAME).await.unwrap();
    standby.rebuild(NAME).await.unwrap();
    let began = Instant::now();
    while (generation(&standby), generation(&world.views)) != (2, 2) {
        assert!(began.elapsed() < TAKEOVER, "rebuilt");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(standby.fingerprint(NAME).await.unwrap(), before);
    assert_eq!(psql(database(&world), "SELECT epoch FROM generations WHERE state = 'SERVING'"), "1");
    shutdown.cancel();
    standby.closed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_outlives_the_node_that_began_it_and_the_old_making_is_deleted() {
    let (mut world, _) = leading(200).await;
    let before = world.views.fingerprint(NAME).await.unwrap();
    world.views.rebuild(NAME).await.unwrap();
    world.reopen_views().await;
    let began = Instant::now();
    let tables = "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relispartition AND relkind = 'r'";
    while psql(database(&world), tables) != "bookings_2,live_seats_2,shows_2" {
        assert!(began.elapsed() < TAKEOVER, "{}", psql(database(&world), tables));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.caught_up().await;
    assert_eq!((generation(&world.views), world.views.fingerprint(NAME).await.unwrap()), (2, before));
}
