//! A sound log with its journal, to be doctored.

use serde_json::{Value, json};

use crate::auditor::{Violation, audit};
use crate::journal::{Act, Outcome, Record};

pub const SETTLED: &str = "2026-02-01T13:00:00Z";

pub struct Case {
    pub journal: Vec<Record>,
    pub events: Vec<Value>,
}

pub fn record(user: &str, key: &str, act: Act, outcome: Outcome) -> Record {
    Record { user: user.into(), key: key.into(), act, outcome }
}

pub fn inr(minor: i64) -> Value {
    json!({ "minor": minor, "currency": "INR" })
}

impl Case {
    /// One booking paid and confirmed, one expired whose late money went back, one cancelled, one that gave a seat back.
    pub fn sound() -> Self {
        let mut case = Self { journal: vec![], events: vec![] };
        let tiers = json!([{ "hoursBefore": 1, "refundPercent": 50, "feePerTicket": 1 }]);
        let seat = |id: &str, kind: &str| json!({ "seatId": id, "type": kind });
        let seats = [("A1", "REGULAR"), ("A2", "REGULAR"), ("C1", "REGULAR"), ("C2", "REGULAR")]
            .map(|(id, kind)| seat(id, kind))
            .to_vec();
        let others = ["A3", "A4", "A8", "A9", "B1"].map(|id| seat(id, "PREMIUM"));
        let seats = [seats, others.to_vec()].concat();
        let rows = json!([{ "rowLabel": "A", "seats": seats }]);
        let prices = json!({ "REGULAR": 9_000, "PREMIUM": 18_000 });
        let show = json!({
            "showId": "s", "cityId": "blr", "theatreId": "th_1", "timezone": "Asia/Kolkata", "currency": "INR", "format": "2D",
            "movieId": "mv_1", "startTime": "2026-02-01T18:30:00Z", "prices": prices, "rows": rows,
            "cancelPolicy": { "tiers": tiers }
        });
        case.append("show-s", "12:00:00", "show.scheduled", &show);
        case.lock("bk_1", "u_1", "k1", &["A1", "A2"], "12:00:01", "12:05:01");
        case.capture("bk_1", "12:01:00");
        case.append(
            "show-s",
            "12:01:01",
            "booking.confirmed",
            &json!({ "bookingId": "bk_1", "paymentId": "pay_bk_1" }),
        );
        case.append("show-s", "12:01:02", "ticket.redeemed", &json!({ "bookingId": "bk_1" }));
        case.lock("bk_2", "u_2", "k2", &["A3"], "12:02:00", "12:07:00");
        case.append("show-s", "12:07:02", "booking.expired", &json!({ "bookingId": "bk_2" }));
        case.capture("bk_2", "12:08:00");
        case.refund("bk_2", "12:08:01");
        case.lock("bk_3", "u_3", "k3", &["A3"], "12:09:00", "12:14:00");
        case.append("show-s", "12:10:00", "booking.cancelled", &json!({ "bookingId": "bk_3" }));
        case.part();
        let (booking, status) = ("bk_1".to_owned(), json!({ "bookingId": "bk_1", "status": "CONFIRMED" }));
        case.journal.push(record("u_1", "-", Act::Read { booking }, Outcome::Ok(status)));
        let cancelled = Outcome::Ok(json!({ "bookingId": "bk_3", "status": "CANCELLED" }));
        case.journal.push(record(
            "u_3",
            "-",
            Act::Cancel { booking: "bk_3".into(), seats: vec![] },
            cancelled,
        ));
        let refused = Outcome::Refused(409, "SEAT_LOCK_FAILED".into());
        case.journal.push(record(
            "u_4",
            "k4",
            Act::Book { show: "s".into(), seats: vec!["A1".into()] },
            refused,
        ));
        case.journal.push(record(
            "u_5",
            "k5",
            Act::Book { show: "s".into(), seats: vec!["A9".into()] },
            Outcome::Unknown,
        ));
        case
    }

    /// Of two seats at 180.00 together, one is given back: half of 90.00 less a fee of 1.00.
    pub fn part(&mut self) {
        self.lock("bk_4", "u_6", "k6", &["C1", "C2"], "12:11:00", "12:16:00");
        self.capture("bk_4", "12:11:30");
        let confirmed = json!({ "bookingId": "bk_4", "paymentId": "pay_bk_4" });
        self.append("show-s", "12:12:00", "booking.confirmed", &confirmed);
        let pricing = json!({ "currency": "INR", "subtotal": 9_000, "discount": 0, "fees": 0, "tax": 0, "total": 9_000 });
        let part = json!({ "bookingId": "bk_4", "seatIds": ["C2"], "part": 1, "pricing": pricing, "refund": 4_400, "retained": 4_600 });
        self.append("show-s", "12:13:00", "booking.seats-cancelled", &part);
        let refund = json!({ "refundId": "rf_bk_4_part_1", "amount": inr(4_400), "cause": "SEATS_CANCELLED", "part": 1 });
        self.append("payment-bk_4", "12:13:00", "refund.requested", &refund);
        self.append("payment-bk_4", "12:13:01", "refund.succeeded", &json!({ "refundId": "rf_bk_4_part_1" }));
        let (booking, seats) = ("bk_4".to_owned(), vec!["C2".to_owned()]);
        let lost = Outcome::Ok(json!({ "bookingId": "bk_4", "status": "CONFIRMED" }));
        self.journal.push(record("u_6", "c", Act::Cancel { booking, seats }, lost));
    }

