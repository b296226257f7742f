//! What every adapter of the seat inventory must hold: one list of rules, run over a file and over PostgreSQL.

use std::time::{Duration, Instant};

use marquee_domain::ids::BookingId;
use marquee_domain::payment::{RefundCause, RefundFailed, RefundRequested, RefundSucceeded};
use marquee_domain::show::{
    BookingCancelled, BookingExpired, BookingStatus, CancelledBy, ShowCancelled, ShowChanged,
};
use marquee_projections::{
    BookingRow, Bookings, ProjectionState, ProjectionStatus, RebuildError, RefundStatus, View, ViewsError,
};

use crate::world::{
    Past, World, before, confirmed, locked, open_views, open_views_on, redeemed, refund_requested,
    seats_cancelled, time,
};

const NAME: &str = "seat-inventory";
const PATIENCE: Duration = Duration::from_secs(20);
const SHOWS: [&str; 4] = ["sh_1", "sh_2", "sh_3", "sh_4"];

macro_rules! inventory_conforms {
    ($($case:ident,)*) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(super::with_a_show(None).await).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(super::with_a_show(Some(marquee_test_postgres::database())).await).await;
            })*
        }
    };
}

inventory_conforms! {
    a_booking_is_read_as_its_events_left_it,
    a_booking_that_nobody_made_is_not_there,
    a_booking_shows_the_sum_of_its_refunds_as_far_as_the_least_advanced,
    seats_that_are_cancelled_are_free_and_the_booking_has_the_rest,
    a_customer_pages_through_own_bookings_from_the_newest,
    a_poison_event_parks_its_stream_alone_and_is_remembered,
    no_two_live_bookings_own_a_seat_within_a_page,
    no_two_live_bookings_own_a_seat_across_pages,
    a_seat_is_let_go_and_taken_within_a_page,
    nothing_follows_a_final_state,
    a_redeemed_ticket_leaves_its_booking_as_it_was,
    a_booking_cannot_begin_twice,
    a_refund_of_a_booking_that_cannot_be_known_is_passed_over,
    a_view_made_again_equals_the_one_that_followed_live,
    a_view_goes_on_where_it_was_when_it_is_opened_again,
    a_second_rebuild_is_refused_while_one_is_under_way,
    a_view_that_is_ahead_of_the_log_is_made_again,
    the_same_events_come_to_the_same_content_in_a_file,
}

async fn with_a_show(database: Option<String>) -> World {
    let mut world = World::with_catalogue_on(database).await;
    world.show("sh_1", "mv_1", "2026-02-01T13:00:00Z", 2).await;
    world
}

fn until() -> jiff::Timestamp {
    time("2026-02-01T12:30:00Z")
}

/// A server that all tests load at once may be late with an answer, which a reader hears of: it asks again.
async fn read(bookings: &Bookings, id: &BookingId) -> Option<BookingRow> {
    let began = Instant::now();
    loop {
        match bookings.get(id).await {
            Err(ViewsError::Unavailable(_)) if began.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            read => return read.unwrap(),
        }
    }
}

fn inventory(world: &World) -> ProjectionStatus {
    world.views.status().into_iter().find(|status| status.name == NAME).unwrap()
}

async fn with_a_past(world: &mut World, steps: usize) -> Past {
    for show in &SHOWS[1..] {
        world.show(show, "mv_1", "2026-02-01T13:00:00Z", 3).await;
    }
    let mut past = Past::new();
    past.drive(world, &SHOWS[1..], steps).await;
    world.caught_up().await;
    past
}

