//! I6: every price follows from the history alone, and what is charged is that price.
//!
//! Reckoned in whole numbers from the rules whose versions a booking names, by none of the server's code.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Findings, booking, name, place, text, time};

/// A node prices by the rules that it has heard of: those that are so many positions old it has.
const HEARD: u64 = 2_000;
/// Hundredths of a percent in the whole.
const WHOLE: i128 = 10_000;
/// Decimal places of an amount in a rule.
const PLACES: u32 = 4;

/// A show as its events have told it so far.
struct Show<'a> {
    facts: Value,
    kinds: BTreeMap<&'a str, &'a str>,
}

/// What one price is made of.
struct Ticketing<'a> {
    show: &'a Value,
    at: Timestamp,
    dearest_first: Vec<i128>,
    subtotal: i128,
}

/// The rules of a log.
#[derive(Default)]
struct Rules<'a> {
    /// By stream and revision.
    versions: BTreeMap<(&'a str, u64), &'a Value>,
    /// The latest of each stream, and since which position it is that.
    latest: BTreeMap<&'a str, (u64, &'a Value)>,
}

impl<'a> Rules<'a> {
    fn learn(&mut self, event: &'a Value) {
        let (stream, data) = (text(&event["stream"]), &event["data"]);
        self.versions.insert((stream, event["revision"].as_u64().unwrap_or(u64::MAX)), data);
        self.latest.insert(stream, (event["position"].as_u64().unwrap_or(u64::MAX), data));
    }

    /// A rule that every node has heard of, and that has not changed since.
    fn settled(&self, stream: &str, at: u64) -> Option<&'a Value> {
        self.latest.get(stream).filter(|(since, _)| since + HEARD < at).map(|(_, rule)| *rule)
    }
}

/// Checks every price of a log, and every amount that was asked for it.
pub fn check(events: &[Value], found: &mut Findings) {
    let mut shows: BTreeMap<&str, Show<'_>> = BTreeMap::new();
    let mut rules = Rules::default();
    let mut seats: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut claims: BTreeMap<(&str, &str), &Value> = BTreeMap::new();
    let mut totals: BTreeMap<&str, (&str, i64)> = BTreeMap::new();
    for event in events {
        let (stream, data) = (text(&event["stream"]), &event["data"]);
        match name(event) {
            "offer.created" | "offer.changed" | "policy.set" => rules.learn(event),
            "show.scheduled" => _ = shows.insert(stream, Show::new(data)),
            "show.changed" => {
                if let Some(show) = shows.get_mut(stream) {
                    show.change(data);
                }
            }
            "redemption.claimed" => _ = claims.insert((text(&data["code"]), booking(event)), data),
            "booking.seats-locked" => _ = seats.insert(booking(event), &data["seatIds"]),
            "booking.payment-pending" => {
                let pricing = &data["pricing"];
                let total = pricing["total"].as_i64().unwrap_or(i64::MIN);
                totals.insert(booking(event), (text(&pricing["currency"]), total));
                let at = time(&event["time"]);
                let known = shows.get(stream).zip(seats.get(booking(event))).zip(at);
                let Some(((show, seats), at)) = known else {
                    found.add("I6", format!("{}: of an unknown show or seats", place(event)));
                    continue;
                };
                let claimed = |code: &str| claims.contains_key(&(code, booking(event)));
                let wrong = match show.sold(seats, at) {
                    Some(sold) => wrong(pricing, &sold, &rules, &claimed)
                        .or_else(|| overlooked(pricing, &sold, &rules, event["position"].as_u64()?)),
                    None => Some("a seat has no price".to_owned()),
                };
                if let Some(wrong) = wrong {
                    found.add("I6", format!("{}: {wrong}: {pricing}", place(event)));
                }
            }
            "payment.initiated" => {
                let asked = (text(&data["amount"]["currency"]), data["amount"]["minor"].as_i64());
                let due = totals.get(booking(event)).map(|(currency, total)| (*currency, Some(*total)));
                found.check(due == Some(asked), "I6", || {
                    format!("{}: {asked:?} is asked for where {due:?} is due", place(event))
                });
            }
            _ => {}
        }
    }
}

