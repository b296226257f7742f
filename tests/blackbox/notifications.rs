//! What customers are told of their bookings, by whom, and how often.

mod outages;
mod parts;
mod tls;

use std::collections::BTreeSet;

use marquee_test_postgres::Postgres;
use serde_json::{Value, json};

use crate::support::http::{Answer, assert_keys};
use crate::support::providers::{MailServer, Manner, Texts};
use crate::support::server::{Door, Home, Options, Server};
use crate::support::time::{eventually, in_days, rfc3339};
use crate::support::tokens::{customer, token};
use crate::support::world::{SOON, World};

const FROM: &str = "tickets@cinema.example";

/// Providers for mail and texts, as far as they are there. A failed attempt is soon tried again.
fn providers(mail: Option<&MailServer>, texts: Option<&Texts>) -> Options {
    let mut environment = vec![("MARQUEE_NOTIFICATIONS_BACKOFF", "100ms".to_owned())];
    if let Some(mail) = mail {
        environment.extend([("MARQUEE_SMTP_URL", mail.url()), ("MARQUEE_SMTP_FROM", FROM.to_owned())]);
    }
    if let Some(texts) = texts {
        environment.extend([
            ("MARQUEE_SMS_URL", texts.url()),
            ("MARQUEE_SMS_TOKEN", "sms-token".to_owned()),
            ("MARQUEE_WHATSAPP_URL", texts.url()),
            ("MARQUEE_WHATSAPP_TOKEN", "whatsapp-token".to_owned()),
        ]);
    }
    Options { environment, ..Options::default() }
}

async fn reachable(world: &World, user: &str, contact: Value) {
    world.http.put("/customers/me", &contact).token(&customer(user)).send().await.expect(200);
}

/// By mail alone.
async fn by_mail(world: &World, user: &str) {
    reachable(world, user, json!({ "email": format!("{user}@example.com") })).await;
}

async fn ask(world: &World, query: &str) -> Answer {
    world.http.get(&format!("/ops/notifications?{query}")).token(&token("ops", "ops_1")).send().await
}

async fn list(world: &World, query: &str) -> Vec<Value> {
    ask(world, query).await.expect(200)["notifications"].as_array().expect("notifications").clone()
}

/// Waits until a booking has so many notifications of this status; them.
async fn come_to(world: &World, booking: &str, status: &str, count: usize) -> Vec<Value> {
    eventually(4 * SOON, &format!("{count} {status} of {booking}"), async || {
        let found = list(world, &format!("bookingId={booking}&status={status}")).await;
        (found.len() == count).then_some(found)
    })
    .await
}

/// Waits until a booking has a notification of this kind; it.
async fn kind(world: &World, booking: &str, kind: &str) -> Value {
    eventually(4 * SOON, &format!("{kind} of {booking}"), async || {
        let found = list(world, &format!("bookingId={booking}")).await;
        found.into_iter().find(|found| found["kind"] == kind && found["status"] == "SENT")
    })
    .await
}

async fn replay(world: &World, notification: &Value) -> Answer {
    let id = notification["notificationId"].as_str().expect("an id");
    world
        .http
        .api("POST", &format!("/ops/notifications/{id}/replay"))
        .token(&token("ops", "ops_1"))
        .send()
        .await
}

/// The server ends by `SIGKILL` and starts again on the same directory.
async fn killed_and_started(mut world: World, options: &Options) -> World {
    let home = world.server.kill().await;
    world.server = Server::with(home, options).await;
    world.http = world.server.http.clone();
    world
}

