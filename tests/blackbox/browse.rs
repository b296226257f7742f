//! Browsing: what a customer finds before anything is bought.

use serde_json::{Value, json};

use crate::support::http::assert_keys;
use crate::support::time::{in_days, rfc3339};
use crate::support::world::World;

fn shows_path(world: &World, filters: &str) -> String {
    format!("/cities/blr/movies/mv_901/shows?date={}{filters}", world.date)
}

async fn shows(world: &World, filters: &str) -> Vec<Value> {
    let body = world.http.get(&shows_path(world, filters)).after(world.position).send().await.expect(200);
    let theatres = body["theatres"].as_array().expect("theatres").clone();
    theatres.iter().flat_map(|theatre| theatre["shows"].as_array().expect("shows").clone()).collect()
}

async fn titles(world: &World, query: &str) -> Vec<String> {
    let call = world.http.get(&format!("/cities/blr/movies?{query}")).after(world.position);
    let body = call.send().await.expect(200);
    let movies = body["movies"].as_array().expect("movies");
    movies.iter().map(|movie| movie["title"].as_str().expect("title").to_owned()).collect()
}

#[tokio::test]
async fn the_theatres_of_a_film_answer_exactly_the_contract() {
    let world = World::new().await;
    let body = world.http.get(&shows_path(&world, "")).after(world.position).send().await.expect(200);

    assert_keys(&body, &["cityId", "movie", "date", "theatres"]);
    assert_eq!(body["cityId"], "blr");
    assert_eq!(body["date"], world.date);
    let mut movie = body["movie"].clone();
    if let Some(languages) = movie.as_object_mut().expect("a film").remove("languages") {
        assert_eq!(languages, json!(["en", "hi"]), "`languages` has all");
    }
    let expected = json!({
        "movieId": "mv_901", "title": "Midnight Caravan", "language": "en", "genres": ["Thriller", "Drama"],
        "durationMins": 128
    });
    assert_eq!(movie, expected);
    let expected = json!([{
        "theatreId": world.theatre, "name": "Lakeside Orion", "area": "Malleshwaram",
        "shows": [{
            "showId": world.show, "screenName": "Screen 3", "startTime": world.start, "format": "2D", "priceFrom": 180,
            "availability": { "availableSeats": 42, "status": "AVAILABLE" }
        }]
    }]);
    assert_eq!(body["theatres"], expected);
}

#[tokio::test]
async fn the_seat_map_answers_exactly_the_contract() {
    let world = World::new().await;
    let locked = world.book("u_1", &["A2"]).await;
    let position = locked.position();
    let locked = locked.expect(201);
    world.confirmed("u_2", &["A3"]).await;
    world.seat_becomes("A3", "SOLD").await;

    let map = world.seat_map(position).await;
    assert_keys(&map, &["showId", "theatreId", "screenName", "startTime", "seatMap"]);
    assert_eq!(map["showId"], world.show);
    assert_eq!(map["theatreId"], world.theatre);
    assert_eq!(map["screenName"], "Screen 3");
    assert_eq!(map["startTime"], world.start);
    assert_keys(&map["seatMap"], &["rows"]);
    let rows = map["seatMap"]["rows"].as_array().expect("rows");
    let labels: Vec<_> = rows.iter().map(|row| row["rowLabel"].as_str().expect("label")).collect();
    assert_eq!(labels, ["A", "B", "C", "D", "P"], "the rows stand as the screen is built");
    for row in rows {
        assert_keys(row, &["rowLabel", "seats"]);
    }
    let lock = &locked["expiresAt"];
    assert_eq!(
        rows[0]["seats"][0],
        json!({ "seatId": "A1", "type": "REGULAR", "price": 180, "status": "AVAILABLE" })
    );
    assert_eq!(
        rows[0]["seats"][1],
        json!({ "seatId": "A2", "type": "REGULAR", "price": 180, "status": "LOCKED", "lockExpiresAt": lock })
    );
    assert_eq!(
        rows[0]["seats"][2],
        json!({ "seatId": "A3", "type": "REGULAR", "price": 180, "status": "SOLD" })
    );
    assert_eq!(rows[4]["seats"][0]["price"], json!(250.5), "money is a number of major units");
}

