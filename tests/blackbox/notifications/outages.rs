//! Providers that are away, refuse, or choke on one message.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{by_mail, come_to, list, providers, reachable, replay};
use crate::support::providers::{MailServer, Manner, Texts};
use crate::support::server::run;
use crate::support::setting;
use crate::support::time::eventually;
use crate::support::world::{SOON, World};

/// Bookings that are made while a provider is away.
const BOOKINGS: u32 = 20;

/// Where a provider was, nobody listens. Waits are the product's own; `MARQUEE_PROVIDER_OUTAGE_SECONDS=60` is the long form.
#[tokio::test]
async fn a_provider_that_is_away_loses_no_message_and_a_poisoned_one_stops_no_other() {
    let away = Duration::from_secs(setting("MARQUEE_PROVIDER_OUTAGE_SECONDS", 3));
    let (mut mail, mut texts) = (MailServer::started().await, Texts::started().await);
    let mut options = providers(Some(&mail), Some(&texts));
    options.environment.retain(|(name, _)| *name != "MARQUEE_NOTIFICATIONS_BACKOFF");
    let world = World::with(&options).await;
    reachable(&world, "u_1", json!({ "email": "asha@example.com", "phone": "+919900112233" })).await;
    reachable(&world, "u_2", json!({ "email": "canary.bird@example.com", "phone": "+919876501234" })).await;
    mail.behave(Manner::Picky("canary.bird"));
    texts.behave(Manner::Picky("9876501234"));

    mail.go().await;
    texts.go().await;
    let gone = Instant::now();
    let poisoned = world.confirmed("u_2", &["P1"]).await;
    for number in 0..BOOKINGS {
        let row = if number < 10 { "A" } else { "B" };
        world.confirmed("u_1", &[&format!("{row}{}", number % 10 + 1)]).await;
        let next = away * (number + 1) / BOOKINGS;
        tokio::time::sleep(next.saturating_sub(gone.elapsed())).await;
    }
    let count = usize::try_from(2 * BOOKINGS).unwrap();
    // The last ones may just have been found.
    let waiting = eventually(SOON, "everything waits", async || {
        let waiting = list(&world, "status=PENDING&limit=1000").await;
        (waiting.len() == count + 2).then_some(waiting)
    })
    .await;
    let unreachable = |told: &&Value| told["reason"].is_null() || told["reason"] == "unreachable";
    assert_eq!(waiting.iter().filter(unreachable).count(), count + 2, "{waiting:?}");
    let was_away = gone.elapsed();
    mail.come_back();
    texts.come_back();

    let back = Instant::now();
    // No wait is longer than all those before it, and a second.
    eventually(was_away + 4 * SOON, "everything is delivered", async || {
        (list(&world, "status=SENT&limit=1000").await.len() == count).then_some(())
    })
    .await;
    let took = back.elapsed();
    let dead = come_to(&world, &poisoned, "DEAD", 2).await;
    assert!(list(&world, "status=PENDING").await.is_empty());
    let (mails, posts) = (mail.taken(), texts.taken());
    let mut ids: BTreeSet<String> = mails.iter().map(|mail| mail.id().to_owned()).collect();
    ids.extend(posts.iter().map(|post| post.body["id"].to_string()));
    let twice = mails.len() + posts.len() - ids.len();
    let figures = format!(
        "providers of e-mail and texts away for {was_away:.1?}: {count} messages came up meanwhile, {} were delivered after it, \
         the last one {took:.1?} after they were back, {twice} twice; {} poisoned ones are dead letters",
        ids.len(),
        dead.len(),
    );
    writeln!(std::io::stderr(), "{figures}").unwrap();
    assert_eq!((ids.len(), twice), (count, 0), "{figures}");
}

