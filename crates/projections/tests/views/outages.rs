//! PostgreSQL goes away and comes back: the log goes on, readers are told, and the view catches up by itself.

use std::time::{Duration, Instant};

use marquee_projections::{ProjectionState, RebuildError, View, ViewsError};
use marquee_test_postgres::Postgres;

use crate::world::{Past, World, open_views};

const NAME: &str = "seat-inventory";
const SHOWS: [&str; 3] = ["sh_1", "sh_2", "sh_3"];
/// After the server is back.
const CATCH_UP: Duration = Duration::from_secs(30);

async fn over(server: &Postgres) -> (World, Past) {
    let mut world = World::with_catalogue_on(Some(server.create_database("views"))).await;
    for show in SHOWS {
        world.show(show, "mv_1", "2026-02-01T13:00:00Z", 3).await;
    }
    let mut past = Past::new();
    past.drive(&mut world, &SHOWS, 300).await;
    world.caught_up().await;
    (world, past)
}

async fn until_out(world: &World, patience: Duration) {
    let began = Instant::now();
    while !world.views.is_out(View::Bookings) {
        assert!(began.elapsed() < patience, "the outage is seen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What readers are told, and at once.
async fn readers_are_told(world: &World) {
    let began = Instant::now();
    let listed = world.views.bookings.list(&"u_1".into(), None, 10).await;
    assert!(matches!(listed, Err(ViewsError::Unavailable(_))), "{listed:?}");
    let read = world.views.bookings.get(&"bk_sh_1_00000001".into()).await;
    assert!(matches!(read, Err(ViewsError::Unavailable(_))), "{read:?}");
    assert!(began.elapsed() < Duration::from_millis(500), "nobody waits for what is known to be out");
    let status = world.views.status().into_iter().find(|status| status.name == NAME).unwrap();
    let outage = status.outage.unwrap();
    assert_eq!((status.status, outage.dependency), (ProjectionState::Unavailable, "postgres"));
    assert!(outage.lasted > Duration::ZERO && !outage.reason.is_empty());
    assert!(world.views.ready(), "a node without it still sells seats");
    for other in world.views.status().iter().filter(|status| status.name != NAME) {
        assert_eq!((other.status, other.outage.as_ref()), (ProjectionState::Live, None), "{}", other.name);
    }
}

async fn it_catches_up(world: &World) {
    world.views.wait_for(View::Bookings, world.head, CATCH_UP).await.unwrap();
    assert_eq!(world.views.outages(), []);
    let (fresh, shutdown) = open_views(&world.dir.path().join("fresh"), &world.store).await;
    fresh.wait_for(View::Bookings, world.head, CATCH_UP).await.unwrap();
    assert_eq!(world.views.fingerprint(NAME).await.unwrap(), fresh.fingerprint(NAME).await.unwrap());
    let listed = world.views.bookings.list(&"u_1".into(), None, 100).await.unwrap();
    assert_eq!(listed, fresh.bookings.list(&"u_1".into(), None, 100).await.unwrap());
    shutdown.cancel();
    fresh.closed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_under_load_and_started_again_is_caught_up_with() {
    let mut server = Postgres::start();
    let (mut world, mut past) = over(&server).await;
    server.stop();
    past.drive(&mut world, &SHOWS, 300).await;
    until_out(&world, Duration::from_secs(5)).await;
    readers_are_told(&world).await;
    assert!(matches!(world.views.rebuild(NAME).await, Err(RebuildError::Unavailable(_))));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(6) {
        past.drive(&mut world, &SHOWS, 100).await;
    }
    for view in [View::SeatMaps, View::Browse] {
        world.views.wait_for(view, world.head, CATCH_UP).await.unwrap();
    }
    server.start_again();
    past.drive(&mut world, &SHOWS, 100).await;
    it_catches_up(&world).await;
}

/// The worst that a server can do: its connections stand, and nothing is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_answers_nothing_counts_as_out_and_is_caught_up_with() {
    let server = Postgres::start();
    let (mut world, mut past) = over(&server).await;
    server.freeze();
    let began = Instant::now();
    let listed = world.views.bookings.list(&"u_1".into(), None, 10).await;
    assert!(matches!(listed, Err(ViewsError::Unavailable(_))), "{listed:?}");
    assert!(began.elapsed() < Duration::from_secs(4), "a reader waits only so long: {:?}", began.elapsed());
    until_out(&world, Duration::from_secs(10)).await;
    past.drive(&mut world, &SHOWS, 300).await;
    readers_are_told(&world).await;
    server.thaw();
    past.drive(&mut world, &SHOWS, 100).await;
    it_catches_up(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_without_the_server_sells_seats_and_has_the_view_once_it_is_there() {
    let mut server = Postgres::start();
    let (mut world, mut past) = over(&server).await;
    world.close_views().await;
    server.stop();
    world.reopen_views().await;
    until_out(&world, Duration::from_secs(10)).await;
    past.drive(&mut world, &SHOWS, 100).await;
    for view in [View::SeatMaps, View::Browse, View::Catalogue] {
        world.views.wait_for(view, world.head, CATCH_UP).await.unwrap();
    }
    readers_are_told(&world).await;
    server.start_again();
    it_catches_up(&world).await;
}
