//! What those who run, watch and audit a server rely on.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::audit::{self, export, position};
use crate::support::http::{Http, assert_keys};
use crate::support::server::{Home, Options, Server};
use crate::support::time::eventually;
use crate::support::tokens::token;
use crate::support::world::{World, new_key};

async fn projections(http: &Http) -> Vec<Value> {
    let body = http.get("/ops/projections").token(&token("ops", "ops_1")).send().await.expect(200);
    body["projections"].as_array().expect("projections").clone()
}

#[tokio::test]
async fn probes_and_metrics_answer_without_a_token() {
    let world = World::new().await;
    world.confirmed("u_1", &["A1"]).await;
    world.book("u_2", &["A1"]).await.refused(409, "SEAT_LOCK_FAILED");
    assert_eq!(world.http.root("GET", "/healthz").send().await.status, 200);
    assert_eq!(world.http.root("GET", "/readyz").send().await.status, 200);
    let metrics = world.http.root("GET", "/metrics").send().await;
    assert_eq!(metrics.status, 200);
    let lines: Vec<_> =
        metrics.text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert!(!lines.is_empty());
    for line in lines {
        let value = line.rsplit(' ').next().expect("a value");
        assert!(value.parse::<f64>().is_ok(), "Prometheus text: {line}");
    }
}

#[tokio::test]
async fn the_openapi_document_is_the_committed_one_and_knows_every_path() {
    let world = World::new().await;
    let served = world.http.root("GET", "/openapi.json").send().await.expect(200);
    let committed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/openapi.json"))
            .expect("is there");
    let committed: Value = serde_json::from_str(&committed).expect("is JSON");
    assert_eq!(served, committed, "the committed document is kept true");
    let paths = [
        "/api/v1/cities/{cityId}/movies/{movieId}/shows",
        "/api/v1/shows/{showId}/seats",
        "/api/v1/bookings",
        "/api/v1/bookings/{bookingId}/payments",
        "/api/v1/payments/webhooks/{provider}",
        "/api/v1/bookings/{bookingId}",
        "/api/v1/bookings/{bookingId}/cancel",
        "/api/v1/audit/events",
    ];
    let based = served["servers"][0]["url"].as_str().is_some_and(|url| url.ends_with("/api/v1"));
    for path in paths {
        let path = if based { path.trim_start_matches("/api/v1") } else { path };
        assert!(served["paths"].get(path).is_some(), "{path} is not described");
    }
}

#[tokio::test]
async fn the_documentation_needs_no_network() {
    let world = World::new().await;
    let mut page = world.http.root("GET", "/docs").send().await;
    for _ in 0..2 {
        if let Some(next) = page.header("Location").map(str::to_owned) {
            page = world.http.root("GET", &next).send().await;
        }
    }
    assert_eq!(page.status, 200);
    assert!(page.text.contains("<html"), "{}", page.text);
    for outside in ["src=\"http", "href=\"http", "src=\"//", "href=\"//", "url(http"] {
        assert!(!page.text.contains(outside), "{outside} in {}", page.text);
    }
    let initializer = world.http.root("GET", "/docs/swagger-initializer.js").send().await;
    assert!(initializer.text.contains("\"validatorUrl\": \"none\""), "{}", initializer.text);
}

#[tokio::test]
async fn the_documentation_may_do_what_it_needs_and_nothing_else() {
    let world = World::new().await;
    let page = world.http.root("GET", "/docs/").send().await;
    let policy = page.header("Content-Security-Policy").expect("a policy").to_owned();
    let rules: Vec<_> = policy.split("; ").collect();
    for rule in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"] {
        assert!(rules.contains(&rule), "{rule}: {policy}");
    }
    let scripts: Vec<_> = page.text.split("<script").skip(1).collect();
    assert!(!scripts.is_empty(), "{}", page.text);
    for script in scripts {
        let (tag, rest) = script.split_once('>').expect("a tag");
        assert!(tag.contains(" src=\"./"), "only the server's own files: {tag}");
        assert!(rest.trim_start().starts_with("</script>"), "no script in line: {rest}");
    }
    assert!(!page.text.contains(" on"), "no handler in line: {}", page.text);
    let document = world.http.root("GET", "/openapi.json").send().await;
    assert_eq!(document.header("X-Content-Type-Options"), Some("nosniff"));
}

#[tokio::test]
async fn projections_tell_how_far_they_are() {
    let world = World::new().await;
    let position = world.book("u_1", &["A1"]).await.position();
    let list = eventually(Duration::from_secs(5), "all are live", async || {
        let list = projections(&world.http).await;
        let live = list
            .iter()
            .all(|p| p["status"] == "LIVE" && p["checkpoint"].as_u64() >= Some(position) && p["lag"] == 0);
        live.then_some(list)
    })
    .await;
    assert!(list.len() >= 2, "the booking views and the search index at least: {list:?}");
    for projection in &list {
        assert!(projection["name"].as_str().is_some_and(|name| !name.is_empty()));
        assert!(projection["generation"].is_u64(), "{projection}");
    }
}

