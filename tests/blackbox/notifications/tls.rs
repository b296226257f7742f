//! Mail goes by TLS, or not at all.

use super::{FROM, by_mail, come_to, killed_and_started, list};
use crate::support::providers::MailServer;
use crate::support::server::Options;
use crate::support::time::eventually;
use crate::support::world::{SOON, World};

#[tokio::test]
async fn mail_goes_by_tls_to_a_server_whose_certificate_is_believed_and_to_no_other() {
    let (mail, authority) = (MailServer::started().await, marquee_test_tls::Authority::new());
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
