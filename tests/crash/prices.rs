//! Ten thousand bookings while prices, offers and policies change: each price is reckoned again from the history alone.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::auditor::prices_of;
use crate::bookers::Dice;
use crate::support::audit::{export, of_type};
use crate::support::http::Http;
use crate::support::setting;
use crate::support::time::{in_days, rfc3339};
use crate::support::tokens::{customer, partner, token};
use crate::support::world::{World, new_key};

const BUYERS: u64 = 32;
const SEATS: u64 = 1_000;
const KINDS: [&str; 3] = ["REGULAR", "PREMIUM", "RECLINER"];
const CODES: u64 = 12;

/// A show and its seats that nobody has asked for.
struct Hall {
    show: String,
    theatre: String,
    partner: String,
    free: Mutex<Vec<String>>,
}

fn index(dice: &mut Dice, bound: usize) -> usize {
    usize::try_from(dice.below(u64::try_from(bound).unwrap())).unwrap()
}

/// Sixty shows of a thousand seats in two cities and four theatres, at all hours.
async fn halls(world: &World, dice: &mut Dice) -> Vec<Hall> {
    let admin = token("admin", "adm_1");
    let city = json!({ "cityId": "nyc", "name": "New York", "timezone": "America/New_York" });
    world.http.post("/cities", &city).token(&admin).send().await.expect(201);
    world.movie("mv_902", "The Long Siding", &["en"]).await;
    let rows: Vec<_> = (0..SEATS / 50)
        .map(|row| {
            let kind = KINDS[usize::try_from(row).unwrap() % KINDS.len()];
            let seats: Vec<_> =
                (0..50).map(|n| json!({ "seatId": format!("R{row}-{n}"), "type": kind })).collect();
            json!({ "rowLabel": format!("R{row}"), "seats": seats })
        })
        .collect();
    let mut halls = vec![];
    for number in 0..4 {
        let city = if number % 2 == 0 { "blr" } else { "nyc" };
        let body = json!({ "theatreId": format!("th_{number}"), "name": "A house", "cityId": city, "area": "Centre" });
        let path = format!("/partners/{}/theatres", world.partner_id);
        world.http.post(&path, &body).token(&world.partner()).send().await.expect(201);
        let theatre = format!("th_{number}");
        let path = format!("/theatres/{theatre}/screens");
        let screen = json!({ "screenId": "sc_1", "name": "One", "rows": rows });
        world.http.post(&path, &screen).token(&world.partner()).send().await.expect(201);
        for slot in 0..15 {
            // Every other day: a show that begins late runs into the next one's early hours.
            let (day, hour) = (2 + 2 * slot, i8::try_from(dice.below(24)).unwrap());
            let body = json!({
                "theatreId": theatre, "screenId": "sc_1", "movieId": dice.pick(&["mv_901", "mv_902"]),
                "startTime": rfc3339(&in_days(day, hour, 30)), "language": "en",
                "format": dice.pick(&["2D", "3D", "IMAX"]),
                "prices": { "REGULAR": 90 + dice.below(200), "PREMIUM": 250.25, "RECLINER": 401.5 }
            });
            let made = world.http.post("/shows", &body).token(&world.partner()).send().await.expect(201);
            let mut free: Vec<String> = (0..SEATS).map(|n| format!("R{}-{}", n / 50, n % 50)).collect();
            for at in (1..free.len()).rev() {
                free.swap(at, index(dice, at + 1));
            }
            halls.push(Hall {
                show: made["showId"].as_str().expect("an id").to_owned(),
                theatre: theatre.clone(),
                partner: world.partner_id.clone(),
                free: Mutex::new(free),
            });
        }
    }
    halls
}

fn random_offer(dice: &mut Dice, code: &str, theatre: &str) -> Value {
    let percent =
        |dice: &mut Dice| json!((1 + dice.below(10_000)).to_string().parse::<f64>().unwrap() / 100.0);
    let rule = match dice.below(4) {
        0 => json!({ "kind": "PERCENT", "percent": percent(dice) }),
        1 => {
            json!({ "kind": "FLAT", "amount": f64::from(u32::try_from(1 + dice.below(90_000)).unwrap()) / 100.0 })
        }
        2 => json!({ "kind": "NTH_TICKET_PERCENT", "nth": 1 + dice.below(4), "percent": percent(dice) }),
        _ => json!({ "kind": "BUY_X_GET_Y", "buy": 1 + dice.below(3), "free": 1 + dice.below(2) }),
    };
    let mut conditions = json!({});
    match dice.below(8) {
        0 => conditions["cities"] = json!(["nyc"]),
        1 => conditions["theatres"] = json!([theatre]),
        2 => conditions["movies"] = json!(["mv_902"]),
        3 => conditions["formats"] = json!(["IMAX", "3D"]),
        4 => conditions["daysOfWeek"] = json!(["SAT", "SUN", "WED"]),
        5 => (conditions["startsFrom"], conditions["startsTo"]) = (json!("20:00"), json!("06:00")),
        6 => conditions["startsTo"] = json!("17:00"),
        _ => {}
    }
    let mut offer = json!({
        "code": code, "description": format!("{code}, as it is now"), "rule": rule, "conditions": conditions,
        "automatic": dice.below(2) == 0, "active": dice.below(8) != 0, "stackable": dice.below(3) == 0
    });
    if dice.below(4) == 0 {
        offer["limits"] = json!({ "total": 20 + dice.below(200), "perUser": 1 + dice.below(5) });
    }
    offer
}

