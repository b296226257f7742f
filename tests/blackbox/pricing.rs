//! Offers, fees and taxes, and quotes, as partners and customers meet them.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::support::http::Answer;
use crate::support::server::Options;
use crate::support::time::eventually;
use crate::support::tokens::{customer, partner, token};
use crate::support::world::{SOON, World, new_key};

async fn offer(world: &World, body: Value) -> Answer {
    world.http.post("/offers", &body).token(&token("admin", "adm_1")).send().await
}

async fn policy(world: &World, scope: &str, body: Value, token: &str) -> Answer {
    world.http.put(&format!("/pricing/policies/{scope}"), &body).token(token).send().await
}

async fn quote(world: &World, seats: &[&str], coupon: Option<&str>) -> Answer {
    let mut body = json!({ "showId": world.show, "seatIds": seats });
    if let Some(coupon) = coupon {
        body["couponCode"] = coupon.into();
    }
    world.http.post("/pricing/quote", &body).send().await
}

async fn book(world: &World, user: &str, seats: &[&str], coupon: Option<&str>) -> Answer {
    let mut body = json!({ "showId": world.show, "seatIds": seats });
    if let Some(coupon) = coupon {
        body["couponCode"] = coupon.into();
    }
    world.http.post("/bookings", &body).token(&customer(user)).key(&new_key()).send().await
}

fn third_half() -> Value {
    json!({
        "code": "THIRD50", "description": "50% off the third ticket",
        "rule": { "kind": "NTH_TICKET_PERCENT", "nth": 3, "percent": 50 }
    })
}

#[tokio::test]
async fn a_coupon_fees_and_tax_make_the_price_and_the_quote_is_the_bookings() {
    let world = World::new().await;
    offer(&world, third_half()).await.expect(201);
    let city = json!({ "feePerTicket": 10, "taxPercent": 18, "taxOn": "FEES" });
    policy(&world, "city:blr", city, &token("admin", "adm_1")).await.expect(200);
    let quoted = quote(&world, &["A1", "A2", "A3"], Some("THIRD50")).await.expect(200);
    assert_eq!(
        quoted,
        json!({
            "currency": "INR", "subtotal": 540, "discount": 90, "fees": 30, "tax": 5.4, "total": 485.4,
            "appliedOffers": [{ "code": "THIRD50", "description": "50% off the third ticket" }]
        })
    );
    let booked = book(&world, "u_1", &["A1", "A2", "A3"], Some("THIRD50")).await.expect(201);
    assert_eq!(booked["pricing"], quoted);
    // The history says which versions made it, and the booking keeps it whatever the rules become.
    let priced = world.events().await;
    let priced = priced.iter().find(|event| event["type"] == "booking.payment-pending.v1").unwrap();
    let pricing = &priced["data"]["pricing"];
    assert_eq!(pricing["appliedOffers"][0]["version"], 0);
    assert_eq!(pricing["policy"], json!({ "scope": "city:blr", "version": 0 }));
    let theatre = json!({ "feePerTicket": 12.5, "taxPercent": 5, "taxOn": "ALL" });
    policy(&world, &format!("theatre:{}", world.theatre), theatre, &world.partner()).await.expect(200);
    let id = booked["bookingId"].as_str().unwrap();
    assert_eq!(world.get_booking("u_1", id).send().await.expect(200)["pricing"], quoted);
    let now = quote(&world, &["A1"], None).await.expect(200);
    assert_eq!((&now["fees"], &now["tax"], &now["total"]), (&json!(12.5), &json!(9.63), &json!(202.13)));
    // What was quoted is what is to be paid.
    assert_eq!(world.paying("u_1", id).await["amount"], quoted["total"]);
}

#[tokio::test]
async fn a_coupon_that_does_not_apply_is_400_named_and_says_why() {
    let world = World::new().await;
    offer(&world, third_half()).await.expect(201);
    let elsewhere = json!({
        "code": "BOM", "description": "Elsewhere", "rule": { "kind": "PERCENT", "percent": 20 },
        "conditions": { "cities": ["bom"] }
    });
    offer(&world, elsewhere).await.expect(201);
    let over = json!({
        "code": "OVER", "description": "Over", "rule": { "kind": "PERCENT", "percent": 20 },
        "validTo": "2020-01-01T00:00:00Z"
    });
    offer(&world, over).await.expect(201);
    for (code, reason) in [
        ("NOSUCH", ""),
        ("THIRD50", "it takes nothing off these seats"),
        ("BOM", "it is not for this show"),
        ("OVER", "it is not valid now"),
    ] {
        for answer in [
            quote(&world, &["A1", "A2"], Some(code)).await,
            book(&world, "u_1", &["A1", "A2"], Some(code)).await,
        ] {
            let told = answer.refused(400, "VALIDATION_ERROR");
            assert_eq!(told["couponCode"], code);
            assert_eq!(told["reason"].as_str().unwrap_or_default(), reason);
        }
    }
    assert_eq!(world.seat_now("A1").await["status"], "AVAILABLE");
}