impl<'a> Show<'a> {
    fn new(scheduled: &'a Value) -> Self {
        let rows = scheduled["rows"].as_array().into_iter().flatten();
        let seats = rows.flat_map(|row| row["seats"].as_array().into_iter().flatten());
        let kinds = seats.map(|seat| (text(&seat["seatId"]), text(&seat["type"]))).collect();
        Self { facts: scheduled.clone(), kinds }
    }

    fn change(&mut self, changed: &Value) {
        for field in ["startTime", "endTime", "language", "format"] {
            if !changed[field].is_null() {
                self.facts[field] = changed[field].clone();
            }
        }
        for (kind, price) in changed["prices"].as_object().into_iter().flatten() {
            self.facts["prices"][kind] = price.clone();
        }
    }

    fn sold(&self, seats: &Value, at: Timestamp) -> Option<Ticketing<'_>> {
        let seats = seats.as_array()?.iter();
        let prices = seats.map(|seat| self.facts["prices"][*self.kinds.get(text(seat))?].as_i64());
        let mut dearest_first: Vec<i128> =
            prices.map(|price| price.map(i128::from)).collect::<Option<_>>()?;
        dearest_first.sort_unstable_by(|one, other| other.cmp(one));
        let subtotal = dearest_first.iter().sum();
        Some(Ticketing { show: &self.facts, at, dearest_first, subtotal })
    }
}

/// What is wrong with a price, if anything is.
fn wrong(
    pricing: &Value,
    sold: &Ticketing<'_>,
    rules: &Rules<'_>,
    claimed: &dyn Fn(&str) -> bool,
) -> Option<String> {
    let is = |field: &str, reckoned: i128| -> Option<String> {
        let told = pricing[field].as_i64().map(i128::from);
        (told != Some(reckoned)).then(|| format!("{field} is {reckoned}"))
    };
    if pricing["currency"] != sold.show["currency"] {
        return Some("another currency than the show's".to_owned());
    }
    let (applied, passed_over) = (list(&pricing["appliedOffers"]), list(&pricing["passedOver"]));
    let (mut discount, mut alone) = (0, 0);
    for applied_offer in applied {
        let offer = match lookup(applied_offer, "offer", &applied_offer["code"], rules) {
            Ok(offer) => offer,
            Err(missing) => return Some(missing),
        };
        let code = text(&offer["code"]);
        if let Some(reason) = not_for(offer, sold) {
            return Some(format!("{code} {reason}"));
        }
        let limited = !offer["limits"].is_null();
        if limited != applied_offer["limited"].as_bool().unwrap_or_default() || (limited && !claimed(code)) {
            return Some(format!("{code} is limited and no redemption was claimed"));
        }
        if applied.len() > 1 && offer["stackable"] != true {
            return Some(format!("{code} goes with no other"));
        }
        let would = takes_off(&offer["rule"], sold)?;
        let off = would.min(sold.subtotal - discount);
        if applied_offer["discount"].as_i64().map(i128::from) != Some(off) {
            return Some(format!("{code} takes off {off}"));
        }
        discount += off;
    }
    for other in passed_over {
        let offer = match lookup(other, "offer", &other["code"], rules) {
            Ok(offer) => offer,
            Err(missing) => return Some(missing),
        };
        let would = takes_off(&offer["rule"], sold)?;
        if other["discount"].as_i64().map(i128::from) != Some(would) {
            return Some(format!("{} would have taken off {would}", other["code"]));
        }
        alone = would.max(alone);
    }
    if alone > discount {
        return Some(format!("an offer that saves {alone} was passed over"));
    }
    let (fees, tax) = match &pricing["policy"] {
        Value::Null => (0, 0),
        applied_policy => {
            let policy = match lookup(applied_policy, "policy", &applied_policy["scope"], rules) {
                Ok(policy) => policy,
                Err(missing) => return Some(missing),
            };
            let scopes = [
                "default".to_owned(),
                format!("city:{}", text(&sold.show["cityId"])),
                format!("theatre:{}", text(&sold.show["theatreId"])),
            ];
            if !scopes.iter().any(|scope| policy["scope"] == **scope) {
                return Some("a policy of another place".to_owned());
            }
            charges(policy, sold, sold.subtotal - discount)?
        }
    };
    is("subtotal", sold.subtotal)
        .or_else(|| is("discount", discount))
        .or_else(|| is("fees", fees))
        .or_else(|| is("tax", tax))
        .or_else(|| is("total", sold.subtotal - discount + fees + tax))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The rule that a price names, as it stood at the version that it names.
fn lookup<'a>(named: &Value, kind: &str, id: &Value, rules: &Rules<'a>) -> Result<&'a Value, String> {
    let (stream, version) = (format!("{kind}-{}", text(id)), named["version"].as_u64());
    let missing = || format!("{stream} has no rule at {version:?}");
    let version = version.ok_or_else(missing)?;
    rules.versions.get(&(stream.as_str(), version)).copied().ok_or_else(missing)
}

