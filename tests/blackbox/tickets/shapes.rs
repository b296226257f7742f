//! A ticket as its holder has it: a code, an appointment, a page.

use serde_json::json;

use super::{Ticket, ticket};
use crate::support::http::{Answer, assert_keys};
use crate::support::time::parse;
use crate::support::tokens::{customer, token};
use crate::support::world::World;

async fn shape(world: &World, ticket: &Ticket, suffix: &str) -> Answer {
    let path = format!("/bookings/{}/ticket{suffix}", ticket.booking);
    world.http.get(&path).token(&customer("u_1")).after(world.log_end().await).send().await
}

/// What a scanner reads of a PNG.
async fn scanned(world: &World, path: &str, accept: &str) -> (String, (u32, u32)) {
    let call = world.http.get(path).token(&customer("u_1")).header("Accept", accept);
    let response = call.stream().await;
    assert_eq!(response.headers()["content-type"], "image/png");
    let file = response.bytes().await.unwrap();
    let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let (width, height) = (info.width as usize, info.height as usize);
    assert!(pixels.iter().all(|pixel| matches!(pixel, 0 | 255)), "no shades: no edge is blurred");
    let quiet = |x: usize, y: usize| x < 32 || y < 32 || x >= width - 32 || y >= height - 32;
    let white = |index: usize| pixels[index] == 255;
    assert!((0..width * height).all(|index| !quiet(index % width, index / width) || white(index)));
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code");
    let (about, text) = grids[0].decode().unwrap();
    assert_eq!(about.ecc_level, 0, "error correction M");
    (text, (info.width, info.height))
}

#[tokio::test]
async fn the_code_of_the_png_is_the_token() {
    let world = World::new().await;
    let seats = ["A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10"];
    let ticket = ticket(&world, "u_1", &seats).await;
    let path = format!("/bookings/{}/ticket", ticket.booking);
    let (text, (width, height)) = scanned(&world, &format!("{path}.png"), "*/*").await;
    assert_eq!(text, ticket.token);
    assert!(width == height && width >= 400, "{width}");
    assert_eq!(scanned(&world, &path, "image/png").await.0, ticket.token);
    let svg = shape(&world, &ticket, ".svg").await;
    assert_eq!(svg.header("Content-Type"), Some("image/svg+xml"));
    let side = width / 8;
    assert!(svg.text.contains(&format!("viewBox=\"0 0 {side} {side}\"")), "{}", svg.text);
    assert!(svg.text.contains("<title>") && !svg.text.contains("<script"));
}

#[tokio::test]
async fn a_ticket_comes_as_what_its_holder_takes() {
    let world = World::new().await;
    let ticket = ticket(&world, "u_1", &["A1"]).await;
    let ask = |accept: &str| {
        let path = format!("/bookings/{}/ticket", ticket.booking);
        world.http.get(&path).token(&customer("u_1")).header("Accept", accept).send()
    };
    for (accept, kind) in [
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"),
        ("image/*", "image/png"),
        ("image/svg+xml, image/png;q=0.5", "image/svg+xml"),
        ("text/calendar", "text/calendar; charset=utf-8"),
    ] {
        let answer = ask(accept).await;
        assert_eq!(answer.header("Content-Type"), Some(kind), "{accept}");
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
        assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
        assert!(answer.header("Vary").is_some_and(|vary| vary.contains("accept")));
        assert_eq!(answer.status, 200);
    }
    let body = ask("application/json").await.expect(200);
    assert_keys(&body, &["ticketId", "qrCodeData", "seatIds"]);
    assert_eq!((&body["ticketId"], &body["qrCodeData"]), (&json!(ticket.id), &json!(ticket.token)));
    ask("application/pdf").await.refused(406, "NOT_ACCEPTABLE");
}