#[tokio::test]
async fn the_best_automatic_offer_goes_unasked_until_it_is_switched_off() {
    let world = World::new().await;
    let ten = json!({ "code": "TEN", "description": "Ten off", "rule": { "kind": "FLAT", "amount": 10 }, "automatic": true });
    let pair = json!({
        "code": "PAIR", "description": "The second free", "rule": { "kind": "BUY_X_GET_Y", "buy": 1, "free": 1 }, "automatic": true
    });
    offer(&world, ten).await.expect(201);
    offer(&world, pair.clone()).await.expect(201);
    let two = quote(&world, &["A1", "A2"], None).await.expect(200);
    assert_eq!((&two["discount"], &two["appliedOffers"][0]["code"]), (&json!(180), &json!("PAIR")));
    assert_eq!(two["passedOver"], json!([{ "code": "TEN", "discount": 10 }]));
    let one = quote(&world, &["A1"], None).await.expect(200);
    assert_eq!(one["appliedOffers"][0]["code"], "TEN");
    let mut off = pair;
    off["active"] = false.into();
    world.http.put("/offers/PAIR", &off).token(&token("admin", "adm_1")).send().await.expect(200);
    let two = quote(&world, &["A1", "A2"], None).await.expect(200);
    assert_eq!((&two["discount"], &two["appliedOffers"][0]["code"]), (&json!(10), &json!("TEN")));
    let known = world.http.get("/offers/PAIR").token(&token("admin", "adm_1")).send().await.expect(200);
    assert_eq!((&known["active"], &known["version"]), (&json!(false), &json!(1)));
}

#[tokio::test]
async fn a_partner_prices_its_own_theatres_and_no_others() {
    let world = World::new().await;
    let own = |code: &str, theatres: Value| {
        json!({
            "code": code, "description": "Ours", "rule": { "kind": "PERCENT", "percent": 12.5 },
            "conditions": { "theatres": theatres }
        })
    };
    let post = async |body: Value, who: &str| world.http.post("/offers", &body).token(who).send().await;
    post(own("OURS", json!([world.theatre])), &world.partner()).await.expect(201);
    post(own("ALL", json!([])), &world.partner()).await.refused(403, "FORBIDDEN");
    post(own("THEIRS", json!([world.theatre])), &partner("p_other")).await.refused(403, "FORBIDDEN");
    post(own("OURS", json!([world.theatre])), &world.partner()).await.refused(409, "ALREADY_EXISTS");
    let theirs = world.http.put("/offers/OURS", &own("OURS", json!([world.theatre])));
    theirs.token(&partner("p_other")).send().await.refused(403, "FORBIDDEN");
    let read = world.http.get("/offers/OURS").token(&partner("p_other"));
    read.send().await.refused(403, "FORBIDDEN");
    post(own("CUSTOMERS", json!([])), &customer("u_1")).await.refused(403, "FORBIDDEN");
    let fees = json!({ "feePerTicket": 1, "taxPercent": 0, "taxOn": "NET" });
    let theatre = format!("theatre:{}", world.theatre);
    policy(&world, &theatre, fees.clone(), &partner("p_other")).await.refused(403, "FORBIDDEN");
    policy(&world, "default", fees.clone(), &world.partner()).await.refused(403, "FORBIDDEN");
    policy(&world, "city:blr", fees.clone(), &world.partner()).await.refused(403, "FORBIDDEN");
    policy(&world, "planet:earth", fees.clone(), &token("admin", "a")).await.refused(404, "NOT_FOUND");
    policy(&world, "theatre:th_none", fees, &token("admin", "a")).await.refused(404, "NOT_FOUND");
    for bad in [
        json!({ "kind": "PERCENT", "percent": 100.5 }),
        json!({ "kind": "PERCENT", "percent": 1.005 }),
        json!({ "kind": "PERCENT", "percent": "20" }),
        json!({ "kind": "PERCENT" }),
        json!({ "kind": "FLAT", "amount": -1 }),
        json!({ "kind": "MAGIC", "percent": 20 }),
        json!({ "kind": "BUY_X_GET_Y", "buy": 0, "free": 1 }),
    ] {
        let body = json!({ "code": "BAD", "description": "Bad", "rule": bad });
        offer(&world, body).await.refused(400, "VALIDATION_ERROR");
    }
    let quoted = quote(&world, &["A1"], Some("OURS")).await.expect(200);
    assert_eq!(quoted["discount"], 22.5);
}

