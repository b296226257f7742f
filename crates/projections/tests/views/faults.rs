//! What a view does when the log or its files are not as they should be.

use std::fs;

use marquee_domain::ids::BookingId;
use marquee_domain::show::BookingStatus;
use marquee_projections::{MovieQuery, ProjectionState};

use crate::world::{ALL_NAMES, World, before, confirmed, locked, time};

async fn with_two_shows() -> World {
    let mut world = World::with_catalogue().await;
    world.show("sh_1", "mv_1", "2026-02-01T13:00:00Z", 1).await;
    world.show("sh_2", "mv_2", "2026-02-01T13:00:00Z", 1).await;
    world
}

fn until() -> jiff::Timestamp {
    time("2026-02-01T12:30:00Z")
}

#[tokio::test]
async fn a_poison_event_parks_its_stream_alone() {
    let mut world = with_two_shows().await;
    let never_begun = BookingId::compose(&"sh_1".into(), "ghost");
    let poison = world.confirm("sh_1", &never_begun).await;
    let unseen = world.lock("sh_1", "01", "u_1", &["A1"], until()).await;
    let seen = world.lock("sh_2", "01", "u_1", &["A1"], until()).await;
    world.caught_up().await;

    for status in world.views.status() {
        if status.name == "browse" {
            assert_eq!(
                (status.status, status.parked.len()),
                (ProjectionState::Live, 0),
                "it has no use for bookings"
            );
            continue;
        }
        assert_eq!(status.status, ProjectionState::Parked, "{}", status.name);
        assert_eq!(status.parked.len(), 1, "{}", status.name);
        assert_eq!((status.parked[0].stream.as_str(), status.parked[0].position), ("show-sh_1", poison));
        assert!(status.parked[0].error.contains("ghost"), "{}", status.parked[0].error);
    }
    assert_eq!(world.views.bookings.get(&unseen).await.unwrap(), None);
    assert_eq!(world.views.bookings.get(&seen).await.unwrap().unwrap().status, BookingStatus::PaymentPending);
    assert_eq!(
        world.views.seat_maps.availability(&"sh_1".into(), before()).await.unwrap().unwrap().available_seats,
        10
    );
    assert_eq!(
        world.views.seat_maps.availability(&"sh_2".into(), before()).await.unwrap().unwrap().available_seats,
        9
    );

    let before = world.views.fingerprint("seat-inventory").await.unwrap();
    world.reopen_views().await;
    world.caught_up().await;
    assert_eq!(world.views.status()[0].parked.len(), 1, "what is parked is remembered");
    world.rebuild("seat-inventory").await;
    assert_eq!(world.views.fingerprint("seat-inventory").await.unwrap(), before);
}

/// Across pages it is the key of the table that tells; within a page, the page itself.
#[tokio::test]
async fn no_two_live_bookings_ever_own_a_seat() {
    for in_one_page in [true, false] {
        let mut world = with_two_shows().await;
        let first = world.lock("sh_1", "01", "u_1", &["A1", "A2"], until()).await;
        if !in_one_page {
            world.caught_up().await;
        }
        let second = BookingId::compose(&"sh_1".into(), "02");
        let double =
            world.on_show("sh_1", locked(&second, "u_2", vec!["A3".into(), "A2".into()], until())).await;
        let elsewhere = world.lock("sh_2", "03", "u_2", &["A2"], until()).await;
        world.caught_up().await;
        for status in world.views.status().iter().filter(|status| status.name != "browse") {
            assert_eq!(status.parked.len(), 1, "{}", status.name);
            assert_eq!(status.parked[0].position, double);
            assert!(status.parked[0].error.contains(first.as_str()), "{}", status.parked[0].error);
        }
        let bookings = &world.views.bookings;
        assert!(bookings.get(&first).await.unwrap().is_some());
        assert_eq!(bookings.get(&second).await.unwrap(), None);
        assert!(bookings.get(&elsewhere).await.unwrap().is_some());
        let seats = world.views.seat_maps.availability(&"sh_1".into(), before()).await.unwrap().unwrap();
        assert_eq!(seats.available_seats, 8, "no part of a poison event is applied");
    }
}

#[tokio::test]
async fn nothing_follows_a_final_state() {
    let mut world = with_two_shows().await;
    let id = world.lock("sh_1", "01", "u_1", &["A1"], until()).await;
    world.on_show("sh_1", marquee_domain::show::BookingExpired { booking_id: id.clone() }).await;
    world.on_show("sh_1", confirmed(&id)).await;
    world.caught_up().await;
    assert_eq!(world.views.bookings.get(&id).await.unwrap().unwrap().status, BookingStatus::Expired);
    assert_eq!(world.views.status()[0].parked.len(), 1);
}

