//! Who may do what, and what hostile input gets.

use serde_json::{Value, json};

use crate::support::server::Options;
use crate::support::time::now;
use crate::support::tokens::{JWT_SECRET, claims, customer, sign, token};
use crate::support::world::{World, new_key};

/// `alg: none` in any case, unsigned.
fn unsigned(alg: &str, claims: &Value) -> String {
    let part = |text: String| base64_url(text.as_bytes());
    format!("{}.{}.", part(json!({ "alg": alg, "typ": "JWT" }).to_string()), part(claims.to_string()))
}

fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let sextet = (word >> (18 - 6 * place)) & 63;
            text.push(char::from(ALPHABET[sextet as usize]));
        }
    }
    text
}

fn spoilt(field: &str, value: Value) -> String {
    let mut claims = claims("customer", "u_1");
    claims[field] = value;
    sign(&claims, JWT_SECRET)
}

fn without(field: &str) -> String {
    let mut claims = claims("customer", "u_1");
    claims.as_object_mut().expect("an object").remove(field);
    sign(&claims, JWT_SECRET)
}

#[tokio::test]
async fn a_token_that_proves_nothing_is_401() {
    let world = World::new().await;
    let now = now().as_second();
    let sound = customer("u_1");
    let (head, rest) = sound.split_once('.').expect("three parts");
    let (_, signature) = rest.split_once('.').expect("three parts");
    let admin = base64_url(claims("admin", "u_1").to_string().as_bytes());
    let forged = [
        ("not a token", "nonsense".to_owned()),
        ("empty", String::new()),
        ("expired", spoilt("exp", json!(now - 3600))),
        ("not valid yet", spoilt("nbf", json!(now + 3600))),
        ("another issuer", spoilt("iss", json!("elsewhere"))),
        ("another audience", spoilt("aud", json!("elsewhere"))),
        ("no expiry", without("exp")),
        ("no issuer", without("iss")),
        ("no audience", without("aud")),
        ("no subject", without("sub")),
        ("another secret", sign(&claims("customer", "u_1"), "another secret that is long enough to be one")),
        ("alg none", unsigned("none", &claims("admin", "u_1"))),
        ("alg None", unsigned("None", &claims("admin", "u_1"))),
        ("alg NONE", unsigned("NONE", &claims("admin", "u_1"))),
        ("alg empty", unsigned("", &claims("admin", "u_1"))),
        ("another's claims", format!("{head}.{admin}.{signature}")),
        ("no signature", format!("{head}.{admin}.")),
    ];
    let before = world.events().await.len();
    for (what, token) in &forged {
        let body = json!({ "showId": world.show, "seatIds": ["A1"] });
        let answer = world.http.post("/bookings", &body).token(token).key(&new_key()).send().await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        answer.refused(401, "UNAUTHORIZED");
    }
    let body = json!({ "showId": world.show, "seatIds": ["A1"] });
    world.http.post("/bookings", &body).key(&new_key()).send().await.refused(401, "UNAUTHORIZED");
    let basic = world.http.post("/bookings", &body).key(&new_key()).header("Authorization", "Basic dTpw");
    basic.send().await.refused(401, "UNAUTHORIZED");
    assert_eq!(world.events().await.len(), before, "zero events");
    world.http.post("/bookings", &body).token(&sound).key(&new_key()).send().await.expect(201);
}

#[tokio::test]
async fn an_unknown_role_and_a_partner_without_its_id_are_403() {
    let world = World::new().await;
    let body = world.show_body(&world.screen, &world.start);
    for token in [spoilt("role", json!("emperor")), without("role"), token("partner", "p_user")] {
        world.http.post("/shows", &body).token(&token).send().await.refused(403, "FORBIDDEN");
        world.http.get("/bookings").token(&token).send().await.refused(403, "FORBIDDEN");
    }
}

