//! What a partner does with its theatres and shows.

mod house;
mod sales;

use serde_json::{Value, json};

use crate::support::http::{Answer, keys};
use crate::support::time::{in_days, rfc3339};
use crate::support::tokens::{customer, partner, token};
use crate::support::world::{World, hall, new_key};

async fn house(world: &World, what: &str, body: &Value) -> Answer {
    let path = format!("/shows/{}/seats/{what}", world.show);
    world.http.post(&path, body).token(&world.partner()).send().await
}

/// Blocks seats, or releases them.
async fn house_seats(world: &World, what: &str, seats: &[&str]) -> Answer {
    house(world, what, &json!({ "seatIds": seats })).await
}

/// Schedules another show with more in its body, which the world's bookings are of from now on.
async fn another_show(world: &mut World, more: &Value) -> Answer {
    let mut body = world.show_body(&world.screen, &rfc3339(&in_days(3, 18, 30)));
    body.as_object_mut().expect("a body").extend(more.as_object().expect("an object").clone());
    let answer = world.http.post("/shows", &body).token(&world.partner()).send().await;
    if let Some(show) = answer.body["showId"].as_str() {
        show.clone_into(&mut world.show);
        world.position = answer.position();
        world.date = in_days(3, 18, 30).date().to_string();
    }
    answer
}

async fn show(world: &World) -> Value {
    let path = format!("/shows/{}", world.show);
    world.http.get(&path).after(world.log_end().await).send().await.expect(200)
}

async fn change(world: &World, method: &str, body: &Value) -> Answer {
    let path = format!("/shows/{}", world.show);
    world.http.api(method, &path).json(body).token(&world.partner()).send().await
}

#[tokio::test]
async fn a_show_is_read_by_anybody_and_replaced_as_a_whole() {
    let mut world = World::new().await;
    let day = rfc3339(&in_days(1, 9, 0));
    another_show(&mut world, &json!({ "salesFrom": day })).await.expect(201);
    let before = show(&world).await;
    assert_eq!((&before["salesFrom"], &before["status"]), (&json!(day), &json!("SCHEDULED")));
    let body = json!({
        "startTime": rfc3339(&in_days(4, 20, 0)), "language": "hi", "format": "IMAX",
        "prices": { "REGULAR": 300, "PREMIUM": 400.5 }
    });
    let replaced = change(&world, "PUT", &body).await.expect(200);
    assert_eq!(replaced, show(&world).await);
    for field in ["startTime", "language", "format", "prices"] {
        assert_eq!(replaced[field], body[field]);
    }
    assert_eq!(keys(&replaced).iter().filter(|key| key.starts_with("sales")).count(), 0, "{replaced}");
    assert_eq!(replaced["endTime"], rfc3339(&in_days(4, 22, 8)));
    world.new_show(&world.screen, &rfc3339(&in_days(3, 18, 30))).await.expect(201);

    let with = |field: &str, value: Value| {
        let mut body = body.clone();
        body[field] = value;
        body
    };
    change(&world, "PUT", &with("startTime", json!(world.start))).await.refused(409, "SHOW_OVERLAP");
    for bad in [
        with("startTime", json!(rfc3339(&in_days(-1, 9, 0)))),
        with("prices", json!({ "REGULAR": 300 })),
        with("prices", json!({ "REGULAR": 300, "PREMIUM": 0 })),
        with("language", json!("")),
        with("status", json!("CANCELLED")),
        json!({ "format": "2D" }),
    ] {
        change(&world, "PUT", &bad).await.refused(400, "VALIDATION_ERROR");
    }
    assert_eq!(show(&world).await, replaced);
    world.http.get("/shows/sh_none").send().await.refused(404, "NOT_FOUND");
    let path = format!("/shows/{}/cancel", world.show);
    world.http.api("POST", &path).token(&world.partner()).send().await.expect(200);
    assert_eq!(show(&world).await["status"], "CANCELLED");
}

#[tokio::test]
async fn a_repeated_replacement_has_one_effect() {
    let world = World::new().await;
    let path = format!("/shows/{}", world.show);
    let at = |day| rfc3339(&in_days(day, 20, 0));
    let body = json!({ "startTime": at(4), "language": "hi", "format": "2D", "prices": { "REGULAR": 1, "PREMIUM": 2 } });
    let key = new_key();
    let put = || world.http.api("PUT", &path).json(&body).token(&world.partner()).key(&key).send();
    put().await.expect(200);
    change(&world, "PATCH", &json!({ "startTime": at(5) })).await.expect(200);
    world.new_show(&world.screen, &at(4)).await.expect(201);
    let again = put().await;
    assert!(again.replayed());
    assert_eq!(again.expect(200)["startTime"], at(5), "the show as it now stands");
    assert_eq!(show(&world).await["startTime"], at(5));
    world.new_show(&world.screen, &at(5)).await.refused(409, "SHOW_OVERLAP");
}

