//! One city, one film, one partner with one screen and one show, made over HTTP as their owners would.

use std::time::Duration;

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::audit;
use crate::support::http::{Answer, Call, Http};
use crate::support::server::{Home, Options, SANDBOX_SECRET, Server};
use crate::support::time::{eventually, in_days, now, rfc3339};
use crate::support::tokens::{customer, partner, token};

/// How long a process that works from the log may take in these tests.
pub const SOON: Duration = Duration::from_secs(5);

/// The world of a test.
pub struct World {
    pub server: Server,
    pub http: Http,
    pub partner_id: String,
    pub theatre: String,
    pub screen: String,
    pub show: String,
    /// The show's start, with the city's offset.
    pub start: String,
    /// The show's day in the city.
    pub date: String,
    /// The position of the last event that built it.
    pub position: u64,
}

/// A new idempotency key.
pub fn new_key() -> String {
    Uuid::new_v4().to_string()
}

/// A hall: rows A to D of ten regular seats, one row P of two premium ones.
pub fn hall() -> Value {
    let row = |label: &str, seats: usize, kind: &str| {
        let seats: Vec<_> =
            (1..=seats).map(|n| json!({ "seatId": format!("{label}{n}"), "type": kind })).collect();
        json!({ "rowLabel": label, "seats": seats })
    };
    let mut rows: Vec<_> = ["A", "B", "C", "D"].map(|label| row(label, 10, "REGULAR")).into();
    rows.push(row("P", 2, "PREMIUM"));
    json!(rows)
}

/// The signature that the sandbox puts on a webhook.
pub fn signature(secret: &str, body: &[u8]) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body))
}

impl World {
    pub async fn new() -> Self {
        Self::with(&Options::default()).await
    }

    pub async fn with(options: &Options) -> Self {
        Self::on(Server::with(Home::new(), options).await).await
    }

    /// Builds it on an empty server.
    pub async fn on(server: Server) -> Self {
        let http = server.http.clone();
        let admin = token("admin", "adm_1");
        let start = in_days(2, 18, 30);
        let mut world = Self {
            http,
            server,
            partner_id: String::new(),
            theatre: String::new(),
            screen: String::new(),
            show: String::new(),
            start: rfc3339(&start),
            date: start.date().to_string(),
            position: 0,
        };
        let city = json!({ "cityId": "blr", "name": "Bengaluru", "timezone": "Asia/Kolkata" });
        world.http.post("/cities", &city).token(&admin).send().await.expect(201);
        world.movie("mv_901", "Midnight Caravan", &["en", "hi"]).await;
        let onboard = json!({ "name": "Lakeside Cinemas", "contactEmail": "desk@lakeside.example" });
        let made = world.http.post("/partners", &onboard).token(&admin).send().await.expect(201);
        made["partnerId"].as_str().expect("a create answers with the id").clone_into(&mut world.partner_id);
        let theatre = json!({ "name": "Lakeside Orion", "cityId": "blr", "area": "Malleshwaram" });
        let path = format!("/partners/{}/theatres", world.partner_id);
        let made = world.http.post(&path, &theatre).token(&world.partner()).send().await.expect(201);
        made["theatreId"].as_str().expect("a create answers with the id").clone_into(&mut world.theatre);
        world.screen = world.new_screen("Screen 3", &hall()).await;
        let show = world.new_show(&world.screen, &world.start.clone()).await;
        world.position = show.position();
        show.expect(201)["showId"]
            .as_str()
            .expect("a create answers with the id")
            .clone_into(&mut world.show);
        world
    }

    /// The token of the partner that owns the theatre.
    pub fn partner(&self) -> String {
        partner(&self.partner_id)
    }

    pub async fn movie(&self, id: &str, title: &str, languages: &[&str]) -> Answer {
        let movie = json!({
            "movieId": id, "title": title, "languages": languages, "genres": ["Thriller", "Drama"], "durationMins": 128
        });
        let answer = self.http.post("/movies", &movie).token(&token("admin", "adm_1")).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer
    }

    pub async fn new_screen(&self, name: &str, rows: &Value) -> String {
        let path = format!("/theatres/{}/screens", self.theatre);
        let body = json!({ "name": name, "rows": rows });
        let made = self.http.post(&path, &body).token(&self.partner()).send().await.expect(201);
        made["screenId"].as_str().expect("a create answers with the id").to_owned()
    }

    /// What `POST /shows` takes for the one film in 2D and English.
    pub fn show_body(&self, screen: &str, start: &str) -> Value {
        json!({
            "theatreId": self.theatre, "screenId": screen, "movieId": "mv_901", "startTime": start,
            "language": "en", "format": "2D", "prices": { "REGULAR": 180, "PREMIUM": 250.5 }
        })
    }

    pub async fn new_show(&self, screen: &str, start: &str) -> Answer {
        self.http.post("/shows", &self.show_body(screen, start)).token(&self.partner()).send().await
    }

    pub fn book_call(&self, user: &str, key: &str, seats: &[&str]) -> Call {
        let body = json!({ "showId": self.show, "seatIds": seats });
        self.http.post("/bookings", &body).token(&customer(user)).key(key)
    }

