//! Tickets at the door: verified, redeemed once, by the theatre's own people.

mod keys;
mod parts;
mod shapes;

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::support::audit::of_type;
use crate::support::http::{Answer, Call, assert_keys};
use crate::support::server::{Door, Home, Options, Server};
use crate::support::time::{now, parse};
use crate::support::tokens::{customer, partner, token};
use crate::support::world::{World, new_key};

/// The show of the world begins in two days: its doors are open.
fn open() -> Options {
    Options { doors_open: "96h", ..Options::default() }
}

/// A paid booking's ticket.
struct Ticket {
    booking: String,
    id: String,
    token: String,
}

async fn ticket(world: &World, user: &str, seats: &[&str]) -> Ticket {
    let booking = world.confirmed(user, seats).await;
    let body = world.get_booking(user, &booking).send().await.expect(200);
    let text = |field: &str| body["ticket"][field].as_str().expect("a ticket").to_owned();
    Ticket { id: text("ticketId"), token: text("qrCodeData"), booking }
}

fn redeem_call(world: &World, ticket: &str) -> Call {
    world.http.api("POST", &format!("/tickets/{ticket}/redeem")).token(&world.partner())
}

async fn redeem(world: &World, ticket: &str) -> Answer {
    redeem_call(world, ticket).send().await
}

async fn verify(world: &World, ticket: &str) -> Value {
    world.http.get(&format!("/tickets/{ticket}/verify")).token(&world.partner()).send().await.expect(200)
}

#[tokio::test]
async fn a_ticket_is_verified_and_lets_in_once() {
    let world = World::with(&open()).await;
    let ticket = ticket(&world, "u_1", &["A1", "A2"]).await;
    let sound = json!({ "valid": true, "ticketId": ticket.id, "bookingId": ticket.booking, "showId": world.show,
        "seatIds": ["A1", "A2"] });
    assert_eq!(verify(&world, &ticket.id).await, sound);
    assert_eq!(verify(&world, &ticket.token).await, sound, "what was scanned stands for the id");
    assert_eq!(
        world
            .http
            .get(&format!("/tickets/{}/verify?token={}", ticket.id, ticket.token))
            .token(&world.partner())
            .send()
            .await
            .expect(200),
        sound
    );

    let before = now();
    let gate = redeem_call(&world, &ticket.token).json(&json!({ "gate": "A" })).send().await;
    let position = gate.position();
    let redeemed = gate.expect(200);
    assert_keys(&redeemed, &["ticketId", "bookingId", "showId", "seatIds", "redeemedAt", "gate"]);
    let at = redeemed["redeemedAt"].clone();
    assert!(before.as_second() - 2 <= parse(&at).as_second() && at.as_str().unwrap().ends_with("+05:30"));
    let details = redeem(&world, &ticket.id).await.refused(409, "ALREADY_REDEEMED");
    assert_eq!(details, json!({ "redeemedAt": at, "gate": "A" }));
    let mut used = sound;
    used["redeemedAt"] = at;
    used["gate"] = json!("A");
    assert_eq!(verify(&world, &ticket.id).await, used);

    let body = world.get_booking("u_1", &ticket.booking).send().await.expect(200);
    assert_eq!(body["status"], "CONFIRMED", "the booking stays as it is");
    let listed = world.http.get("/bookings").token(&customer("u_1")).after(position).send().await;
    assert_eq!(listed.expect(200)["bookings"][0]["status"], "CONFIRMED", "in the views as well");
    assert_eq!(world.seat(position, "A1").await["status"], "SOLD");
    world.cancel_call("u_1", &ticket.booking).send().await.refused(422, "NOT_CANCELLABLE");
    let events = world.events().await;
    let redemptions = of_type(&events, "ticket.redeemed");
    assert_eq!(redemptions.len(), 1);
    assert_eq!(redemptions[0]["stream"], format!("show-{}", world.show), "where the booking is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_doors_exactly_one_lets_the_ticket_in_and_a_restart_forgets_nothing() {
    let world = World::with(&open()).await;
    let ticket = ticket(&world, "u_1", &["A1"]).await;
    let start = Arc::new(Barrier::new(100));
    let doors: Vec<_> = (0..100)
        .map(|door| {
            let call = redeem_call(&world, &ticket.token).json(&json!({ "gate": format!("door {door}") }));
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                call.key(&new_key()).send().await
            })
        })
        .collect();
    let (mut let_in, mut refused) = (vec![], vec![]);
    for door in doors {
        let answer = door.await.expect("joins");
        if answer.status == 200 {
            let_in.push(answer.body);
        } else {
            refused.push(answer.refused(409, "ALREADY_REDEEMED"));
        }
    }
    assert_eq!((let_in.len(), refused.len()), (1, 99));
    let at = json!({ "redeemedAt": let_in[0]["redeemedAt"], "gate": let_in[0]["gate"] });
    assert!(refused.iter().all(|details| *details == at), "each is told when and where");
    let events = world.events().await;
    assert_eq!(of_type(&events, "ticket.redeemed").len(), 1);

    let (token, path) = (world.partner(), format!("/tickets/{}", ticket.id));
    let server = Server::with(world.server.kill().await, &open()).await;
    let again = server.http.api("POST", &format!("{path}/redeem")).token(&token).send().await;
    assert_eq!(again.refused(409, "ALREADY_REDEEMED"), at);
    let told = server.http.get(&format!("{path}/verify")).token(&token).send().await.expect(200);
    assert_eq!((&told["valid"], &told["redeemedAt"]), (&json!(true), &at["redeemedAt"]));
}