#[tokio::test]
async fn another_partner_reads_and_changes_nothing() {
    let world = World::new().await;
    let onboard = json!({ "name": "Other Screens", "contactEmail": "desk@other.example" });
    let made =
        world.http.post("/partners", &onboard).token(&token("admin", "adm_1")).send().await.expect(201);
    let stranger = partner(made["partnerId"].as_str().expect("id"));
    let (owner, own, hall_of, on) = (&world.partner_id, &world.theatre, &world.screen, &world.show);
    let theatre = json!({ "name": "Taken Over", "cityId": "blr", "area": "Indiranagar" });
    let screen = json!({ "name": "Screen 9", "rows": hall() });
    let show = world.show_body(&world.screen, &rfc3339(&in_days(4, 18, 30)));
    let all = json!({ "startTime": world.start, "language": "en", "format": "2D", "prices": { "REGULAR": 1, "PREMIUM": 1 } });
    let seats = json!({ "seatIds": ["A1"] });
    let writes = [
        ("POST", format!("/partners/{owner}/theatres"), &theatre),
        ("PUT", format!("/theatres/{own}"), &theatre),
        ("POST", format!("/theatres/{own}/screens"), &screen),
        ("PUT", format!("/theatres/{own}/screens/{hall_of}"), &screen),
        ("POST", "/shows".to_owned(), &show),
        ("PUT", format!("/shows/{on}"), &all),
        ("PATCH", format!("/shows/{on}"), &json!({ "salesUntil": world.start })),
        ("POST", format!("/shows/{on}/cancel"), &json!({})),
        ("POST", format!("/shows/{on}/seats/block"), &seats),
        ("POST", format!("/shows/{on}/seats/release"), &seats),
    ];
    let reads =
        [format!("/partners/{owner}/theatres"), format!("/theatres/{own}"), format!("/theatres/{own}/shows")];
    let before = world.events().await;
    for who in [&stranger, &customer("u_1"), &token("ops", "o_1"), &token("admin", "adm_1")] {
        for (method, path, body) in &writes {
            let answer = world.http.api(method, path).json(body).token(who).send().await;
            assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
            answer.refused(403, "FORBIDDEN");
        }
        for path in &reads {
            world.http.get(path).token(who).send().await.refused(403, "FORBIDDEN");
        }
    }
    for (method, path, body) in &writes {
        world.http.api(method, path).json(body).send().await.refused(401, "UNAUTHORIZED");
    }
    for path in &reads {
        world.http.get(path).send().await.refused(401, "UNAUTHORIZED");
    }
    assert_eq!(world.events().await, before, "a refusal appends nothing");
}

