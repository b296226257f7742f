//! Bookings as they are queried.

use marquee_domain::ids::BookingId;
use marquee_domain::payment::{RefundFailed, RefundSucceeded};
use marquee_domain::show::{BookingCancelled, BookingStatus, CancelledBy, ShowChanged};
use marquee_projections::{RefundStatus, ViewsError};

use crate::world::{World, before, refund_requested, time};

async fn with_a_show() -> World {
    let mut world = World::with_catalogue().await;
    world.show("sh_1", "mv_1", "2026-02-01T13:00:00Z", 2).await;
    world
}

#[tokio::test]
async fn a_booking_is_read_as_its_events_left_it() {
    let mut world = with_a_show().await;
    let until = time("2026-02-01T12:05:00.250Z");
    let id = world.lock("sh_1", "01", "u_1", &["B2", "B1", "A1"], until).await;
    world.caught_up().await;
    let pending = world.views.bookings.get(&id).await.unwrap().unwrap();
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
    let booking = world.views.bookings.get(&id).await.unwrap().unwrap();
    assert_eq!((booking.status, booking.position), (BookingStatus::Confirmed, confirmed));
    assert_eq!((booking.user_id.as_str(), booking.show_id.as_str()), ("u_1", "sh_1"));
    assert_eq!((booking.theatre_id.as_str(), booking.timezone.as_str()), ("th_101", "Asia/Kolkata"));
    assert_eq!((booking.start_time, booking.end_time), (start, end));
    assert_eq!(booking.confirmed_at, Some(before()));
    assert_eq!(booking.ticket_id, Some(id.ticket()));
    let pricing = booking.pricing.unwrap();
    assert_eq!((pricing.subtotal, pricing.discount, pricing.total), (54_000, 9_000, 45_000));
    assert_eq!(pricing.applied_offers[0].code, "THIRD50");
}

#[tokio::test]
async fn a_booking_that_nobody_made_is_not_there() {
    let world = with_a_show().await;
    for id in ["bk_sh_1_nobody", "bk_sh_9_01", "nonsense"] {
        assert_eq!(world.views.bookings.get(&BookingId::from(id)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_booking_shows_its_latest_refund() {
    let mut world = with_a_show().await;
    let id = world.lock("sh_1", "01", "u_1", &["A1"], time("2026-02-01T12:05:00Z")).await;
    world.confirm("sh_1", &id).await;
    world
        .on_show("sh_1", BookingCancelled { booking_id: id.clone(), by: CancelledBy::Customer, paid: true })
        .await;
    let refund = async |world: &World| {
        world.caught_up().await;
        let booking = world.views.bookings.get(&id).await.unwrap().unwrap();
        assert_eq!(booking.status, BookingStatus::Cancelled);
        booking.refund.map(|refund| (refund.status, refund.amount.minor))
    };
    assert_eq!(refund(&world).await, None);
    world.on_payment(&id, refund_requested(&id, "rf_1", 100)).await;
    assert_eq!(refund(&world).await, Some((RefundStatus::Initiated, 100)));
    world.on_payment(&id, refund_requested(&id, "rf_2", 18_000)).await;
    world.on_payment(&id, RefundFailed { refund_id: "rf_1".into(), reason: "CLOSED".into() }).await;
    assert_eq!(
        refund(&world).await,
        Some((RefundStatus::Initiated, 18_000)),
        "an earlier one does not touch it"
    );
    world.on_payment(&id, RefundSucceeded { refund_id: "rf_2".into() }).await;
    assert_eq!(refund(&world).await, Some((RefundStatus::Succeeded, 18_000)));
}

#[tokio::test]
async fn a_customer_pages_through_own_bookings_from_the_newest() {
    let mut world = with_a_show().await;
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
