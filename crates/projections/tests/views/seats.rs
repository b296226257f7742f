//! Seat maps as they are served.

use std::time::Duration;

use marquee_domain::ids::{SeatId, ShowId};
use marquee_domain::show::{BookingCancelled, CancelledBy, SeatsBlocked, SeatsReleased, ShowCancelled};
use marquee_projections::{AvailabilityStatus, SeatStatus};

use crate::world::{World, before, seats_cancelled, time};

fn blocked(seats: &[&str]) -> SeatsBlocked {
    let seat_ids = seats.iter().map(|seat| (*seat).into()).collect();
    SeatsBlocked { seat_ids, reason: None, request: None }
}

fn released(seats: &[&str]) -> SeatsReleased {
    let seat_ids = seats.iter().map(|seat| (*seat).into()).collect();
    SeatsReleased { seat_ids, reason: None, request: None }
}

async fn with_a_show(rows: usize) -> (World, ShowId) {
    let mut world = World::with_catalogue().await;
    world.show("sh_1", "mv_1", "2026-02-01T13:00:00Z", rows).await;
    (world, "sh_1".into())
}

#[tokio::test]
async fn a_seat_map_has_the_fields_of_the_contract_in_its_order() {
    let (mut world, show) = with_a_show(1).await;
    world.lock("sh_1", "01", "u_1", &["A2"], time("2026-02-01T12:35:00Z")).await;
    let sold = world.lock("sh_1", "02", "u_2", &["A3"], time("2026-02-01T12:35:00Z")).await;
    world.lock("sh_1", "03", "u_2", &["A4"], time("2026-02-01T12:35:00.250Z")).await;
    let last = world.confirm("sh_1", &sold).await;
    world.caught_up().await;

    let map = world.views.seat_maps.rendered(&show, before()).await.unwrap().unwrap();
    assert_eq!(map.position, last);
    let free =
        |seat: &str| format!(r#"{{"seatId":"{seat}","type":"PREMIUM","price":250.5,"status":"AVAILABLE"}}"#);
    let expected = [
        r#"{"showId":"sh_1","theatreId":"th_101","screenName":"Screen 3","startTime":"2026-02-01T18:30:00+05:30","seatMap":{"rows":[{"rowLabel":"A","seats":["#,
        &free("A1"),
        r#",{"seatId":"A2","type":"PREMIUM","price":250.5,"status":"LOCKED","lockExpiresAt":"2026-02-01T18:05:00+05:30"},{"seatId":"A3","type":"PREMIUM","price":250.5,"status":"SOLD"},{"seatId":"A4","type":"PREMIUM","price":250.5,"status":"LOCKED","lockExpiresAt":"2026-02-01T18:05:00.250+05:30"},"#,
        &["A5", "A6", "A7", "A8", "A9", "A10"].map(free).join(","),
        "]}]}}",
    ];
    assert_eq!(String::from_utf8_lossy(&map.body), expected.concat());
}

#[tokio::test]
async fn a_map_of_many_rows_is_json() {
    let (world, show) = with_a_show(3).await;
    world.caught_up().await;
    let map = world.views.seat_maps.rendered(&show, before()).await.unwrap().unwrap();
    let map: serde_json::Value = serde_json::from_slice(&map.body).unwrap();
    let rows = map["seatMap"]["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["rowLabel"].as_str().unwrap()).collect::<String>(), "ABC");
    assert!(rows.iter().all(|row| row["seats"].as_array().unwrap().len() == 10));
    assert_eq!(rows[1]["seats"][0]["price"], 180);
}

#[tokio::test]
async fn a_lock_ends_at_its_deadline_with_no_event() {
    let (mut world, show) = with_a_show(1).await;
    let until = time("2026-02-01T12:05:00.500Z");
    world.lock("sh_1", "01", "u_1", &["A1"], until).await;
    world.caught_up().await;
    let maps = &world.views.seat_maps;
    let seats = async |now| maps.seats(&show, now).await.unwrap().unwrap();
    let free = async |now| maps.availability(&show, now).await.unwrap().unwrap().available_seats;
    let a_moment_before = until - Duration::from_millis(1);
    let rendered = async |now| {
        let map = maps.rendered(&show, now).await.unwrap().unwrap();
        String::from_utf8(map.body.to_vec()).unwrap()
    };

    assert_eq!(seats(a_moment_before).await.seats[0], (SeatId::from("A1"), SeatStatus::Locked { until }));
    assert_eq!(seats(a_moment_before).await.next_expiry, Some(until));
    assert!(rendered(a_moment_before).await.contains("LOCKED"));
    assert_eq!(free(a_moment_before).await, 9);

    assert_eq!(seats(until).await.seats[0], (SeatId::from("A1"), SeatStatus::Available));
    assert_eq!(seats(until).await.next_expiry, None);
    assert!(!rendered(until).await.contains("LOCKED"), "bytes die with the first lock in them");
    assert_eq!(free(until).await, 10);
}

#[tokio::test]
async fn a_show_fills_fast_once_a_fifth_of_its_seats_is_left() {
    let (mut world, show) = with_a_show(1).await;
    let later = time("2026-02-01T12:30:00Z");
    let mut told = vec![];
    for seat in 1..=10 {
        world.lock("sh_1", &format!("{seat:02}"), "u_1", &[&format!("A{seat}")], later).await;
        world.caught_up().await;
        let availability = world.views.seat_maps.availability(&show, before()).await.unwrap().unwrap();
        assert_eq!((availability.available_seats, availability.total), (10 - seat, 10));
        told.push(availability.status);
    }
    let mut expected = [AvailabilityStatus::Available; 10];
    expected[7..9].fill(AvailabilityStatus::FastFilling);
    expected[9] = AvailabilityStatus::SoldOut;
    assert_eq!(told, expected);
}

#[tokio::test]
async fn seats_are_free_again_once_their_booking_is_cancelled() {
    let (mut world, show) = with_a_show(1).await;
    let id = world.lock("sh_1", "01", "u_1", &["A1", "A2"], time("2026-02-01T12:30:00Z")).await;
    world.confirm("sh_1", &id).await;
    world.on_show("sh_1", ShowCancelled::default()).await;
    world
        .on_show(
            "sh_1",
            BookingCancelled {
                booking_id: id,
                by: CancelledBy::Show,
                paid: true,
                refund: None,
                retained: None,
            },
        )
        .await;
    world.caught_up().await;
    assert_eq!(
        world.views.seat_maps.availability(&show, before()).await.unwrap().unwrap().available_seats,
        10
    );
    assert!(world.views.catalogue.show(&show).unwrap().cancelled);
}

#[tokio::test]
async fn seats_that_are_cancelled_are_free_again_and_the_others_stay_sold() {
    let (mut world, show) = with_a_show(1).await;
    let id = world.lock("sh_1", "01", "u_1", &["A1", "A2", "A3"], time("2026-02-01T12:30:00Z")).await;
    world.confirm("sh_1", &id).await;
    world.on_show("sh_1", seats_cancelled(&id, 1, &["A2"], 36_000)).await;
    world.caught_up().await;
    for reopened in [false, true] {
        let seats = world.views.seat_maps.seats(&show, before()).await.unwrap().unwrap().seats;
        let sold = seats.iter().filter(|(_, status)| *status == SeatStatus::Sold);
        let sold: Vec<_> = sold.map(|(seat, _)| seat.as_str()).collect();
        assert_eq!(sold, ["A1", "A3"], "{reopened}");
        world.reopen_views().await;
        world.caught_up().await;
    }
    let (by, refund, retained) = (CancelledBy::Customer, Some(0), Some(36_000));
    world.on_show("sh_1", BookingCancelled { booking_id: id, by, paid: true, refund, retained }).await;
    world.caught_up().await;
    let availability = world.views.seat_maps.availability(&show, before()).await.unwrap().unwrap();
    assert_eq!(availability.available_seats, 10);
}

#[tokio::test]
async fn what_the_house_keeps_is_blocked_and_not_free_through_a_restart_and_a_rebuild() {
    let (mut world, show) = with_a_show(1).await;
    let sold = world.lock("sh_1", "01", "u_1", &["A3"], time("2026-02-01T12:30:00Z")).await;
    world.confirm("sh_1", &sold).await;
    world.on_show("sh_1", blocked(&["A1", "A2", "A4"])).await;
    world.on_show("sh_1", released(&["A2"])).await;
    world.caught_up().await;
    let seen = async |world: &World| {
        let maps = &world.views.seat_maps;
        let seats = maps.seats(&show, before()).await.unwrap().unwrap();
        let map = maps.rendered(&show, before()).await.unwrap().unwrap();
        let free = maps.availability(&show, before()).await.unwrap().unwrap().available_seats;
        let map = String::from_utf8(map.body.to_vec()).unwrap();
        (
            seats.seats.iter().map(|(_, status)| *status).take(5).collect::<Vec<_>>(),
            seats.next_expiry,
            map,
            free,
        )
    };
    let first = seen(&world).await;
    let (free, kept) = (SeatStatus::Available, SeatStatus::Blocked);
    assert_eq!(first.0, [kept, free, SeatStatus::Sold, kept, free]);
    assert_eq!((first.1, first.3), (None, 7));
    assert_eq!(first.2.matches(r#""status":"BLOCKED"}"#).count(), 2);
    world.reopen_views().await;
    world.caught_up().await;
    assert_eq!(seen(&world).await, first);
    world.rebuild("seat-maps").await;
    assert_eq!(seen(&world).await, first);
    world.on_show("sh_1", released(&["A1", "A4"])).await;
    world.caught_up().await;
    assert_eq!(seen(&world).await.3, 9);
}

#[tokio::test]
async fn a_log_in_which_the_house_takes_a_sold_seat_or_sells_a_kept_one_is_parked() {
    let until = time("2026-02-01T12:30:00Z");
    let parked = async |world: &World| {
        world.caught_up().await;
        let status = world.views.status().into_iter().find(|status| status.name == "seat-maps").unwrap();
        status.parked.iter().map(|parked| parked.error.clone()).collect::<Vec<_>>().concat()
    };
    let (mut world, _) = with_a_show(1).await;
    world.lock("sh_1", "01", "u_1", &["A1"], until).await;
    world.on_show("sh_1", blocked(&["A2", "A1"])).await;
    assert!(parked(&world).await.contains("A1"));
    let (mut world, _) = with_a_show(1).await;
    world.on_show("sh_1", blocked(&["A1"])).await;
    world.lock("sh_1", "01", "u_1", &["A1"], until).await;
    assert!(parked(&world).await.contains("the house"));
    let (mut world, _) = with_a_show(1).await;
    world.on_show("sh_1", released(&["A1"])).await;
    assert_ne!(parked(&world).await, "");
}

#[tokio::test]
async fn who_follows_a_show_hears_of_its_changes_alone_and_through_a_rebuild() {
    let (mut world, show) = with_a_show(1).await;
    world.show("sh_2", "mv_1", "2026-02-01T16:00:00Z", 1).await;
    world.caught_up().await;
    let mut changes = world.views.seat_maps.subscribe(&show).await.unwrap().unwrap();
    assert!(world.views.seat_maps.subscribe(&"sh_none".into()).await.unwrap().is_none());

    world.lock("sh_2", "01", "u_1", &["A1"], time("2026-02-01T12:30:00Z")).await;
    world.caught_up().await;
    assert!(!changes.has_changed().unwrap());

    world.rebuild("seat-maps").await;
    changes.mark_unchanged();
    world.lock("sh_1", "01", "u_1", &["A1"], time("2026-02-01T12:30:00Z")).await;
    tokio::time::timeout(Duration::from_secs(5), changes.changed()).await.unwrap().unwrap();
    world.caught_up().await;
    assert_eq!(*changes.borrow(), world.head);
    assert_eq!(world.views.seat_maps.rendered(&show, before()).await.unwrap().unwrap().position, world.head);
}
