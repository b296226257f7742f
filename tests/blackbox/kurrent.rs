//! Nodes whose log is KurrentDB: here the door of another node.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::server::{Door, Home, Options, Server, run};
use crate::support::time::eventually;
use crate::support::tokens::{customer, token};
use crate::support::world::{World, new_key};

async fn with_door(door: Door) -> World {
    World::with(&Options { door, ..Options::default() }).await
}

/// A node with nothing of its own but its data directory.
async fn node(url: String) -> Server {
    Server::with(Home::new(), &Options { event_store: Some(url), ..Options::default() }).await
}

#[tokio::test]
async fn a_door_that_others_could_reach_is_refused() {
    let home = Home::new();
    let args = ["serve", "--listen", "127.0.0.1:0", "--kurrent-door", "0.0.0.0:0"];
    let refused = run(&home.data_dir(), &args).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("loopback"), "{said}");
}

#[tokio::test]
async fn a_password_on_the_command_line_is_refused() {
    let home = Home::new();
    let args =
        ["serve", "--listen", "127.0.0.1:0", "--event-store", "kurrentdb://admin:changeit@localhost:2113"];
    let refused = run(&home.data_dir(), &args).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("MARQUEE_EVENT_STORE"), "{said}");
    assert!(!said.contains("changeit"), "{said}");
}

/// Its views hold positions, which mean something else in another log.
#[tokio::test]
async fn a_directory_that_was_used_with_another_log_is_refused() {
    let (one, another) = (with_door(Door::Writable).await, with_door(Door::Writable).await);
    let options = Options { event_store: Some(one.server.kurrentdb()), ..Options::default() };
    // A database would be refused as well, and stays so.
    let home = Home::new().with_read_model("embedded");
    let (status, home) = Server::with(home, &options).await.stop().await;
    assert!(status.success());
    let serve = async |url: &str| {
        let output = run(&home.data_dir(), &["serve", "--listen", "127.0.0.1:0", "--event-store", url]).await;
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (started, said) = serve(&another.server.kurrentdb()).await;
    assert!(!started && said.contains("another log") && said.contains("kurrentdb"), "{said}");

    std::fs::remove_dir_all(home.data_dir().join("kurrentdb")).unwrap();
    let options = Options { event_store: Some(another.server.kurrentdb()), ..Options::default() };
    Server::with(home, &options).await;
}

#[tokio::test]
async fn nodes_on_one_log_sell_a_seat_once_and_see_each_others_bookings() {
    let world = with_door(Door::Writable).await;
    let other = node(world.server.kurrentdb()).await;
    let body = json!({ "showId": world.show, "seatIds": ["A1"] });
    let here = world.http.post("/bookings", &body).token(&customer("u_1")).key(&new_key());
    let there = other.http.post("/bookings", &body).token(&customer("u_2")).key(&new_key());
    let (here, there) = tokio::join!(here.send(), there.send());
    let mut statuses = [here.status, there.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{} {}", here.text, there.text);

    let body = json!({ "showId": world.show, "seatIds": ["B1", "B2"] });
    let booked = other.http.post("/bookings", &body).token(&customer("u_2")).key(&new_key()).send().await;
    let position = booked.position();
    let id = booked.expect(201)["bookingId"].as_str().unwrap().to_owned();
    let read = world.http.get(&format!("/bookings/{id}")).token(&customer("u_2")).send().await.expect(200);
    assert_eq!(read["bookingId"], id.as_str());
    for http in [&world.http, &other.http] {
        let map = http.get(&format!("/shows/{}/seats", world.show)).after(position).send().await.expect(200);
        let text = map.to_string();
        assert!(text.contains("LOCKED"), "{text}");
    }
}

#[tokio::test]
async fn a_node_whose_log_is_away_says_so_and_comes_back_by_itself() {
    let world = with_door(Door::Writable).await;
    let node = node(world.server.kurrentdb()).await;
    let port = world.server.door_port();
    let home = world.server.kill().await;
    let began = Instant::now();
    loop {
        let ready = node.http.root("GET", "/readyz").attempt().await.unwrap();
        if ready.status == 503 && ready.text.contains("event store") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{} {}", ready.status, ready.text);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let key = new_key();
    let body = json!({ "showId": world.show, "seatIds": ["C1"] });
    let book = || node.http.post("/bookings", &body).token(&customer("u_1")).key(&key);
    book().attempt().await.unwrap().refused(503, "UNAVAILABLE");

    let _server = Server::with(home, &Options { door: Door::WritableAt(port), ..Options::default() }).await;
    eventually(Duration::from_secs(30), "the node is ready again", async || {
        (node.http.root("GET", "/readyz").attempt().await.unwrap().status == 200).then_some(())
    })
    .await;
    book().send().await.expect(201);
}

#[tokio::test]
async fn a_node_at_a_read_only_door_reads_and_writes_nothing() {
    let world = with_door(Door::ReadOnly).await;
    let node = node(world.server.kurrentdb()).await;
    let cities = node.http.get("/cities").send().await.expect(200);
    assert!(cities.to_string().contains("Bengaluru"), "{cities}");
    let city = json!({ "cityId": "maa", "name": "Chennai", "timezone": "Asia/Kolkata" });
    node.http
        .post("/cities", &city)
        .token(&token("admin", "adm_1"))
        .attempt()
        .await
        .unwrap()
        .refused(503, "UNAVAILABLE");
    world.http.post("/cities", &city).token(&token("admin", "adm_1")).send().await.expect(201);
}

#[tokio::test]
async fn a_migrated_log_serves_the_same_bookings() {
    let world = World::with(&Options::embedded()).await;
    let booking = world.confirmed("u_1", &["A1", "A2"]).await;
    let show = world.show.clone();
    let (_, home) = world.server.stop().await;
    let target = Server::with(Home::new(), &Options { door: Door::Writable, ..Options::default() }).await;
    for _ in 0..2 {
        let migrated = run(&home.data_dir(), &["migrate", "--to", &target.kurrentdb()]).await;
        let said = String::from_utf8_lossy(&migrated.stdout).into_owned();
        assert!(migrated.status.success(), "{said}{}", String::from_utf8_lossy(&migrated.stderr));
        assert!(said.contains("every one is what it was"), "{said}");
    }

    let options = Options { event_store: Some(target.kurrentdb()), ..Options::default() };
    let node = Server::with(home, &options).await;
    let read =
        node.http.get(&format!("/bookings/{booking}")).token(&customer("u_1")).send().await.expect(200);
    assert_eq!(read["status"], "CONFIRMED");
    let body = json!({ "showId": show, "seatIds": ["A1"] });
    let taken = node.http.post("/bookings", &body).token(&customer("u_2")).key(&new_key()).send().await;
    assert_eq!(taken.status, 409, "{}", taken.text);
    let body = json!({ "showId": show, "seatIds": ["A3"] });
    node.http.post("/bookings", &body).token(&customer("u_2")).key(&new_key()).send().await.expect(201);
}