#[tokio::test]
async fn shows_are_filtered_by_date_language_and_format() {
    let world = World::new().await;
    let mut imax = world.show_body(&world.screen, &rfc3339(&in_days(2, 9, 0)));
    imax["format"] = json!("IMAX");
    imax["language"] = json!("hi");
    let made = world.http.post("/shows", &imax).token(&world.partner()).send().await;
    let position = made.position();
    made.expect(201);
    let world = World { position, ..world };

    assert_eq!(shows(&world, "").await.len(), 2);
    let starts: Vec<_> = shows(&world, "").await.iter().map(|show| show["startTime"].to_string()).collect();
    assert!(starts.is_sorted(), "shows stand in the order of their start: {starts:?}");
    assert_eq!(shows(&world, "&format=IMAX").await.len(), 1);
    assert_eq!(shows(&world, "&format=2D").await[0]["showId"], world.show);
    assert_eq!(shows(&world, "&language=hi").await[0]["format"], "IMAX");
    assert_eq!(shows(&world, "&language=en&format=IMAX").await.len(), 0);

    let hindi = world.http.get(&shows_path(&world, "&language=hi")).send().await.expect(200);
    assert_eq!(hindi["movie"]["language"], "hi", "the filter's language, if it is given");
    let other_day = in_days(3, 0, 0).date();
    let empty =
        world.http.get(&format!("/cities/blr/movies/mv_901/shows?date={other_day}")).send().await.expect(200);
    assert_eq!(empty["theatres"], json!([]), "a day without shows is no error");
}

