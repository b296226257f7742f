//! Stripe: Checkout sessions and refunds.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Asked, Books, KEY, Made, MadeRefund, header, not_found, refused};

pub fn refund(refund: &MadeRefund) -> Value {
    let status = if refund.status == "paid" { "succeeded" } else { refund.status };
    json!({ "id": "re_1", "object": "refund", "amount": refund.amount, "payment_intent": refund.of, "status": status,
                "metadata": refund.notes })
}

pub fn session(payment: &Made) -> Value {
    let (status, paid) = match payment.status {
        "paid" => ("complete", "paid"),
        "closed" => ("expired", "unpaid"),
        other => (other, "unpaid"),
    };
    let amount = if payment.status == "paid" { payment.paid } else { payment.amount };
    let metadata =
        if payment.booking.is_empty() { json!({}) } else { json!({ "bookingId": payment.booking }) };
    let paid_by = if payment.status == "paid" { json!(payment.paid_by) } else { Value::Null };
    json!({ "id": payment.id, "object": "checkout.session", "amount_total": amount, "currency": payment.currency, "status": status,
        "payment_status": paid, "metadata": metadata, "client_reference_id": payment.reference, "payment_intent": paid_by,
        "url": format!("https://checkout.example/c/{}#fid", payment.id) })
}

pub fn answer(books: &mut Books, asked: &Asked<'_>) -> (u16, Value) {
    if header(asked, "authorization") != format!("Bearer {KEY}") || header(asked, "stripe-version").is_empty()
    {
        return (401, json!({ "error": { "message": "Invalid API Key provided" } }));
    }
    let key = header(asked, "idempotency-key");
    match (asked.method.as_str(), asked.path.as_slice()) {
        ("POST", ["checkout", "sessions"]) => {
            let fields = &asked.fields;
            let booking = fields["metadata[bookingId]"].clone();
            assert_eq!(key, booking, "the booking is the key");
            if let Some(known) = books.payments.iter().find(|payment| payment.reference == key) {
                return (200, session(known));
            }
            let amount = fields["line_items[0][price_data][unit_amount]"].parse().unwrap();
            let currency = &fields["line_items[0][price_data][currency]"];
            assert_eq!((&*fields["mode"], &fields["client_reference_id"]), ("payment", &booking));
            (200, session(&books.new_payment("cs", booking, key.to_owned(), amount, currency)))
        }
        ("GET", ["checkout", "sessions", id]) => {
            books.find(id).map_or_else(not_found, |found| (200, session(found)))
        }
        ("POST", ["checkout", "sessions", id, "expire"]) => match books.find(id) {
            Some(found) if found.status == "open" => {
                found.status = "closed";
                (200, session(found))
            }
            Some(_) => refused("only an open session can be expired"),
            None => not_found(),
        },
        ("GET", ["refunds"]) => {
            let of = &asked.fields["payment_intent"];
            let data = books.refunds.iter().filter(|refund| refund.of == *of);
            let data: Vec<Value> = data.map(refund).collect();
            (200, json!({ "object": "list", "data": data, "has_more": false }))
        }
        ("POST", ["refunds"]) => {
            let fields = &asked.fields;
            let note = |name: &str| (name.to_owned(), fields[&format!("metadata[{name}]")].clone());
            let notes = BTreeMap::from([note("refundId"), note("paymentId")]);
            assert_eq!(key, notes["refundId"], "the refund is the key");
            let made =
                books.new_refund(key, &fields["payment_intent"], fields["amount"].parse().unwrap(), notes);
            made.map_or_else(
                || refused("greater than the unrefunded amount"),
                |refund| (200, self::refund(&refund)),
            )
        }
        _ => not_found(),
    }
}