#[tokio::test]
async fn a_provider_that_is_down_for_a_while_loses_no_message() {
    let (mut mail, texts) = (MailServer::started().await, Texts::started().await);
    let world = World::with(&providers(Some(&mail), Some(&texts))).await;
    reachable(&world, "u_1", json!({ "email": "asha@example.com", "phone": "+919900112233" })).await;
    mail.go().await;
    texts.behave(Manner::Overloaded);
    let mut bookings = vec![];
    for seat in ["A1", "A2", "A3", "A4", "A5"] {
        bookings.push(world.confirmed("u_1", &[seat]).await);
    }
    eventually(SOON, "attempts", async || {
        let waiting = list(&world, "status=PENDING").await;
        let tried = |told: &Value| told["attempts"].as_u64() >= Some(2) && told["reason"].is_string();
        (waiting.len() == 10 && waiting.iter().all(tried)).then_some(())
    })
    .await;
    // Gauges follow within a second or two.
    eventually(SOON, "metrics of what waits", async || {
        let metrics = world.http.root("GET", "/metrics").send().await.text;
        let shown = [
            "marquee_notifications_pending 10",
            "marquee_notifications_oldest_pending_seconds",
            "marquee_notifications_dead 0",
        ];
        shown.iter().all(|shown| metrics.contains(shown)).then_some(())
    })
    .await;
    mail.come_back();
    texts.behave(Manner::Willing);
    for booking in &bookings {
        come_to(&world, booking, "SENT", 2).await;
    }
    let mailed: BTreeSet<String> = mail.taken().iter().map(|mail| mail.id().to_owned()).collect();
    let posted: BTreeSet<String> = texts.taken().iter().map(|post| post.body["id"].to_string()).collect();
    assert_eq!((mailed.len(), mail.taken().len(), posted.len(), texts.taken().len()), (5, 5, 5, 5));
}

#[tokio::test]
async fn a_poisoned_message_becomes_a_dead_letter_at_once_and_the_rest_go_on() {
    let (mail, texts) = (MailServer::started().await, Texts::started().await);
    let world = World::with(&providers(Some(&mail), Some(&texts))).await;
    reachable(&world, "u_1", json!({ "email": "canary.bird@example.com", "phone": "+919876501234" })).await;
    by_mail(&world, "u_2").await;
    mail.behave(Manner::Picky("canary.bird"));
    texts.behave(Manner::Picky("9876501234"));
    let poisoned = world.confirmed("u_1", &["A1"]).await;
    let dead = come_to(&world, &poisoned, "DEAD", 2).await;
    let sound = world.confirmed("u_2", &["A2"]).await;
    come_to(&world, &sound, "SENT", 1).await;
    let mut reasons: Vec<_> = dead.iter().map(|dead| dead["reason"].as_str().expect("a reason")).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["http-422", "smtp-550"]);
    assert!(dead.iter().all(|dead| dead["attempts"] == 1), "at once: {dead:?}");
    assert_eq!((mail.asked(), texts.asked()), (2, 1));
    let told = format!("{}{}", Value::from(dead.clone()), world.server.home.logged());
    assert!(
        !told.contains("canary.bird") && !told.contains("9876501234"),
        "the server named the address: {told}"
    );

    mail.behave(Manner::Willing);
    texts.behave(Manner::Willing);
    let again = replay(&world, &dead[0]).await.expect(202);
    assert_eq!((&again["status"], &again["attempts"]), (&json!("PENDING"), &json!(0)));
    come_to(&world, &poisoned, "SENT", 1).await;
    let output = run(&world.server.home.data_dir(), &["notifications", "list", "--status", "DEAD"]).await;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let id = dead[1]["notificationId"].as_str().expect("an id");
    assert!(output.status.success() && listed.contains(id) && listed.lines().count() == 2, "{listed}");
    let output = run(&world.server.home.data_dir(), &["notifications", "replay", "--all"]).await;
    assert!(output.status.success(), "{output:?}");
    let sent = come_to(&world, &poisoned, "SENT", 2).await;
    assert_eq!((mail.taken().len(), texts.taken().len()), (2, 1));
    replay(&world, &sent[0]).await.refused(409, "NOT_REPLAYABLE");
    let output = run(&world.server.home.data_dir(), &["notifications", "replay", id]).await;
    assert!(!output.status.success(), "what was sent is never sent again");
}

#[tokio::test]
async fn after_the_last_attempt_a_message_is_a_dead_letter_that_can_be_replayed() {
    let mail = MailServer::started().await;
    let mut options = providers(Some(&mail), None);
    options.environment.push(("MARQUEE_NOTIFICATIONS_ATTEMPTS", "3".into()));
    let world = World::with(&options).await;
    by_mail(&world, "u_1").await;
    mail.behave(Manner::Overloaded);
    let booking = world.confirmed("u_1", &["A1"]).await;
    let dead = come_to(&world, &booking, "DEAD", 1).await;
    assert_eq!((&dead[0]["attempts"], &dead[0]["reason"]), (&json!(3), &json!("smtp-451")));
    assert!(world.server.home.logged().contains("dead letter"));
    mail.behave(Manner::Willing);
    replay(&world, &dead[0]).await.expect(202);
    come_to(&world, &booking, "SENT", 1).await;
    assert_eq!(mail.taken().len(), 1);
}
