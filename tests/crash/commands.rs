//! What clients ask, and how an answer is to be taken.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::journal::{Act, Outcome, Record};
use crate::support::http::{Answer, Call, Http};
use crate::support::server::SANDBOX_SECRET;
use crate::support::tokens::customer;
use crate::support::world::{World, signature};

/// Something that a client wants, with the key that it asks by however often it has to.
#[derive(Debug, Clone)]
pub struct Command {
    user: String,
    key: String,
    pub act: Act,
    body: Value,
}

impl Command {
    pub fn new(user: &str, act: Act, body: Value) -> Self {
        Self { user: user.to_owned(), key: Uuid::new_v4().to_string(), act, body }
    }

    pub fn book(user: &str, show: &str, seats: &[String]) -> Self {
        let body = json!({ "showId": show, "seatIds": seats });
        Self::new(user, Act::Book { show: show.to_owned(), seats: seats.to_vec() }, body)
    }

    pub fn pay(user: &str, booking: &str) -> Self {
        let body = json!({ "provider": "SANDBOX", "returnUrl": "https://app.example.com/payment/return" });
        Self::new(user, Act::Pay { booking: booking.to_owned() }, body)
    }

    /// What the gateway tells of a payment.
    pub fn notice(booking: &str, payment: &Value, captured: bool) -> Self {
        let body = World::notice(payment, if captured { "SUCCEEDED" } else { "FAILED" });
        let key = body["eventId"].as_str().unwrap().to_owned();
        Self { user: "gateway".into(), key, act: Act::Notice { booking: booking.to_owned(), captured }, body }
    }

    /// Cancels some seats of a booking, or all of it where none are named.
    pub fn cancel(user: &str, booking: &str, seats: &[String]) -> Self {
        let body = if seats.is_empty() { Value::Null } else { json!({ "seatIds": seats }) };
        Self::new(user, Act::Cancel { booking: booking.to_owned(), seats: seats.to_vec() }, body)
    }

    pub fn read(user: &str, booking: &str) -> Self {
        Self::new(user, Act::Read { booking: booking.to_owned() }, Value::Null)
    }

    /// One attempt. `None` where the connection broke: the server is gone.
    pub async fn attempt(&self, http: &Http) -> Option<Outcome> {
        self.call(http).attempt().await.ok().map(judge)
    }

    /// What is written down of an attempt.
    pub fn record(&self, outcome: Outcome) -> Record {
        let Self { user, key, act, .. } = self.clone();
        Record { user, key, act, outcome }
    }

    fn call(&self, http: &Http) -> Call {
        let own = |call: Call| call.token(&customer(&self.user));
        match &self.act {
            Act::Book { .. } => own(http.post("/bookings", &self.body)).key(&self.key),
            Act::Pay { booking } => {
                own(http.post(&format!("/bookings/{booking}/payments"), &self.body)).key(&self.key)
            }
            Act::Cancel { booking, .. } => {
                let call = own(http.api("POST", &format!("/bookings/{booking}/cancel"))).key(&self.key);
                if self.body.is_null() { call } else { call.json(&self.body) }
            }
            Act::Read { booking } => own(http.get(&format!("/bookings/{booking}"))),
            Act::Notice { .. } => {
                let sign = signature(SANDBOX_SECRET, self.body.to_string().as_bytes());
                http.post("/payments/webhooks/sandbox", &self.body).header("X-Sandbox-Signature", &sign)
            }
        }
    }
}

fn judge(answer: Answer) -> Outcome {
    match answer.status {
        200..300 => Outcome::Ok(answer.body),
        503 => Outcome::Unknown,
        status @ 400..500 => {
            let code = answer.body["error"]["code"]
                .as_str()
                .unwrap_or_else(|| panic!("no code: {answer:?}"))
                .to_owned();
            if code == "REQUEST_IN_PROGRESS" { Outcome::Unknown } else { Outcome::Refused(status, code) }
        }
        _ => panic!("no client should see this: {answer:?}"),
    }
}
