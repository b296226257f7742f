//! Films by title in any language, by status and filters, page by page.

use serde_json::{Value, json};

use crate::support::http::assert_keys;
use crate::support::time::{in_days, rfc3339};
use crate::support::tokens::token;
use crate::support::world::World;

/// A film that is added with more than the least; the position of the last event.
async fn add(world: &World, movie: Value) -> u64 {
    let answer = world.http.post("/movies", &movie).token(&token("admin", "adm_1")).send().await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.position()
}

fn film(id: &str, title: &str) -> Value {
    json!({ "movieId": id, "title": title, "languages": ["en"], "genres": ["Drama"], "durationMins": 100 })
}

fn with(mut movie: Value, field: &str, value: Value) -> Value {
    movie[field] = value;
    movie
}

/// A show of a film, so many days from now; the position of its event.
async fn show(world: &World, movie: &str, days: i64, hour: i8, format: &str) -> u64 {
    let mut body = world.show_body(&world.screen, &rfc3339(&in_days(days, hour, 0)));
    body["movieId"] = json!(movie);
    body["format"] = json!(format);
    let made = world.http.post("/shows", &body).token(&world.partner()).send().await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.position()
}

/// A film of two titles beside the world's own, which runs in two days.
async fn with_two_films() -> World {
    let world = World::new().await;
    let titles = json!({ "hi": "बंदरगाह की रोशनी", "pt-BR": "Luzes do Porto" });
    add(&world, with(film("mv_902", "Harbour Lights"), "titles", titles)).await;
    let position = show(&world, "mv_902", 2, 9, "IMAX").await;
    World { position, ..world }
}

async fn movies(world: &World, query: &str) -> Value {
    world.http.get(&format!("/cities/blr/movies?{query}")).after(world.position).send().await.expect(200)
}

fn titles_of(body: &Value) -> Vec<&str> {
    body["movies"]
        .as_array()
        .expect("movies")
        .iter()
        .map(|movie| movie["title"].as_str().expect("title"))
        .collect()
}

#[tokio::test]
async fn a_title_is_in_the_language_of_its_reader() {
    let world = with_two_films().await;
    let title = async |query: &str, accept: Option<&str>| {
        let mut call = world.http.get(&format!("/movies/mv_902{query}")).after(world.position);
        if let Some(accept) = accept {
            call = call.header("Accept-Language", accept);
        }
        let answer = call.send().await;
        assert_eq!(answer.header("Vary"), Some("accept-language"), "a cache keeps the languages apart");
        let body = answer.expect(200);
        assert_eq!(body["mainTitle"], "Harbour Lights");
        body["title"].as_str().expect("a title").to_owned()
    };
    assert_eq!(title("", None).await, "Harbour Lights");
    assert_eq!(title("", Some("hi-IN,en;q=0.5")).await, "बंदरगाह की रोशनी");
    assert_eq!(title("", Some("en-GB,hi;q=0.9")).await, "Harbour Lights", "its main title is English");
    assert_eq!(title("", Some("ta, *;q=0.1")).await, "Harbour Lights");
    assert_eq!(title("?lang=pt-br", Some("hi")).await, "Luzes do Porto", "a choice goes before the browser");
    assert_eq!(title("?lang=pt", None).await, "Harbour Lights");
    world.http.get("/movies/mv_902?lang=h!").send().await.refused(400, "VALIDATION_ERROR");

    assert_eq!(titles_of(&movies(&world, "lang=hi").await), ["Midnight Caravan", "बंदरगाह की रोशनी"]);
    let shows = format!("/cities/blr/movies/mv_902/shows?date={}&lang=hi", world.date);
    let shows = world.http.get(&shows).after(world.position).send().await.expect(200);
    assert_eq!(shows["movie"]["title"], "बंदरगाह की रोशनी");
}

#[tokio::test]
async fn a_film_is_found_by_any_of_its_titles_and_slips_are_forgiven() {
    let world = with_two_films().await;
    for text in
        ["harbour", "harbor lights", "luzes", "porto", "prto", "luses do por", "बंदरगाह", "बंदरगह", "रोशनी"]
    {
        assert_eq!(titles_of(&movies(&world, &format!("q={text}")).await), ["Harbour Lights"], "{text}");
    }
    assert!(titles_of(&movies(&world, "q=zzzzzz").await).is_empty());
}