#[tokio::test]
async fn a_partner_reads_its_theatres_with_their_screens() {
    let world = World::new().await;
    let get = |path: String| world.http.get(&path).token(&world.partner()).send();
    let path = format!("/partners/{}/theatres", world.partner_id);
    let body = json!({ "theatreId": "th_annex", "name": "Annex", "cityId": "blr", "area": "Hebbal", "address": "1 Lake Road" });
    world.http.post(&path, &body).token(&world.partner()).send().await.expect(201);
    let listed =
        world.http.get(&path).token(&world.partner()).after(world.log_end().await).send().await.expect(200);
    let orion = json!({ "theatreId": world.theatre, "name": "Lakeside Orion", "cityId": "blr", "area": "Malleshwaram" });
    assert_eq!(listed, json!({ "theatres": [body, orion], "nextCursor": null }));

    let rows = json!([{ "rowLabel": "A", "seats": [
        { "seatId": "A1", "type": "WHEELCHAIR" }, { "seatId": "A2", "type": "COMPANION" },
        { "seatId": "A3", "type": "REGULAR", "gapBefore": 2 }
    ] }]);
    let screen = json!({ "screenId": "sc_9", "name": "Screen 9", "rows": rows });
    world.http.post("/theatres/th_annex/screens", &screen).token(&world.partner()).send().await.expect(201);
    let mut whole = body;
    whole["partnerId"] = json!(world.partner_id);
    whole["screens"] = json!([screen]);
    let end = world.log_end().await;
    let annex = world.http.get("/theatres/th_annex").token(&world.partner()).after(end).send().await;
    assert_eq!(annex.expect(200), whole);
    get("/theatres/th_none".into()).await.refused(404, "NOT_FOUND");
    get("/theatres/th_none/shows".into()).await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_partner_reads_the_shows_of_a_theatre_page_by_page() {
    let world = World::new().await;
    let mut ids = vec![world.show.clone()];
    // The last of them in the order of their starts is scheduled first.
    for day in [8, 7, 6, 5] {
        let made = world.new_show(&world.screen, &rfc3339(&in_days(day, 18, 30))).await.expect(201);
        ids.insert(1, made["showId"].as_str().expect("an id").to_owned());
    }
    let cancel = format!("/shows/{}/cancel", ids[2]);
    world.http.api("POST", &cancel).token(&world.partner()).send().await.expect(200);
    let end = world.log_end().await;
    let path = format!("/theatres/{}/shows", world.theatre);
    let page = async |query: String| {
        world.http.get(&format!("{path}?{query}")).token(&world.partner()).after(end).send().await
    };
    let (mut read, mut query) = (vec![], "limit=2".to_owned());
    let mut pages = 0;
    loop {
        let body = page(query).await.expect(200);
        read.extend(body["shows"].as_array().expect("shows").clone());
        pages += 1;
        let Some(next) = body["nextCursor"].as_str() else { break };
        query = format!("limit=2&cursor={next}");
    }
    assert_eq!(pages, 3);
    assert_eq!(read.iter().map(|show| show["showId"].as_str().expect("id")).collect::<Vec<_>>(), ids);
    assert_eq!(read[2]["status"], "CANCELLED");
    let one = world.http.get(&format!("/shows/{}", ids[0])).send().await.expect(200);
    assert_eq!(read[0], one);
    assert_eq!(page("limit=5".into()).await.expect(200)["nextCursor"], Value::Null);
    for bad in ["limit=0", "limit=1000", "after=x", "cursor=1"] {
        page(bad.into()).await.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn a_companion_sits_beside_a_wheelchair() {
    let world = World::new().await;
    let row = |seats: Value| json!({ "name": "Screen 9", "rows": [{ "rowLabel": "A", "seats": seats }] });
    let seat = |id: &str, kind: &str| json!({ "seatId": id, "type": kind });
    let path = format!("/theatres/{}/screens", world.theatre);
    let alone = row(json!([seat("A1", "WHEELCHAIR"), seat("A2", "REGULAR"), seat("A3", "COMPANION")]));
    let mut across = seat("A2", "COMPANION");
    across["gapBefore"] = json!(1);
    let across = row(json!([seat("A1", "WHEELCHAIR"), across]));
    for (body, named) in [(alone, "A3"), (across, "A2")] {
        let answer = world.http.post(&path, &body).token(&world.partner()).send().await;
        assert_eq!(answer.refused(400, "VALIDATION_ERROR")["seatId"], named);
    }
    let beside = row(json!([seat("A1", "COMPANION"), seat("A2", "WHEELCHAIR"), seat("A3", "COMPANION")]));
    world.http.post(&path, &beside).token(&world.partner()).send().await.expect(201);
}

#[tokio::test]
async fn a_changed_layout_is_for_shows_to_come() {
    let mut world = World::new().await;
    house_seats(&world, "block", &["D1"]).await.expect(200);
    world.booked("u_1", &["A1"]).await;
    let before = world.seat_map(world.log_end().await).await;
    let rows = json!([{ "rowLabel": "Z", "seats": [{ "seatId": "Z1", "type": "REGULAR" }] }]);
    let path = format!("/theatres/{}/screens/{}", world.theatre, world.screen);
    let body = json!({ "name": "Screen 3B", "rows": rows });
    world.http.api("PUT", &path).json(&body).token(&world.partner()).send().await.expect(200);
    assert_eq!(world.seat_map(world.log_end().await).await, before);
    change(&world, "PATCH", &json!({ "language": "hi" })).await.expect(200);
    assert_eq!(world.seat_map(world.log_end().await).await, before, "nor does a change of the show");
    world.booked("u_1", &["D10"]).await;

    another_show(&mut world, &json!({})).await.expect(201);
    let map = world.seat_map(world.log_end().await).await;
    assert_eq!(map["screenName"], "Screen 3B");
    assert_eq!(
        map["seatMap"]["rows"],
        json!([{ "rowLabel": "Z", "seats": [{ "seatId": "Z1", "type": "REGULAR", "price": 180, "status": "AVAILABLE" }] }])
    );
}

#[tokio::test]
async fn a_show_is_not_moved_onto_another_however_it_is_asked_for() {
    let world = World::new().await;
    let at = |day, hour, minute| rfc3339(&in_days(day, hour, minute));
    world.new_show(&world.screen, &at(3, 18, 30)).await.expect(201);
    let before = world.events().await;
    let whole = |start: String| json!({ "startTime": start, "language": "en", "format": "2D", "prices": { "REGULAR": 1, "PREMIUM": 1 } });
    for start in [at(3, 18, 30), at(3, 20, 37), at(3, 16, 23)] {
        let refused =
            change(&world, "PATCH", &json!({ "startTime": start })).await.refused(409, "SHOW_OVERLAP");
        assert!(refused["showId"].is_string());
        change(&world, "PUT", &whole(start)).await.refused(409, "SHOW_OVERLAP");
    }
    assert_eq!(world.events().await, before, "a refusal appends nothing");
    change(&world, "PUT", &whole(at(3, 16, 22))).await.expect(200);
    change(&world, "PATCH", &json!({ "startTime": at(3, 20, 38) })).await.expect(200);
    world.new_show(&world.screen, &world.start).await.expect(201);
}
