//! A view is made of the log alone.

use marquee_projections::{ProjectionState, RebuildError, View};

use crate::world::{ALL_NAMES, Past, World, open_views};

const SHOWS: [&str; 4] = ["sh_1", "sh_2", "sh_3", "sh_4"];

async fn with_a_past(steps: usize) -> (World, Past) {
    let mut world = World::with_catalogue().await;
    for (at, show) in SHOWS.iter().enumerate() {
        world.show(show, &format!("mv_{}", at % 3 + 1), "2026-02-01T13:00:00Z", 3).await;
    }
    let mut past = Past::new();
    past.drive(&mut world, &SHOWS, steps).await;
    world.caught_up().await;
    (world, past)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_made_again_equals_the_one_that_followed_live() {
    let (mut world, mut past) = with_a_past(0).await;
    let shows: Vec<String> = (10..60).map(|show| format!("sh_{show}")).collect();
    for show in &shows {
        world.show(show, "mv_1", "2026-02-01T13:00:00Z", 3).await;
    }
    past.drive(&mut world, &shows.iter().map(String::as_str).collect::<Vec<_>>(), 4_000).await;
    world.caught_up().await;
    assert!(world.head.0 > 4_000, "the past is long enough to tell: {}", world.head);
    for name in ALL_NAMES {
        let followed = world.views.fingerprint(name).await.unwrap();
        assert_eq!(followed.position, world.head, "{name}");
        world.rebuild(name).await;
        let rebuilt = world.views.fingerprint(name).await.unwrap();
        assert_eq!(rebuilt, followed, "{name}");
    }
    assert!(world.views.status().iter().all(|status| status.parked.is_empty()), "{:?}", world.views.status());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuilt_view_follows_on_and_differs_once_something_happens() {
    let (mut world, mut past) = with_a_past(300).await;
    for name in ALL_NAMES {
        world.rebuild(name).await;
    }
    let before = world.views.fingerprint("seat-inventory").await.unwrap();
    past.drive(&mut world, &SHOWS, 200).await;
    world.movie("mv_9", "Stalker", &["Drama"]).await;
    world.caught_up().await;
    assert_ne!(world.views.fingerprint("seat-inventory").await.unwrap().hash, before.hash);

    let (fresh, shutdown) = open_views(&world.dir.path().join("fresh"), &world.store).await;
    for (name, view) in ALL_NAMES.into_iter().zip([View::Bookings, View::SeatMaps, View::Browse]) {
        fresh.wait_for(view, world.head, std::time::Duration::from_secs(20)).await.unwrap();
        assert_eq!(
            fresh.fingerprint(name).await.unwrap(),
            world.views.fingerprint(name).await.unwrap(),
            "{name}"
        );
    }
    shutdown.cancel();
    fresh.closed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_goes_on_where_it_was_when_it_is_opened_again() {
    let (mut world, mut past) = with_a_past(300).await;
    for round in 0..3 {
        let mut before = vec![];
        for name in ALL_NAMES {
            before.push(world.views.fingerprint(name).await.unwrap());
        }
        world.reopen_views().await;
        world.caught_up().await;
        for (name, before) in ALL_NAMES.into_iter().zip(before) {
            assert_eq!(world.views.fingerprint(name).await.unwrap(), before, "{name} in round {round}");
        }
        past.drive(&mut world, &SHOWS, 50).await;
        world.caught_up().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_ends_with_a_higher_generation_that_is_live() {
    let (world, _) = with_a_past(100).await;
    assert!(world.views.ready());
    for name in ALL_NAMES {
        assert_eq!(world.generation(name), 1);
        world.rebuild(name).await;
        let status = world.views.status().into_iter().find(|status| status.name == name).unwrap();
        assert_eq!((status.generation, status.status), (2, ProjectionState::Live));
        assert_eq!((status.checkpoint, status.lag), (world.head, 0));
    }
    let unknown = world.views.rebuild("nonsense").await;
    assert_eq!(unknown, Err(RebuildError::UnknownProjection("nonsense".into())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_rebuild_is_refused_while_one_is_under_way() {
    let (world, _) = with_a_past(100).await;
    world.views.rebuild("seat-inventory").await.unwrap();
    assert_eq!(world.views.rebuild("seat-inventory").await, Err(RebuildError::AlreadyRebuilding));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_making_that_serves_reads_is_kept_on_disk() {
    let (mut world, _) = with_a_past(100).await;
    world.rebuild("seat-inventory").await;
    world.rebuild("browse").await;
    world.reopen_views().await;
    world.close_views().await;
    let files = std::fs::read_dir(world.dir.path().join("views")).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.contains("-wal") && !name.contains("-shm"));
    names.sort();
    let expected = [
        "browse.2",
        "browse.2.snapshot",
        "browse.CURRENT",
        "seat-inventory.2.sqlite",
        "seat-inventory.CURRENT",
        "seat-maps.1.snapshot",
        "seat-maps.CURRENT",
    ];
    assert_eq!(names, expected);
}
