//! I6: no offer is redeemed more often than it may be, whatever the attempts, crashes and nodes.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::{Findings, booking, name, place, text};

/// A redemption: whose it is, and the attempts to use it.
struct Claim {
    user: String,
    attempts: BTreeSet<String>,
}

/// Checks at every prefix that claims keep the limits, and that each live booking with a limited offer has one.
#[derive(Default)]
pub(super) struct Redemptions {
    limits: HashMap<String, Value>,
    claims: HashMap<String, HashMap<String, Claim>>,
    live: HashMap<String, Vec<String>>,
}

impl Redemptions {
    pub(super) fn event(&mut self, event: &Value, found: &mut Findings) {
        let data = &event["data"];
        match name(event) {
            "offer.created" | "offer.changed" => {
                _ = self.limits.insert(text(&data["code"]).to_owned(), data["limits"].clone());
            }
            "redemption.claimed" => {
                let (code, user) = (text(&data["code"]), text(&data["userId"]));
                let of_code = self.claims.entry(code.to_owned()).or_default();
                let claim = of_code
                    .entry(booking(event).to_owned())
                    .or_insert_with(|| Claim { user: user.to_owned(), attempts: BTreeSet::new() });
                let first = claim.attempts.is_empty();
                claim.attempts.insert(text(&data["lockBefore"]).to_owned());
                if first {
                    let Some(limits) = self.limits.get(code) else { return };
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
                let Some(of_code) = self.claims.get_mut(text(&data["code"])) else { return };
                if let Some(claim) = of_code.get_mut(booking(event)).filter(|_| !attempts.is_empty()) {
                    claim
                        .attempts
                        .retain(|attempt| !attempts.iter().any(|given_up| given_up == attempt.as_str()));
                    found.check(!claim.attempts.is_empty(), "I6", || {
                        format!("{}: a redemption without attempts", place(event))
                    });
                    return;
                }
                of_code.remove(booking(event));
                let used = self
                    .live
                    .get(booking(event))
                    .is_some_and(|codes| codes.iter().any(|code| code == text(&data["code"])));
                found.check(!used, "I6", || format!("{}: its booking still has the offer", place(event)));
            }
            "booking.payment-pending" => {
                let applied = data["pricing"]["appliedOffers"].as_array().into_iter().flatten();
                let limited = applied.filter(|offer| offer["limited"] == true);
                let codes: Vec<String> = limited.map(|offer| text(&offer["code"]).to_owned()).collect();
                for code in &codes {
                    let has =
                        self.claims.get(code).is_some_and(|of_code| of_code.contains_key(booking(event)));
                    found.check(has, "I6", || format!("{}: no redemption of {code}", place(event)));
                }
                self.live.insert(booking(event).to_owned(), codes);
            }
            "booking.failed" | "booking.expired" | "booking.cancelled" => {
                _ = self.live.remove(booking(event));
            }
            _ => {}
        }
    }
}
