//! I6 and I8: every unit that came in pays for what remains of a confirmed booking, was kept by a cancel policy, or went back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::{Findings, booking, name, place, text, time};

/// The money of one payment stream, in minor units by currency.
#[derive(Default)]
struct Account {
    captured: BTreeMap<String, i64>,
    owed: BTreeMap<String, i64>,
    open: BTreeMap<String, (String, i64)>,
    refunds: BTreeSet<String>,
    returned: BTreeMap<String, i64>,
}

/// What a booking costs, or what remains of that; and what was kept for the seats that it gave back.
#[derive(Default)]
struct Price {
    currency: String,
    total: i64,
    seats: usize,
    retained: i64,
    parts: u64,
    /// What is owed back, by part; `null` is the booking as a whole.
    due: BTreeMap<String, i64>,
}

/// What a show gives back.
struct Terms<'a> {
    start: Option<Timestamp>,
    policy: &'a Value,
}

/// All that a log says of money, in one currency.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Balance {
    pub captured: i64,
    pub returned: i64,
    /// What confirmed bookings cost, as far as their seats are still theirs.
    pub remaining: i64,
    pub retained: i64,
}

#[derive(Default)]
struct Books<'a> {
    accounts: BTreeMap<&'a str, Account>,
    prices: BTreeMap<&'a str, Price>,
    paid_for: BTreeSet<&'a str>,
    known: BTreeSet<&'a str>,
    shows: BTreeMap<&'a str, Terms<'a>>,
}

/// Checks prices, captures, policies and refunds at every prefix, and the balance at the end.
pub fn check(events: &[Value], found: &mut Findings) {
    let books = keep(events, found);
    for (stream, account) in &books.accounts {
        let booking = stream.strip_prefix("payment-").unwrap_or_default();
        for (currency, captured) in &account.captured {
            let kept = captured - account.returned.get(currency).copied().unwrap_or_default();
            let due = match books.prices.get(booking) {
                Some(price) if price.currency == *currency => {
                    price.retained + if books.paid_for.contains(booking) { price.total } else { 0 }
                }
                _ => 0,
            };
            found.check(kept == due, "I6", || format!("{stream} keeps {kept} {currency} where {due} is due"));
        }
    }
}

/// The sums of a whole log in one currency.
pub fn balance(events: &[Value], currency: &str) -> Balance {
    let books = keep(events, &mut Findings::default());
    let sum = |of: fn(&Account) -> &BTreeMap<String, i64>| -> i64 {
        books.accounts.values().filter_map(|account| of(account).get(currency)).sum()
    };
    let priced = || books.prices.iter().filter(|(_, price)| price.currency == currency);
    Balance {
        captured: sum(|account| &account.captured),
        returned: sum(|account| &account.returned),
        remaining: priced()
            .filter(|(id, _)| books.paid_for.contains(*id))
            .map(|(_, price)| price.total)
            .sum(),
        retained: priced().map(|(_, price)| price.retained).sum(),
    }
}

fn keep<'a>(events: &'a [Value], found: &mut Findings) -> Books<'a> {
    let mut books = Books::default();
    for event in events {
        let data = &event["data"];
        match name(event) {
            "show.scheduled" => {
                let terms = Terms { start: time(&data["startTime"]), policy: &data["cancelPolicy"] };
                books.shows.insert(text(&event["stream"]), terms);
            }
            "show.changed" => {
                if let Some(terms) = books.shows.get_mut(text(&event["stream"])) {
                    terms.start = time(&data["startTime"]).or(terms.start);
                }
            }
            "booking.seats-locked" => {
                let seats = data["seatIds"].as_array().map_or(0, Vec::len);
                books.prices.insert(booking(event), Price { seats, ..Price::default() });
            }
            "booking.payment-pending" => {
                let price = books.prices.entry(booking(event)).or_default();
                price.total = added_up(event, &data["pricing"], found);
                text(&data["pricing"]["currency"]).clone_into(&mut price.currency);
            }
            "booking.confirmed" => {
                let payment = format!("payment-{}", booking(event));
                let had = books.accounts.get(payment.as_str()).map(|account| &account.captured);
                let price = books.prices.get(booking(event));
                let covered = price
                    .is_some_and(|price| had.and_then(|had| had.get(&price.currency)) >= Some(&price.total));
                found.check(covered, "I6", || format!("{}: confirmed before it was paid", place(event)));
                books.paid_for.insert(booking(event));
            }
            "booking.cancelled" => cancelled(event, &mut books, found),
            "booking.seats-cancelled" => seats_cancelled(event, &mut books, found),
            _ => payment(event, &mut books, found),
        }
    }
    books
}

fn added_up(event: &Value, pricing: &Value, found: &mut Findings) -> i64 {
    let part = |field: &str| pricing[field].as_i64().unwrap_or(i64::MIN / 8);
    let sum = part("subtotal") - part("discount") + part("fees") + part("tax");
    found.check(sum == part("total"), "I6", || format!("{}: the price does not add up", place(event)));
    part("total")
}

/// The end of a booking: what was paid for the seats that it still had is split, by its show's policy.
fn cancelled(event: &Value, books: &mut Books<'_>, found: &mut Findings) {
    let (id, data) = (booking(event), &event["data"]);
    let was_paid = books.paid_for.remove(id);
    let Some(price) = books.prices.get_mut(id) else { return };
    let (refund, retained) = (data["refund"].as_i64(), data["retained"].as_i64().unwrap_or_default());
    let whole = refund.is_none_or(|refund| refund + retained == price.total);
    let said = refund.is_some() || (retained == 0 && price.parts == 0);
    let sound = (was_paid || refund.is_none()) && whole && said && retained >= 0;
    found.check(sound, "I6", || format!("{}: split into {refund:?} and {retained}", place(event)));
    if !was_paid {
        return;
    }
    let refund = refund.unwrap_or(price.total);
    let by_customer = data["by"] != "SHOW";
    let terms = books.shows.get(text(&event["stream"]));
    let tier = by_customer.then(|| terms.map(|terms| tier(terms, time(&event["time"])))).flatten();
    fair(event, tier.unwrap_or(Some((100.0, 0.0))), refund, price.total, price.seats, found);
    price.due.insert("null".into(), refund);
    price.retained += retained;
}