#[tokio::test]
async fn a_confirmation_goes_out_in_every_channel_that_the_customer_wants_in_their_language() {
    let (mail, texts) = (MailServer::started().await, Texts::started().await);
    let world = World::with(&providers(Some(&mail), Some(&texts))).await;
    let contact = json!({ "email": "asha@example.com", "phone": "+919900112233", "language": "hi-IN", "channels": ["EMAIL", "SMS", "WHATSAPP"] });
    reachable(&world, "u_1", contact).await;
    let booking = world.confirmed("u_1", &["A1", "P1"]).await;
    let sent = come_to(&world, &booking, "SENT", 3).await;

    let start = in_days(2, 18, 30).strftime("%d-%m-%Y, 18:30 (UTC+05:30)").to_string();
    let ticket = world.reaches("u_1", &booking, "CONFIRMED").await["ticket"]["ticketId"]
        .as_str()
        .expect("a ticket")
        .to_owned();
    let told = |text: &str| {
        for fact in [&start, &ticket, "Midnight Caravan", "Lakeside Orion", "A1, P1", "INR 430.50", "टिकट"]
        {
            assert!(text.contains(fact), "{fact}: {text}");
        }
    };
    let [mailed] = &mail.taken()[..] else { panic!("one mail: {:?}", mail.taken()) };
    told(&mailed.text);
    assert_eq!((mailed.from.as_str(), &mailed.to[..]), (FROM, &["asha@example.com".to_owned()][..]));
    assert!(mailed.headers["subject"].starts_with("Midnight Caravan के आपके टिकट"), "{:?}", mailed.headers);
    assert_eq!(mailed.headers["content-type"], "text/plain; charset=utf-8");

    let posted = texts.taken();
    assert_eq!(posted.len(), 2);
    for post in &posted {
        let channel = post.body["channel"].as_str().expect("a channel");
        assert_keys(&post.body, &["id", "channel", "to", "language", "kind", "text"]);
        assert_eq!(post.body["to"], "+919900112233");
        assert_eq!(post.body["language"], "hi");
        assert_eq!(post.headers["authorization"], format!("Bearer {}-token", channel.to_ascii_lowercase()));
        assert_eq!(post.headers["idempotency-key"], post.body["id"].as_str().expect("an id"));
        told(post.body["text"].as_str().expect("a text"));
    }
    for told in &sent {
        assert_keys(
            told,
            &["notificationId", "eventId", "bookingId", "kind", "channel", "status", "attempts", "at"],
        );
        assert_eq!((&told["kind"], &told["attempts"]), (&json!("BOOKING_CONFIRMED"), &json!(1)));
        let id = told["notificationId"].as_str().expect("an id");
        let by_mail = mailed.id() == format!("<{id}@cinema.example>");
        assert!(
            by_mail || posted.iter().any(|post| post.body["id"] == id),
            "what is listed is what went out"
        );
    }
    let confirmed = world.events_of("booking.confirmed", &booking, 1).await;
    assert!(sent.iter().all(|sent| sent["eventId"] == confirmed[0]["eventId"]));
    let shown = format!("{} {}", Value::from(sent), world.server.home.logged());
    assert!(!shown.contains("asha") && !shown.contains("9900112233"), "{shown}");
    let metrics = world.http.root("GET", "/metrics").send().await.text;
    let counted = "marquee_notifications_deliveries_total{channel=\"EMAIL\",result=\"sent\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn without_a_provider_texts_go_to_an_outbox_that_operators_read() {
    let world = World::with(&Options { seat_lock_ttl: "2s", ..Options::default() }).await;
    reachable(&world, "u_1", json!({ "email": "asha@example.com", "phone": "+919900112233" })).await;
    let expired = world.booked("u_1", &["A3"]).await;
    let cancelled = world.confirmed("u_1", &["A1"]).await;
    let moved = world.confirmed("u_1", &["A2"]).await;
    let confirmed = kind(&world, &cancelled, "BOOKING_CONFIRMED").await;
    let outbox = &list(&world, &format!("bookingId={cancelled}")).await;
    assert_eq!(outbox.len(), 2, "a mail and a text");
    assert!(
        confirmed["outbox"]["text"].as_str().is_some_and(|text| text.contains("INR 180.00")),
        "{confirmed}"
    );
    assert!(outbox.iter().any(|told| told["outbox"]["subject"].is_string()));

    world.cancel_call("u_1", &cancelled).send().await.expect(200);
    for told in ["BOOKING_CANCELLED", "REFUND_INITIATED", "REFUND_SUCCEEDED"] {
        let told = kind(&world, &cancelled, told).await;
        assert!(
            told["outbox"]["text"]
                .as_str()
                .is_some_and(|text| text.contains("180.00") || text.contains("A1")),
            "{told}"
        );
    }
    kind(&world, &expired, "BOOKING_EXPIRED").await;

    let show = format!("/shows/{}", world.show);
    let language = json!({ "language": "hi" });
    world.http.api("PATCH", &show).json(&language).token(&world.partner()).send().await.expect(200);
    let later = in_days(3, 21, 15);
    let change = json!({ "startTime": rfc3339(&later) });
    world.http.api("PATCH", &show).json(&change).token(&world.partner()).send().await.expect(200);
    let told = kind(&world, &moved, "SHOW_CHANGED").await;
    assert!(told["outbox"]["text"].as_str().is_some_and(|text| text.contains("21:15 (UTC+05:30)")), "{told}");
    world.http.api("POST", &format!("{show}/cancel")).token(&world.partner()).send().await.expect(200);
    kind(&world, &moved, "SHOW_CANCELLED").await;
    kind(&world, &moved, "REFUND_SUCCEEDED").await;

    let all = list(&world, "limit=1000").await;
    let of =
        |kind: &str| all.iter().filter(|told| told["kind"] == kind && told["channel"] == "EMAIL").count();
    assert_eq!(of("SHOW_CHANGED"), 1, "the time alone is told, and to those alone who have a booking");
    assert_eq!((of("BOOKING_CONFIRMED"), of("BOOKING_CANCELLED"), of("SHOW_CANCELLED")), (2, 1, 1));
    assert!(!Value::from(all).to_string().contains("asha@"));
}

