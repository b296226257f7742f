//! Partners and what is theirs.

use serde_json::{Value, json};

use crate::support::http::Answer;
use crate::support::time::{eventually, in_days, rfc3339};
use crate::support::tokens::{customer, partner, token};
use crate::support::world::{SOON, World, hall, new_key};

async fn stranger(world: &World) -> String {
    let body = json!({ "name": "Other Screens", "contactEmail": "desk@other.example" });
    let made = world.http.post("/partners", &body).token(&token("admin", "adm_1")).send().await.expect(201);
    partner(made["partnerId"].as_str().expect("id"))
}

async fn patch(world: &World, body: &Value) -> Answer {
    world.http.api("PATCH", &format!("/shows/{}", world.show)).json(body).token(&world.partner()).send().await
}

#[tokio::test]
async fn only_an_admin_onboards_partners_and_fills_the_catalogue() {
    let world = World::new().await;
    let onboard = json!({ "name": "Other Screens", "contactEmail": "desk@other.example" });
    let city = json!({ "cityId": "maa", "name": "Chennai", "timezone": "Asia/Kolkata" });
    let movie = json!({ "title": "x", "languages": ["en"], "genres": ["Drama"], "durationMins": 90 });
    for (path, body) in [("/partners", &onboard), ("/cities", &city), ("/movies", &movie)] {
        for who in [customer("u_1"), world.partner(), token("ops", "o_1"), token("auditor", "a_1")] {
            world.http.post(path, body).token(&who).send().await.refused(403, "FORBIDDEN");
        }
        world.http.post(path, body).send().await.refused(401, "UNAUTHORIZED");
        world.http.post(path, body).token(&token("admin", "adm_1")).send().await.expect(201);
    }
}

#[tokio::test]
async fn a_partner_touches_only_what_is_its_own() {
    let world = World::new().await;
    let stranger = stranger(&world).await;
    let theatre = json!({ "name": "Taken Over", "cityId": "blr", "area": "Indiranagar" });
    let screen = json!({ "name": "Screen 9", "rows": hall() });
    let show = world.show_body(&world.screen, &rfc3339(&in_days(4, 18, 30)));
    let (owner, own, hall_of, on) = (&world.partner_id, &world.theatre, &world.screen, &world.show);
    let attempts = [
        ("POST", format!("/partners/{owner}/theatres"), theatre.clone()),
        ("PUT", format!("/theatres/{own}"), theatre),
        ("POST", format!("/theatres/{own}/screens"), screen.clone()),
        ("PUT", format!("/theatres/{own}/screens/{hall_of}"), screen),
        ("POST", "/shows".to_owned(), show),
        ("PATCH", format!("/shows/{on}"), json!({ "prices": { "REGULAR": 1 } })),
        ("POST", format!("/shows/{on}/cancel"), json!({})),
    ];
    let before = world.events().await.len();
    for (method, path, body) in &attempts {
        for who in [&stranger, &customer("u_1"), &token("auditor", "a_1"), &token("ops", "o_1")] {
            let answer = world.http.api(method, path).json(body).token(who).send().await;
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
            answer.refused(403, "FORBIDDEN");
        }
        world.http.api(method, path).json(body).send().await.refused(401, "UNAUTHORIZED");
    }
    assert_eq!(world.events().await.len(), before, "a refusal appends nothing");
}

#[tokio::test]
async fn a_screen_shows_one_film_at_a_time() {
    let world = World::new().await;
    let slot = |day, hour, minute| rfc3339(&in_days(day, hour, minute));
    for overlapping in [slot(2, 18, 30), slot(2, 20, 0), slot(2, 17, 0), slot(2, 20, 37)] {
        world.new_show(&world.screen, &overlapping).await.refused(409, "SHOW_OVERLAP");
    }
    world.new_show(&world.screen, &slot(2, 20, 38)).await.expect(201);
    world.new_show(&world.screen, &slot(2, 16, 22)).await.expect(201);
    let other = world.new_screen("Screen 4", &hall()).await;
    world.new_show(&other, &slot(2, 18, 30)).await.expect(201);
    patch(&world, &json!({ "startTime": slot(2, 20, 0) })).await.refused(409, "SHOW_OVERLAP");
}

#[tokio::test]
async fn shows_created_at_once_for_one_slot_are_one() {
    let world = World::new().await;
    let start = rfc3339(&in_days(5, 18, 30));
    let body = world.show_body(&world.screen, &start);
    let sent: Vec<_> = (0..8)
        .map(|_| tokio::spawn(world.http.post("/shows", &body).token(&world.partner()).send()))
        .collect();
    let mut made = 0;
    for answer in sent {
        let answer = answer.await.expect("joins");
        match answer.status {
            201 => made += 1,
            _ => _ = answer.refused(409, "SHOW_OVERLAP"),
        }
    }
    assert_eq!(made, 1);
}