/// A rule that every node had heard of, and that the price leaves out: the narrowest policy, a version that is no longer the latest, an
/// automatic offer that would have saved more.
fn overlooked(pricing: &Value, sold: &Ticketing<'_>, rules: &Rules<'_>, at: u64) -> Option<String> {
    let scopes = [
        format!("theatre:{}", text(&sold.show["theatreId"])),
        format!("city:{}", text(&sold.show["cityId"])),
        "default".to_owned(),
    ];
    let named = &pricing["policy"]["scope"];
    let narrower = scopes.iter().take_while(|scope| *named != ***scope);
    for scope in narrower {
        if rules.settled(&format!("policy-{scope}"), at).is_some() {
            return Some(format!("the policy of {scope} goes before that of {named}"));
        }
    }
    let policy = (!named.is_null()).then(|| (format!("policy-{}", text(named)), &pricing["policy"]));
    let (applied, passed_over) = (list(&pricing["appliedOffers"]), list(&pricing["passedOver"]));
    let offers = applied.iter().chain(passed_over);
    let offers = offers.map(|offer| (format!("offer-{}", text(&offer["code"])), offer));
    for (stream, rule) in offers.chain(policy) {
        let used = rules.versions.get(&(stream.as_str(), rule["version"].as_u64()?)).copied();
        let settled = rules.settled(&stream, at);
        if settled.is_some_and(|settled| used.is_none_or(|used| !std::ptr::eq(used, settled))) {
            return Some(format!("{stream} had another version by then"));
        }
    }
    let discount = pricing["discount"].as_i64().map(i128::from)?;
    let mut together = 0;
    for stream in rules.latest.keys().filter(|stream| stream.starts_with("offer-")) {
        let Some(offer) = rules.settled(stream, at).filter(|offer| offer["automatic"] == true) else {
            continue;
        };
        // Whether a redemption was left is not told by the rule.
        if not_for(offer, sold).is_some() || !offer["limits"].is_null() {
            continue;
        }
        let would = takes_off(&offer["rule"], sold)?;
        if would > discount {
            return Some(format!("{stream} would have saved {would}"));
        }
        together += if offer["stackable"] == true { would } else { 0 };
    }
    let together = together.min(sold.subtotal);
    (together > discount).then(|| format!("offers that go together would have saved {together}"))
}