#[tokio::test]
async fn a_bad_date_is_400_and_an_unknown_city_film_or_show_404() {
    let world = World::new().await;
    for date in ["2026-02-30", "01-02-2026", "tomorrow", ""] {
        let path = format!("/cities/blr/movies/mv_901/shows?date={date}");
        world.http.get(&path).send().await.refused(400, "VALIDATION_ERROR");
    }
    world.http.get("/cities/blr/movies/mv_901/shows").send().await.refused(400, "VALIDATION_ERROR");
    for (city, movie) in [("nowhere", "mv_901"), ("blr", "mv_none")] {
        let path = format!("/cities/{city}/movies/{movie}/shows?date={}", world.date);
        world.http.get(&path).send().await.refused(404, "NOT_FOUND");
    }
    world.http.get("/shows/sh_none/seats").send().await.refused(404, "NOT_FOUND");
    world.http.get("/cities/nowhere/movies").send().await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_search_forgives_a_typo() {
    let world = World::new().await;
    world.movie("mv_902", "Harbour Lights", &["en"]).await;
    let mut other = world.show_body(&world.screen, &rfc3339(&in_days(2, 9, 0)));
    other["movieId"] = json!("mv_902");
    let made = world.http.post("/shows", &other).token(&world.partner()).send().await;
    let position = made.position();
    made.expect(201);
    let world = World { position, ..world };

    assert_eq!(titles(&world, "q=midnight").await, ["Midnight Caravan"]);
    assert_eq!(titles(&world, "q=midnihgt").await, ["Midnight Caravan"], "two letters changed places");
    assert_eq!(titles(&world, "q=carvan").await, ["Midnight Caravan"], "a letter is missing");
    assert_eq!(titles(&world, "q=harbor").await, ["Harbour Lights"]);
    assert_eq!(titles(&world, "q=zzzzzz").await, Vec::<String>::new());
    assert_eq!(titles(&world, "genre=Thriller").await.len(), 2);
    assert_eq!(titles(&world, "language=en").await.len(), 2);
    assert_eq!(titles(&world, "language=hi").await, Vec::<String>::new(), "no show is in Hindi");
    assert_eq!(titles(&world, "genre=Musical").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_city_lists_the_films_that_have_a_bookable_show_there() {
    let world = World::new().await;
    world.movie("mv_unshown", "Nobody Shows It", &["en"]).await;
    let cities = world.http.get("/cities").after(world.position).send().await.expect(200);
    let names: Vec<_> =
        cities["cities"].as_array().expect("cities").iter().map(|city| &city["name"]).collect();
    assert_eq!(names, ["Bengaluru"]);

    assert_eq!(titles(&world, "").await, ["Midnight Caravan"]);
    assert_eq!(titles(&world, &format!("date={}", world.date)).await, ["Midnight Caravan"]);
    assert_eq!(titles(&world, &format!("date={}", in_days(3, 0, 0).date())).await, Vec::<String>::new());

    let cancel =
        world.http.api("POST", &format!("/shows/{}/cancel", world.show)).token(&world.partner()).send().await;
    let position = cancel.position();
    cancel.expect(200);
    let world = World { position, ..world };
    assert_eq!(titles(&world, "").await, Vec::<String>::new(), "a cancelled show is not bookable");
}

#[tokio::test]
async fn a_show_is_fast_filling_at_a_fifth_of_its_seats_and_sold_out_at_none() {
    let world = World::new().await;
    let mut position = world.position;
    let mut take = Vec::new();
    for (label, count) in [("A", 10), ("B", 10), ("C", 10), ("D", 3)] {
        take.push((1..=count).map(|n| format!("{label}{n}")).collect::<Vec<_>>());
    }
    for seats in &take {
        let seats: Vec<_> = seats.iter().map(String::as_str).collect();
        let answer = world.book("u_1", &seats).await;
        position = answer.position();
        answer.expect(201);
    }
    let world = World { position, ..world };
    let availability = |shows: &[Value]| shows[0]["availability"].clone();
    let nine_of_42 = json!({ "availableSeats": 9, "status": "AVAILABLE" });
    assert_eq!(availability(&shows(&world, "").await), nine_of_42);

    let answer = world.book("u_1", &["D4"]).await;
    let world = World { position: answer.position(), ..world };
    let eight_of_42 = json!({ "availableSeats": 8, "status": "FAST_FILLING" });
    assert_eq!(availability(&shows(&world, "").await), eight_of_42);

    let answer = world.book("u_1", &["D5", "D6", "D7", "D8", "D9", "D10", "P1", "P2"]).await;
    let world = World { position: answer.position(), ..world };
    let none = json!({ "availableSeats": 0, "status": "SOLD_OUT" });
    assert_eq!(availability(&shows(&world, "").await), none);
}

#[tokio::test]
async fn a_theatre_is_found_in_its_city_with_what_it_runs_on_a_day() {
    let world = World::new().await;
    world.movie("mv_902", "The Long Siding", &["en"]).await;
    let annex = json!({ "theatreId": "th_annex", "name": "Annex", "cityId": "blr", "area": "Jayanagar" });
    let path = format!("/partners/{}/theatres", world.partner_id);
    world.http.post(&path, &annex).token(&world.partner()).send().await.expect(201);
    let late = rfc3339(&in_days(2, 21, 45));
    let mut body = world.show_body(&world.screen, &late);
    (body["movieId"], body["format"], body["language"]) = (json!("mv_902"), json!("3D"), json!("hi"));
    let made = world.http.post("/shows", &body).token(&world.partner()).send().await;
    let position = made.position();
    let second = made.expect(201)["showId"].clone();

    let list = async |query: &str| {
        world.http.get(&format!("/cities/blr/theatres?{query}")).after(position).send().await
    };
    let first = list("limit=1").await.expect(200);
    assert_eq!(first["theatres"], json!([{ "theatreId": "th_annex", "name": "Annex", "area": "Jayanagar" }]));
    let next = first["nextCursor"].as_str().expect("one more");
    let rest = list(&format!("limit=1&cursor={next}")).await.expect(200);
    assert_eq!(
        (&rest["theatres"][0]["theatreId"], &rest["nextCursor"]),
        (&json!(world.theatre), &Value::Null)
    );
    list("cursor=x").await.refused(400, "VALIDATION_ERROR");
    world.http.get("/cities/none/theatres").send().await.refused(404, "NOT_FOUND");

    let programme = async |theatre: &str, query: &str| {
        let path = format!("/cities/blr/theatres/{theatre}/shows?{query}");
        world.http.get(&path).after(position).send().await
    };
    let day = format!("date={}", world.date);
    let whole = programme(&world.theatre, &day).await.expect(200);
    assert_eq!(whole["theatre"]["name"], "Lakeside Orion");
    let titles: Vec<&Value> =
        whole["movies"].as_array().unwrap().iter().map(|film| &film["movie"]["title"]).collect();
    assert_eq!(titles, ["Midnight Caravan", "The Long Siding"]);
    assert_eq!(whole["movies"][0]["shows"][0]["showId"], json!(world.show));
    assert_eq!(whole["movies"][0]["shows"][0]["availability"]["availableSeats"], 42);
    let picked = programme(&world.theatre, &format!("{day}&format=3d&language=hi")).await.expect(200);
    let picked = picked["movies"].as_array().unwrap();
    assert_eq!((picked.len(), &picked[0]["shows"][0]["showId"]), (1, &second));
    assert_eq!(programme("th_annex", &day).await.expect(200)["movies"], json!([]));
    programme(&world.theatre, "date=tomorrow").await.refused(400, "VALIDATION_ERROR");
    programme(&world.theatre, "").await.refused(400, "VALIDATION_ERROR");
    programme("th_none", &day).await.refused(404, "NOT_FOUND");
}