#[tokio::test]
async fn a_rebuild_ends_in_a_higher_generation_that_answers_the_same() {
    let world = World::new().await;
    world.confirmed("u_1", &["A1"]).await;
    let position = world.book("u_2", &["A2"]).await.position();
    let shows = format!("/cities/blr/movies/mv_901/shows?date={}", world.date);
    let views = async || {
        let mut told = vec![];
        for path in
            [format!("/shows/{}/seats", world.show), shows.clone(), "/cities/blr/movies?q=caravna".to_owned()]
        {
            told.push(world.http.get(&path).after(position).send().await.expect(200));
        }
        let bookings =
            world.http.get("/bookings").token(&crate::support::tokens::customer("u_1")).after(position);
        told.push(bookings.send().await.expect(200));
        told
    };
    let before = views().await;
    for projection in projections(&world.http).await {
        let name = projection["name"].as_str().expect("a name");
        let call =
            world.http.api("POST", &format!("/ops/projections/{name}/rebuild")).token(&token("ops", "ops_1"));
        call.send().await.expect(202);
        eventually(Duration::from_secs(20), &format!("{name} is rebuilt"), async || {
            // The live generation answers all the while.
            assert_eq!(views().await, before, "while {name} is rebuilt");
            let list = projections(&world.http).await;
            let now = list.iter().find(|found| found["name"] == name).expect("still there");
            let done =
                now["status"] == "LIVE" && now["generation"].as_u64() > projection["generation"].as_u64();
            done.then_some(())
        })
        .await;
        assert_eq!(views().await, before, "after {name} is rebuilt");
    }
    let unknown = world.http.api("POST", "/ops/projections/nosuch/rebuild").token(&token("ops", "ops_1"));
    unknown.send().await.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn the_log_is_read_as_json_and_line_by_line_alike() {
    let world = World::new().await;
    let booking = world.confirmed("u_1", &["A1"]).await;
    let auditor = token("auditor", "a_1");
    let lines = export(&world.http, None).await;
    let mut paged: Vec<Value> = vec![];
    let mut after = String::new();
    loop {
        let body =
            world.http.get(&format!("/audit/events?limit=3{after}")).token(&auditor).send().await.expect(200);
        let events = body["events"].as_array().expect("events");
        assert!(events.len() <= 3);
        paged.extend(events.iter().cloned());
        let Some(last) = events.last() else { break };
        match &body["next"] {
            Value::Null => break,
            next => assert_eq!(next.as_u64(), Some(position(last)), "resumes by position"),
        }
        after = format!("&after={}", position(last));
    }
    assert_eq!(paged, lines);
    let mut previous = None;
    for event in &lines {
        let optional = event.get("causationId").is_some();
        let fields =
            ["eventId", "stream", "revision", "position", "type", "time", "actor", "correlationId", "data"];
        let expected: Vec<_> = fields.into_iter().chain(optional.then_some("causationId")).collect();
        assert_keys(event, &expected);
        assert!(previous < Some(position(event)), "positions grow");
        previous = Some(position(event));
    }

    let stream = format!("/audit/streams/show-{}/events", world.show);
    let whole = world.http.get(&stream).token(&auditor).send().await.expect(200);
    let mine: Vec<&Value> =
        lines.iter().filter(|event| event["stream"] == format!("show-{}", world.show)).collect();
    assert_eq!(whole["events"].as_array().expect("events").iter().collect::<Vec<_>>(), mine);
    let from = world.http.get(&format!("{stream}?from=1&limit=2")).token(&auditor).send().await.expect(200);
    let revisions: Vec<_> =
        from["events"].as_array().expect("events").iter().map(|event| event["revision"].as_u64()).collect();
    assert_eq!(revisions, [Some(1), Some(2)], "`from` is inclusive");
    world.http.get("/audit/streams/show-none/events").token(&auditor).send().await.refused(404, "NOT_FOUND");

    let typed = |kind: &str| format!("/audit/events?type={kind}&limit=1000");
    let prefix = world.http.get(&typed("booking.")).token(&auditor).send().await.expect(200);
    let names: Vec<_> =
        prefix["events"].as_array().expect("events").iter().map(|event| event["type"].clone()).collect();
    assert_eq!(names, ["booking.seats-locked.v1", "booking.payment-pending.v1", "booking.confirmed.v1"]);
    let exact = world.http.get(&typed("booking.confirmed.v1")).token(&auditor).send().await.expect(200);
    assert_eq!(exact["events"][0]["data"]["bookingId"], booking);
    let none = world.http.get(&typed("nosuch.")).token(&auditor).send().await.expect(200);
    assert_eq!(none["events"], json!([]));
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let world = World::new().await;
    let key = new_key();
    let first = world.book_call("u_1", &key, &["A1"]).send().await.expect(201);
    let booking = world.confirmed("u_2", &["A2"]).await;
    let before = world.events().await;
    let last = position(before.last().expect("events"));
    let map = world.seat_map(last).await;
    let World { server, show, .. } = world;
    let (status, home) = server.stop().await;
    assert!(status.success(), "a graceful end is a success: {status:?}\n{}", home.logged());

    let server = Server::with(home, &Options::default()).await;
    let after = export(&server.http, None).await;
    assert_eq!(after[..before.len()], before[..], "what was read stays as it was");
    assert_eq!(server.http.get(&format!("/shows/{show}/seats")).after(last).send().await.expect(200), map);
    let user = crate::support::tokens::customer("u_1");
    let again = json!({ "showId": show, "seatIds": ["A1"] });
    let again = server.http.post("/bookings", &again).token(&user).key(&key).send().await;
    assert!(again.replayed());
    assert_eq!(again.expect(201), first);
    let user = crate::support::tokens::customer("u_2");
    let read = server.http.get(&format!("/bookings/{booking}")).token(&user).send().await.expect(200);
    assert_eq!(read["status"], "CONFIRMED");
    let found = server.http.get("/cities/blr/movies?q=caravna").send().await.expect(200);
    assert_eq!(found["movies"].as_array().expect("movies").len(), 1);
}

#[tokio::test]
async fn a_start_serves_the_same_from_snapshots_from_damaged_ones_and_without() {
    let world = World::new().await;
    world.confirmed("u_1", &["A1"]).await;
    world.booked("u_2", &["A2"]).await;
    let last = position(world.events().await.last().expect("events"));
    let map = world.seat_map(last).await;
    let World { server, show, .. } = world;
    let (_, mut home) = server.stop().await;
    let snapshots = |home: &Home| {
        let views = std::fs::read_dir(home.data_dir().join("views")).expect("views");
        let paths = views.map(|entry| entry.expect("a file").path());
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "snapshot")).collect::<Vec<_>>()
    };
    // The first start had none, and says so.
    let mut replays = 2;
    for harm in ["none", "damaged", "missing"] {
        let found = snapshots(&home);
        assert_eq!(found.len(), 2, "each memory view leaves one: {found:?}");
        for path in &found {
            match harm {
                "damaged" => std::fs::write(path, "half a fi").expect("written"),
                "missing" => std::fs::remove_file(path).expect("removed"),
                _ => continue,
            }
            replays += 1;
        }
        let server = Server::with(home, &Options::default()).await;
        let found = server.http.get(&format!("/shows/{show}/seats")).after(last).send().await.expect(200);
        assert_eq!(found, map, "{harm}");
        let browsed = server.http.get("/cities/blr/movies").after(last).send().await.expect(200);
        assert_eq!(browsed["movies"].as_array().expect("movies").len(), 1, "{harm}");
        home = server.stop().await.1;
        let told = home.logged().matches("the log is read from its beginning").count();
        assert_eq!(told, replays, "{harm}: {}", home.logged());
    }
}