#[tokio::test]
async fn the_appointment_has_the_shows_times_place_and_an_alarm() {
    let world = World::new().await;
    let theatre = json!({ "name": "Lakeside Orion", "cityId": "blr", "area": "Malleshwaram",
        "address": "26/1 Dr Rajkumar Road; Rajajinagar, next to the lake and the old mill" });
    let path = format!("/theatres/{}", world.theatre);
    world.http.put(&path, &theatre).token(&world.partner()).send().await.expect(200);
    let ticket = ticket(&world, "u_1", &["A1", "A2"]).await;
    let answer = shape(&world, &ticket, ".ics").await;
    assert_eq!(answer.header("Content-Disposition"), Some("attachment; filename=\"ticket.ics\""));
    assert!(answer.text.ends_with("\r\n") && answer.text.lines().all(|line| line.len() <= 75));
    assert_eq!(answer.text.matches('\n').count(), answer.text.matches("\r\n").count());
    let unfolded = answer.text.replace("\r\n ", "");
    let value = |name: &str| {
        let mut lines = unfolded.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        lines.next().unwrap_or_else(|| panic!("no {name}: {unfolded}")).to_owned()
    };
    let start = parse(&json!(world.start));
    assert_eq!(value("DTSTART"), start.strftime("%Y%m%dT%H%M%SZ").to_string(), "UTC");
    let end = start + std::time::Duration::from_secs(128 * 60);
    assert_eq!(value("DTEND"), end.strftime("%Y%m%dT%H%M%SZ").to_string());
    assert_eq!(value("SUMMARY"), "Midnight Caravan");
    assert_eq!(value("UID"), format!("{}@marquee", ticket.id));
    assert_eq!(
        value("LOCATION"),
        "Lakeside Orion\\, 26/1 Dr Rajkumar Road\\; Rajajinagar\\, next to the lake and the old mill\\, Malleshwaram\\, Bengaluru"
    );
    assert!(value("DESCRIPTION").contains("Seats: A1\\, A2"));
    assert_eq!(value("TRIGGER"), "-PT1H");
    for name in ["VCALENDAR", "VEVENT", "VALARM"] {
        let count = |what: &str| unfolded.matches(&format!("{what}:{name}\r\n")).count();
        assert_eq!((count("BEGIN"), count("END")), (1, 1));
    }
    let again = shape(&world, &ticket, ".ics").await.text;
    assert!(again.contains(&ticket.id), "the same appointment");
}

#[tokio::test]
async fn the_page_prints_runs_nothing_fetches_nothing_and_speaks_the_readers_language() {
    let world = World::new().await;
    let hostile = json!({ "movieId": "mv_901", "title": "<script>alert(1)</script> & \"Co\"",
        "titles": { "hi": "आधी रात" }, "languages": ["en", "hi"], "genres": ["Drama"], "durationMins": 128 });
    let admin = token("admin", "adm_1");
    let changed = world.http.put("/movies/mv_901", &hostile).token(&admin).send().await;
    let position = changed.position();
    changed.expect(200);
    let ticket = ticket(&world, "u_1", &["A1"]).await;
    world.http.get("/movies/mv_901").after(position).send().await.expect(200);
    let answer = shape(&world, &ticket, ".html").await;
    let policy = answer.header("Content-Security-Policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("script-src") && !policy.contains("img-src") && !policy.contains("connect-src"));
    let page = &answer.text;
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;Co&quot;"), "{page}");
    for never in ["<script", "http://", "src=", "<link", "url(", "onload", "@import"] {
        let found = page.replace("http://www.w3.org/2000/svg", "").contains(never);
        assert!(!found, "{never}: {page}");
    }
    for wanted in ["<html lang=\"en\">", "@media print", "role=\"img\"", "<h1", "<main>", "A1", "Screen 3"] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    let exact = format!("<time datetime=\"{}\">", world.start);
    assert!(page.contains(&exact) && page.contains(", 18:30</time> (Asia/Kolkata)"), "{page}");
    let path = format!("/bookings/{}/ticket.html", ticket.booking);
    let hindi = world.http.get(&path).token(&customer("u_1")).header("Accept-Language", "hi-IN, en;q=0.5");
    let hindi = hindi.send().await.text;
    assert!(
        hindi.contains("<html lang=\"hi\">") && hindi.contains("आधी रात") && hindi.contains("सीटें"),
        "{hindi}"
    );
}

#[tokio::test]
async fn a_ticket_is_its_owners_alone_and_none_before_it_is_paid_or_after_it_is_cancelled() {
    let world = World::new().await;
    let sold = ticket(&world, "u_1", &["A1"]).await;
    let pending = world.booked("u_1", &["A2"]).await;
    let cancelled = ticket(&world, "u_1", &["A3"]).await;
    world.cancel_call("u_1", &cancelled.booking).send().await.expect(200);
    for suffix in ["", ".png", ".svg", ".ics", ".html"] {
        let get = |booking: &str, who: &str| {
            world.http.get(&format!("/bookings/{booking}/ticket{suffix}")).token(who).send()
        };
        get(&sold.booking, &customer("u_2")).await.refused(403, "FORBIDDEN");
        get(&sold.booking, &world.partner()).await.refused(403, "FORBIDDEN");
        get(&sold.booking, &token("admin", "adm_1")).await.refused(403, "FORBIDDEN");
        let nobody = world.http.get(&format!("/bookings/{}/ticket{suffix}", sold.booking)).send().await;
        nobody.refused(401, "UNAUTHORIZED");
        get("bk_sh_none_01J", &customer("u_1")).await.refused(404, "NOT_FOUND");
        get("nonsense", &customer("u_1")).await.refused(404, "NOT_FOUND");
        let details = get(&pending, &customer("u_1")).await.refused(409, "NO_TICKET");
        assert_eq!(details["status"], "PAYMENT_PENDING");
        let details = get(&cancelled.booking, &customer("u_1")).await.refused(422, "NO_TICKET");
        assert_eq!(details["status"], "CANCELLED");
        assert_eq!(get(&sold.booking, &customer("u_1")).await.status, 200);
    }
}
