//! A mail server that shares no code with Marquee reads what customers are told.

use std::process::Stdio;
use std::time::Duration;

use marquee_test_tls::{Authority, text};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::support::server::Options;
use crate::support::tokens::customer;
use crate::support::world::World;
use crate::{clients, repository};

/// The server. Killed when dropped.
struct MailServer {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u64,
}

impl MailServer {
    async fn started(args: &[&str]) -> Self {
        let mut process = Command::new(clients().await.join("python/bin/python"))
            .arg("mail_server.py")
            .args(args)
            .current_dir(repository().join("tests/foreign"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut server = Self { _process: process, lines, port: 0 };
        server.port = server.told().await["port"].as_u64().unwrap();
        server
    }

    async fn told(&mut self) -> Value {
        let line = tokio::time::timeout(Duration::from_secs(30), self.lines.next_line()).await;
        serde_json::from_str(&line.expect("the server tells it in time").unwrap().expect("a line")).unwrap()
    }
}

/// A customer books, and is told by the mail server that this environment names.
async fn booked(mut environment: Vec<(&'static str, String)>) -> World {
    environment.push(("MARQUEE_SMTP_FROM", "tickets@cinema.example".to_owned()));
    let world = World::with(&Options { environment, ..Options::default() }).await;
    let contact = json!({ "email": "asha@example.com", "language": "hi" });
    world.http.put("/customers/me", &contact).token(&customer("u_1")).send().await.expect(200);
    world.confirmed("u_1", &["A1", "A2"]).await;
    world
}

#[tokio::test]
async fn a_mail_server_that_is_not_ours_reads_what_a_customer_is_told() {
    let mut server = MailServer::started(&[]).await;
    let _world = booked(vec![("MARQUEE_SMTP_URL", format!("smtp://127.0.0.1:{}", server.port))]).await;
    let mail = server.told().await;
    assert_eq!(mail["sender"], "tickets@cinema.example");
    assert_eq!(mail["recipients"], json!(["asha@example.com"]));
    assert_eq!(mail["defects"], json!([]));
    assert!(mail["subject"].as_str().unwrap().starts_with("Midnight Caravan के आपके टिकट, "), "{mail}");
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains("सीटें: A1, A2") && text.contains("INR 360.00"), "{text}");
    let id = mail["id"].as_str().unwrap();
    assert!(id.starts_with("<ntf_") && id.ends_with("_email@cinema.example>"), "{id}");
    assert_eq!((&mail["tls"], &mail["authenticated"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn a_mail_server_that_is_not_ours_is_told_by_starttls_and_with_a_password() {
    let authority = Authority::new();
    let identity = authority.issue("localhost");
    let mut server = MailServer::started(&[text(&identity.certificate), text(&identity.key)]).await;
    let _world = booked(vec![
        ("MARQUEE_SMTP_URL", format!("smtp+starttls://desk:hunter2@localhost:{}", server.port)),
        ("MARQUEE_SMTP_CA", text(&authority.certificate()).to_owned()),
    ])
    .await;
    let mail = server.told().await;
    assert_eq!((&mail["tls"], &mail["authenticated"]), (&json!(true), &json!(true)));
    assert_eq!((&mail["recipients"], &mail["defects"]), (&json!(["asha@example.com"]), &json!([])));
}