#[tokio::test]
async fn each_role_has_its_own_doors() {
    let world = World::new().await;
    let show = format!("/audit/streams/show-{}/events", world.show);
    let doors = [
        ("GET", show.as_str(), &["auditor"][..]),
        ("GET", "/audit/events", &["auditor"]),
        ("GET", "/ops/projections", &["ops"]),
        ("POST", "/ops/projections/browse/rebuild", &["ops"]),
        ("GET", "/bookings", &["customer"]),
    ];
    for (method, path, allowed) in doors {
        for role in ["customer", "ops", "auditor"] {
            if allowed.contains(&role) {
                continue;
            }
            let answer = world.http.api(method, path).token(&token(role, "x_1")).send().await;
            assert_eq!(answer.status, 403, "{role} at {method} {path}: {}", answer.text);
            answer.refused(403, "FORBIDDEN");
        }
        let answer = world.http.api(method, path).token(&world.partner()).send().await;
        assert_eq!(answer.status, 403, "partner at {method} {path}: {}", answer.text);
        world.http.api(method, path).send().await.refused(401, "UNAUTHORIZED");
    }
    let before = world.events().await.len();
    for role in ["auditor", "ops"] {
        let body = json!({ "showId": world.show, "seatIds": ["A1"] });
        let call = world.http.post("/bookings", &body).token(&token(role, "x_1")).key(&new_key());
        call.send().await.refused(403, "FORBIDDEN");
    }
    assert_eq!(world.events().await.len(), before);
}

#[tokio::test]
async fn every_failure_wears_the_envelope() {
    let world = World::new().await;
    let http = &world.http;
    let user = customer("u_1");
    let post = || http.api("POST", "/bookings").token(&user).key(&new_key());
    http.get("/nowhere").send().await.refused(404, "NOT_FOUND");
    http.root("GET", "/nowhere").send().await.refused(404, "NOT_FOUND");
    http.api("DELETE", "/bookings").token(&user).send().await.refused(405, "METHOD_NOT_ALLOWED");
    http.api("POST", "/cities/blr/movies").send().await.refused(405, "METHOD_NOT_ALLOWED");
    for text in [
        "",
        "{",
        "nonsense",
        "{\"showId\":}",
        "[1,2",
        "\u{0}",
        "{\"showId\":\"a\",\"showId\":\"b\",\"seatIds\":[\"A1\"]}",
    ] {
        post().raw("application/json", text).send().await.refused(400, "VALIDATION_ERROR");
    }
    post().raw("application/json", vec![0xff, 0xfe, b'{']).send().await.refused(400, "VALIDATION_ERROR");
    let body = json!({ "showId": world.show, "seatIds": ["A1"] }).to_string();
    post().raw("text/plain", body.clone()).send().await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    post()
        .raw("application/x-www-form-urlencoded", "a=b")
        .send()
        .await
        .refused(415, "UNSUPPORTED_MEDIA_TYPE");
    post().raw("application/json; charset=utf-8", body).send().await.expect(201);
}

#[tokio::test]
async fn a_body_too_large_or_too_deep_is_refused_and_the_server_lives() {
    let world = World::new().await;
    let user = customer("u_1");
    let post = |body: Vec<u8>| {
        world.http.api("POST", "/bookings").token(&user).key(&new_key()).raw("application/json", body)
    };
    let padded = |size: usize| {
        let empty = json!({ "showId": world.show, "seatIds": ["A1"], "couponCode": "" }).to_string();
        json!({ "showId": world.show, "seatIds": ["A1"], "couponCode": "x".repeat(size - empty.len()) })
            .to_string()
            .into_bytes()
    };
    post(padded(65_537)).send().await.refused(413, "PAYLOAD_TOO_LARGE");
    post(padded(1_000_000)).send().await.refused(413, "PAYLOAD_TOO_LARGE");
    post(padded(65_536)).send().await.refused(400, "VALIDATION_ERROR");
    for deep in [
        "[".repeat(10_000),
        format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000)),
        "[".repeat(60_000),
    ] {
        post(deep.into_bytes()).send().await.refused(400, "VALIDATION_ERROR");
    }
    let deep = "[".repeat(10_000);
    let hook = world.http.api("POST", "/payments/webhooks/sandbox").raw("application/json", deep);
    hook.send().await.refused(400, "INVALID_SIGNATURE");
    world.booked("u_1", &["A1"]).await;
}