#[tokio::test]
async fn a_killed_server_leaves_a_directory_that_starts_again() {
    let world = World::new().await;
    let booking = world.booked("u_1", &["A1"]).await;
    let World { server, .. } = world;
    let home = server.kill().await;
    let server = Server::with(home, &Options::default()).await;
    let user = crate::support::tokens::customer("u_1");
    let read = server.http.get(&format!("/bookings/{booking}")).token(&user).send().await.expect(200);
    assert_eq!(read["status"], "PAYMENT_PENDING");
}

#[tokio::test]
async fn what_is_under_way_at_the_end_is_answered() {
    let world = World::new().await;
    let mut sent = vec![];
    for n in 1..=10 {
        for label in ["A", "B", "C", "D"] {
            sent.push(tokio::spawn(world.book_call("u_1", &new_key(), &[&format!("{label}{n}")]).attempt()));
        }
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    let World { server, .. } = world;
    let (status, home) = server.stop().await;
    assert!(status.success(), "{status:?}\n{}", home.logged());
    let mut acknowledged = vec![];
    for answer in sent {
        // A connection that came too late is refused; what was taken in is answered whole.
        if let Ok(answer) = answer.await.expect("joins") {
            match answer.status {
                201 => acknowledged.push(answer.body["bookingId"].clone()),
                _ => _ = answer.refused(503, "UNAVAILABLE"),
            }
        }
    }
    let server = Server::with(home, &Options::default()).await;
    let events = export(&server.http, None).await;
    let locked = audit::of_type(&events, "booking.seats-locked");
    for booking in &acknowledged {
        assert!(
            locked.iter().any(|event| event["data"]["bookingId"] == *booking),
            "{booking} was acknowledged"
        );
    }
}
