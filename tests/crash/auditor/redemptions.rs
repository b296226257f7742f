//! I6: no offer is redeemed more often than it may be, whatever the attempts, crashes and nodes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Findings, booking, name, place, text};

/// A redemption: whose it is, and the attempts to use it.
struct Claim<'a> {
    user: &'a str,
    attempts: BTreeSet<&'a str>,
}

/// Checks at every prefix that claims keep the limits, and that each live booking with a limited offer has one.
pub fn check(events: &[Value], found: &mut Findings) {
    let mut limits: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut claims: BTreeMap<&str, BTreeMap<&str, Claim<'_>>> = BTreeMap::new();
    let mut live: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in events {
        let data = &event["data"];
        match name(event) {
            "offer.created" | "offer.changed" => _ = limits.insert(text(&data["code"]), &data["limits"]),
            "redemption.claimed" => {
                let (code, user) = (text(&data["code"]), text(&data["userId"]));
                let of_code = claims.entry(code).or_default();
                let claim = of_code
                    .entry(booking(event))
                    .or_insert_with(|| Claim { user, attempts: BTreeSet::new() });
                let first = claim.attempts.is_empty();
                claim.attempts.insert(text(&data["lockBefore"]));
                if first {
                    let Some(limits) = limits.get(code) else { continue };
                    let within = |limit: &str, count: usize| {
                        limits[limit].as_u64().is_none_or(|most| count as u64 <= most)
                    };
                    let of_user = of_code.values().filter(|claim| claim.user == user).count();
                    let kept = within("total", of_code.len()) && within("perUser", of_user);
                    found.check(kept, "I6", || format!("{}: past the limits {limits}", place(event)));
                }
            }
            "redemption.released" => {
                let attempts = data["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
                let Some(of_code) = claims.get_mut(text(&data["code"])) else { continue };
                if let Some(claim) = of_code.get_mut(booking(event)).filter(|_| !attempts.is_empty()) {
                    claim.attempts.retain(|attempt| !attempts.iter().any(|given_up| given_up == attempt));
                    found.check(!claim.attempts.is_empty(), "I6", || {
                        format!("{}: a redemption without attempts", place(event))
                    });
                    continue;
                }
                of_code.remove(booking(event));
                let used = live.get(booking(event)).is_some_and(|codes| codes.contains(&text(&data["code"])));
                found.check(!used, "I6", || format!("{}: its booking still has the offer", place(event)));
            }
            "booking.payment-pending" => {
                let applied = data["pricing"]["appliedOffers"].as_array().into_iter().flatten();
                let limited = applied.filter(|offer| offer["limited"] == true);
                let codes: Vec<&str> = limited.map(|offer| text(&offer["code"])).collect();
                for code in &codes {
                    let has = claims.get(code).is_some_and(|of_code| of_code.contains_key(booking(event)));
                    found.check(has, "I6", || format!("{}: no redemption of {code}", place(event)));
                }
                live.insert(booking(event), codes);
            }
            "booking.failed" | "booking.expired" | "booking.cancelled" => _ = live.remove(booking(event)),
            _ => {}
        }
    }
}
