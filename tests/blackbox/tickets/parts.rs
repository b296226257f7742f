//! Tickets of bookings of which some seats were cancelled: the old one is still about.

use serde_json::{Value, json};

use super::{Ticket, open, redeem, redeem_call, ticket, verify};
use crate::support::tokens::customer;
use crate::support::world::{World, new_key};

/// Gives seats back; the ticket that is issued for the rest.
async fn without(world: &World, ticket: &Ticket, seats: &[&str]) -> Ticket {
    let path = format!("/bookings/{}/cancel", ticket.booking);
    let cancel = world.http.post(&path, &json!({ "seatIds": seats })).token(&customer("u_1")).key(&new_key());
    cancel.send().await.expect(200);
    let body = world.get_booking("u_1", &ticket.booking).send().await.expect(200);
    let text = |field: &str| body["ticket"][field].as_str().expect("a ticket").to_owned();
    Ticket { booking: ticket.booking.clone(), id: text("ticketId"), token: text("qrCodeData") }
}

fn told(body: &Value) -> [&Value; 3] {
    ["seatIds", "reissued", "cancelledSeatIds"].map(|field| &body[field])
}

#[tokio::test]
async fn a_ticket_from_before_some_seats_were_cancelled_says_which_are_left_and_lets_in_to_those() {
    let world = World::with(&open()).await;
    let old = ticket(&world, "u_1", &["A1", "P1", "A2"]).await;
    let new = without(&world, &old, &["P1"]).await;
    let newest = without(&world, &old, &["A1"]).await;
    assert_eq!((&old.id, &old.id), (&new.id, &newest.id), "one ticket, issued again");
    assert!(old.token != new.token && new.token != newest.token);

    let left = json!(["A2"]);
    for (shown, cancelled) in [(&old.token, json!(["A1", "P1"])), (&new.token, json!(["A1"]))] {
        let body = verify(&world, shown).await;
        assert_eq!((&body["valid"], told(&body)), (&json!(true), [&left, &json!(true), &cancelled]));
        let beside = world.http.get(&format!("/tickets/{}/verify?token={shown}", old.id));
        assert_eq!(beside.token(&world.partner()).send().await.expect(200), body, "beside its id as well");
    }
    for shown in [&newest.token, &newest.id] {
        let body = verify(&world, shown).await;
        assert_eq!((&body["valid"], told(&body)), (&json!(true), [&left, &Value::Null, &Value::Null]));
    }

    let key = new_key();
    let body = redeem_call(&world, &old.token).key(&key).send().await.expect(200);
    assert_eq!(told(&body), [&left, &json!(true), &json!(["A1", "P1"])]);
    let again = redeem_call(&world, &old.token).key(&key).send().await;
    assert!(again.replayed());
    assert_eq!(again.expect(200), body);
    // Old and new are one ticket, which lets in once.
    let details = redeem(&world, &newest.token).await.refused(409, "ALREADY_REDEEMED");
    let body = verify(&world, &newest.token).await;
    assert_eq!((&body["redeemedAt"], &body["reissued"]), (&details["redeemedAt"], &Value::Null));
}

#[tokio::test]
async fn the_ticket_of_the_rest_is_whole_and_that_of_a_booking_given_back_seat_by_seat_is_none() {
    let world = World::with(&open()).await;
    let old = ticket(&world, "u_1", &["A1", "A2"]).await;
    let new = without(&world, &old, &["A2"]).await;
    let body = redeem(&world, &new.token).await.expect(200);
    assert_eq!(told(&body), [&json!(["A1"]), &Value::Null, &Value::Null]);

    let gone = ticket(&world, "u_1", &["B1", "B2"]).await;
    let last = without(&world, &gone, &["B2"]).await;
    world.cancel_call("u_1", &gone.booking).send().await.expect(200);
    for shown in [&gone.token, &last.token] {
        let body = verify(&world, shown).await;
        assert_eq!((&body["valid"], &body["reason"]), (&json!(false), &json!("CANCELLED")));
        redeem(&world, shown).await.refused(422, "NOT_REDEEMABLE");
    }
}