    pub async fn book(&self, user: &str, seats: &[&str]) -> Answer {
        self.book_call(user, &new_key(), seats).send().await
    }

    /// A booking that must begin; its id.
    #[track_caller]
    pub fn booked(&self, user: &str, seats: &[&str]) -> impl Future<Output = String> {
        let call = self.book_call(user, &new_key(), seats);
        async move {
            let body = call.send().await.expect(201);
            body["bookingId"].as_str().expect("an id").to_owned()
        }
    }

    pub fn pay_call(&self, user: &str, booking: &str, key: &str) -> Call {
        let body = json!({ "provider": "SANDBOX", "returnUrl": "https://app.example.com/payment/return" });
        self.http.post(&format!("/bookings/{booking}/payments"), &body).token(&customer(user)).key(key)
    }

    /// A payment that must begin; its body.
    pub async fn paying(&self, user: &str, booking: &str) -> Value {
        self.pay_call(user, booking, &new_key()).send().await.expect(201)
    }

    /// What the gateway sends of a payment.
    pub fn notice(payment: &Value, status: &str) -> Value {
        json!({
            "eventId": format!("evt_{}", Uuid::new_v4().simple()),
            "paymentIntentId": payment["providerPayload"]["paymentIntentId"],
            "status": status,
            "amount": payment["amount"],
            "currency": payment["currency"],
            "bookingReference": payment["bookingId"],
            "timestamp": now().to_string(),
        })
    }

    /// A webhook, soundly signed.
    pub fn webhook(&self, notice: &Value) -> Call {
        let body = notice.to_string();
        let sign = signature(SANDBOX_SECRET, body.as_bytes());
        self.http
            .api("POST", "/payments/webhooks/sandbox")
            .raw("application/json", body)
            .header("X-Sandbox-Signature", &sign)
    }

    /// Books, pays and is told so: a confirmed booking; its id.
    pub async fn confirmed(&self, user: &str, seats: &[&str]) -> String {
        let booking = self.booked(user, seats).await;
        let payment = self.paying(user, &booking).await;
        self.webhook(&Self::notice(&payment, "SUCCEEDED")).send().await.expect(200);
        self.reaches(user, &booking, "CONFIRMED").await;
        booking
    }

    pub fn get_booking(&self, user: &str, booking: &str) -> Call {
        self.http.get(&format!("/bookings/{booking}")).token(&customer(user))
    }

    pub fn cancel_call(&self, user: &str, booking: &str) -> Call {
        self.http.api("POST", &format!("/bookings/{booking}/cancel")).token(&customer(user))
    }

    /// Waits until a booking has this status; its body.
    pub async fn reaches(&self, user: &str, booking: &str, status: &str) -> Value {
        eventually(SOON, &format!("{booking} is {status}"), async || {
            let body = self.get_booking(user, booking).send().await.expect(200);
            (body["status"] == status).then_some(body)
        })
        .await
    }

    /// The show's seat map, at least as new as a position and as the world itself.
    pub async fn seat_map(&self, after: u64) -> Value {
        self.http
            .get(&format!("/shows/{}/seats", self.show))
            .after(after.max(self.position))
            .send()
            .await
            .expect(200)
    }

    /// The end of the log: what has been answered lies before it.
    pub async fn log_end(&self) -> u64 {
        let list = self.http.get("/ops/projections").token(&token("ops", "ops_1")).send().await.expect(200);
        let projections = list["projections"].as_array().expect("projections");
        let end = |projection: &Value| Some(projection["checkpoint"].as_u64()? + projection["lag"].as_u64()?);
        projections.iter().filter_map(end).max().expect("a checkpoint and a lag")
    }

    /// One seat of the map, with all that has been answered so far.
    pub async fn seat_now(&self, seat: &str) -> Value {
        self.seat(self.log_end().await, seat).await
    }

    /// One seat of the map, at least as new as a position.
    pub async fn seat(&self, after: u64, seat: &str) -> Value {
        let map = self.seat_map(after).await;
        let rows = map["seatMap"]["rows"].as_array().expect("rows");
        let mut seats = rows.iter().flat_map(|row| row["seats"].as_array().expect("seats"));
        seats.find(|found| found["seatId"] == seat).unwrap_or_else(|| panic!("no seat {seat}")).clone()
    }

    /// Waits until a seat has this status.
    pub async fn seat_becomes(&self, seat: &str, status: &str) {
        eventually(SOON, &format!("{seat} is {status}"), async || {
            (self.seat(0, seat).await["status"] == status).then_some(())
        })
        .await;
    }

    /// The whole log.
    pub async fn events(&self) -> Vec<Value> {
        audit::export(&self.http, None).await
    }

    /// Waits for events of this name about this booking, `count` of them at least.
    pub async fn events_of(&self, name: &str, booking: &str, count: usize) -> Vec<Value> {
        eventually(SOON, &format!("{count} {name} of {booking}"), async || {
            let events = self.events().await;
            let mine: Vec<Value> = audit::of_type(&events, name)
                .into_iter()
                .filter(|event| {
                    event["data"]["bookingId"] == booking || event["stream"] == format!("payment-{booking}")
                })
                .cloned()
                .collect();
            (mine.len() >= count).then_some(mine)
        })
        .await
    }
}