#[tokio::test]
async fn a_repeated_request_makes_one_offer_and_another_body_is_told_apart() {
    let world = World::new().await;
    let call = |body: &Value| world.http.post("/offers", body).token(&token("admin", "adm_1")).key("one");
    call(&third_half()).send().await.expect(201);
    let again = call(&third_half()).send().await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    again.expect(201);
    let mut other = third_half();
    other["description"] = "Another".into();
    call(&other).send().await.refused(422, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn a_free_booking_is_confirmed_with_its_ticket_and_cancelled_without_a_refund() {
    let world = World::new().await;
    let free = json!({ "code": "FREE", "description": "On the house", "rule": { "kind": "PERCENT", "percent": 100 } });
    offer(&world, free).await.expect(201);
    let booked = book(&world, "u_1", &["A1"], Some("FREE")).await.expect(201);
    let id = booked["bookingId"].as_str().unwrap();
    assert_eq!((&booked["status"], &booked["pricing"]["total"]), (&json!("CONFIRMED"), &json!(0)));
    let read = world.get_booking("u_1", id).send().await.expect(200);
    assert!(read["ticket"]["qrCodeData"].is_string(), "{read}");
    world.pay_call("u_1", id, &new_key()).send().await.refused(422, "NOT_PAYABLE");
    assert_eq!(world.seat_now("A1").await["status"], "SOLD");
    let cancelled = world.cancel_call("u_1", id).send().await.expect(200);
    assert_eq!((&cancelled["status"], &cancelled["refund"]), (&json!("CANCELLED"), &Value::Null));
    assert_eq!(world.seat_now("A1").await["status"], "AVAILABLE");
}

/// So many customers at once, each for a seat of its own; the statuses of the answers.
async fn herd(world: &World, users: &[String], coupon: &'static str) -> Vec<(u16, Value)> {
    let seats: Vec<String> = (1..=users.len()).map(|seat| format!("S{seat}")).collect();
    let row = seats.iter().map(|seat| json!({ "seatId": seat, "type": "REGULAR" })).collect::<Vec<_>>();
    let screen = world.new_screen("Herd", &json!([{ "rowLabel": "S", "seats": row }])).await;
    let show = world.new_show(&screen, &world.start.clone()).await.expect(201);
    let start = Arc::new(Barrier::new(users.len()));
    let asking = users.iter().zip(seats).map(|(user, seat)| {
        let body = json!({ "showId": show["showId"], "seatIds": [seat], "couponCode": coupon });
        let call = world.http.post("/bookings", &body).token(&customer(user)).key(&new_key());
        let start = Arc::clone(&start);
        tokio::spawn(async move {
            start.wait().await;
            let answer = call.send().await;
            (answer.status, serde_json::from_str(&answer.text).unwrap())
        })
    });
    let mut answers = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        answers.push(asked.await.unwrap());
    }
    answers
}

fn with(answers: &[(u16, Value)], status: u16) -> Vec<&Value> {
    answers.iter().filter(|(answered, _)| *answered == status).map(|(_, body)| body).collect()
}

#[tokio::test]
async fn two_hundred_at_once_redeem_an_offer_as_often_as_it_may_be() {
    let world = World::new().await;
    let limited = json!({
        "code": "FIRST60", "description": "For sixty", "rule": { "kind": "FLAT", "amount": 50 },
        "limits": { "total": 60, "perUser": 2 }
    });
    offer(&world, limited).await.expect(201);
    // Fifty customers with four requests each: at most two of them each, sixty in all.
    let users: Vec<String> = (0..200).map(|number| format!("u_{}", number % 50)).collect();
    let answers = herd(&world, &users, "FIRST60").await;
    let (made, refused) = (with(&answers, 201), with(&answers, 400));
    assert_eq!((made.len(), made.len() + refused.len()), (60, 200), "{answers:?}");
    assert!(refused.iter().all(|body| body["error"]["details"]["couponCode"] == "FIRST60"));
    assert!(made.iter().all(|body| body["pricing"]["discount"] == 50));
    let events = world.events().await;
    let mut of_user = std::collections::BTreeMap::<&str, u32>::new();
    for event in events.iter().filter(|event| event["type"] == "booking.seats-locked.v1") {
        *of_user.entry(event["data"]["userId"].as_str().unwrap()).or_default() += 1;
    }
    assert!(of_user.values().all(|count| *count <= 2), "{of_user:?}");
    quote(&world, &["A1"], Some("FIRST60")).await.refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_redemption_comes_back_when_its_booking_expires_or_is_cancelled() {
    let world = World::with(&Options { seat_lock_ttl: "1s", ..Options::default() }).await;
    let limited = json!({
        "code": "ONE", "description": "For one", "rule": { "kind": "FLAT", "amount": 50 }, "limits": { "total": 1 }
    });
    offer(&world, limited).await.expect(201);
    let free_again = async |what: &str| {
        eventually(SOON, what, async || {
            (quote(&world, &["A1"], Some("ONE")).await.status == 200).then_some(())
        })
        .await;
    };
    book(&world, "u_1", &["A1"], Some("ONE")).await.expect(201);
    book(&world, "u_2", &["A2"], Some("ONE")).await.refused(400, "VALIDATION_ERROR");
    free_again("the redemption of a booking that expired").await;
    let booked = book(&world, "u_2", &["A2"], Some("ONE")).await.expect(201);
    world.cancel_call("u_2", booked["bookingId"].as_str().unwrap()).send().await.expect(200);
    free_again("the redemption of a booking that was cancelled").await;
    book(&world, "u_3", &["A3"], Some("ONE")).await.expect(201);
}

#[tokio::test]
async fn an_automatic_offer_that_is_used_up_costs_nobody_the_booking() {
    let world = World::new().await;
    let limited = json!({
        "code": "EARLY", "description": "For the first three", "rule": { "kind": "PERCENT", "percent": 10 },
        "automatic": true, "limits": { "total": 3 }
    });
    offer(&world, limited).await.expect(201);
    let mut discounts = Vec::new();
    for number in 1..=5 {
        let booked = book(&world, &format!("u_{number}"), &[&format!("A{number}")], None).await.expect(201);
        discounts.push(booked["pricing"]["discount"].clone());
    }
    assert_eq!(discounts, [18, 18, 18, 0, 0]);
}

#[tokio::test]
async fn offers_and_policies_are_read_by_those_whose_they_are() {
    let world = World::new().await;
    let admin = token("admin", "adm_1");
    for code in ["B2", "A1", "C3"] {
        let body =
            json!({ "code": code, "description": "House", "rule": { "kind": "PERCENT", "percent": 5 } });
        offer(&world, body).await.expect(201);
    }
    let own = json!({
        "code": "OURS", "description": "Ours", "rule": { "kind": "PERCENT", "percent": 5 }, "active": false,
        "conditions": { "theatres": [world.theatre] }
    });
    world.http.post("/offers", &own).token(&world.partner()).send().await.expect(201);
    let page = async |who: &str, query: &str| {
        world.http.get(&format!("/offers?{query}")).token(who).send().await.expect(200)
    };
    let codes = |page: &Value| -> Vec<String> {
        let offers = page["offers"].as_array().unwrap().iter();
        offers.map(|offer| offer["code"].as_str().unwrap().to_owned()).collect()
    };
    let first = page(&admin, "limit=3").await;
    assert_eq!(codes(&first), ["A1", "B2", "C3"]);
    let cursor = first["nextCursor"].as_str().expect("one more").to_owned();
    let second = page(&admin, &format!("limit=3&cursor={cursor}")).await;
    assert_eq!((codes(&second), &second["nextCursor"]), (vec!["OURS".to_owned()], &Value::Null));
    assert_eq!(codes(&page(&world.partner(), "").await), ["OURS"]);
    assert_eq!(codes(&page(&partner("p_other"), "").await), <[&str; 0]>::default());
    let stolen = world.http.get(&format!("/offers?cursor={cursor}")).token(&world.partner());
    stolen.send().await.refused(400, "VALIDATION_ERROR");
    world.http.get("/offers").token(&customer("u_1")).send().await.refused(403, "FORBIDDEN");

    let read = async |scope: &str, who: &str| {
        world.http.get(&format!("/pricing/policies/{scope}")).token(who).send().await
    };
    let theatre = format!("theatre:{}", world.theatre);
    read(&theatre, &world.partner()).await.refused(404, "NOT_FOUND");
    let fees = json!({ "feePerTicket": 12.5, "taxPercent": 5, "taxOn": "ALL" });
    policy(&world, &theatre, fees.clone(), &world.partner()).await.expect(200);
    assert_eq!(read(&theatre, &world.partner()).await.expect(200), fees);
    assert_eq!(read(&theatre, &admin).await.expect(200), fees);
    read(&theatre, &partner("p_other")).await.refused(403, "FORBIDDEN");
    read("default", &world.partner()).await.refused(403, "FORBIDDEN");
}