/// Changes a rule: an offer, a policy, or a show's prices.
async fn change_something(http: &Http, dice: &mut Dice, halls: &[Hall]) {
    let admin = token("admin", "adm_1");
    let hall = &halls[index(dice, halls.len())];
    match dice.below(3) {
        0 => {
            let code = format!("C{}", dice.below(CODES));
            let offer = random_offer(dice, &code, &hall.theatre);
            http.put(&format!("/offers/{code}"), &offer).token(&admin).send().await.expect(200);
        }
        1 => {
            let scope = match dice.below(4) {
                0 => "default".to_owned(),
                1 => "city:blr".to_owned(),
                2 => "city:nyc".to_owned(),
                _ => format!("theatre:{}", hall.theatre),
            };
            let fee = f64::from(u32::try_from(dice.below(5_000)).unwrap()) / 100.0;
            let tax = f64::from(u32::try_from(dice.below(3_000)).unwrap()) / 100.0;
            let on = *dice.pick(&["NET", "FEES", "ALL"]);
            let policy = json!({ "feePerTicket": fee, "taxPercent": tax, "taxOn": on });
            http.put(&format!("/pricing/policies/{scope}"), &policy).token(&admin).send().await.expect(200);
        }
        _ => {
            let body = json!({ "prices": { "REGULAR": 50 + dice.below(300) } });
            let call = http.api("PATCH", &format!("/shows/{}", hall.show)).json(&body);
            call.token(&partner(&hall.partner)).send().await.expect(200);
        }
    }
}

/// One customer after the other, until enough bookings were made.
async fn buy(
    http: Http,
    mut dice: Dice,
    number: u64,
    halls: Arc<Vec<Hall>>,
    made: Arc<AtomicU64>,
    wanted: u64,
) {
    while made.load(Ordering::Relaxed) < wanted {
        let hall = &halls[index(&mut dice, halls.len())];
        let seats = {
            let mut free = hall.free.lock().unwrap();
            let left = free.len().saturating_sub(1 + index(&mut dice, 6));
            free.split_off(left)
        };
        if seats.is_empty() {
            continue;
        }
        let user = format!("u_{number}_{}", dice.below(50));
        let mut body = json!({ "showId": hall.show, "seatIds": seats });
        if dice.below(2) == 0 {
            body["couponCode"] = json!(format!("C{}", dice.below(CODES)));
        }
        let booked = http.post("/bookings", &body).token(&customer(&user)).key(&new_key()).send().await;
        let booked = match booked.status {
            201 => booked.body,
            // A coupon that does not apply: the seats are asked for again without it.
            400 => {
                body.as_object_mut().unwrap().remove("couponCode");
                http.post("/bookings", &body).token(&customer(&user)).key(&new_key()).send().await.expect(201)
            }
            _ => panic!("{}", booked.text),
        };
        let done = made.fetch_add(1, Ordering::Relaxed);
        if booked["status"] == "PAYMENT_PENDING" && done.is_multiple_of(3) {
            let id = booked["bookingId"].as_str().expect("an id");
            let pay = json!({ "provider": "SANDBOX", "returnUrl": "https://app.example.com/payment/return" });
            let call = http.post(&format!("/bookings/{id}/payments"), &pay);
            let payment = call.token(&customer(&user)).key(&new_key()).send().await.expect(201);
            assert_eq!(payment["amount"], booked["pricing"]["total"]);
        }
        if done.is_multiple_of(40) {
            change_something(&http, &mut dice, &halls).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_price_of_ten_thousand_bookings_follows_from_the_history_alone() {
    let _machine = crate::MACHINE.read().await;
    let (wanted, seed) = (setting("MARQUEE_PRICED_BOOKINGS", 10_000), setting("MARQUEE_CRASH_SEED", 1));
    let began = Instant::now();
    let world = World::new().await;
    let mut dice = Dice(seed);
    let halls = Arc::new(halls(&world, &mut dice).await);
    for number in 0..CODES {
        let offer = random_offer(&mut dice, &format!("C{number}"), "th_1");
        world.http.post("/offers", &offer).token(&token("admin", "adm_1")).send().await.expect(201);
    }
    let made = Arc::new(AtomicU64::new(0));
    let mut buying = JoinSet::new();
    for number in 0..BUYERS {
        let dice = Dice(seed.wrapping_mul(3_000_017).wrapping_add(number));
        buying.spawn(buy(world.http.clone(), dice, number, Arc::clone(&halls), Arc::clone(&made), wanted));
    }
    buying.join_all().await;
    let events = export(&world.http, None).await;
    let count = |name: &str| of_type(&events, name).len();
    let (prices, asked) = (count("booking.payment-pending"), count("payment.initiated"));
    let bookings = of_type(&events, "booking.payment-pending");
    let reduced = bookings.iter().filter(|event| event["data"]["pricing"]["discount"] != 0).count();
    let taxed = bookings.iter().filter(|event| event["data"]["pricing"]["tax"] != 0).count();
    let figures = format!(
        "prices: seed {seed}, {prices} bookings, {asked} of them asked to pay, {reduced} with a discount, {taxed} with tax; {} offers \
         and {} policies set meanwhile; {:.0?} in all",
        count("offer.changed"),
        count("policy.set"),
        began.elapsed(),
    );
    writeln!(std::io::stderr(), "{figures}").unwrap();
    let wrong = prices_of(&events);
    assert!(wrong.is_empty(), "{} of {prices} prices are wrong, the first: {:#?}", wrong.len(), &wrong[0]);
    assert!(u64::try_from(prices).unwrap() >= wanted && asked > prices / 5);
    assert!(reduced > prices / 10 && taxed > prices / 10, "a run without offers and taxes shows little");
}