#[tokio::test]
async fn a_title_goes_before_its_beginning_before_a_slip_before_the_synopsis() {
    let world = World::new().await;
    let told = with(film("mv_1", "A Storm"), "synopsis", json!("It rages over the lantern."));
    for movie in
        [told, film("mv_2", "Blue Lantren"), film("mv_3", "Cold Lanterns"), film("mv_4", "Dark Lantern")]
    {
        add(&world, movie).await;
    }
    let mut position = 0;
    for (hour, movie) in [(6, "mv_1"), (9, "mv_2"), (12, "mv_3"), (15, "mv_4")] {
        position = show(&world, movie, 3, hour, "2D").await;
    }
    let world = World { position, ..world };
    let found = movies(&world, "q=lantern").await;
    assert_eq!(titles_of(&found), ["Dark Lantern", "Cold Lanterns", "Blue Lantren", "A Storm"]);
}

#[tokio::test]
async fn a_listed_film_tells_its_status_formats_certificate_and_day_of_release() {
    let world = World::new().await;
    let movie = with(film("mv_902", "Harbour Lights"), "releaseDate", json!("2026-01-30"));
    add(&world, with(movie, "certificate", json!("UA"))).await;
    show(&world, "mv_902", 2, 9, "IMAX").await;
    let position = show(&world, "mv_902", 3, 9, "2D").await;
    let world = World { position, ..world };
    let listed = movies(&world, "q=harbour").await["movies"][0].clone();
    let expected = json!({
        "movieId": "mv_902", "title": "Harbour Lights", "language": "en", "languages": ["en"], "genres": ["Drama"],
        "durationMins": 100, "certificate": "UA", "releaseDate": "2026-01-30", "status": "NOW_SHOWING",
        "formats": ["2D", "IMAX"]
    });
    assert_eq!(listed, expected);
    let film = world.http.get("/movies/mv_902").after(world.position).send().await.expect(200);
    let expected = json!({
        "movieId": "mv_902", "title": "Harbour Lights", "mainTitle": "Harbour Lights", "titles": {}, "languages": ["en"],
        "genres": ["Drama"], "durationMins": 100, "certificate": "UA", "releaseDate": "2026-01-30",
        "status": "NOW_SHOWING", "formats": ["2D", "IMAX"]
    });
    assert_eq!(film, expected);
    world.http.get("/movies/mv_none").send().await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn now_showing_and_coming_soon_part_at_seven_days_and_at_the_day_of_release() {
    let world = World::new().await;
    let ahead = in_days(30, 0, 0).date().to_string();
    add(&world, film("mv_far", "Far Away")).await;
    add(&world, with(film("mv_soon", "Soon Enough"), "releaseDate", json!(ahead))).await;
    add(&world, with(film("mv_old", "Out Long Ago"), "releaseDate", json!("2020-01-01"))).await;
    let elsewhere = json!({ "cityId": "bom", "name": "Mumbai", "timezone": "Asia/Kolkata" });
    world.http.post("/cities", &elsewhere).token(&token("admin", "adm_1")).send().await.expect(201);
    let position = show(&world, "mv_far", 9, 9, "2D").await;
    let world = World { position, ..world };

    assert_eq!(titles_of(&movies(&world, "status=NOW_SHOWING").await), ["Midnight Caravan"]);
    assert_eq!(titles_of(&movies(&world, "status=COMING_SOON").await), ["Far Away", "Soon Enough"]);
    assert_eq!(titles_of(&movies(&world, "").await), ["Far Away", "Midnight Caravan"]);
    let in_mumbai = world.http.get("/cities/bom/movies?status=COMING_SOON").send().await.expect(200);
    assert_eq!(titles_of(&in_mumbai), ["Soon Enough"], "an announced film counts for every city");
    world.http.get("/cities/blr/movies?status=LATER").send().await.refused(400, "VALIDATION_ERROR");

    let film = world.http.get("/movies/mv_old").send().await.expect(200);
    assert_eq!(film.get("status"), None, "it neither runs nor will");
}

#[tokio::test]
async fn films_are_filtered_by_format_beside_language_genre_and_date() {
    let world = with_two_films().await;
    assert_eq!(titles_of(&movies(&world, "format=imax").await), ["Harbour Lights"]);
    assert_eq!(titles_of(&movies(&world, "format=2D").await), ["Midnight Caravan"]);
    assert!(titles_of(&movies(&world, "format=2D&q=harbour").await).is_empty());
    let all = format!("format=IMAX&language=en&genre=drama&date={}&status=NOW_SHOWING", world.date);
    assert_eq!(titles_of(&movies(&world, &all).await), ["Harbour Lights"]);
}

#[tokio::test]
async fn lists_are_read_page_by_page_with_cursors_that_nobody_makes_up() {
    let world = with_two_films().await;
    let first = movies(&world, "limit=1").await;
    assert_eq!(titles_of(&first), ["Harbour Lights"]);
    let cursor = first["nextCursor"].as_str().expect("there is more");
    let rest = movies(&world, &format!("limit=1&cursor={cursor}")).await;
    assert_eq!((titles_of(&rest), &rest["nextCursor"]), (vec!["Midnight Caravan"], &Value::Null));

    let tampered = if cursor.starts_with('A') { "B" } else { "A" }.to_owned() + &cursor[1..];
    for (path, cursor) in [
        ("/cities/blr/movies?limit=1", tampered.as_str()),
        ("/cities/blr/movies?limit=1", "mv_902"),
        ("/cities/blr/movies?limit=1&q=harbour", cursor),
        ("/cities?limit=1", cursor),
        ("/cities?limit=1", "x"),
    ] {
        let refused = world.http.get(&format!("{path}&cursor={cursor}")).send().await;
        assert_eq!(refused.refused(400, "VALIDATION_ERROR")["field"], "cursor", "{path} {cursor}");
    }
    world.http.get("/cities?limit=0").send().await.refused(400, "VALIDATION_ERROR");

    let elsewhere = json!({ "cityId": "bom", "name": "Mumbai", "timezone": "Asia/Kolkata" });
    let made = world.http.post("/cities", &elsewhere).token(&token("admin", "adm_1")).send().await;
    let first = world.http.get("/cities?limit=1").after(made.position()).send().await.expect(200);
    assert_keys(&first, &["cities", "nextCursor"]);
    let cursor = first["nextCursor"].as_str().expect("there is more");
    let rest = world.http.get(&format!("/cities?limit=1&cursor={cursor}")).send().await.expect(200);
    assert_eq!((&rest["cities"][0]["name"], &rest["nextCursor"]), (&json!("Mumbai"), &Value::Null));
}

#[tokio::test]
async fn the_theatres_of_a_film_are_read_page_by_page_each_with_all_its_shows() {
    let world = World::new().await;
    let theatre = json!({ "name": "Garden Plaza", "cityId": "blr", "area": "Jayanagar" });
    let path = format!("/partners/{}/theatres", world.partner_id);
    let made = world.http.post(&path, &theatre).token(&world.partner()).send().await.expect(201);
    let other = World { theatre: made["theatreId"].as_str().expect("an id").to_owned(), ..world };
    let screen = other.new_screen("Screen 1", &crate::support::world::hall()).await;
    let position = other.new_show(&screen, &other.start).await.position();
    let path = format!("/cities/blr/movies/mv_901/shows?date={}&limit=1", other.date);
    let first = other.http.get(&path).after(position).send().await.expect(200);
    assert_eq!(first["theatres"].as_array().map(Vec::len), Some(1));
    assert_eq!(first["theatres"][0]["name"], "Garden Plaza");
    let cursor = first["nextCursor"].as_str().expect("there is more");
    let rest = other.http.get(&format!("{path}&cursor={cursor}")).send().await.expect(200);
    assert_keys(&rest, &["cityId", "movie", "date", "theatres"]);
    assert_eq!(rest["theatres"][0]["name"], "Lakeside Orion");
    other.http.get(&format!("{path}&cursor=x")).send().await.refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_film_keeps_its_titles_and_day_and_unsound_ones_are_refused() {
    let world = World::new().await;
    let admin = token("admin", "adm_1");
    let mut movie = film("mv_902", "Harbour Lights");
    movie["titles"] = json!({ "hi": "बंदरगाह की रोशनी" });
    movie["releaseDate"] = json!("2026-02-01");
    add(&world, movie.clone()).await;
    movie["title"] = json!("Harbour Nights");
    let replaced = world.http.api("PUT", "/movies/mv_902").json(&movie).token(&admin).send().await;
    let position = replaced.position();
    assert_eq!(replaced.expect(200), movie);
    let read = world.http.get("/movies/mv_902?lang=hi").after(position).send().await.expect(200);
    assert_eq!(read["titles"], movie["titles"]);
    assert_eq!((&read["title"], &read["mainTitle"]), (&json!("बंदरगाह की रोशनी"), &json!("Harbour Nights")));

    for (field, value) in [
        ("titles", json!({ "hindi language": "X" })),
        ("titles", json!({ "hi": "" })),
        ("titles", json!({ "hi": "One", "HI": "Two" })),
        ("titles", json!(["hi"])),
        ("releaseDate", json!("2026-02-30")),
        ("releaseDate", json!("soon")),
    ] {
        let unsound = with(film("mv_903", "Unsound"), field, value.clone());
        let answer = world.http.post("/movies", &unsound).token(&admin).send().await;
        assert_eq!(answer.status, 400, "{field} {value}: {}", answer.text);
    }
}