#[tokio::test]
async fn files_that_are_lost_or_torn_are_made_again_from_the_log() {
    let mut world = with_two_shows().await;
    world.lock("sh_1", "01", "u_1", &["A1"], until()).await;
    world.caught_up().await;
    let views = world.dir.path().join("views");
    let mut expected = vec![];
    for name in ALL_NAMES {
        expected.push(world.views.fingerprint(name).await.unwrap());
    }
    let harms: [fn(&std::path::Path); 4] = [
        |views| fs::remove_dir_all(views).unwrap(),
        |views| {
            let newest = |prefix: &str, suffix: &str| {
                let files = fs::read_dir(views).unwrap().map(|file| file.unwrap().path());
                let name =
                    |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
                files
                    .filter(|path| name(path).starts_with(prefix) && name(path).ends_with(suffix))
                    .max()
                    .unwrap()
            };
            fs::write(
                newest("seat-inventory", ".sqlite"),
                "no database at all, though long enough to be one",
            )
            .unwrap();
            let index = fs::read_dir(views).unwrap().map(|file| file.unwrap().path());
            let index = index.filter(|path| path.is_dir()).max().unwrap();
            fs::write(index.join("meta.json"), "{").unwrap();
        },
        |views| {
            let index = fs::read_dir(views).unwrap().map(|file| file.unwrap().path());
            fs::remove_dir_all(index.filter(|path| path.is_dir()).max().unwrap()).unwrap();
        },
        |views| fs::write(views.join("seat-inventory.CURRENT"), "").unwrap(),
    ];
    for (at, harm) in harms.into_iter().enumerate() {
        world.close_views().await;
        harm(&views);
        world.reopen_views().await;
        world.caught_up().await;
        for (name, expected) in ALL_NAMES.into_iter().zip(&expected) {
            assert_eq!(world.views.fingerprint(name).await.unwrap(), *expected, "{name} after harm {at}");
        }
    }
}

#[tokio::test]
async fn what_a_crash_in_a_rebuild_left_behind_is_swept_and_the_live_making_stays() {
    let mut world = with_two_shows().await;
    world.lock("sh_1", "01", "u_1", &["A1"], until()).await;
    world.caught_up().await;
    let before = world.views.fingerprint("seat-inventory").await.unwrap();
    world.close_views().await;
    let views = world.dir.path().join("views");
    let half_made = [views.join("seat-inventory.7.sqlite"), views.join("seat-inventory.7.sqlite-wal")];
    for path in &half_made {
        fs::write(path, "half a file").unwrap();
    }
    fs::create_dir(views.join("browse.7")).unwrap();
    world.reopen_views().await;
    world.caught_up().await;
    assert_eq!(world.views.fingerprint("seat-inventory").await.unwrap(), before);
    assert_eq!((world.generation("seat-inventory"), world.generation("browse")), (1, 1));
    assert!(!half_made.iter().any(|path| path.exists()) && !views.join("browse.7").exists());
}

/// A file where the index should have its directory cannot be written into, whoever runs this.
#[tokio::test]
async fn films_are_found_without_an_index() {
    let mut world = with_two_shows().await;
    world.caught_up().await;
    world.close_views().await;
    let index = world.dir.path().join("views/browse.1");
    fs::remove_dir_all(&index).unwrap();
    std::os::unix::fs::symlink("/proc/nowhere", &index).unwrap();
    world.reopen_views().await;
    world.caught_up().await;
    let query = |q: Option<&str>| MovieQuery {
        city: "blr".into(),
        date: None,
        language: None,
        format: None,
        genre: None,
        q: q.map(Into::into),
        status: None,
        readers: vec![],
        now: before(),
        limit: 10,
        after: None,
    };
    let found = |q| world.views.browse.movies(&query(q)).unwrap().movies.len();
    assert_eq!((found(None), found(Some("budapest")), found(Some("zzz"))), (2, 1, 0));
    assert!(world.views.ready());
}

#[tokio::test]
async fn a_view_that_is_ahead_of_the_log_is_made_again() {
    let mut world = with_two_shows().await;
    let id = world.lock("sh_1", "01", "u_1", &["A1"], until()).await;
    world.caught_up().await;
    world.close_views().await;
    let mut other = World::new().await;
    other.close_views().await;
    other.city("blr", "Bengaluru").await;
    let kept = world.dir.path().join("views");
    let (views, shutdown) = crate::world::open_views(&kept, &other.store).await;
    for view in crate::world::ALL_VIEWS {
        views.wait_for(view, other.head, std::time::Duration::from_secs(5)).await.unwrap();
    }
    assert_eq!(views.bookings.get(&id).await.unwrap(), None);
    assert!(views.ready());
    shutdown.cancel();
    views.closed().await;
}