async fn a_poison_event_parks_its_stream_alone_and_is_remembered(mut world: World) {
    world.show("sh_2", "mv_2", "2026-02-01T13:00:00Z", 1).await;
    let poison = world.confirm("sh_1", &BookingId::compose(&"sh_1".into(), "ghost")).await;
    let unseen = world.lock("sh_1", "01", "u_1", &["A1"], until()).await;
    let seen = world.lock("sh_2", "01", "u_1", &["A1"], until()).await;
    world.caught_up().await;
    for reopened in [false, true] {
        let status = inventory(&world);
        assert_eq!((status.status, status.parked.len()), (ProjectionState::Parked, 1), "{reopened}");
        assert_eq!((status.parked[0].stream.as_str(), status.parked[0].position), ("show-sh_1", poison));
        assert!(status.parked[0].error.contains("ghost"), "{}", status.parked[0].error);
        assert_eq!(read(&world.views.bookings, &unseen).await, None);
        assert!(read(&world.views.bookings, &seen).await.is_some());
        world.reopen_views().await;
        world.caught_up().await;
    }
}

async fn no_two_live_bookings_own_a_seat_within_a_page(world: World) {
    no_two_live_bookings_own_a_seat(world, true).await;
}

async fn no_two_live_bookings_own_a_seat_across_pages(world: World) {
    no_two_live_bookings_own_a_seat(world, false).await;
}

/// Across pages it is the key of the table that tells; within a page, the page itself.
async fn no_two_live_bookings_own_a_seat(mut world: World, in_one_page: bool) {
    world.show("sh_2", "mv_2", "2026-02-01T13:00:00Z", 1).await;
    let first = world.lock("sh_1", "01", "u_1", &["A1", "A2"], until()).await;
    if !in_one_page {
        world.caught_up().await;
    }
    let second = BookingId::compose(&"sh_1".into(), "02");
    let double = world.on_show("sh_1", locked(&second, "u_2", vec!["A3".into(), "A2".into()], until())).await;
    let elsewhere = world.lock("sh_2", "03", "u_2", &["A2"], until()).await;
    world.caught_up().await;
    let parked = inventory(&world).parked;
    assert_eq!((parked.len(), parked[0].position), (1, double));
    assert!(parked[0].error.contains(first.as_str()), "{}", parked[0].error);
    let bookings = &world.views.bookings;
    assert!(read(bookings, &first).await.is_some());
    assert_eq!(read(bookings, &second).await, None, "no part of a poison event is applied");
    assert!(read(bookings, &elsewhere).await.is_some());
}

async fn a_seat_is_let_go_and_taken_within_a_page(mut world: World) {
    let first = world.lock("sh_1", "01", "u_1", &["A1"], until()).await;
    world.caught_up().await;
    let mut holder = first.clone();
    for turn in 2..20 {
        world.on_show("sh_1", BookingExpired { booking_id: holder }).await;
        holder = world.lock("sh_1", &format!("{turn:02}"), "u_2", &["A1"], until()).await;
    }
    world.caught_up().await;
    assert_eq!(inventory(&world).parked, []);
    let status = async |id| read(&world.views.bookings, id).await.unwrap().status;
    assert_eq!(status(&first).await, BookingStatus::Expired);
    assert_eq!(status(&holder).await, BookingStatus::PaymentPending);
    let double = BookingId::compose(&"sh_1".into(), "99");
    world.on_show("sh_1", locked(&double, "u_3", vec!["A1".into()], until())).await;
    world.caught_up().await;
    assert!(inventory(&world).parked[0].error.contains(holder.as_str()), "the last one has it");
}

async fn nothing_follows_a_final_state(mut world: World) {
    let id = world.lock("sh_1", "01", "u_1", &["A1"], until()).await;
    world.on_show("sh_1", BookingExpired { booking_id: id.clone() }).await;
    world.on_show("sh_1", confirmed(&id)).await;
    world.caught_up().await;
    assert_eq!(read(&world.views.bookings, &id).await.unwrap().status, BookingStatus::Expired);
    assert_eq!(inventory(&world).parked.len(), 1);
}

async fn a_redeemed_ticket_leaves_its_booking_as_it_was(mut world: World) {
    let id = world.lock("sh_1", "01", "u_1", &["A1"], until()).await;
    world.confirm("sh_1", &id).await;
    world.caught_up().await;
    let before = read(&world.views.bookings, &id).await;
    world.on_show("sh_1", redeemed(&id)).await;
    world.caught_up().await;
    assert_eq!(read(&world.views.bookings, &id).await, before);
    assert_eq!(inventory(&world).parked, []);
}

