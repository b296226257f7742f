//! KurrentDB's clients for Python and Node, which share no code with Marquee, at the door of the real server. Each script checks what it
//! sees; here it is watched, and given something to follow. Beside them, a scanner that verifies tickets offline,
//! and a mail server that reads what customers are told.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod mail;
#[expect(dead_code, reason = "the other suites need more of it")]
#[path = "../support.rs"]
mod support;
mod tickets;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

use crate::support::audit;
use crate::support::server::{Door, Options};
use crate::support::tokens::token;
use crate::support::world::World;

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Where the clients are, installed where they are missing.
async fn clients() -> &'static Path {
    static CLIENTS: OnceCell<PathBuf> = OnceCell::const_new();
    CLIENTS
        .get_or_init(|| async {
            let target = Path::new(env!("CARGO_BIN_EXE_marquee")).ancestors().nth(2).unwrap();
            let installed = Command::new(repository().join("scripts/foreign-clients.sh"))
                .env("CARGO_TARGET_DIR", target)
                .output()
                .await
                .unwrap();
            let said = String::from_utf8_lossy(&installed.stderr);
            assert!(installed.status.success(), "the clients cannot be installed: {said}");
            target.join("foreign")
        })
        .await
}

/// Runs a script to its end; when it follows, adds a city for it to see.
async fn run(script: &mut Command, world: &World, city: &str) {
    let mut child: Child = script
        .current_dir(repository().join("tests/foreign"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut complaints = child.stderr.take().unwrap();
    let complained = tokio::spawn(async move {
        let mut text = String::new();
        complaints.read_to_string(&mut text).await.unwrap();
        text
    });
    let watched = async {
        let mut last = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line == "following" {
                let body = json!({ "cityId": city, "name": "Followed", "timezone": "Asia/Kolkata", "currency": "INR" });
                world.http.post("/cities", &body).token(&token("admin", "adm_1")).send().await.expect(201);
            }
            last = line;
        }
        (child.wait().await.unwrap(), last)
    };
    let ended = tokio::time::timeout(Duration::from_secs(60), watched).await;
    let (status, last) = ended.expect("the script ends");
    let complaints = complained.await.unwrap();
    assert!(status.success() && last == "done", "{status}, last said {last:?}:\n{complaints}");
}

/// The events that a client appended, as auditors see them.
async fn appended(world: &World, stream: &str) -> Vec<Value> {
    let log = audit::export(&world.http, None).await;
    log.into_iter().filter(|event| event["stream"] == stream).collect()
}

async fn writable() -> World {
    World::with(&Options { door: Door::Writable, ..Options::default() }).await
}

#[tokio::test]
async fn the_python_client_finds_kurrentdb_at_the_door() {
    let (world, clients) = (writable().await, clients().await);
    let mut script = Command::new(clients.join("python/bin/python"));
    run(script.args(["python_client.py", &world.server.kurrentdb()]), &world, "follow_python").await;
    let events = appended(&world, "movie-mv_python").await;
    assert_eq!(events.len(), 4);
    assert_eq!(
        (&events[0]["actor"], &events[0]["time"]),
        (&json!("customer:u_py"), &json!("2026-11-23T10:00:00.123Z"))
    );
    assert_eq!(events[3]["data"]["title"], "Four");
}

#[tokio::test]
async fn the_node_client_finds_kurrentdb_at_the_door() {
    let (world, clients) = (writable().await, clients().await);
    let mut script = Command::new("node");
    script.args(["node_client.mjs", &world.server.kurrentdb()]).arg(clients);
    run(&mut script, &world, "follow_node").await;
    let events = appended(&world, "movie-mv_node").await;
    assert_eq!(events.len(), 7);
    assert_eq!(events[0]["correlationId"], "req_node");
}
