//! Razorpay: payment links and refunds.

use serde_json::{Value, json};

use super::{Asked, Books, Made, MadeRefund, header, not_found, refused};
use crate::support::time::now;

/// The two, as HTTP's basic authentication has them.
const CREDENTIALS: &str = "Basic cnpwX3Rlc3RfYmxhY2tib3g6YS1rZXktdGhhdC1ndWFyZHMtbm90aGluZw==";

pub fn refund(refund: &MadeRefund) -> Value {
    let status = if refund.status == "paid" { "processed" } else { refund.status };
    json!({ "id": "rfnd_1", "entity": "refund", "amount": refund.amount, "currency": "INR", "payment_id": refund.of,
                "status": status, "notes": refund.notes, "receipt": null })
}

pub fn link(payment: &Made, whole: bool) -> Value {
    let status = match payment.status {
        "open" => "created",
        "closed" => "cancelled",
        other => other,
    };
    // A list of links does not tell what they were paid by.
    let payments = match (whole, payment.status) {
        (true, "paid") => {
            json!([{ "payment_id": payment.paid_by, "amount": payment.paid, "status": "captured", "method": "upi" }])
        }
        (true, _) => Value::Null,
        (false, _) => json!([]),
    };
    let notes = if payment.booking.is_empty() { json!([]) } else { json!({ "bookingId": payment.booking }) };
    json!({ "id": payment.id, "amount": payment.amount, "amount_paid": payment.paid, "currency": payment.currency, "status": status,
        "reference_id": payment.reference, "notes": notes, "payments": payments, "short_url": format!("https://rzp.example/i/{}", payment.id),
        "updated_at": now().as_second(), "expire_by": 0, "accept_partial": false })
}

pub fn answer(books: &mut Books, asked: &Asked<'_>) -> (u16, Value) {
    if header(asked, "authorization") != CREDENTIALS {
        return (401, json!({ "error": { "description": "Authentication failed" } }));
    }
    let body = || serde_json::from_slice::<Value>(asked.body).unwrap();
    match (asked.method.as_str(), asked.path.as_slice()) {
        ("GET", ["payment_links"]) => {
            let reference = &asked.fields["reference_id"];
            let links = books.payments.iter().filter(|payment| payment.reference == *reference);
            (200, json!({ "payment_links": links.map(|payment| link(payment, false)).collect::<Vec<_>>() }))
        }
        ("POST", ["payment_links"]) => {
            let body = body();
            let reference = body["reference_id"].as_str().unwrap().to_owned();
            assert!(reference.len() <= 40, "{reference}");
            if books.payments.iter().any(|payment| payment.reference == reference) {
                return refused("payment link with given reference_id already exists");
            }
            let booking = body["notes"]["bookingId"].as_str().unwrap().to_owned();
            let (amount, currency) = (body["amount"].as_i64().unwrap(), body["currency"].as_str().unwrap());
            (200, link(&books.new_payment("plink", booking, reference, amount, currency), true))
        }
        ("GET", ["payment_links", id]) => {
            books.find(id).map_or_else(not_found, |found| (200, link(found, true)))
        }
        ("POST", ["payment_links", id, "cancel"]) => match books.find(id) {
            Some(found) if found.status == "open" => {
                found.status = "closed";
                (200, link(found, true))
            }
            Some(_) => refused("the link cannot be cancelled"),
            None => not_found(),
        },
        ("GET", ["payments", payment, "refunds"]) => {
            let items = books.refunds.iter().filter(|refund| refund.of == *payment);
            let items: Vec<Value> = items.map(refund).collect();
            (200, json!({ "entity": "collection", "count": items.len(), "items": items }))
        }
        ("POST", ["payments", payment, "refund"]) => {
            let (body, key) = (body(), header(asked, "x-refund-idempotency"));
            assert!(key.len() >= 10 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{key}");
            let notes = serde_json::from_value(body["notes"].clone()).unwrap();
            let made = books.new_refund(key, payment, body["amount"].as_i64().unwrap(), notes);
            made.map_or_else(
                || refused("the refund amount is greater than the amount captured"),
                |refund| (200, self::refund(&refund)),
            )
        }
        _ => not_found(),
    }
}