#[tokio::test]
async fn strange_paths_and_queries_never_break_the_server() {
    let world = World::new().await;
    let long = "x".repeat(5_000);
    let paths = [
        "/shows/%00/seats",
        "/shows/..%2f..%2fetc/seats",
        "/shows/%ff%fe/seats",
        "/shows/'%20OR%201=1/seats",
        "/cities/%F0%9F%98%80/movies",
        "/cities/blr/movies?q=%22",
        "/cities/blr/movies?q=(((",
        "/cities/blr/movies?q=a:b~AND*",
        "/cities/blr/movies?cursor=!!",
        "/cities/blr/movies?date=9999-99-99",
        "/cities/blr/movies?q=%00",
        "/cities/blr/movies/mv_901/shows?date=-9999-01-01",
        "/cities/blr/movies/mv_901/shows?date=9999-12-31",
    ];
    for path in paths
        .map(str::to_owned)
        .into_iter()
        .chain([format!("/shows/{long}/seats"), format!("/cities/blr/movies?q={long}")])
    {
        let answer = world.http.get(&path).send().await;
        assert!(matches!(answer.status, 200 | 400 | 404 | 414), "{path}: {}", answer.text);
    }
    let auditor = token("auditor", "a_1");
    for query in [
        "after=-1",
        "after=x",
        "limit=0",
        "limit=-5",
        "limit=99999999999999999999",
        "after=18446744073709551616",
    ] {
        let answer = world.http.get(&format!("/audit/events?{query}")).token(&auditor).send().await;
        assert!(matches!(answer.status, 200 | 400), "{query}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_correlation_id_is_echoed_or_made() {
    let world = World::new().await;
    let given = "c0b7f2d0-6c8d-4e6f-9c5f-3ff2f2f0f9b1";
    let echoed = world.http.get("/nowhere").header("X-Correlation-Id", given).send().await;
    assert_eq!(echoed.header("X-Correlation-Id"), Some(given));
    echoed.refused(404, "NOT_FOUND");
    let ok = world.http.get("/cities").header("X-Correlation-Id", given).send().await;
    assert_eq!(ok.header("X-Correlation-Id"), Some(given));
    let (one, two) = (world.http.get("/cities").send().await, world.http.get("/cities").send().await);
    let made =
        |answer: &crate::support::http::Answer| answer.header("X-Correlation-Id").expect("made").to_owned();
    assert!(uuid::Uuid::parse_str(&made(&one)).is_ok(), "{}", made(&one));
    assert_ne!(made(&one), made(&two));
    let hostile = world.http.get("/nowhere").header("X-Correlation-Id", &"x".repeat(4_000)).send().await;
    assert!(made(&hostile).len() <= 128, "a hostile id is not carried on");
    hostile.refused(404, "NOT_FOUND");
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_429_and_told_when_to_come_back() {
    let world = World::with(&Options { rate_limit: "40", ..Options::default() }).await;
    let mut limited = None;
    for _ in 0..400 {
        let answer = world.http.get("/cities").send().await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
        answer.expect(200);
    }
    let limited = limited.expect("four hundred at once are more than forty a second");
    let wait: u64 = limited.header("Retry-After").expect("says when").parse().expect("whole seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    limited.refused(429, "RATE_LIMITED");
    assert_eq!(world.http.root("GET", "/healthz").send().await.status, 200, "a probe is not a client");
    tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
    world.http.get("/cities").send().await.expect(200);
}

#[tokio::test]
async fn nothing_secret_is_logged_or_told() {
    let world = World::new().await;
    world.confirmed("u_1", &["A1"]).await;
    let logged = world.server.home.logged();
    let metrics = world.http.root("GET", "/metrics").send().await.text;
    for secret in
        [JWT_SECRET, crate::support::server::SANDBOX_SECRET, "desk@lakeside.example", &customer("u_1")[..40]]
    {
        assert!(!logged.contains(secret), "in the log: {secret}");
        assert!(!metrics.contains(secret), "in the metrics: {secret}");
    }
    let events = world.events().await;
    let told = events.iter().any(|event| event.to_string().contains("desk@lakeside.example"));
    assert!(!told, "personal data never enters an event in clear");
}
