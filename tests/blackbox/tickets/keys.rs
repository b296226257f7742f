//! The keys that tickets are signed with.

use serde_json::Value;

use super::{open, redeem, ticket, verify};
use crate::support::server::Server;
use crate::support::world::World;

async fn published(world: &World) -> Vec<Value> {
    let set = world.http.root("GET", "/.well-known/jwks.json").send().await.expect(200);
    set["keys"].as_array().expect("keys").clone()
}

fn kid(token: &str) -> String {
    let header = jsonwebtoken::decode_header(token).expect("a header");
    header.kid.expect("the token says which key signed it")
}

#[tokio::test]
async fn tickets_of_a_key_that_was_rotated_out_are_good_while_it_is_kept() {
    let mut world = World::with(&open()).await;
    let old = ticket(&world, "u_1", &["A1"]).await;
    let before = published(&world).await;
    assert_eq!(before.len(), 1);
    assert!(before[0].get("d").is_none(), "the private half is nobody's");
    assert_eq!(before[0]["kid"], kid(&old.token));

    let (status, home) = world.server.stop().await;
    assert!(status.success());
    let kept = home.data_dir().join("ticket-2026.key");
    std::fs::rename(home.data_dir().join("ticket.key"), &kept).unwrap();
    world.server = Server::with(home, &open()).await;
    world.http = world.server.http.clone();
    let new = ticket(&world, "u_2", &["A2"]).await;
    let after = published(&world).await;
    assert_eq!((after.len(), &after[1]), (2, &before[0]), "the old key is still there, the new one first");
    assert_eq!(after[0]["kid"], kid(&new.token));
    assert_ne!(kid(&new.token), kid(&old.token));
    assert_eq!(verify(&world, &old.token).await["valid"], true);
    assert_eq!(verify(&world, &new.token).await["valid"], true);
    redeem(&world, &old.token).await.expect(200);

    let (status, home) = world.server.stop().await;
    assert!(status.success());
    std::fs::remove_file(kept).unwrap();
    world.server = Server::with(home, &open()).await;
    world.http = world.server.http.clone();
    assert_eq!(published(&world).await, after[..1]);
    assert_eq!(verify(&world, &old.token).await["reason"], "UNKNOWN_KEY");
    assert_eq!(verify(&world, &new.token).await["valid"], true);
}
