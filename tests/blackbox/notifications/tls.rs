//! Mail goes by TLS, or not at all.

use marquee_test_tls::{Authority, Identity, Offer, StartTls};

use super::{FROM, by_mail, come_to, killed_and_started, list};
use crate::support::providers::{MailServer, Manner};
use crate::support::server::Options;
use crate::support::time::eventually;
use crate::support::world::{SOON, World};

#[tokio::test]
async fn mail_goes_by_tls_to_a_server_whose_certificate_is_believed_and_to_no_other() {
    let (mail, authority) = (MailServer::started().await, Authority::new());
    let line = marquee_test_tls::before(mail.address, &authority.issue("localhost")).await;
    let environment = |trusted: bool| {
        let mut environment = vec![
            ("MARQUEE_NOTIFICATIONS_BACKOFF", "100ms".to_owned()),
            ("MARQUEE_SMTP_URL", format!("smtps://localhost:{}", line.port())),
            ("MARQUEE_SMTP_FROM", FROM.to_owned()),
        ];
        if trusted {
            environment.push(("MARQUEE_SMTP_CA", authority.certificate().display().to_string()));
        }
        Options { environment, ..Options::default() }
    };
    let mut world = World::with(&environment(false)).await;
    by_mail(&world, "u_1").await;
    let booking = world.confirmed("u_1", &["A1"]).await;
    eventually(SOON, "an attempt", async || {
        let waiting = list(&world, "status=PENDING").await;
        waiting.first().is_some_and(|told| told["attempts"].as_u64() > Some(0)).then_some(())
    })
    .await;
    assert_eq!(mail.taken().len(), 0);
    world = killed_and_started(world, &environment(true)).await;
    come_to(&world, &booking, "SENT", 1).await;
    assert_eq!(mail.taken().len(), 1);
}

/// A server that hands mail in by `STARTTLS`, with a password.
fn by_starttls(line: &StartTls, authority: Option<&Authority>) -> Options {
    let url = format!("smtp+starttls://desk:hunter2@localhost:{}", line.address.port());
    let mut environment = vec![
        ("MARQUEE_NOTIFICATIONS_BACKOFF", "100ms".to_owned()),
        ("MARQUEE_SMTP_URL", url),
        ("MARQUEE_SMTP_FROM", FROM.to_owned()),
    ];
    if let Some(authority) = authority {
        environment.push(("MARQUEE_SMTP_CA", authority.certificate().display().to_string()));
    }
    Options { environment, ..Options::default() }
}

/// A mail is tried again and again, for this reason, and nothing of it is said in clear.
async fn waits(line: &StartTls, options: &Options, reason: &str) {
    let world = World::with(options).await;
    by_mail(&world, "u_1").await;
    let booking = world.confirmed("u_1", &["A1"]).await;
    eventually(SOON, "some attempts", async || {
        let waiting = list(&world, &format!("bookingId={booking}")).await;
        let told = waiting.first()?;
        assert_eq!(told["status"], "PENDING", "{told}");
        (told["attempts"].as_u64() > Some(1)).then(|| assert_eq!(told["reason"], reason))
    })
    .await;
    let heard = line.heard_in_clear();
    assert!(heard.iter().all(|verb| matches!(verb.as_str(), "EHLO" | "STARTTLS" | "QUIT")), "{heard:?}");
    assert!(heard.contains(&"EHLO".to_owned()), "it was asked");
}

async fn line(mail: &MailServer, identity: &Identity, offer: Offer) -> StartTls {
    StartTls::before(mail.address, identity, offer).await
}

#[tokio::test]
async fn mail_by_starttls_says_nothing_in_clear_but_that_it_wants_tls() {
    let (mail, authority) = (MailServer::started().await, Authority::new());
    let line = line(&mail, &authority.issue("localhost"), Offer::Sound).await;
    let world = World::with(&by_starttls(&line, Some(&authority))).await;
    by_mail(&world, "u_1").await;
    let booking = world.confirmed("u_1", &["A1"]).await;
    come_to(&world, &booking, "SENT", 1).await;
    assert_eq!(mail.taken().len(), 1);
    assert_eq!(line.heard_in_clear(), ["EHLO", "STARTTLS"]);
}

#[tokio::test]
async fn mail_by_starttls_waits_where_tls_is_not_offered_or_refused() {
    let (mail, authority) = (MailServer::started().await, Authority::new());
    let identity = authority.issue("localhost");
    for (offer, reason) in [(Offer::Nothing, "no-starttls"), (Offer::Refused, "smtp-554")] {
        let line = line(&mail, &identity, offer).await;
        waits(&line, &by_starttls(&line, Some(&authority)), reason).await;
    }
    assert_eq!(mail.taken().len(), 0);
}

#[tokio::test]
async fn mail_by_starttls_waits_where_the_certificate_is_not_believed_or_anothers() {
    let (mail, authority) = (MailServer::started().await, Authority::new());
    let line_of_nobody = line(&mail, &authority.issue("localhost"), Offer::Sound).await;
    waits(&line_of_nobody, &by_starttls(&line_of_nobody, None), "tls").await;
    let line_of_another = line(&mail, &authority.issue("mail.other.example"), Offer::Sound).await;
    waits(&line_of_another, &by_starttls(&line_of_another, Some(&authority)), "tls").await;
    assert_eq!(mail.taken().len(), 0);
}

/// All the answers that the mail server would give are put in clear behind the one to `STARTTLS`; the server itself takes nothing.
#[tokio::test]
async fn answers_that_came_before_tls_are_never_taken_for_the_servers() {
    let (mail, authority) = (MailServer::started().await, Authority::new());
    mail.behave(Manner::Overloaded);
    let injected =
        "250-mail.example\r\n250 AUTH PLAIN\r\n235 welcome\r\n250 OK\r\n250 OK\r\n354 go on\r\n250 taken\r\n";
    let line = line(&mail, &authority.issue("localhost"), Offer::Injecting(injected)).await;
    waits(&line, &by_starttls(&line, Some(&authority)), "tls").await;
    assert_eq!(mail.asked(), 0);
}