#[tokio::test]
async fn a_malformed_show_screen_or_theatre_is_refused() {
    let world = World::new().await;
    let sound = world.show_body(&world.screen, &rfc3339(&in_days(3, 18, 30)));
    let with = |field: &str, value: Value| {
        let mut body = sound.clone();
        body[field] = value;
        body
    };
    let refused = [
        with("startTime", json!(rfc3339(&in_days(-1, 18, 30)))),
        with("startTime", json!("tomorrow")),
        with("prices", json!({ "REGULAR": 180 })),
        with("prices", json!({ "REGULAR": -1, "PREMIUM": 1 })),
        with("prices", json!({ "REGULAR": 0, "PREMIUM": 1 })),
        with("prices", json!({ "REGULAR": 1.005, "PREMIUM": 1 })),
        with("prices", json!({ "REGULAR": "180", "PREMIUM": 1 })),
        with("prices", json!({ "THRONE": 180 })),
        with("status", json!("OPEN")),
    ];
    for body in &refused {
        let answer = world.http.post("/shows", body).token(&world.partner()).send().await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        answer.refused(400, "VALIDATION_ERROR");
    }
    for field in ["movieId", "theatreId", "screenId"] {
        let answer =
            world.http.post("/shows", &with(field, json!("none"))).token(&world.partner()).send().await;
        assert!(matches!(answer.status, 400 | 404), "{field}: {}", answer.text);
    }
    let twice = json!([{ "rowLabel": "A", "seats": [{ "seatId": "A1", "type": "REGULAR" }, { "seatId": "A1", "type": "REGULAR" }] }]);
    let path = format!("/theatres/{}/screens", world.theatre);
    for rows in
        [twice, json!([]), json!([{ "rowLabel": "A", "seats": [{ "seatId": "A1", "type": "THRONE" }] }])]
    {
        let body = json!({ "name": "Screen 9", "rows": rows });
        world.http.post(&path, &body).token(&world.partner()).send().await.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_repeated_create_makes_one() {
    let world = World::new().await;
    let key = new_key();
    let body = world.show_body(&world.screen, &rfc3339(&in_days(6, 18, 30)));
    let call = || world.http.post("/shows", &body).token(&world.partner()).key(&key).send();
    let first = call().await;
    let again = call().await;
    assert!(again.replayed());
    assert_eq!(again.expect(201), first.expect(201));
    let other = world.show_body(&world.screen, &rfc3339(&in_days(7, 18, 30)));
    let reused = world.http.post("/shows", &other).token(&world.partner()).key(&key).send().await;
    reused.refused(422, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn a_changed_price_is_for_bookings_to_come() {
    let world = World::new().await;
    let booked = world.book("u_1", &["A1"]).await.expect(201);
    let changed = patch(&world, &json!({ "prices": { "REGULAR": 200 } })).await;
    let position = changed.position();
    assert_eq!(changed.expect(200)["showId"], world.show);
    assert_eq!(world.seat(position, "A2").await["price"], 200);
    assert_eq!(world.seat(position, "P1").await["price"], json!(250.5), "prices are merged by type");
    let payment = world.paying("u_1", booked["bookingId"].as_str().expect("id")).await;
    assert_eq!(payment["amount"], 180, "a booking keeps the price that it was made at");
    assert_eq!(world.book("u_2", &["A2"]).await.expect(201)["pricing"]["total"], 200);
    patch(&world, &json!({ "prices": { "REGULAR": 1 }, "status": "x" }))
        .await
        .refused(400, "VALIDATION_ERROR");
    patch(&world, &json!({ "startTime": rfc3339(&in_days(-2, 18, 30)) }))
        .await
        .refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_moved_show_gives_its_old_slot_back() {
    let world = World::new().await;
    let later = rfc3339(&in_days(3, 18, 30));
    let moved = patch(&world, &json!({ "startTime": later })).await;
    let position = moved.position();
    moved.expect(200);
    assert_eq!(world.seat_map(position).await["startTime"], later);
    world.new_show(&world.screen, &world.start).await.expect(201);
    world.new_show(&world.screen, &later).await.refused(409, "SHOW_OVERLAP");
}

#[tokio::test]
async fn a_cancelled_show_cancels_its_bookings_and_pays_them_back() {
    let world = World::new().await;
    let pending = world.booked("u_1", &["A1"]).await;
    let paid = world.confirmed("u_2", &["A2", "A3"]).await;
    let gone = world.booked("u_1", &["A4"]).await;
    world.cancel_call("u_1", &gone).send().await.expect(200);
    let path = format!("/shows/{}/cancel", world.show);
    world.http.api("POST", &path).token(&world.partner()).send().await.expect(200);

    assert_eq!(
        world.reaches("u_1", &pending, "CANCELLED").await.get("refund").filter(|r| !r.is_null()),
        None
    );
    let refunded = eventually(SOON, "the paid one is paid back", async || {
        let body = world.get_booking("u_2", &paid).send().await.expect(200);
        (body["refund"]["status"] == "SUCCEEDED").then_some(body)
    })
    .await;
    assert_eq!(refunded["status"], "CANCELLED");
    assert_eq!(refunded["refund"]["amount"], 360);
    assert_eq!(
        world.events_of("booking.cancelled", &gone, 1).await.len(),
        1,
        "what was over stays as it was"
    );
    world.book("u_3", &["A5"]).await.refused(400, "VALIDATION_ERROR");
    world.http.api("POST", &path).token(&world.partner()).send().await.expect(200);
    world.new_show(&world.screen, &world.start).await.expect(201);
}

#[tokio::test]
async fn a_changed_screen_leaves_the_shows_that_stand() {
    let world = World::new().await;
    let path = format!("/theatres/{}/screens/{}", world.theatre, world.screen);
    let body = json!({ "name": "Screen 3B", "rows": [{ "rowLabel": "A", "seats": [{ "seatId": "A1", "type": "REGULAR" }] }] });
    let changed = world.http.api("PUT", &path).json(&body).token(&world.partner()).send().await;
    let position = changed.position();
    changed.expect(200);
    assert_eq!(world.seat_map(position).await["seatMap"]["rows"].as_array().expect("rows").len(), 5);
    world.booked("u_1", &["D10"]).await;
}