/// Seats go back while others stay: their share of the price is split.
fn seats_cancelled(event: &Value, books: &mut Books<'_>, found: &mut Findings) {
    let (id, data) = (booking(event), &event["data"]);
    let was_paid = books.paid_for.contains(id);
    let tier = books.shows.get(text(&event["stream"])).map(|terms| tier(terms, time(&event["time"])));
    let Some(price) = books.prices.get_mut(id) else { return };
    let left = added_up(event, &data["pricing"], found);
    let amount = |field: &str| data[field].as_i64().unwrap_or(i64::MIN / 8);
    let (refund, retained, share) = (amount("refund"), amount("retained"), price.total - left);
    let sound = was_paid && refund >= 0 && retained >= 0 && left >= 0 && refund + retained == share;
    found.check(sound, "I6", || format!("{}: {share} is split into {refund} and {retained}", place(event)));
    let gone = data["seatIds"].as_array().map_or(0, Vec::len);
    fair(event, tier.unwrap_or(Some((100.0, 0.0))), refund, share, gone, found);
    found.check(data["part"].as_u64() == Some(price.parts + 1), "I5", || {
        format!("{}: after part {}", place(event), price.parts)
    });
    price.parts += 1;
    price.due.insert(data["part"].to_string(), refund);
    price.retained += retained;
    (price.total, price.seats) = (left, price.seats.saturating_sub(gone));
}

/// The tier that holds at an instant: its percentage, and its fee in major units; `None` where none does.
fn tier(terms: &Terms<'_>, at: Option<Timestamp>) -> Option<(f64, f64)> {
    let Some(tiers) = terms.policy["tiers"].as_array() else { return Some((100.0, 0.0)) };
    let left = terms.start?.as_millisecond() - at?.as_millisecond();
    let ahead = |tier: &&Value| tier["hoursBefore"].as_i64().is_some_and(|hours| left > hours * 3_600_000);
    let tier = tiers.iter().find(ahead)?;
    Some((tier["refundPercent"].as_f64()?, tier["feePerTicket"].as_f64().unwrap_or_default()))
}

/// Whether a refund is what its tier gives of an amount, but for a minor unit a seat.
fn fair(event: &Value, tier: Option<(f64, f64)>, refund: i64, of: i64, seats: usize, found: &mut Findings) {
    #[expect(clippy::cast_precision_loss, reason = "amounts of tests are small")]
    let fair = tier.is_some_and(|(percent, fee)| {
        let exact = of as f64 * percent / 100.0 - seats as f64 * fee * 100.0;
        (refund as f64 - exact.max(0.0)).abs() <= seats as f64
    });
    found.check(fair, "I6", || {
        format!("{}: {refund} of {of} for {seats} seats, by the tier {tier:?}", place(event))
    });
}

fn payment<'a>(event: &'a Value, books: &mut Books<'a>, found: &mut Findings) {
    let (stream, data) = (text(&event["stream"]), &event["data"]);
    let account = books.accounts.entry(stream).or_default();
    match name(event) {
        "payment.succeeded" => {
            let payment = text(&data["paymentId"]);
            found.check(books.known.insert(payment), "I8", || {
                format!("{}: {payment} captured twice", place(event))
            });
            add(&mut account.captured, &data["amount"]);
        }
        "payment.mismatched" => add(&mut account.captured, &data["captured"]),
        "payment.unmatched" if data["captured"] == true => add(&mut account.captured, &data["amount"]),
        "refund.requested" => {
            let (currency, minor) = money(&data["amount"]);
            add(&mut account.owed, &data["amount"]);
            let refund = text(&data["refundId"]).to_owned();
            found.check(account.refunds.insert(refund.clone()), "I5", || {
                format!("{}: refunded twice", place(event))
            });
            let price = books.prices.get(stream.strip_prefix("payment-").unwrap_or_default());
            if let (Some(price), "BOOKING_CANCELLED" | "SEATS_CANCELLED" | "SHOW_CANCELLED") =
                (price, text(&data["cause"]))
            {
                // Money that came after its booking was cancelled unpaid goes back whole, and is due to no event.
                let due = price.due.get(&data["part"].to_string());
                found.check(due.is_none_or(|due| *due == minor), "I6", || {
                    format!("{}: {minor} where {due:?} is due", place(event))
                });
            }
            account.open.insert(refund, (currency, minor));
        }
        "refund.succeeded" => match account.open.remove(text(&data["refundId"])) {
            Some((currency, minor)) => *account.returned.entry(currency).or_default() += minor,
            None => found.add("I6", format!("{}: nothing was owed", place(event))),
        },
        _ => {}
    }
    for (currency, owed) in &account.owed {
        let captured = account.captured.get(currency).copied().unwrap_or_default();
        let sound = (0..=captured).contains(owed);
        found.check(sound, "I6", || format!("{}: {owed} owed of {captured} {currency}", place(event)));
    }
}

fn money(amount: &Value) -> (String, i64) {
    (text(&amount["currency"]).to_owned(), amount["minor"].as_i64().unwrap_or_default())
}

fn add(sums: &mut BTreeMap<String, i64>, amount: &Value) {
    let (currency, minor) = money(amount);
    *sums.entry(currency).or_default() += minor;
}
