//! The command line, beside a running server and without one.

use std::process::Output;

use serde_json::Value;

use crate::support::http::Http;
use crate::support::server::{Home, Options, marquee, run};
use crate::support::world::World;

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn a_second_process_on_a_data_directory_is_refused() {
    let world = World::new().await;
    let second = run(&world.server.home.data_dir(), &["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(!second.status.success());
    let said = told(&second);
    assert!(said.contains("data"), "says which directory is in use: {said}");
    assert!(said.contains("use") || said.contains("lock") || said.contains("held"), "says why: {said}");
    assert!(!said.contains("panicked"), "{said}");
    world.booked("u_1", &["A1"]).await;
}

#[tokio::test]
async fn a_token_of_the_command_line_opens_the_api() {
    let world = World::new().await;
    let data = world.server.home.data_dir();
    let made = run(&data, &["token", "--role", "auditor", "--sub", "a_7"]).await;
    assert!(made.status.success(), "{}", told(&made));
    let token = String::from_utf8(made.stdout).expect("text").trim().to_owned();
    assert_eq!(token.split('.').count(), 3, "the token alone, to be pasted: {token}");
    world.http.get("/audit/events").token(&token).send().await.expect(200);
    let unknown = run(&data, &["token", "--role", "emperor", "--sub", "a_7"]).await;
    assert!(!unknown.status.success(), "{}", told(&unknown));
}

#[tokio::test]
async fn with_no_secret_given_one_is_made_and_kept_private() {
    use std::os::unix::fs::PermissionsExt;

    let home = Home::new();
    let data = home.data_dir();
    let mut serve = marquee(&data, &["serve", "--listen", "127.0.0.1:0"]);
    serve
        .env_remove("MARQUEE_JWT_SECRET")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut child = serve.spawn().expect("starts");
    let http = crate::support::time::eventually(
        std::time::Duration::from_secs(20),
        "the server listens",
        async || {
            let told: Value =
                serde_json::from_str(&std::fs::read_to_string(data.join("server.json")).ok()?).ok()?;
            let http = Http::new(&format!("http://{}", told["listen"].as_str()?));
            (http.root("GET", "/readyz").attempt().await.ok()?.status == 200).then_some(http)
        },
    )
    .await;
    let mut token = marquee(&data, &["token", "--role", "ops", "--sub", "o_1"]);
    let made = token.env_remove("MARQUEE_JWT_SECRET").output().expect("runs");
    let token = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    let answer = http.get("/ops/projections").token(&token).send().await;
    let open: Vec<_> = std::fs::read_dir(&data)
        .expect("is there")
        .map(|entry| entry.expect("is read"))
        .filter(|entry| entry.file_name().to_string_lossy().contains("secret"))
        .map(|entry| entry.metadata().expect("is read").permissions().mode() & 0o777)
        .collect();
    child.kill().expect("ends");
    child.wait().expect("ends");
    assert_eq!(answer.status, 200, "{}: {}", told(&made), answer.text);
    assert!(!open.is_empty() && open.iter().all(|mode| *mode == 0o600), "its owner's alone: {open:?}");
}

#[tokio::test]
async fn projections_are_seen_and_rebuilt_from_the_command_line() {
    let world = World::new().await;
    let data = world.server.home.data_dir();
    let status = run(&data, &["projections", "status"]).await;
    assert!(status.status.success(), "{}", told(&status));
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    let ops = crate::support::tokens::token("ops", "o_1");
    let list = world.http.get("/ops/projections").token(&ops).send().await.expect(200);
    for projection in list["projections"].as_array().expect("projections") {
        let name = projection["name"].as_str().expect("a name");
        assert!(text.contains(name), "{name} is not in:\n{text}");
        let rebuilt = run(&data, &["projections", "rebuild", name]).await;
        assert!(rebuilt.status.success(), "{}", told(&rebuilt));
    }
    let unknown = run(&data, &["projections", "rebuild", "nosuch"]).await;
    assert!(!unknown.status.success(), "{}", told(&unknown));
}

#[tokio::test]
async fn a_stream_is_shown_beside_a_server_and_without_one() {
    let world = World::with(&Options::embedded()).await;
    let booking = world.confirmed("u_1", &["A1"]).await;
    let stream = format!("show-{}", world.show);
    let data = world.server.home.data_dir();
    let beside = run(&data, &["audit", "show", &stream]).await;
    assert!(beside.status.success(), "{}", told(&beside));
    let World { server, .. } = world;
    let (_, home) = server.stop().await;
    let alone = run(&home.data_dir(), &["audit", "show", &stream]).await;
    assert!(alone.status.success(), "{}", told(&alone));
    for output in [&beside, &alone] {
        let text = String::from_utf8_lossy(&output.stdout);
        for expected in ["show.scheduled.v1", "booking.seats-locked.v1", "booking.confirmed.v1", &booking] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
    }
    let unknown = run(&home.data_dir(), &["audit", "show", "show-none"]).await;
    assert!(!unknown.status.success(), "{}", told(&unknown));
}

#[tokio::test]
async fn a_log_that_is_written_to_a_file_has_no_colours() {
    let world = World::new().await;
    let logged = world.server.home.logged();
    assert!(logged.contains("INFO") && !logged.contains('\u{1b}'), "{logged}");
}