#[tokio::test]
async fn one_event_that_concerns_many_is_told_to_each_of_them_once() {
    let mail = MailServer::started().await;
    let world = World::with(&providers(Some(&mail), None)).await;
    for user in ["u_1", "u_2"] {
        by_mail(&world, user).await;
    }
    let bookings = [
        world.booked("u_1", &["A1"]).await,
        world.booked("u_1", &["A2"]).await,
        world.booked("u_2", &["A3"]).await,
    ];
    let change = json!({ "startTime": rfc3339(&in_days(3, 21, 15)) });
    let show = format!("/shows/{}", world.show);
    world.http.api("PATCH", &show).json(&change).token(&world.partner()).send().await.expect(200);
    for booking in &bookings {
        come_to(&world, booking, "SENT", 1).await;
    }
    let ids: BTreeSet<String> = mail.taken().iter().map(|mail| mail.id().to_owned()).collect();
    assert_eq!((mail.taken().len(), ids.len()), (3, 3));
}

/// The provider has it and the server dies before it knows: it is handed over again under the same id, and never after that.
#[tokio::test]
async fn killed_between_sending_and_its_acknowledgement_it_sends_again_under_the_same_id() {
    let (mail, texts) = (MailServer::started().await, Texts::started().await);
    let options = providers(Some(&mail), Some(&texts));
    let mut world = World::with(&options).await;
    reachable(&world, "u_1", json!({ "email": "asha@example.com", "phone": "+919900112233" })).await;
    mail.behave(Manner::Silent);
    texts.behave(Manner::Silent);
    let booking = world.confirmed("u_1", &["A1"]).await;
    eventually(SOON, "both have it", async || {
        (mail.taken().len() == 1 && texts.taken().len() == 1).then_some(())
    })
    .await;
    mail.behave(Manner::Willing);
    texts.behave(Manner::Willing);
    world = killed_and_started(world, &options).await;
    come_to(&world, &booking, "SENT", 2).await;
    let (mails, posts) = (mail.taken(), texts.taken());
    assert_eq!((mails.len(), posts.len()), (2, 2), "at least once");
    assert_eq!(mails[0].id(), mails[1].id());
    assert_eq!((&mails[0].text, &mails[0].headers), (&mails[1].text, &mails[1].headers), "to the byte");
    assert_eq!(posts[0].headers["idempotency-key"], posts[1].headers["idempotency-key"]);

    for _ in 0..2 {
        world = killed_and_started(world, &options).await;
        let other = world.confirmed("u_2", &["B1"]).await;
        come_to(&world, &other, "SUPPRESSED", 1).await;
        world.cancel_call("u_2", &other).send().await.expect(200);
    }
    assert_eq!((mail.taken().len(), texts.taken().len()), (2, 2), "what was acknowledged is sent no more");
}