async fn a_booking_cannot_begin_twice(mut world: World) {
    let id = world.lock("sh_1", "01", "u_1", &["A1"], until()).await;
    world.on_show("sh_1", BookingExpired { booking_id: id.clone() }).await;
    world.caught_up().await;
    world.on_show("sh_1", locked(&id, "u_2", vec!["A2".into()], until())).await;
    world.caught_up().await;
    let booking = read(&world.views.bookings, &id).await.unwrap();
    assert_eq!((booking.user_id.as_str(), booking.status), ("u_1", BookingStatus::Expired));
    assert_eq!(inventory(&world).parked.len(), 1);
}

async fn a_refund_of_a_booking_that_cannot_be_known_is_passed_over(mut world: World) {
    world.confirm("sh_1", &BookingId::compose(&"sh_1".into(), "ghost")).await;
    let unseen = world.lock("sh_1", "01", "u_1", &["A1"], until()).await;
    world.on_payment(&unseen, refund_requested(&unseen, "rf_1", 100)).await;
    let nowhere = BookingId::compose(&"sh_9".into(), "01");
    world.on_payment(&nowhere, refund_requested(&nowhere, "rf_2", 100)).await;
    world.caught_up().await;
    let parked: Vec<_> =
        inventory(&world).parked.into_iter().map(|parked| parked.stream.to_string()).collect();
    assert_eq!(parked, [format!("payment-{nowhere}").as_str(), "show-sh_1"]);
}

async fn a_view_made_again_equals_the_one_that_followed_live(mut world: World) {
    with_a_past(&mut world, 2_000).await;
    world.on_show("sh_1", ShowCancelled { request: None }).await;
    world.caught_up().await;
    let followed = world.views.fingerprint(NAME).await.unwrap();
    assert_eq!(followed.position, world.head);
    world.rebuild(NAME).await;
    assert_eq!(world.views.fingerprint(NAME).await.unwrap(), followed);
    let status = inventory(&world);
    assert_eq!((status.status, status.generation, status.parked), (ProjectionState::Live, 2, vec![]));
}

async fn a_view_goes_on_where_it_was_when_it_is_opened_again(mut world: World) {
    let mut past = with_a_past(&mut world, 200).await;
    for round in 0..3 {
        let before = world.views.fingerprint(NAME).await.unwrap();
        world.reopen_views().await;
        world.caught_up().await;
        assert_eq!(world.views.fingerprint(NAME).await.unwrap(), before, "in round {round}");
        past.drive(&mut world, &SHOWS[1..], 50).await;
        world.caught_up().await;
    }
    assert_eq!(inventory(&world).parked, []);
}

async fn a_second_rebuild_is_refused_while_one_is_under_way(mut world: World) {
    with_a_past(&mut world, 100).await;
    world.views.rebuild(NAME).await.unwrap();
    assert_eq!(world.views.rebuild(NAME).await, Err(RebuildError::AlreadyRebuilding));
}

