//! TLS and passwords: who the database is, is proven before it is told anything; and it lets in who knows the password.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;

use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_projections::{Postgres, Source, SourceError};
use marquee_test_postgres::Postgres as Server;
use marquee_test_tls::{Authority, text};

const PASSWORD: &str = "canary-7261";

struct Rig {
    _server: Server,
    log: EmbeddedStore,
    _dir: tempfile::TempDir,
    port: String,
}

impl Rig {
    /// A server with a certificate for a host.
    fn new(authority: &Authority, host: &str) -> Self {
        let mut server = Server::start();
        let plain = server.create_database("marquee");
        let identity = authority.issue(host);
        server.require_tls(&identity.certificate, &identity.key, PASSWORD);
        let dir = tempfile::tempdir().unwrap();
        let log = EmbeddedStore::open(&DataDir::lock(dir.path()).unwrap()).unwrap();
        let port = plain.rsplit_once(':').unwrap().1.split_once('/').unwrap().0.to_owned();
        Self { _server: server, log, _dir: dir, port }
    }

    fn url(&self, password: &str, authority: &Path) -> String {
        let (port, authority) = (&self.port, text(authority));
        format!(
            "postgres://marquee:{password}@localhost:{port}/marquee?sslmode=verify-full&sslrootcert={authority}"
        )
    }

    async fn claim(&self, url: &str) -> Result<Source, SourceError> {
        Postgres::new(url).unwrap().claim(&self.log).await
    }

    async fn refused(&self, url: &str, what: &str) {
        let error = self.claim(url).await.expect_err(what);
        let said = format!("{error} {error:?}");
        assert!(!said.contains(PASSWORD), "{said}");
    }
}

#[tokio::test]
async fn a_database_that_proves_who_it_is_lets_in_who_knows_the_password() {
    let (authority, other) = (Authority::new(), Authority::new());
    let rig = Rig::new(&authority, "localhost");
    let url = rig.url(PASSWORD, &authority.certificate());
    assert_eq!(rig.claim(&url).await.unwrap(), Source::Open);
    let shown = format!("{:?}", Postgres::new(&url).unwrap());
    assert!(!shown.contains(PASSWORD), "{shown}");

    rig.refused(&rig.url("guessed", &authority.certificate()), "another password").await;
    rig.refused(&rig.url(PASSWORD, &other.certificate()), "a certificate of another authority").await;
    let in_clear = format!("postgres://marquee:{PASSWORD}@localhost:{}/marquee?sslmode=disable", rig.port);
    rig.refused(&in_clear, "in clear").await;
}

#[tokio::test]
async fn a_database_with_a_certificate_for_another_host_is_told_no_password() {
    let authority = Authority::new();
    let rig = Rig::new(&authority, "somewhere.example");
    rig.refused(&rig.url(PASSWORD, &authority.certificate()), "a certificate for another host").await;
}
