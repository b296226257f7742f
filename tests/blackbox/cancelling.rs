//! What a customer gets back who cancels: by the theatre's policy, seat by seat, and at the gateway's pace.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::http::{Answer, Call};
use crate::support::server::Options;
use crate::support::time::{eventually, in_days, now, rfc3339};
use crate::support::tokens::{customer, token};
use crate::support::world::{SOON, World, new_key};

async fn set_policy(world: &World, policy: &Value) -> Answer {
    let theatre = json!({
        "name": "Lakeside Orion", "cityId": "blr", "area": "Malleshwaram", "cancelPolicy": policy
    });
    let path = format!("/theatres/{}", world.theatre);
    world.http.put(&path, &theatre).token(&world.partner()).send().await
}

/// A world whose show, two days from now, was scheduled under this policy.
async fn under(policy: Value) -> World {
    let mut world = World::new().await;
    let set = set_policy(&world, &policy).await.expect(200);
    assert_eq!(set["cancelPolicy"], policy, "{set}");
    let screen = world.new_screen("Strict", &crate::support::world::hall()).await;
    let made = world.new_show(&screen, &rfc3339(&in_days(2, 21, 30))).await;
    world.position = made.position();
    made.expect(201)["showId"].as_str().expect("an id").clone_into(&mut world.show);
    world
}

fn cancel_seats(world: &World, user: &str, booking: &str, seats: &[&str], key: &str) -> Call {
    let body = json!({ "seatIds": seats });
    world.http.post(&format!("/bookings/{booking}/cancel"), &body).token(&customer(user)).key(key)
}

async fn refunded(world: &World, user: &str, booking: &str, amount: f64) -> Value {
    eventually(SOON, "all of it is paid back", async || {
        let body = world.get_booking(user, booking).send().await.expect(200);
        let done =
            body["refund"]["status"] == "SUCCEEDED" && body["refund"]["amount"].as_f64() == Some(amount);
        done.then_some(body)
    })
    .await
}

#[tokio::test]
async fn a_tier_says_what_goes_back_and_what_is_kept_and_the_event_has_both() {
    let world =
        under(json!({ "tiers": [{ "hoursBefore": 1, "refundPercent": 50, "feePerTicket": 10.25 }] })).await;
    let booking = world.confirmed("u_1", &["A1", "P1"]).await;
    let body = world.cancel_call("u_1", &booking).send().await.expect(200);
    let expected = json!({
        "bookingId": booking, "status": "CANCELLED", "refund": { "status": "INITIATED", "amount": 194.75 },
        "retained": 235.75
    });
    assert_eq!(body, expected);
    let read = refunded(&world, "u_1", &booking, 194.75).await;
    assert_eq!(read["status"], "CANCELLED");
    assert_eq!(world.cancel_call("u_1", &booking).send().await.expect(200), expected, "the same again");
    let cancelled = world.events_of("booking.cancelled", &booking, 1).await;
    let data = &cancelled[0]["data"];
    assert_eq!((&data["refund"], &data["retained"]), (&json!(19_475), &json!(23_575)));
    let requested = world.events_of("refund.requested", &booking, 1).await;
    assert_eq!((requested.len(), &requested[0]["data"]["amount"]["minor"]), (1, &json!(19_475)));
}

#[tokio::test]
async fn where_no_tier_holds_a_paid_booking_is_refused_with_the_policy_and_an_unpaid_one_is_cancelled() {
    let policy = json!({ "tiers": [{ "hoursBefore": 8760, "refundPercent": 100 }] });
    let world = under(policy.clone()).await;
    let booking = world.confirmed("u_1", &["A1", "A2"]).await;
    for call in
        [world.cancel_call("u_1", &booking), cancel_seats(&world, "u_1", &booking, &["A1"], &new_key())]
    {
        let details = call.send().await.refused(422, "NOT_CANCELLABLE");
        assert_eq!((&details["status"], &details["cancelPolicy"]), (&json!("CONFIRMED"), &policy));
    }
    world.reaches("u_1", &booking, "CONFIRMED").await;
    let unpaid = world.booked("u_2", &["A3"]).await;
    let body = world.cancel_call("u_2", &unpaid).send().await.expect(200);
    assert_eq!(body, json!({ "bookingId": unpaid, "status": "CANCELLED" }));
    // The partner's own doing is no customer's: everything goes back.
    let path = format!("/shows/{}/cancel", world.show);
    world.http.api("POST", &path).token(&world.partner()).send().await.expect(200);
    refunded(&world, "u_1", &booking, 360.0).await;
}