/// Two nodes decide on folds of their own: only the log is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doors_at_two_nodes_let_a_ticket_in_once() {
    let world = World::with(&Options { door: Door::Writable, ..open() }).await;
    let (home, log) = (Home::new(), world.server.kurrentdb());
    std::fs::create_dir_all(home.data_dir()).unwrap();
    let key = |home: &Home| home.data_dir().join("ticket.key");
    std::fs::copy(key(&world.server.home), key(&home)).unwrap();
    let other = Server::with(home, &Options { event_store: Some(log), ..open() }).await;
    for round in 1..=5 {
        let ticket = ticket(&world, "u_1", &[&format!("A{round}")]).await;
        let doors = (0..20).map(|door| {
            let http = if door % 2 == 0 { &world.http } else { &other.http };
            let call = http.api("POST", &format!("/tickets/{}/redeem", ticket.token));
            call.token(&world.partner()).send()
        });
        let answers = futures_util::future::join_all(doors).await;
        let let_in = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(let_in, 1);
        for answer in answers.into_iter().filter(|answer| answer.status != 200) {
            answer.refused(409, "ALREADY_REDEEMED");
        }
        for http in [&world.http, &other.http] {
            let verify = http.get(&format!("/tickets/{}/verify", ticket.token)).token(&world.partner());
            assert!(verify.send().await.expect(200)["redeemedAt"].is_string());
        }
    }
    assert_eq!(of_type(&world.events().await, "ticket.redeemed").len(), 5);
}

#[tokio::test]
async fn a_key_makes_one_redemption_and_fits_no_other_ticket() {
    let world = World::with(&open()).await;
    let (one, other) = (ticket(&world, "u_1", &["A1"]).await, ticket(&world, "u_2", &["A2"]).await);
    let key = new_key();
    let first = redeem_call(&world, &one.id).key(&key).send().await;
    assert!(!first.replayed());
    let first = (first.position(), first.expect(200));
    let again = redeem_call(&world, &one.token).key(&key).send().await;
    assert!(again.replayed(), "whether it was scanned or typed in");
    assert_eq!((again.position(), again.expect(200)), first);
    let reused = redeem_call(&world, &other.id).key(&key).send().await;
    reused.refused(422, "IDEMPOTENCY_KEY_REUSED");
    let gate = redeem_call(&world, &one.id).key(&key).json(&json!({ "gate": "B" })).send().await;
    gate.refused(422, "IDEMPOTENCY_KEY_REUSED");
    redeem(&world, &other.id).await.expect(200);
}

#[tokio::test]
async fn the_doors_are_closed_until_some_hours_before_the_start() {
    let world = World::new().await;
    let ticket = ticket(&world, "u_1", &["A1"]).await;
    let details = redeem(&world, &ticket.id).await.refused(422, "DOORS_CLOSED");
    let (opens, starts) = (parse(&details["opensAt"]), parse(&json!(world.start)));
    assert_eq!(starts.duration_since(opens).as_secs(), 4 * 3600, "by default");
    assert_eq!(parse(&details["closesAt"]).duration_since(starts).as_secs(), (128 + 30) * 60);
    assert_eq!(verify(&world, &ticket.id).await["valid"], true, "a ticket is good before it lets in");
    assert!(of_type(&world.events().await, "ticket.redeemed").is_empty());
}

#[tokio::test]
async fn a_booking_that_is_not_paid_or_was_cancelled_lets_nobody_in() {
    let world = World::with(&open()).await;
    let cancelled = ticket(&world, "u_1", &["A1"]).await;
    world.cancel_call("u_1", &cancelled.booking).send().await.expect(200);
    let details = redeem(&world, &cancelled.token).await.refused(422, "NOT_REDEEMABLE");
    assert_eq!(details["status"], "CANCELLED");
    let told = verify(&world, &cancelled.token).await;
    assert_eq!((&told["valid"], &told["reason"]), (&json!(false), &json!("CANCELLED")));

    let pending = world.booked("u_2", &["A2"]).await.replace("bk_", "tkt_");
    let details = redeem(&world, &pending).await.refused(422, "NOT_REDEEMABLE");
    assert_eq!(details["status"], "PAYMENT_PENDING");
    assert_eq!(verify(&world, &pending).await["reason"], "NOT_CONFIRMED");

    let off = ticket(&world, "u_3", &["A3"]).await;
    redeem(&world, &off.id).await.expect(200);
    let path = format!("/shows/{}/cancel", world.show);
    world.http.api("POST", &path).token(&world.partner()).send().await.expect(200);
    assert_eq!(verify(&world, &off.id).await["reason"], "CANCELLED", "with its show");
    let refunds = world.events_of("refund.requested", &off.booking, 1).await;
    assert_eq!(refunds.len(), 1, "a show that does not run is paid back, whoever is in");
}

