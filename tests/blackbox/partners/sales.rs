//! When a show is on sale.

use std::time::Duration;

use serde_json::{Value, json};

use super::{another_show, change, show};
use crate::support::http::keys;
use crate::support::time::{in_days, now, parse, rfc3339, until};
use crate::support::world::World;

#[tokio::test]
async fn nothing_is_booked_before_the_sale_begins_or_after_it_ends() {
    let mut world = World::new().await;
    let (soon, later) = (now() + Duration::from_secs(2), in_days(3, 12, 0));
    let window = json!({ "salesFrom": soon.to_string(), "salesUntil": rfc3339(&later) });
    another_show(&mut world, &window).await.expect(201);
    let refused = world.book("u_1", &["A1"]).await.refused(400, "VALIDATION_ERROR");
    assert_eq!(keys(&refused), ["salesFrom"]);
    let begins = parse(&refused["salesFrom"]);
    assert_eq!(begins.as_millisecond(), soon.as_millisecond());

    let path = format!("/cities/blr/movies/mv_901/shows?date={}", world.date);
    let shows = world.http.get(&path).after(world.position).send().await.expect(200);
    let listed = &shows["theatres"][0]["shows"][0];
    assert_eq!(parse(&listed["onSaleFrom"]), begins, "it is listed, and marked");
    let map = world.seat_map(0).await;
    assert_eq!((parse(&map["salesFrom"]), &map["salesUntil"]), (begins, &json!(rfc3339(&later))));
    assert_eq!(show(&world).await["salesUntil"], rfc3339(&later));

    until(begins).await;
    world.booked("u_1", &["A1"]).await;
    let shows = world.http.get(&path).send().await.expect(200);
    assert_eq!(shows["theatres"][0]["shows"][0]["onSaleFrom"], Value::Null);

    let ends = (now() + Duration::from_millis(200)).to_string();
    change(&world, "PATCH", &json!({ "salesFrom": null, "salesUntil": ends })).await.expect(200);
    until(parse(&json!(ends))).await;
    let refused = world.book("u_1", &["A2"]).await.refused(400, "VALIDATION_ERROR");
    assert_eq!(keys(&refused), ["salesUntil"]);
    let shows = world.http.get(&path).after(world.log_end().await).send().await.expect(200);
    assert_eq!(shows["theatres"], json!([]), "what cannot be booked any more is not listed");
    change(&world, "PATCH", &json!({ "salesUntil": null })).await.expect(200);
    world.booked("u_1", &["A2"]).await;
}

#[tokio::test]
async fn a_sale_that_cannot_be_is_refused() {
    let mut world = World::new().await;
    let (day, later, start) =
        (rfc3339(&in_days(1, 9, 0)), rfc3339(&in_days(1, 10, 0)), rfc3339(&in_days(3, 18, 30)));
    let after = rfc3339(&in_days(3, 18, 31));
    for (window, field) in [
        (json!({ "salesUntil": after }), "salesUntil"),
        (json!({ "salesFrom": later, "salesUntil": day }), "salesFrom"),
        (json!({ "salesFrom": day, "salesUntil": day }), "salesFrom"),
        (json!({ "salesFrom": start }), "salesFrom"),
    ] {
        let refused = another_show(&mut world, &window).await.refused(400, "VALIDATION_ERROR");
        assert_eq!(refused["field"], field, "{window}");
    }
    another_show(&mut world, &json!({ "salesFrom": "soon" })).await.refused(400, "VALIDATION_ERROR");
    another_show(&mut world, &json!({ "salesUntil": start })).await.expect(201);
    change(&world, "PATCH", &json!({ "salesUntil": after })).await.refused(400, "VALIDATION_ERROR");
    let earlier = rfc3339(&in_days(3, 9, 0));
    change(&world, "PATCH", &json!({ "startTime": earlier })).await.refused(400, "VALIDATION_ERROR");
    change(&world, "PATCH", &json!({ "startTime": earlier, "salesUntil": null })).await.expect(200);
}