    pub fn append(&mut self, stream: &str, time: &str, kind: &str, data: &Value) {
        let revision = self.events.iter().filter(|event| event["stream"] == stream).count();
        let position = self.events.len() * 10 + 1;
        self.events.push(json!({
            "eventId": format!("e{position}"), "stream": stream, "revision": revision, "position": position,
            "type": format!("{kind}.v1"), "time": format!("2026-02-01T{time}Z"), "data": data
        }));
    }

    pub fn lock(&mut self, id: &str, user: &str, key: &str, seats: &[&str], time: &str, expires: &str) {
        let expires = format!("2026-02-01T{expires}Z");
        let data = json!({ "bookingId": id, "userId": user, "seatIds": seats, "expiresAt": expires, "idempotencyKey": key });
        self.append("show-s", time, "booking.seats-locked", &data);
        let pricing = json!({ "currency": "INR", "subtotal": 18_000, "discount": 0, "fees": 0, "tax": 0, "total": 18_000 });
        self.append(
            "show-s",
            time,
            "booking.payment-pending",
            &json!({ "bookingId": id, "pricing": pricing }),
        );
        let seats = seats.iter().map(|seat| (*seat).to_owned()).collect();
        let act = Act::Book { show: "s".into(), seats };
        self.journal.push(record(user, key, act, Outcome::Ok(json!({ "bookingId": id }))));
    }

    pub fn capture(&mut self, id: &str, time: &str) {
        let (stream, payment) = (format!("payment-{id}"), format!("pay_{id}"));
        self.append(
            &stream,
            time,
            "payment.initiated",
            &json!({ "bookingId": id, "paymentId": payment, "amount": inr(18_000) }),
        );
        self.append(&stream, time, "payment.intent-created", &json!({ "paymentId": payment }));
        self.append(
            &stream,
            time,
            "payment.succeeded",
            &json!({ "bookingId": id, "paymentId": payment, "amount": inr(18_000) }),
        );
        let (user, booking) = ("gateway", id.to_owned());
        let paid = Outcome::Ok(json!({ "paymentId": payment }));
        self.journal.push(record(user, &format!("p{id}"), Act::Pay { booking: booking.clone() }, paid));
        self.journal.push(record(
            user,
            &format!("n{id}"),
            Act::Notice { booking, captured: true },
            Outcome::Ok(json!({})),
        ));
    }

    pub fn refund(&mut self, id: &str, time: &str) {
        let (stream, refund) = (format!("payment-{id}"), format!("rf_{id}"));
        self.append(&stream, time, "refund.requested", &json!({ "refundId": refund, "amount": inr(18_000) }));
        self.append(&stream, time, "refund.succeeded", &json!({ "refundId": refund }));
    }

    /// A rule that was there long before the last booking: every node had heard of it.
    pub fn insert_rule(&mut self, stream: &str, kind: &str, data: &Value) {
        self.append(stream, "12:15:00", kind, data);
        let rule = self.events.pop().unwrap();
        let at = self.index("booking.seats-locked", "bk_7");
        self.events.insert(at, rule);
        for (number, event) in self.events.iter_mut().enumerate() {
            let late = if number > at { 100_000 } else { 0 };
            event["position"] = json!(late + 10 * number + 1);
        }
    }

    pub fn audit(&self) -> Vec<Violation> {
        audit(&self.journal, &self.events, SETTLED.parse().unwrap())
    }

    /// The first event of this name about this booking, or in its payment stream.
    pub fn find(&mut self, kind: &str, id: &str) -> &mut Value {
        let index = self.index(kind, id);
        &mut self.events[index]
    }

    pub fn index(&self, kind: &str, id: &str) -> usize {
        let stored = format!("{kind}.v1");
        let about = |event: &Value| {
            let (stream, payment) = (&event["stream"], format!("payment-{id}"));
            event["data"]["bookingId"] == id || *stream == payment || *stream == format!("show-{id}")
        };
        self.events.iter().position(|event| event["type"] == stored && about(event)).unwrap()
    }

    /// Takes an event out as if it had never been: the revisions after it close up.
    pub fn lose(&mut self, kind: &str, id: &str) {
        let lost = self.events.remove(self.index(kind, id));
        for event in self.events.iter_mut().filter(|event| event["stream"] == lost["stream"]) {
            let revision = event["revision"].as_u64().unwrap();
            if Some(revision) > lost["revision"].as_u64() {
                event["revision"] = json!(revision - 1);
            }
        }
    }
}
