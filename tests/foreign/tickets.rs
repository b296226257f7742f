//! A ticket verified without Marquee: by a program that has its public keys and nothing else.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::repository;
use crate::support::server::Options;
use crate::support::time::{now, parse};
use crate::support::tokens::customer;
use crate::support::world::{World, new_key};

/// What the scanner says of each token at an instant, in seconds.
async fn verdicts(jwks: &Value, at: i64, tokens: &[String]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    std::fs::write(&file, jwks.to_string()).unwrap();
    let mut child = Command::new("node")
        .arg(repository().join("tests/foreign/ticket_check.mjs"))
        .arg(file)
        .arg(at.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all((tokens.join("\n") + "\n").as_bytes()).await.unwrap();
    drop(input);
    let said = child.wait_with_output().await.unwrap();
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The token with one character of it changed, for every so many of them.
fn tampered(token: &str) -> Vec<String> {
    let places = (0..token.len()).step_by(7).filter(|place| token.as_bytes()[*place] != b'.');
    let change = |place: usize| {
        let other = if token.as_bytes()[place] == b'A' { 'B' } else { 'A' };
        format!("{}{other}{}", &token[..place], &token[place + 1..])
    };
    places.map(change).collect()
}

async fn jwks(world: &World) -> Value {
    world.http.root("GET", "/.well-known/jwks.json").send().await.expect(200)
}

/// The code says what it was issued for; only the log knows what became of it.
#[tokio::test]
async fn a_scanner_without_a_network_takes_a_ticket_from_before_some_seats_were_cancelled() {
    let world = World::with(&Options::default()).await;
    let booking = world.confirmed("u_1", &["A1", "A2"]).await;
    let issued = async || {
        let body = world.get_booking("u_1", &booking).send().await.expect(200);
        body["ticket"]["qrCodeData"].as_str().unwrap().to_owned()
    };
    let old = issued().await;
    let cancel = json!({ "seatIds": ["A1"] });
    let cancel = world.http.post(&format!("/bookings/{booking}/cancel"), &cancel).token(&customer("u_1"));
    cancel.key(&new_key()).send().await.expect(200);
    let said = verdicts(&jwks(&world).await, now().as_second(), &[old, issued().await]).await;
    let ticket = booking.replace("bk_", "tkt_");
    let of = |seats: &str| format!("valid: {ticket} of {} for {seats}", world.show);
    assert_eq!(said, [of("A1 A2"), of("A2")]);
}

#[tokio::test]
async fn a_ticket_is_verified_offline_with_the_public_key_alone() {
    let world = World::with(&Options::default()).await;
    let booking = world.confirmed("u_1", &["A1", "A2"]).await;
    let body = world.get_booking("u_1", &booking).send().await.expect(200);
    let text = |field: &str| body["ticket"][field].as_str().unwrap().to_owned();
    let (id, token) = (text("ticketId"), text("qrCodeData"));
    let keys = jwks(&world).await;
    let sound = format!("valid: {id} of {} for A1 A2", world.show);
    assert_eq!(
        verdicts(&keys, now().as_second(), std::slice::from_ref(&token)).await,
        std::slice::from_ref(&sound)
    );

    // The show is of 128 minutes, and whoever is late is let in for half an hour more.
    let end = parse(&Value::from(world.start.clone())).as_second() + (128 + 30) * 60;
    assert_eq!(verdicts(&keys, end - 1, std::slice::from_ref(&token)).await, [sound]);
    assert_eq!(verdicts(&keys, end, std::slice::from_ref(&token)).await, ["invalid: expired"]);

    let forged = tampered(&token);
    assert!(forged.len() > 40);
    for (token, verdict) in forged.iter().zip(verdicts(&keys, now().as_second(), &forged).await) {
        assert!(verdict.starts_with("invalid: "), "{token}: {verdict}");
    }
    let elsewhere = World::with(&Options::default()).await;
    let strange = jwks(&elsewhere).await;
    assert_eq!(
        verdicts(&strange, now().as_second(), std::slice::from_ref(&token)).await,
        ["invalid: unknown key"]
    );
}
