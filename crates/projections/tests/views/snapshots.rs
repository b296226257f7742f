//! What memory views keep on disk, and which shows they keep in memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use marquee_domain::ids::ShowId;
use marquee_domain::show::{BookingCompleted, ShowChanged};
use marquee_event_store::embedded::EmbeddedStore;
use marquee_event_store::{
    AppendError, Appended, EventStore, Expected, NewEvent, Page, Position, ReadError, Recorded, StreamName,
    TypeFilter,
};
use marquee_projections::{ShowQuery, Views};
use tokio::sync::watch;

use crate::world::{ALL_NAMES, ALL_VIEWS, Past, World, before, confirmed, open_views, open_views_of, time};

const MEMORY_VIEWS: [&str; 2] = ["seat-maps", "browse"];
const PATIENCE: Duration = Duration::from_secs(20);

/// The log, and from where it was read.
struct Watched {
    log: EmbeddedStore,
    read_after: Mutex<Vec<Position>>,
}

impl EventStore for Watched {
    fn append(
        &self,
        stream: StreamName,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'_, Result<Appended, AppendError>> {
        self.log.append(stream, expected, events)
    }

    fn read_stream(
        &self,
        stream: StreamName,
        from: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Arc<Recorded>>, ReadError>> {
        self.log.read_stream(stream, from, limit)
    }

    fn read_stream_back(
        &self,
        stream: StreamName,
        from: Option<u64>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Arc<Recorded>>, ReadError>> {
        self.log.read_stream_back(stream, from, limit)
    }

    fn read_all(
        &self,
        after: Position,
        limit: usize,
        filter: TypeFilter,
    ) -> BoxFuture<'_, Result<Page, ReadError>> {
        self.read_after.lock().unwrap().push(after);
        self.log.read_all(after, limit, filter)
    }

    fn read_all_back(
        &self,
        before: Option<Position>,
        limit: usize,
        filter: TypeFilter,
    ) -> BoxFuture<'_, Result<Page, ReadError>> {
        self.log.read_all_back(before, limit, filter)
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.log.head()
    }
}

/// Opens the views, lets them catch up and closes them again: their hashes, and from where the log was first read.
async fn opened(dir: &Path, world: &World) -> (Vec<String>, Position) {
    let watched = Arc::new(Watched { log: world.store.clone(), read_after: Mutex::default() });
    let (views, shutdown) = open_views_of(dir, Arc::clone(&watched) as Arc<dyn EventStore>, None).await;
    let hashes = hashes(&views, world.head).await;
    shutdown.cancel();
    views.closed().await;
    let first = watched.read_after.lock().unwrap().iter().copied().min();
    (hashes, first.unwrap_or(Position(u64::MAX)))
}

async fn hashes(views: &Views, head: Position) -> Vec<String> {
    for view in ALL_VIEWS {
        views.wait_for(view, head, PATIENCE).await.unwrap();
    }
    let mut hashes = vec![];
    for name in ALL_NAMES {
        let fingerprint = views.fingerprint(name).await.unwrap();
        assert_eq!(fingerprint.position, head, "{name}");
        hashes.push(fingerprint.hash);
    }
    hashes
}

const SHOWS: [&str; 4] = ["sh_1", "sh_2", "sh_3", "sh_4"];

async fn with_a_past() -> (World, Past) {
    let mut world = World::with_catalogue().await;
    for (at, show) in SHOWS.iter().enumerate() {
        world.show(show, &format!("mv_{}", at % 3 + 1), "2026-02-01T13:00:00Z", 3).await;
    }
    let mut past = Past::new();
    past.drive(&mut world, &SHOWS, 300).await;
    // The same for ever after: a poison event in one stream.
    let ghost = marquee_domain::ids::BookingId::compose(&"sh_4".into(), "ghost");
    world.on_show("sh_4", confirmed(&ghost)).await;
    world.caught_up().await;
    (world, past)
}

