//! Customers' own data: kept apart, read by nobody else, and destroyed when they say so.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::audit::of_type;
use crate::support::http::{Answer, assert_keys};
use crate::support::server::{Home, Options, Server};
use crate::support::time::eventually;
use crate::support::tokens::{customer, token};
use crate::support::world::{SOON, World};

fn contact() -> Value {
    json!({ "email": "asha@example.com", "phone": "+919900112233", "language": "hi", "channels": ["EMAIL", "SMS"] })
}

async fn keep(world: &World, user: &str, body: &Value) -> Answer {
    world.http.put("/customers/me", body).token(&customer(user)).send().await
}

async fn read(world: &World, user: &str) -> Answer {
    world.http.get("/customers/me").token(&customer(user)).send().await
}

async fn erase(world: &World, path: &str, token: &str) -> Answer {
    world.http.api("DELETE", path).token(token).send().await
}

/// Every file below a directory that holds a text.
pub fn files_with(dir: &Path, text: &str) -> Vec<String> {
    let mut found = vec![];
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else {
            // A file may go while one looks, as `*.new` do.
            let bytes = std::fs::read(&path).unwrap_or_default();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[tokio::test]
async fn a_customer_says_how_to_be_reached_and_nobody_else_reads_it() {
    let world = World::new().await;
    read(&world, "u_1").await.refused(404, "NOT_FOUND");
    let kept = keep(&world, "u_1", &contact()).await.expect(200);
    assert_eq!(kept, contact());
    assert_eq!(read(&world, "u_1").await.expect(200), contact());
    read(&world, "u_2").await.refused(404, "NOT_FOUND");

    let shorter = json!({ "email": "asha@example.com" });
    let kept = keep(&world, "u_1", &shorter).await.expect(200);
    assert_eq!(kept, json!({ "email": "asha@example.com", "channels": ["EMAIL"] }), "the whole is replaced");
    assert_eq!(keep(&world, "u_1", &json!({ "channels": [] })).await.expect(200), json!({ "channels": [] }));
    for bad in [
        json!({ "email": "asha" }),
        json!({ "email": "asha@example.com\r\nBcc: all@example.com" }),
        json!({ "phone": "9900112233" }),
        json!({ "language": "hindi language" }),
        json!({ "channels": ["EMAIL"] }),
        json!({ "phone": "+919900112233", "channels": ["PIGEON"] }),
        json!({ "name": "Asha" }),
    ] {
        keep(&world, "u_1", &bad).await.refused(400, "VALIDATION_ERROR");
    }
    for (role, who) in [("partner", "p_1"), ("ops", "o_1"), ("auditor", "a_1"), ("admin", "adm_1")] {
        let stranger = token(role, who);
        world.http.get("/customers/me").token(&stranger).send().await.refused(403, "FORBIDDEN");
        world.http.put("/customers/me", &contact()).token(&stranger).send().await.refused(403, "FORBIDDEN");
        erase(&world, "/customers/me", &stranger).await.refused(403, "FORBIDDEN");
    }
    world.http.get("/customers/me").send().await.refused(401, "UNAUTHORIZED");
    let events = world.events().await;
    assert!(!events.iter().any(|event| event.to_string().contains("asha")), "no event holds it");
}

#[tokio::test]
async fn an_erasure_is_one_event_without_personal_data_and_holds_for_good() {
    let mut world = World::new().await;
    keep(&world, "u_1", &contact()).await.expect(200);
    keep(&world, "u_2", &contact()).await.expect(200);
    let first = erase(&world, "/customers/me", &customer("u_1")).await;
    let again = erase(&world, "/customers/me", &customer("u_1")).await;
    assert_eq!(first.position(), again.position());
    assert_eq!(first.expect(200), json!({ "userId": "u_1", "erased": true }));
    erase(&world, "/customers/u_3", &token("admin", "adm_1")).await.expect(200);
    for other in [customer("u_9"), token("ops", "o_1"), token("auditor", "a_1")] {
        erase(&world, "/customers/u_2", &other).await.refused(403, "FORBIDDEN");
    }

    let events = world.events().await;
    let erased = of_type(&events, "customer.erased");
    let told: Vec<_> =
        erased.iter().map(|event| (&event["stream"], &event["data"], &event["actor"])).collect();
    let (one, three) = (json!({ "userId": "u_1" }), json!({ "userId": "u_3" }));
    let streams = (json!("customer-u_1"), json!("customer-u_3"));
    let actors = (json!("customer:u_1"), json!("admin:adm_1"));
    assert_eq!(told, [(&streams.0, &one, &actors.0), (&streams.1, &three, &actors.1)]);

    for _ in 0..2 {
        read(&world, "u_1").await.refused(404, "NOT_FOUND");
        keep(&world, "u_1", &contact()).await.refused(410, "CUSTOMER_ERASED");
        keep(&world, "u_3", &contact()).await.refused(410, "CUSTOMER_ERASED");
        assert_eq!(read(&world, "u_2").await.expect(200), contact(), "nobody else's");
        let home = world.server.kill().await;
        world.server = Server::with(home, &Options::default()).await;
        world.http = world.server.http.clone();
    }
    world.confirmed("u_1", &["A1"]).await;
}

/// What the directory of a stopped server holds, by its name.
fn copy(home: &Home, names: &[&str]) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = names.iter().map(|name| home.data_dir().join(name));
    files.map(|file| (file.clone(), std::fs::read(&file).unwrap())).collect()
}

/// The log outlives the backup of the contacts: what it says was erased stays so.
#[tokio::test]
async fn contacts_that_were_put_back_from_a_backup_are_erased_again() {
    let mut world = World::with(&Options::embedded()).await;
    keep(&world, "u_1", &contact()).await.expect(200);
    let restart = async |mut world: World, between: &dyn Fn(&Home)| {
        let (_, home) = world.server.stop().await;
        between(&home);
        world.server = Server::with(home, &Options::embedded()).await;
        world.http = world.server.http.clone();
        world
    };
    let backup = std::cell::RefCell::new(vec![]);
    world = restart(world, &|home| {
        backup.replace(copy(home, &["contacts.sqlite", "contact-keys.sqlite"]));
    })
    .await;
    assert_eq!(read(&world, "u_1").await.expect(200), contact());
    erase(&world, "/customers/me", &customer("u_1")).await.expect(200);
    world = restart(world, &|_| {
        for (file, bytes) in backup.borrow().iter() {
            std::fs::write(file, bytes).unwrap();
        }
    })
    .await;
    eventually(SOON, "the erasure is done again", async || {
        (read(&world, "u_1").await.status == 404).then_some(())
    })
    .await;
}

/// A canary is looked for in every byte of the directory, in what the server logged, and in all that it tells.
#[tokio::test]
async fn after_an_erasure_nothing_personal_is_found_anywhere_and_the_log_still_reads() {
    let world = World::with(&Options { messages: Some("embedded".into()), ..Options::embedded() }).await;
    let canaries = ["canary.bird@aviary.example", "919876501234"];
    let body = json!({ "email": canaries[0], "phone": format!("+{}", canaries[1]), "channels": ["EMAIL", "SMS", "WHATSAPP"] });
    keep(&world, "u_1", &body).await.expect(200);
    let booking = world.confirmed("u_1", &["A1"]).await;
    // In the log at least; views may be in a database.
    assert!(!files_with(&world.server.home.data_dir(), "u_1").is_empty(), "the test finds what is there");
    for canary in canaries {
        assert_eq!(files_with(&world.server.home.data_dir(), canary), [] as [&str; 0], "never in clear");
    }
    erase(&world, "/customers/me", &customer("u_1")).await.expect(200);
    world.cancel_call("u_1", &booking).send().await.expect(200);
    world.events_of("refund.succeeded", &booking, 1).await;

    let mut told = vec![world.http.root("GET", "/metrics").send().await.text, world.server.home.logged()];
    for path in [
        "/ops/messages?limit=1000",
        "/ops/projections",
        "/ops/notifications?limit=1000",
        "/audit/events?limit=1000",
    ] {
        told.push(world.http.get(path).token(&token("admin", "adm_1")).send().await.text);
    }
    let events = world.events().await;
    assert_keys(&of_type(&events, "customer.erased")[0]["data"], &["userId"]);
    let World { server, .. } = world;
    let (_, home) = server.stop().await;
    for canary in canaries {
        assert!(!told.iter().any(|told| told.contains(canary)), "{canary}");
        assert_eq!(files_with(home.data_dir().parent().unwrap(), canary), [] as [&str; 0]);
    }
    let server = Server::with(home, &Options::embedded()).await;
    assert_eq!(crate::support::audit::export(&server.http, None).await, events, "the log still reads");
}