fn not_for(offer: &Value, sold: &Ticketing<'_>) -> Option<&'static str> {
    let from = time(&offer["validFrom"]).is_none_or(|from| from <= sold.at);
    let to = time(&offer["validTo"]).is_none_or(|to| sold.at < to);
    if offer["active"] != true || !from || !to {
        return Some("is not valid");
    }
    let conditions = &offer["conditions"];
    for (condition, fact) in
        [("cities", "cityId"), ("theatres", "theatreId"), ("movies", "movieId"), ("formats", "format")]
    {
        let wanted = list(&conditions[condition]);
        if !wanted.is_empty() && !wanted.contains(&sold.show[fact]) {
            return Some("is for other shows");
        }
    }
    let start = time(&sold.show["startTime"])?;
    let start = start.to_zoned(TimeZone::get(text(&sold.show["timezone"])).ok()?);
    let days = list(&conditions["daysOfWeek"]);
    let day = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
        [usize::try_from(start.weekday().to_monday_zero_offset()).ok()?];
    if !days.is_empty() && !days.iter().any(|wanted| wanted == day) {
        return Some("is for other days");
    }
    // `HH:MM` sorts as the time does.
    let clock = format!("{:02}:{:02}", start.hour(), start.minute());
    let bound = |field: &str| conditions[field].as_str().map(str::to_owned);
    let in_time = match (bound("startsFrom"), bound("startsTo")) {
        (None, None) => true,
        (Some(from), None) => clock >= from,
        (None, Some(to)) => clock < to,
        (Some(from), Some(to)) if from <= to => clock >= from && clock < to,
        (Some(from), Some(to)) => clock >= from || clock < to,
    };
    (!in_time).then_some("is for other times")
}

/// What a rule takes off, in minor units; `None` of a kind that is not known.
fn takes_off(rule: &Value, sold: &Ticketing<'_>) -> Option<i128> {
    let whole = |field: &str| rule[field].as_u64().and_then(|number| usize::try_from(number).ok());
    let prices = &sold.dearest_first;
    let off = match text(&rule["kind"]) {
        "PERCENT" => share(&rule["percent"], sold.subtotal)?,
        "FLAT" => {
            let currency = rule["currency"].as_str().unwrap_or("INR");
            if sold.show["currency"] == currency { minor(&rule["amount"])? } else { 0 }
        }
        "NTH_TICKET_PERCENT" => {
            let nth = whole("nth")?;
            let reduced = (1..).zip(prices).filter(|(number, _)| number % nth == 0);
            share(&rule["percent"], reduced.map(|(_, price)| *price).sum())?
        }
        "BUY_X_GET_Y" => {
            let (buy, free) = (whole("buy")?, whole("free")?);
            let full = prices.len() / (buy + free) * (buy + free);
            let free = (0..full).filter(|at| at % (buy + free) >= buy);
            free.map(|at| prices[at]).sum()
        }
        _ => return None,
    };
    Some(off.min(sold.subtotal))
}

/// Fees and tax.
fn charges(policy: &Value, sold: &Ticketing<'_>, net: i128) -> Option<(i128, i128)> {
    let tickets = i128::try_from(sold.dearest_first.len()).ok()?;
    let fees = minor(&policy["feePerTicket"])? * tickets;
    let taxed = match text(&policy["taxOn"]) {
        "NET" => net,
        "FEES" => fees,
        "ALL" => net + fees,
        _ => return None,
    };
    Some((fees, share(&policy["taxPercent"], taxed)?))
}

/// A share of an amount, half a minor unit rounded up.
fn share(percent: &Value, of: i128) -> Option<i128> {
    Some((of * scaled(percent, 2)? + WHOLE / 2).div_euclid(WHOLE))
}

/// An amount in minor units of a currency of two places, half of one rounded up.
fn minor(amount: &Value) -> Option<i128> {
    let finest = 10_i128.pow(PLACES - 2);
    Some((scaled(amount, PLACES)? + finest / 2).div_euclid(finest))
}

/// A number of JSON times a power of ten, digit by digit.
fn scaled(number: &Value, places: u32) -> Option<i128> {
    let text = number.as_number()?.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let places = usize::try_from(places).ok()?;
    if fraction.len() > places && fraction.trim_end_matches('0').len() > places {
        return None;
    }
    let fraction = fraction.get(..fraction.len().min(places))?;
    format!("{whole}{fraction:0<places$}").parse().ok()
}