fn snapshot_of(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.1.snapshot"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_opened_from_its_snapshot_equals_one_folded_from_the_beginning() {
    let (mut world, mut past) = with_a_past().await;
    let views = world.dir.path().join("views");
    world.close_views().await;
    let closed_at = world.head;
    for round in 0..3 {
        past.drive(&mut world, &SHOWS[..3], 100).await;
        world.movie(&format!("mv_1{round}"), "Stalker", &["Drama"]).await;
        let (from_snapshot, first) = opened(&views, &world).await;
        assert!(first >= closed_at, "nothing before the snapshot is read again: {first} of {closed_at}");
        let (from_the_beginning, first) =
            opened(&world.dir.path().join(format!("fresh{round}")), &world).await;
        assert_eq!((from_snapshot, first), (from_the_beginning, Position(0)), "round {round}");
    }
}

/// Puts a checksum that is right under a content.
fn sealed(content: &str) -> String {
    format!("{content}{}\n", hex::encode(digest::digest(&digest::SHA256, content.as_bytes())))
}

/// What is done to a view's snapshot, and how.
type Harm = (&'static str, Box<dyn Fn(&Path, &str)>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_cannot_be_used_costs_a_replay_and_changes_nothing() {
    let (world, _) = with_a_past().await;
    let views = world.dir.path().join("views");
    world.close_views().await;
    let (expected, _) = opened(&views, &world).await;
    let content = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let end = text.trim_end().rfind('\n').unwrap() + 1;
        assert_eq!(sealed(&text[..end]), text, "the last line is the checksum of the others");
        text[..end].to_owned()
    };
    let harms: Vec<Harm> = vec![
        ("missing", Box::new(|path, _| fs::remove_file(path).unwrap())),
        ("empty", Box::new(|path, _| fs::write(path, "").unwrap())),
        (
            "torn",
            Box::new(|path, _| {
                let whole = fs::read(path).unwrap();
                fs::write(path, &whole[..whole.len() / 2]).unwrap();
            }),
        ),
        (
            "changed",
            Box::new(move |path, _| {
                let whole = fs::read_to_string(path).unwrap();
                let changed = whole.replacen("2D", "3D", 1);
                assert_ne!(changed, whole);
                fs::write(path, changed).unwrap();
            }),
        ),
        (
            "of another version",
            Box::new(move |path, name| {
                let whole = content(path);
                let other = whole.replacen(&format!("\"{name}."), &format!("\"{name}.0"), 1);
                assert_ne!(other, whole);
                fs::write(path, sealed(&other)).unwrap();
            }),
        ),
        (
            "of another making",
            Box::new(move |path, _| {
                let other = content(path).replacen("\"generation\":1,", "\"generation\":2,", 1);
                fs::write(path, sealed(&other)).unwrap();
            }),
        ),
    ];
    for (what, harm) in &harms {
        for name in MEMORY_VIEWS {
            harm(&snapshot_of(&views, name), name);
            let (found, first) = opened(&views, &world).await;
            assert_eq!(first, Position(0), "{name}: a snapshot {what} is not used");
            assert_eq!(found, expected, "{name} after a snapshot {what}");
            let (_, first) = opened(&views, &world).await;
            assert!(first >= world.head, "{name}: after a snapshot {what} there is a good one again");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_is_ahead_of_the_log_is_not_served() {
    let (world, _) = with_a_past().await;
    let views = world.dir.path().join("views");
    world.close_views().await;
    let mut other = World::with_catalogue().await;
    other.show("sh_9", "mv_1", "2026-02-01T13:00:00Z", 1).await;
    assert!(other.head < world.head);
    // Only the snapshots remain of what was ahead.
    fs::remove_dir_all(views.join("browse.1")).unwrap();
    let (found, first) = opened(&views, &other).await;
    let (expected, _) = opened(&other.dir.path().join("fresh"), &other).await;
    assert_eq!((found, first), (expected, Position(0)));
    let (reopened, shutdown) = open_views(&views, &other.store).await;
    hashes(&reopened, other.head).await;
    assert!(reopened.status().iter().all(|status| status.generation == 2), "{:?}", reopened.status());
    assert!(!reopened.seat_maps.keeps(&"sh_1".into()));
    assert!(reopened.catalogue.show(&"sh_1".into()).is_none());
    shutdown.cancel();
    reopened.closed().await;
}

/// What a crash leaves: a snapshot older than the index, or an index that was lost and is older than the snapshot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_and_an_index_of_different_ages_fit() {
    let (mut world, _) = with_a_past().await;
    let views = world.dir.path().join("views");
    let old = world.dir.path().join("old");
    world.close_views().await;
    copy(&views, &old);
    world.movie("mv_7", "Stalker", &["Drama"]).await;
    world.on_show("sh_1", ShowChanged { language: Some("hi".into()), ..ShowChanged::default() }).await;
    world.show("sh_5", "mv_7", "2026-02-01T14:00:00Z", 2).await;
    let (expected, _) = opened(&world.dir.path().join("fresh"), &world).await;

    assert_eq!(opened(&views, &world).await.0, expected);
    for name in MEMORY_VIEWS {
        fs::copy(snapshot_of(&old, name), snapshot_of(&views, name)).unwrap();
    }
    assert_eq!(opened(&views, &world).await.0, expected, "older snapshots");

    fs::remove_dir_all(views.join("browse.1")).unwrap();
    copy(&old.join("browse.1"), &views.join("browse.1"));
    assert_eq!(opened(&views, &world).await.0, expected, "an older index");
    fs::remove_dir_all(views.join("browse.1")).unwrap();
    assert_eq!(opened(&views, &world).await.0, expected, "no index");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuilt_view_is_what_the_next_start_opens() {
    let (mut world, mut past) = with_a_past().await;
    for name in MEMORY_VIEWS {
        world.rebuild(name).await;
    }
    past.drive(&mut world, &SHOWS[..3], 50).await;
    world.caught_up().await;
    world.close_views().await;
    let views = world.dir.path().join("views");
    let (found, first) = opened(&views, &world).await;
    assert!(first >= world.head);
    assert_eq!(found, opened(&world.dir.path().join("fresh"), &world).await.0);
    world.reopen_views().await;
    world.caught_up().await;
    assert_eq!(MEMORY_VIEWS.map(|name| world.generation(name)), [2, 2]);
}

/// An hour and a bit after the end of a show that starts then.
fn long_after(start: &str) -> Timestamp {
    time(start) + Duration::from_mins(128 + 61)
}

/// Enough happens then for the log to say that it is that late.
async fn go_on(world: &mut World, now: Timestamp) {
    world.now = now;
    for city in 0..32 {
        world.city(&format!("city_{city}"), "Delhi").await;
    }
    world.caught_up().await;
}

async fn body(views: &Views, show: &str, now: Timestamp) -> String {
    let map = views.seat_maps.rendered(&show.into(), now).await.unwrap().unwrap();
    String::from_utf8(map.body.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_show_that_is_over_leaves_memory_and_reads_as_before() {
    let (mut world, _) = with_a_past().await;
    let over = long_after("2026-02-01T13:00:00Z");
    let (mut maps, mut snapshots) = (vec![], vec![]);
    for show in SHOWS {
        maps.push(body(&world.views, show, over).await);
        snapshots.push(world.views.seat_maps.seats(&show.into(), over).await.unwrap());
    }
    assert!(maps.iter().any(|map| map.contains("SOLD")));
    assert!(SHOWS.iter().all(|show| world.views.seat_maps.keeps(&(*show).into())));

    go_on(&mut world, over).await;
    world.show("sh_next", "mv_1", "2026-02-02T13:00:00Z", 1).await;
    world.caught_up().await;
    for (at, show) in SHOWS.into_iter().enumerate() {
        let id = ShowId::from(show);
        assert!(!world.views.seat_maps.keeps(&id), "{show} is let go");
        assert!(world.views.catalogue.show(&id).is_none(), "{show} is let go");
        for _ in 0..2 {
            assert_eq!(body(&world.views, show, over).await, maps[at]);
            assert_eq!(world.views.seat_maps.seats(&id, over).await.unwrap(), snapshots[at]);
        }
        let availability = world.views.seat_maps.availability(&id, over).await.unwrap().unwrap();
        assert_eq!(availability.available_seats as usize, maps[at].matches("AVAILABLE").count());
    }
    assert!(world.views.seat_maps.keeps(&"sh_next".into()));
    assert!(world.views.seat_maps.rendered(&"sh_none".into(), over).await.unwrap().is_none());
    let query = ShowQuery {
        city: "blr".into(),
        movie: "mv_1".into(),
        date: jiff::civil::date(2026, 2, 2),
        language: None,
        format: None,
        now: over,
        limit: 10,
        after: None,
    };
    assert_eq!(world.views.browse.shows(&query).unwrap().theatres[0].shows[0].show.show_id, "sh_next".into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_to_a_show_that_was_let_go_is_told_and_read() {
    let mut world = World::with_catalogue().await;
    world.show("sh_1", "mv_1", "2026-02-01T13:00:00Z", 1).await;
    let id = world.lock("sh_1", "01", "u_1", &["A1"], before() + Duration::from_mins(5)).await;
    world.confirm("sh_1", &id).await;
    go_on(&mut world, long_after("2026-02-01T13:00:00Z")).await;
    assert!(!world.views.seat_maps.keeps(&"sh_1".into()));

    let mut changes = world.views.seat_maps.subscribe(&"sh_1".into()).await.unwrap().unwrap();
    assert!(body(&world.views, "sh_1", world.now).await.contains("SOLD"));
    let late = BookingCompleted { booking_id: id };
    let completed = world.on_show("sh_1", late).await;
    world.caught_up().await;
    tokio::time::timeout(PATIENCE, changes.changed()).await.unwrap().unwrap();
    assert_eq!(*changes.borrow(), completed);
    let map = world.views.seat_maps.rendered(&"sh_1".into(), world.now).await.unwrap().unwrap();
    assert_eq!(map.position, completed);
    assert!(world.views.status().iter().all(|status| status.parked.is_empty()), "{:?}", world.views.status());
}

/// Followed live, made again, opened from a snapshot: pages end at other positions, and shows leave at the same ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_making_lets_go_of_the_same_shows() {
    let mut world = World::with_catalogue().await;
    let mut past = Past::new();
    let shows: Vec<String> = (0..30).map(|show| format!("sh_{show}")).collect();
    let first = time("2026-02-01T13:00:00Z");
    for (at, show) in (0_u64..).zip(&shows) {
        world.show(show, "mv_1", &(first + Duration::from_mins(20 * at)).to_string(), 3).await;
    }
    let shows: Vec<&str> = shows.iter().map(String::as_str).collect();
    let later = Some(first + Duration::from_hours(48));
    let moved = ShowChanged { start_time: later, end_time: later, ..ShowChanged::default() };
    world.on_show("sh_0", moved).await;
    for at in 0..20_u64 {
        // Some of it happens to shows that are over.
        world.now = first + Duration::from_mins(30 * at);
        past.drive(&mut world, &shows, 20).await;
        if at % 5 == 0 {
            world.caught_up().await;
        }
    }
    let live = hashes(&world.views, world.head).await;
    let kept = shows.iter().filter(|show| world.views.seat_maps.keeps(&(**show).into())).count();
    assert!((5..25).contains(&kept), "some are over and some are not: {kept}");
    assert!(world.views.seat_maps.keeps(&"sh_0".into()), "it was moved to another day");
    for name in ALL_NAMES {
        world.rebuild(name).await;
    }
    assert_eq!(hashes(&world.views, world.head).await, live);
    world.close_views().await;
    assert_eq!(opened(&world.dir.path().join("views"), &world).await.0, live);
    assert_eq!(opened(&world.dir.path().join("fresh"), &world).await.0, live);
}