#[tokio::test]
async fn only_the_theatres_own_people_verify_and_redeem() {
    let world = World::with(&open()).await;
    let ticket = ticket(&world, "u_1", &["A1"]).await;
    let onboard = json!({ "name": "Other Screens", "contactEmail": "desk@other.example" });
    let made =
        world.http.post("/partners", &onboard).token(&token("admin", "adm_1")).send().await.expect(201);
    let stranger = partner(made["partnerId"].as_str().expect("id"));
    for who in [&stranger, &customer("u_1"), &token("ops", "o_1"), &token("admin", "adm_1")] {
        for shown in [&ticket.id, &ticket.token] {
            let redeem = world.http.api("POST", &format!("/tickets/{shown}/redeem")).token(who);
            redeem.send().await.refused(403, "FORBIDDEN");
            let verify = world.http.get(&format!("/tickets/{shown}/verify")).token(who);
            verify.send().await.refused(403, "FORBIDDEN");
        }
    }
    let path = format!("/tickets/{}", ticket.id);
    world.http.api("POST", &format!("{path}/redeem")).send().await.refused(401, "UNAUTHORIZED");
    world.http.get(&format!("{path}/verify")).send().await.refused(401, "UNAUTHORIZED");
    assert!(of_type(&world.events().await, "ticket.redeemed").is_empty(), "a refusal appends nothing");
    redeem(&world, &ticket.id).await.expect(200);
}

#[tokio::test]
async fn what_is_no_ticket_is_told_and_breaks_nothing() {
    let world = World::with(&open()).await;
    let (one, other) = (ticket(&world, "u_1", &["A1"]).await, ticket(&world, "u_2", &["A2"]).await);
    let (elsewhere, world2) = {
        let world = World::with(&open()).await;
        (ticket(&world, "u_1", &["A1"]).await, world)
    };
    let part = |token: &str, index: usize| token.split('.').nth(index).expect("three parts").to_owned();
    let (head, claims, signature) = (part(&one.token, 0), part(&one.token, 1), part(&one.token, 2));
    let forged = [
        (format!("{head}.{}.{signature}", part(&other.token, 1)), "BAD_SIGNATURE"),
        (format!("{head}.{claims}.{}", part(&other.token, 2)), "BAD_SIGNATURE"),
        (elsewhere.token.clone(), "UNKNOWN_KEY"),
        (customer("u_1"), "MALFORMED"),
        (format!("{head}.{claims}."), "BAD_SIGNATURE"),
        ("nonsense".into(), "MALFORMED"),
        ("x".repeat(4_000), "MALFORMED"),
        ("%00%ff".into(), "MALFORMED"),
    ];
    for (token, reason) in &forged {
        let answer = world.http.get(&format!("/tickets/{token}/verify")).token(&world.partner()).send().await;
        if answer.status == 400 {
            // Not even text.
            assert_eq!(token, "%00%ff");
            continue;
        }
        assert_eq!(answer.expect(200), json!({ "valid": false, "reason": reason }), "{token}");
        assert_eq!(redeem(&world, token).await.refused(422, "INVALID_TICKET")["reason"], *reason);
    }
    let query = format!("/tickets/{}/verify?token={}", one.id, other.token);
    let told = world.http.get(&query).token(&world.partner()).send().await.expect(200);
    assert_eq!(told, json!({ "valid": false, "reason": "OTHER_TICKET", "ticketId": one.id }));
    for unknown in ["tkt_", "tkt_sh_none_01J", &format!("tkt_{}_01J", world.show), &elsewhere.id] {
        redeem(&world, unknown).await.refused(404, "NOT_FOUND");
        let verify = world.http.get(&format!("/tickets/{unknown}/verify")).token(&world.partner());
        verify.send().await.refused(404, "NOT_FOUND");
    }
    let bad = redeem_call(&world, &one.id).json(&json!({ "gate": "A", "status": "CONFIRMED" })).send().await;
    bad.refused(400, "VALIDATION_ERROR");
    let bad = redeem_call(&world, &one.id).json(&json!({ "gate": "x".repeat(201) })).send().await;
    bad.refused(400, "VALIDATION_ERROR");
    assert!(of_type(&world.events().await, "ticket.redeemed").is_empty());
    drop(world2);
}