async fn a_view_that_is_ahead_of_the_log_is_made_again(mut world: World) {
    let id = world.lock("sh_1", "01", "u_1", &["A1"], until()).await;
    world.caught_up().await;
    world.close_views().await;
    let other = world.restored_to_its_first_event().await;
    let kept = world.dir.path().join("views");
    let (views, shutdown) = open_views_on(&kept, &other.store, world.database.as_deref()).await;
    views.wait_for(View::Bookings, other.head, PATIENCE).await.unwrap();
    // The view is beyond this log's end at first, so that there is no position to wait for.
    let began = Instant::now();
    while read(&views.bookings, &id).await.is_some() {
        assert!(began.elapsed() < PATIENCE, "a booking that the log has no more is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shutdown.cancel();
    views.closed().await;
}

async fn the_same_events_come_to_the_same_content_in_a_file(mut world: World) {
    with_a_past(&mut world, 1_500).await;
    world.confirm("sh_1", &BookingId::compose(&"sh_1".into(), "ghost")).await;
    world.caught_up().await;
    let (file, shutdown) = open_views(&world.dir.path().join("another"), &world.store).await;
    file.wait_for(View::Bookings, world.head, PATIENCE).await.unwrap();
    let (here, there) = (world.views.fingerprint(NAME).await.unwrap(), file.fingerprint(NAME).await.unwrap());
    assert_eq!(here, there);
    for user in 0..20 {
        let user = format!("u_{user}").as_str().into();
        let pages = [&world.views, &file].map(|views| views.bookings.list(&user, None, 100));
        let [here, there] = pages;
        assert_eq!(here.await.unwrap(), there.await.unwrap());
    }
    shutdown.cancel();
    file.closed().await;
}

async fn a_booking_is_read_as_its_events_left_it(mut world: World) {
    let until = time("2026-02-01T12:05:00.250Z");
    let id = world.lock("sh_1", "01", "u_1", &["B2", "B1", "A1"], until).await;
    world.caught_up().await;
    let pending = read(&world.views.bookings, &id).await.unwrap();
    assert_eq!((pending.status, pending.expires_at), (BookingStatus::PaymentPending, until));
    assert_eq!(pending.status_at(until), BookingStatus::Expired);
    assert_eq!(pending.seat_ids, ["B2", "B1", "A1"].map(Into::into), "as they were asked for");
    assert_eq!((pending.confirmed_at, pending.ticket_id, pending.refund), (None, None, None));

    let confirmed = world.confirm("sh_1", &id).await;
    let start = time("2026-02-01T14:00:00Z");
    let end = time("2026-02-01T16:08:00Z");
    let moved = ShowChanged { start_time: Some(start), end_time: Some(end), ..ShowChanged::default() };
    world.on_show("sh_1", moved).await;
    world.caught_up().await;
    let booking = read(&world.views.bookings, &id).await.unwrap();
    assert_eq!((booking.status, booking.position), (BookingStatus::Confirmed, confirmed));
    assert_eq!((booking.user_id.as_str(), booking.show_id.as_str()), ("u_1", "sh_1"));
    assert_eq!((booking.theatre_id.as_str(), booking.timezone.as_str()), ("th_101", "Asia/Kolkata"));
    assert_eq!((booking.start_time, booking.end_time), (start, end));
    assert_eq!(booking.confirmed_at, Some(before()));
    assert_eq!(booking.ticket_id, Some(id.ticket()));
    let pricing = booking.pricing.unwrap();
    assert_eq!((pricing.subtotal, pricing.discount, pricing.total), (54_000, 9_000, 45_000));
    assert_eq!(pricing.applied_offers[0].code.as_str(), "THIRD50");
}

async fn a_booking_that_nobody_made_is_not_there(world: World) {
    // Before its tables are made the database answers nothing.
    let began = Instant::now();
    while !world.views.ready() {
        assert!(began.elapsed() < PATIENCE, "the views are never ready");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for id in ["bk_sh_1_nobody", "bk_sh_9_01", "nonsense"] {
        assert_eq!(read(&world.views.bookings, &BookingId::from(id)).await, None);
    }
}

async fn a_booking_shows_the_sum_of_its_refunds_as_far_as_the_least_advanced(mut world: World) {
    let id = world.lock("sh_1", "01", "u_1", &["A1"], time("2026-02-01T12:05:00Z")).await;
    world.confirm("sh_1", &id).await;
    world
        .on_show(
            "sh_1",
            BookingCancelled {
                booking_id: id.clone(),
                by: CancelledBy::Customer,
                paid: true,
                refund: None,
                retained: None,
            },
        )
        .await;
    let refund = async |world: &World| {
        world.caught_up().await;
        let booking = read(&world.views.bookings, &id).await.unwrap();
        assert_eq!(booking.status, BookingStatus::Cancelled);
        booking.refund.map(|refund| (refund.status, refund.amount.minor))
    };
    assert_eq!(refund(&world).await, None);
    let aside = RefundRequested { cause: RefundCause::Mismatch, ..refund_requested(&id, "rf_m", 5) };
    world.on_payment(&id, aside).await;
    assert_eq!(refund(&world).await, None, "money that nobody asked for is none of the price");
    world.on_payment(&id, refund_requested(&id, "rf_1", 100)).await;
    assert_eq!(refund(&world).await, Some((RefundStatus::Initiated, 100)));
    world.on_payment(&id, RefundSucceeded { refund_id: "rf_1".into() }).await;
    assert_eq!(refund(&world).await, Some((RefundStatus::Succeeded, 100)));
    world.on_payment(&id, refund_requested(&id, "rf_2", 17_900)).await;
    assert_eq!(refund(&world).await, Some((RefundStatus::Initiated, 18_000)));
    let totals = world.views.bookings.refunds_of(&"sh_1".into()).await.unwrap();
    let told: Vec<_> = totals.iter().map(|total| (total.status, total.count, total.amount.minor)).collect();
    assert_eq!(told, [(RefundStatus::Initiated, 2, 17_905), (RefundStatus::Succeeded, 1, 100)]);
    assert_eq!(world.views.bookings.refunds_of(&"sh_2".into()).await.unwrap(), []);
    world.on_payment(&id, RefundFailed { refund_id: "rf_2".into(), reason: "CLOSED".into() }).await;
    assert_eq!(refund(&world).await, Some((RefundStatus::Failed, 18_000)));
}

async fn seats_that_are_cancelled_are_free_and_the_booking_has_the_rest(mut world: World) {
    let until = time("2026-02-01T12:05:00Z");
    let id = world.lock("sh_1", "01", "u_1", &["A1", "A2"], until).await;
    world.confirm("sh_1", &id).await;
    world.caught_up().await;
    world.on_show("sh_1", seats_cancelled(&id, 1, &["A1"], 18_000)).await;
    world.caught_up().await;
    let booking = read(&world.views.bookings, &id).await.unwrap();
    assert_eq!((booking.status, &booking.seat_ids), (BookingStatus::Confirmed, &vec!["A2".into()]));
    assert_eq!(booking.pricing.unwrap().total, 18_000);
    // The second lock lets them go as well, and keeps the others.
    let next = world.lock("sh_1", "02", "u_2", &["A1"], until).await;
    world.caught_up().await;
    assert!(read(&world.views.bookings, &next).await.is_some());
    world.on_show("sh_1", seats_cancelled(&id, 2, &["A2", "A1"], 0)).await;
    world.caught_up().await;
    assert_eq!(inventory(&world).parked.len(), 1, "all of its seats, or one of another booking, are no part");
}

async fn a_customer_pages_through_own_bookings_from_the_newest(mut world: World) {
    let until = time("2026-02-01T12:05:00Z");
    let mut mine = vec![];
    for seat in 1..=5 {
        mine.push(world.lock("sh_1", &format!("m{seat}"), "u_1", &[&format!("A{seat}")], until).await);
        world.lock("sh_1", &format!("o{seat}"), "u_2", &[&format!("B{seat}")], until).await;
    }
    mine.reverse();
    world.caught_up().await;
    let bookings = &world.views.bookings;
    let (mut read, mut cursor, mut pages) = (vec![], None, 0);
    loop {
        let page = bookings.list(&"u_1".into(), cursor.as_deref(), 2).await.unwrap();
        read.extend(page.bookings.into_iter().map(|booking| booking.booking_id));
        (cursor, pages) = (page.next_cursor, pages + 1);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((read, pages), (mine, 3));
    let nobody = bookings.list(&"u_9".into(), None, 2).await.unwrap();
    assert_eq!((nobody.bookings, nobody.next_cursor), (vec![], None));
    assert!(matches!(bookings.list(&"u_1".into(), Some("x"), 2).await, Err(ViewsError::InvalidCursor)));
}
