//! I6 and I8: every unit that came in pays for a confirmed booking or went back.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Findings, booking, name, place, text};

/// The money of one payment stream, in minor units by currency.
#[derive(Default)]
struct Account {
    captured: BTreeMap<String, i64>,
    owed: BTreeMap<String, i64>,
    open: BTreeMap<String, (String, i64)>,
    refunds: BTreeSet<String>,
    returned: BTreeMap<String, i64>,
}

/// Checks prices, captures and refunds at every prefix, and the balance at the end.
pub fn check(events: &[Value], found: &mut Findings) {
    let mut accounts: BTreeMap<&str, Account> = BTreeMap::new();
    let mut totals: BTreeMap<&str, (String, i64)> = BTreeMap::new();
    let mut paid_for: BTreeSet<&str> = BTreeSet::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for event in events {
        let data = &event["data"];
        let account = accounts.entry(text(&event["stream"])).or_default();
        match name(event) {
            "booking.payment-pending" => {
                let part = |field: &str| data["pricing"][field].as_i64().unwrap_or(i64::MIN);
                let sum = part("subtotal")
                    .checked_sub(part("discount"))
                    .and_then(|sum| sum.checked_add(part("fees")));
                let sum = sum.and_then(|sum| sum.checked_add(part("tax")));
                found.check(sum == Some(part("total")), "I6", || {
                    format!("{}: the price does not add up", place(event))
                });
                totals.insert(booking(event), (text(&data["pricing"]["currency"]).to_owned(), part("total")));
            }
            "booking.confirmed" => {
                let payment = format!("payment-{}", booking(event));
                let had = accounts.get(payment.as_str()).map(|account| &account.captured);
                let price = totals.get(booking(event));
                let covered = price
                    .is_some_and(|(currency, total)| had.and_then(|had| had.get(currency)) >= Some(total));
                found.check(covered, "I6", || format!("{}: confirmed before it was paid", place(event)));
                paid_for.insert(booking(event));
            }
            "booking.cancelled" => _ = paid_for.remove(booking(event)),
            "payment.succeeded" => {
                let payment = text(&data["paymentId"]);
                found.check(known.insert(payment), "I8", || {
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
                account.open.insert(refund, (currency, minor));
            }
            "refund.succeeded" => match account.open.remove(text(&data["refundId"])) {
                Some((currency, minor)) => *account.returned.entry(currency).or_default() += minor,
                None => found.add("I6", format!("{}: nothing was owed", place(event))),
            },
            _ => {}
        }
        let account = &accounts[text(&event["stream"])];
        for (currency, owed) in &account.owed {
            let captured = account.captured.get(currency).copied().unwrap_or_default();
            let sound = (0..=captured).contains(owed);
            found.check(sound, "I6", || format!("{}: {owed} owed of {captured} {currency}", place(event)));
        }
    }
    for (stream, account) in &accounts {
        let booking = stream.strip_prefix("payment-").unwrap_or_default();
        for (currency, captured) in &account.captured {
            let kept = captured - account.returned.get(currency).copied().unwrap_or_default();
            let due = match totals.get(booking) {
                Some((priced, total)) if paid_for.contains(booking) && priced == currency => *total,
                _ => 0,
            };
            found.check(kept == due, "I6", || format!("{stream} keeps {kept} {currency} where {due} is due"));
        }
    }
}

fn money(amount: &Value) -> (String, i64) {
    (text(&amount["currency"]).to_owned(), amount["minor"].as_i64().unwrap_or_default())
}

fn add(sums: &mut BTreeMap<String, i64>, amount: &Value) {
    let (currency, minor) = money(amount);
    *sums.entry(currency).or_default() += minor;
}