#[tokio::test]
async fn a_restart_misses_nothing_that_happened_before_it() {
    let mail = MailServer::started().await;
    let options = providers(Some(&mail), None);
    let mut world = World::with(&options).await;
    by_mail(&world, "u_1").await;
    let mut bookings = vec![];
    for seat in ["A1", "A2", "A3", "A4"] {
        bookings.push(world.confirmed("u_1", &[seat]).await);
        world = killed_and_started(world, &options).await;
    }
    for booking in &bookings {
        come_to(&world, booking, "SENT", 1).await;
    }
    let ids: BTreeSet<String> = mail.taken().iter().map(|mail| mail.id().to_owned()).collect();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn whoever_was_erased_or_wants_nothing_is_told_nothing() {
    let mut mail = MailServer::started().await;
    let world = World::with(&providers(Some(&mail), None)).await;
    by_mail(&world, "u_1").await;
    by_mail(&world, "u_2").await;
    mail.go().await;
    let erased = world.confirmed("u_1", &["A1"]).await;
    let withdrawn = world.confirmed("u_2", &["A2"]).await;
    come_to(&world, &erased, "PENDING", 1).await;
    come_to(&world, &withdrawn, "PENDING", 1).await;
    world.http.api("DELETE", "/customers/me").token(&customer("u_1")).send().await.expect(200);
    reachable(&world, "u_2", json!({ "email": "u_2@example.com", "channels": [] })).await;
    mail.come_back();
    let told = come_to(&world, &erased, "SUPPRESSED", 1).await;
    assert_eq!(told[0]["reason"], "no-contact");
    let told = come_to(&world, &withdrawn, "SUPPRESSED", 1).await;
    assert_eq!(told[0]["reason"], "not-wanted");
    world.cancel_call("u_1", &erased).send().await.expect(200);
    come_to(&world, &erased, "SUPPRESSED", 4).await;
    replay(&world, &told[0]).await.refused(409, "NOT_REPLAYABLE");
    assert_eq!(mail.taken().len(), 0);
}

/// Each node has what it has found in a queue of its own; who looks has the lease.
#[tokio::test]
async fn nodes_that_share_a_database_share_contacts_and_tell_a_customer_once() {
    let (postgres, mail) = (Postgres::start(), MailServer::started().await);
    let url = postgres.create_database("views");
    let home = || Home::new().with_read_model(&url);
    let options = Options { door: Door::Writable, ..providers(Some(&mail), None) };
    let world = World::on(Server::with(home(), &options).await).await;
    let second = home();
    std::fs::create_dir_all(second.data_dir()).unwrap();
    let key = |home: &Home| home.data_dir().join("contacts.key");
    std::fs::copy(key(&world.server.home), key(&second)).unwrap();
    let options = Options { event_store: Some(world.server.kurrentdb()), ..providers(Some(&mail), None) };
    let other = Server::with(second, &options).await;

    let contact = json!({ "email": "canary.bird@example.com", "channels": ["EMAIL"] });
    reachable(&world, "u_1", contact.clone()).await;
    let there =
        async |method: &str| other.http.api(method, "/customers/me").token(&customer("u_1")).send().await;
    assert_eq!(there("GET").await.expect(200), contact);
    let tables = || {
        ["customer_keys", "customer_contacts"].map(|table| {
            postgres.psql("views", &format!("SELECT encode({table}::text::bytea, 'escape') FROM {table}"))
        })
    };
    assert!(tables().iter().all(|rows| rows.contains("u_1") && !rows.contains("canary")), "{:?}", tables());
    world.confirmed("u_1", &["A1"]).await;
    eventually(4 * SOON, "a mail", async || (!mail.taken().is_empty()).then_some(())).await;
    tokio::time::sleep(SOON / 2).await;
    assert_eq!(mail.taken().len(), 1, "one node looks");

    assert_eq!(there("DELETE").await.expect(200)["erased"], true);
    assert_eq!(tables(), ["", ""]);
    world.http.get("/customers/me").token(&customer("u_1")).send().await.refused(404, "NOT_FOUND");
    world
        .http
        .put("/customers/me", &contact)
        .token(&customer("u_1"))
        .send()
        .await
        .refused(410, "CUSTOMER_ERASED");

    reachable(&world, "u_2", contact).await;
    let (status, _) = other.stop().await;
    assert!(status.success());
    world.confirmed("u_2", &["A2"]).await;
    eventually(4 * SOON, "a mail from whoever is left", async || (mail.taken().len() == 2).then_some(()))
        .await;
}

#[tokio::test]
async fn notifications_are_read_page_by_page_by_operators_and_auditors_and_replayed_by_operators() {
    let world = World::new().await;
    for seat in ["A1", "A2", "A3"] {
        by_mail(&world, "u_1").await;
        let booking = world.confirmed("u_1", &[seat]).await;
        come_to(&world, &booking, "SENT", 1).await;
    }
    let all = list(&world, "").await;
    let (mut paged, mut cursor) = (vec![], String::new());
    loop {
        let page = ask(&world, &format!("limit=2{cursor}")).await.expect(200);
        paged.extend(page["notifications"].as_array().expect("notifications").clone());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((all.len(), &paged), (3, &all));
    ask(&world, &format!("status=SENT{cursor}")).await.refused(400, "VALIDATION_ERROR");
    for bad in ["status=GONE", "limit=0", "cursor=x", "user=u_1"] {
        ask(&world, bad).await.refused(400, "VALIDATION_ERROR");
    }
    let replay =
        |token: String| world.http.api("POST", "/ops/notifications/ntf_none/replay").token(&token).send();
    let read = |token: String| world.http.get("/ops/notifications").token(&token).send();
    read(token("auditor", "aud_1")).await.expect(200);
    for who in [customer("u_1"), world.partner()] {
        read(who.clone()).await.refused(403, "FORBIDDEN");
        replay(who).await.refused(403, "FORBIDDEN");
    }
    replay(token("auditor", "aud_1")).await.refused(403, "FORBIDDEN");
    replay(token("ops", "ops_1")).await.refused(404, "NOT_FOUND");
    world.http.get("/ops/notifications").send().await.refused(401, "UNAUTHORIZED");
}