#[tokio::test]
async fn a_policy_that_gives_nothing_back_keeps_everything_and_owes_nothing() {
    let world = under(json!({ "tiers": [{ "hoursBefore": 0, "refundPercent": 0 }] })).await;
    let booking = world.confirmed("u_1", &["A1"]).await;
    let body = world.cancel_call("u_1", &booking).send().await.expect(200);
    assert_eq!(body, json!({ "bookingId": booking, "status": "CANCELLED", "retained": 180 }));
    // A notice that comes again finds a cancelled booking, and no reason to pay back.
    let initiated = world.events_of("payment.intent-created", &booking, 1).await;
    let again = json!({
        "eventId": "evt_again", "paymentIntentId": initiated[0]["data"]["paymentIntentId"], "status": "SUCCEEDED",
        "amount": 180, "currency": "INR", "bookingReference": booking, "timestamp": now().to_string()
    });
    world.webhook(&again).send().await.expect(200);
    world.http.get("/bookings").token(&customer("u_1")).after(world.log_end().await).send().await.expect(200);
    let events = world.events().await;
    assert!(crate::support::audit::of_type(&events, "refund.requested").is_empty());
    assert!(world.get_booking("u_1", &booking).send().await.expect(200)["refund"].is_null());
}

#[tokio::test]
async fn policies_hold_for_shows_that_are_scheduled_under_them_and_no_others() {
    let world = under(json!({ "tiers": [] })).await;
    let booking = world.confirmed("u_1", &["A1"]).await;
    let lenient = json!({ "tiers": [{ "hoursBefore": 0, "refundPercent": 100 }] });
    set_policy(&world, &lenient).await.expect(200);
    world.cancel_call("u_1", &booking).send().await.refused(422, "NOT_CANCELLABLE");
    let tier = |hours: u32, percent: f64| json!({ "hoursBefore": hours, "refundPercent": percent });
    for bad in [
        json!({ "tiers": [tier(2, 50.0), tier(24, 100.0)] }),
        json!({ "tiers": [tier(2, 50.0), tier(2, 40.0)] }),
        json!({ "tiers": [tier(24, 100.5)] }),
        json!({ "tiers": [tier(8_761, 100.0)] }),
        json!({ "tiers": (0..11).rev().map(|hours| tier(hours, 1.0)).collect::<Vec<_>>() }),
        json!({ "tiers": [{ "hoursBefore": 1, "refundPercent": 50, "feePerTicket": -1 }] }),
        json!({ "tiers": [{ "hoursBefore": 1 }] }),
        json!({}),
    ] {
        set_policy(&world, &bad).await.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn some_seats_go_back_and_the_booking_its_ticket_and_every_view_have_the_rest() {
    let world = under(json!({ "tiers": [{ "hoursBefore": 1, "refundPercent": 90 }] })).await;
    let booking = world.confirmed("u_1", &["A1", "P1", "A2"]).await;
    let (key, url) = (new_key(), format!("/bookings/{booking}"));
    let answer = cancel_seats(&world, "u_1", &booking, &["P1"], &key).send().await;
    let position = answer.position();
    let body = answer.expect(200);
    assert_eq!((&body["status"], &body["seats"]), (&json!("CONFIRMED"), &json!(["A1", "A2"])));
    assert_eq!(body["refund"], json!({ "status": "INITIATED", "amount": 225.45 }));
    assert_eq!((&body["retained"], &body["pricing"]["total"]), (&json!(25.05), &json!(360)));
    assert_eq!(world.seat(position, "P1").await["status"], "AVAILABLE");
    assert_eq!(world.seat(position, "A1").await["status"], "SOLD");

    let read = refunded(&world, "u_1", &booking, 225.45).await;
    assert_eq!((&read["status"], &read["seats"]), (&json!("CONFIRMED"), &json!(["A1", "A2"])));
    assert_eq!((&read["ticket"]["seatIds"], &read["pricing"]["total"]), (&json!(["A1", "A2"]), &json!(360)));
    let listed = world.http.get("/bookings").token(&customer("u_1")).after(world.log_end().await);
    let listed = listed.send().await.expect(200)["bookings"][0].clone();
    assert_eq!(listed, read, "the list says what {url} says");
    let again = cancel_seats(&world, "u_1", &booking, &["P1"], &key).send().await;
    assert_eq!(again.header("Idempotent-Replayed"), Some("true"));
    assert_eq!(again.expect(200), body);
    world.booked("u_2", &["P1"]).await;

    // The rest goes the same way: all the seats that it has are the booking.
    let body = cancel_seats(&world, "u_1", &booking, &["A2", "A1"], &new_key()).send().await.expect(200);
    assert_eq!(
        (&body["status"], &body["refund"]["amount"], &body["retained"]),
        (&json!("CANCELLED"), &json!(324), &json!(36))
    );
    let read = refunded(&world, "u_1", &booking, 549.45).await;
    assert_eq!(read["status"], "CANCELLED");
    assert_eq!(world.events_of("refund.succeeded", &booking, 2).await.len(), 2);
    // And the first answer stays what it was.
    let again = cancel_seats(&world, "u_1", &booking, &["P1"], &key).send().await.expect(200);
    assert_eq!((&again["status"], &again["refund"]["amount"]), (&json!("CONFIRMED"), &json!(225.45)));
}

#[tokio::test]
async fn a_repeated_booking_answers_the_seats_that_it_began_with() {
    let world = World::new().await;
    let key = new_key();
    let first = world.book_call("u_1", &key, &["A1", "A2"]).send().await.expect(201);
    let booking = first["bookingId"].as_str().expect("an id");
    let payment = world.paying("u_1", booking).await;
    world.webhook(&World::notice(&payment, "SUCCEEDED")).send().await.expect(200);
    world.reaches("u_1", booking, "CONFIRMED").await;
    cancel_seats(&world, "u_1", booking, &["A1"], &new_key()).send().await.expect(200);
    assert_eq!(world.book_call("u_1", &key, &["A1", "A2"]).send().await.expect(201), first);
}

#[tokio::test]
async fn a_request_to_cancel_seats_must_make_sense_and_has_a_key_of_its_own() {
    let world = World::new().await;
    let booking = world.confirmed("u_1", &["A1", "A2", "A3"]).await;
    let ask = |seats: &[&str], key: &str| cancel_seats(&world, "u_1", &booking, seats, key);
    let path = format!("/bookings/{booking}/cancel");
    let raw = |body: Value| world.http.post(&path, &body).token(&customer("u_1")).key(&new_key());
    raw(json!({ "seatIds": ["A1"], "why": "rain" })).send().await.refused(400, "VALIDATION_ERROR");
    let keyless = world.http.post(&path, &json!({ "seatIds": ["A1"] })).token(&customer("u_1"));
    keyless.send().await.refused(400, "VALIDATION_ERROR");
    for (seats, at_fault) in
        [(&["A9"][..], json!(["A9"])), (&["A1", "A1"], json!(["A1"])), (&[], Value::Null)]
    {
        let details = ask(seats, &new_key()).send().await.refused(400, "VALIDATION_ERROR");
        let named = details.get("seatIds").or(details.get("duplicateSeatIds")).unwrap_or(&Value::Null);
        assert_eq!(*named, at_fault, "{details}");
    }
    cancel_seats(&world, "u_2", &booking, &["A1"], &new_key()).send().await.refused(403, "FORBIDDEN");
    let key = new_key();
    ask(&["A1"], &key).send().await.expect(200);
    ask(&["A2"], &key).send().await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    ask(&["A1"], &new_key()).send().await.refused(400, "VALIDATION_ERROR");
    assert_eq!(world.events_of("booking.seats-cancelled", &booking, 1).await.len(), 1);

    // Where no seats are named, all are meant.
    for (seat, body) in [("C1", json!({})), ("C2", Value::Null), ("C3", json!({ "seatIds": null }))] {
        let whole = world.booked("u_4", &[seat]).await;
        let call = world.http.post(&format!("/bookings/{whole}/cancel"), &body).token(&customer("u_4"));
        assert_eq!(call.send().await.expect(200)["status"], "CANCELLED", "{body}");
    }

    let unpaid = world.booked("u_3", &["B1", "B2"]).await;
    let part = cancel_seats(&world, "u_3", &unpaid, &["B1"], &new_key()).send().await;
    assert_eq!(part.refused(422, "NOT_CANCELLABLE")["status"], "PAYMENT_PENDING");
    let whole = cancel_seats(&world, "u_3", &unpaid, &["B2", "B1"], &new_key()).send().await.expect(200);
    assert_eq!(whole["status"], "CANCELLED");
}

#[tokio::test]
async fn two_requests_for_one_seat_at_once_give_it_back_once() {
    let world = World::new().await;
    let booking = world.confirmed("u_1", &["A1", "A2"]).await;
    let ask = async |key: String| cancel_seats(&world, "u_1", &booking, &["A1"], &key).send().await.status;
    let (one, other) = tokio::join!(ask(new_key()), ask(new_key()));
    let mut answers = [one, other];
    answers.sort_unstable();
    assert_eq!(answers, [200, 400]);
    refunded(&world, "u_1", &booking, 180.0).await;
}

#[tokio::test]
async fn a_called_off_show_is_paid_back_at_the_gateways_pace_and_ops_see_how_far_it_is() {
    // The log is its own: a second server on it would pay back as well, at a pace of its own.
    let world = World::with(&Options { refunds_per_second: "4", ..Options::embedded() }).await;
    let seats = ["A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "B1", "B2"];
    let mut paid = vec![];
    for (number, seat) in seats.iter().enumerate() {
        let user = format!("u_{number}");
        paid.push((world.confirmed(&user, &[seat]).await, user));
    }
    let ops = token("ops", "ops_1");
    let totals = async |after: u64| {
        let call = world.http.get(&format!("/ops/refunds?showId={}", world.show)).token(&ops).after(after);
        call.send().await.expect(200)
    };
    assert_eq!(totals(world.log_end().await).await, json!({ "showId": world.show, "refunds": [] }));
    let began = Instant::now();
    world
        .http
        .api("POST", &format!("/shows/{}/cancel", world.show))
        .token(&world.partner())
        .send()
        .await
        .expect(200);
    let half_way = eventually(SOON, "some are paid back, and others wait", async || {
        let told = totals(0).await;
        (told["refunds"].as_array().expect("totals").len() == 2).then_some(told)
    })
    .await;
    let of = |told: &Value, status: &str| {
        let mut all = told["refunds"].as_array().expect("totals").iter();
        let total = all.find(|total| total["status"] == status).cloned().unwrap_or_default();
        (total["count"].as_u64().unwrap_or_default(), total["amount"].as_u64().unwrap_or_default())
    };
    let (owed, back) = (of(&half_way, "INITIATED"), of(&half_way, "SUCCEEDED"));
    assert!(owed.0 > 0 && back.0 > 0 && owed.0 + back.0 <= 12, "{half_way}");
    assert_eq!((owed.1, back.1), (180 * owed.0, 180 * back.0));
    eventually(SOON, "all are paid back", async || {
        (of(&totals(0).await, "SUCCEEDED") == (12, 2_160)).then_some(())
    })
    .await;
    let took = began.elapsed().as_secs_f64();
    assert!(took > 1.5, "twelve refunds at four a second were paid in {took} s");
    for (booking, user) in &paid[..2] {
        refunded(&world, user, booking, 180.0).await;
    }

    let ask = |role: &str, show: &str| {
        world.http.get(&format!("/ops/refunds?showId={show}")).token(&token(role, "somebody"))
    };
    ask("auditor", &world.show).send().await.expect(200);
    ask("ops", "sh_none").send().await.refused(404, "NOT_FOUND");
    ask("customer", &world.show).send().await.refused(403, "FORBIDDEN");
    world.http.get("/ops/refunds").token(&ops).send().await.refused(400, "VALIDATION_ERROR");
    world.http.get(&format!("/ops/refunds?showId={}", world.show)).send().await.refused(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn late_and_wrong_money_is_counted_among_a_shows_refunds() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let payment = world.paying("u_1", &booking).await;
    let mut wrong = World::notice(&payment, "SUCCEEDED");
    wrong["amount"] = json!(1.5);
    world.webhook(&wrong).send().await.expect(200);
    world.events_of("refund.succeeded", &booking, 1).await;
    world.cancel_call("u_1", &booking).send().await.expect(200);
    world.webhook(&World::notice(&payment, "SUCCEEDED")).send().await.expect(200);
    let read = refunded(&world, "u_1", &booking, 180.0).await;
    assert_eq!(read["status"], "CANCELLED", "wrong money is none of the price");
    let call = world.http.get(&format!("/ops/refunds?showId={}", world.show)).token(&token("ops", "ops_1"));
    let told = call.after(world.log_end().await).send().await.expect(200);
    let expected = json!([{ "status": "SUCCEEDED", "count": 2, "amount": 181.5, "currency": "INR" }]);
    assert_eq!(told["refunds"], expected);
}
