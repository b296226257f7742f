//! Prices: what each kind of offer takes off, which of several goes, fees and taxes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use marquee_domain::Decider;
use marquee_domain::ids::{BookingId, OfferCode};
use marquee_domain::money::Currency;
use marquee_domain::offer::{
    Offer, OfferChanged, OfferCommand, OfferCreated, OfferDetails, OfferLimits, OfferRejection,
};
use marquee_domain::policy::{PolicyDetails, PolicyScope, TaxOn};
use marquee_domain::pricing::{
    BuyXGetY, Conditions, CouponRefused, Day, FlatOff, NthTicketPercent, OfferRule, Percent, PercentOff,
    PriceRules, PriceTerms, Pricing, Rule, TimeOfDay, Versioned,
};
use marquee_domain::redemption::{
    Attempts, RedemptionCommand, RedemptionEvent, RedemptionRejection, Redemptions,
};
use marquee_domain::show::{CancelBooking, LockSeats, Rejection, Show, ShowCommand, ShowDetails, ShowEvent};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

#[expect(dead_code, reason = "shared by several files")]
#[path = "support/cinema.rs"]
mod cinema;
#[expect(dead_code, reason = "shared by several files")]
#[path = "support/harness.rs"]
mod harness;

use cinema::{at, details, lock, scheduled, seats};
use harness::{When, given};

fn locking(wanted: &LockSeats) -> ShowCommand {
    ShowCommand::LockSeats(wanted.clone())
}

fn percent(hundredths: u32) -> Percent {
    Percent::of_hundredths(hundredths).unwrap()
}

/// A number as it is read from JSON.
fn number<'de, N: Deserialize<'de>>(value: f64) -> N {
    N::deserialize(IntoDeserializer::<Error>::into_deserializer(value)).unwrap()
}

fn half_off() -> Rule {
    Rule::PercentOff(PercentOff { percent: percent(5_000) })
}

fn flat(major: f64) -> Rule {
    Rule::FlatOff(FlatOff { amount: number(major), currency: Currency::inr() })
}

fn offer(code: &str, rule: Rule) -> OfferDetails {
    OfferDetails {
        code: code.into(),
        partner_id: None,
        description: "An offer".into(),
        rule,
        conditions: Conditions::default(),
        valid_from: None,
        valid_to: None,
        automatic: true,
        active: true,
        stackable: false,
        limits: OfferLimits::default(),
    }
}

fn versioned(details: OfferDetails) -> Arc<Versioned<OfferDetails>> {
    Arc::new(Versioned { details, version: 7 })
}

fn automatic(offers: impl IntoIterator<Item = OfferDetails>) -> PriceTerms {
    let rules =
        PriceRules { automatic: offers.into_iter().map(versioned).collect(), ..PriceRules::default() };
    PriceTerms { rules: Arc::new(rules), ..PriceTerms::default() }
}

fn with_coupon(offer: OfferDetails) -> PriceTerms {
    PriceTerms { coupon: Some(versioned(offer)), ..PriceTerms::default() }
}

fn price(terms: &PriceTerms, prices: &[i64]) -> Pricing {
    terms.price(&details(), at(0), prices).unwrap()
}

fn applied(pricing: &Pricing) -> Vec<(&str, i64)> {
    pricing.applied_offers.iter().map(|offer| (offer.code.as_str(), offer.discount)).collect()
}

#[test]
fn each_kind_of_rule_takes_off_what_it_says() {
    let inr = Currency::inr();
    let nth =
        |nth, hundredths| Rule::NthTicketPercent(NthTicketPercent { nth, percent: percent(hundredths) });
    let buy = |buy, free| Rule::BuyXGetY(BuyXGetY { buy, free });
    // Prices come with the dearest first.
    for (rule, prices, off) in [
        (half_off(), &[18_001, 18_000][..], 18_001),
        (half_off(), &[1], 1),
        (flat(100.0), &[18_000], 10_000),
        (flat(0.5), &[18_000], 50),
        (flat(500.0), &[18_000, 18_000], 36_000),
        (nth(3, 5_000), &[25_000, 20_000, 18_000], 9_000),
        (nth(3, 5_000), &[25_000, 20_000], 0),
        (nth(2, 10_000), &[25_000, 20_000, 18_000, 10_000], 30_000),
        (nth(1, 1_000), &[25_000, 20_000], 4_500),
        (buy(2, 1), &[25_000, 20_000, 18_000], 18_000),
        (buy(2, 1), &[25_000, 20_000, 18_000, 10_000, 9_000], 18_000),
        (buy(1, 1), &[25_000, 20_000, 18_000, 10_000], 30_000),
        (buy(1, 2), &[25_000, 20_000, 18_000], 38_000),
    ] {
        assert_eq!(rule.discount(prices, &inr), off, "{rule:?} of {prices:?}");
    }
    assert_eq!(flat(100.0).discount(&[18_000], &Currency::parse("USD").unwrap()), 0, "another currency");
}

#[test]
fn a_rule_that_makes_no_sense_is_refused() {
    for rule in [
        Rule::PercentOff(PercentOff { percent: percent(0) }),
        Rule::NthTicketPercent(NthTicketPercent { nth: 0, percent: percent(5_000) }),
        Rule::NthTicketPercent(NthTicketPercent { nth: 3, percent: percent(0) }),
        Rule::BuyXGetY(BuyXGetY { buy: 0, free: 1 }),
        Rule::BuyXGetY(BuyXGetY { buy: 1, free: 0 }),
        flat(0.0),
        flat(0.001),
    ] {
        let created = OfferCreated { offer: offer("X", rule.clone()), request: None };
        let decided = Offer::default().decide(at(0), &OfferCommand::Create(created));
        assert!(matches!(decided, Err(OfferRejection::Rule(_))), "{rule:?}: {decided:?}");
    }
    let create = |offer| OfferCommand::Create(OfferCreated { offer, request: None });
    let never = OfferDetails { valid_from: Some(at(5)), valid_to: Some(at(5)), ..offer("X", half_off()) };
    assert_eq!(Offer::default().decide(at(0), &create(never)), Err(OfferRejection::NeverValid));
    let limits = OfferLimits { per_user: None, total: Some(0) };
    let nobody = OfferDetails { limits, ..offer("X", half_off()) };
    assert_eq!(Offer::default().decide(at(0), &create(nobody)), Err(OfferRejection::NeverRedeemable));
}

#[test]
fn an_offer_is_changed_by_its_owner_or_the_house_and_stays_whose_it_was() {
    let of = |partner: Option<&str>| OfferDetails {
        partner_id: partner.map(Into::into),
        ..offer("X", half_off())
    };
    let mut known = Offer::default();
    for event in known
        .decide(at(0), &OfferCommand::Create(OfferCreated { offer: of(Some("p_1")), request: None }))
        .unwrap()
    {
        known.evolve(&event);
    }
    let change = |offer| OfferCommand::Change(OfferChanged { offer, request: None });
    assert_eq!(known.decide(at(0), &change(of(Some("p_2")))), Err(OfferRejection::NotYours));
    assert_eq!(known.decide(at(0), &change(of(Some("p_1")))), Ok(vec![]));
    let inactive = OfferDetails { active: false, ..of(None) };
    let decided = known.decide(at(0), &change(inactive)).unwrap();
    known.evolve(&decided[0]);
    let stands = known.details.unwrap();
    assert_eq!((stands.partner_id, stands.active), (Some("p_1".into()), false));
}

#[test]
fn of_several_offers_the_one_that_saves_most_goes_and_the_others_are_told() {
    let terms = automatic([offer("TEN", flat(10.0)), offer("HALF", half_off()), offer("NOUGHT", flat(5.0))]);
    let pricing = price(&terms, &[18_000]);
    assert_eq!(applied(&pricing), [("HALF", 9_000)]);
    let passed: Vec<_> = pricing.passed_over.iter().map(|one| (one.code.as_str(), one.discount)).collect();
    assert_eq!(passed, [("TEN", 1_000), ("NOUGHT", 500)]);
    assert_eq!((pricing.subtotal, pricing.discount, pricing.total), (18_000, 9_000, 9_000));
    assert_eq!(pricing.applied_offers[0].version, 7);
}

#[test]
fn offers_that_may_be_combined_are_where_that_saves_more() {
    let stackable = |code, rule| OfferDetails { stackable: true, ..offer(code, rule) };
    let two = [stackable("A", flat(50.0)), stackable("B", flat(60.0))];
    let with = |other| automatic([two[0].clone(), two[1].clone(), other]);
    assert_eq!(applied(&price(&with(offer("C", flat(100.0))), &[18_000])), [("B", 6_000), ("A", 5_000)]);
    assert_eq!(
        applied(&price(&with(offer("C", flat(110.0))), &[18_000])),
        [("C", 11_000)],
        "no dearer, so alone"
    );
    // Never below nothing.
    assert_eq!(applied(&price(&automatic(two), &[7_000])), [("B", 6_000), ("A", 1_000)]);
}

#[test]
fn a_coupon_that_does_not_apply_is_refused_and_says_why() {
    let refused = |offer, prices: &[i64]| {
        with_coupon(OfferDetails { automatic: false, ..offer }).price(&details(), at(10), prices).unwrap_err()
    };
    let plain = || offer("X", half_off());
    assert_eq!(refused(OfferDetails { active: false, ..plain() }, &[1]), CouponRefused::NotValid);
    assert_eq!(refused(OfferDetails { valid_to: Some(at(10)), ..plain() }, &[1]), CouponRefused::NotValid);
    assert_eq!(refused(OfferDetails { valid_from: Some(at(11)), ..plain() }, &[1]), CouponRefused::NotValid);
    let elsewhere = Conditions { cities: ["bom".into()].into(), ..Conditions::default() };
    assert_eq!(
        refused(OfferDetails { conditions: elsewhere, ..plain() }, &[1]),
        CouponRefused::NotForThisShow
    );
    let third = Rule::NthTicketPercent(NthTicketPercent { nth: 3, percent: percent(5_000) });
    assert_eq!(refused(offer("X", third), &[1, 1]), CouponRefused::NothingOff);
    let limited = OfferDetails { limits: OfferLimits { per_user: Some(1), total: None }, ..plain() };
    assert_eq!(refused(limited, &[100]), CouponRefused::Exhausted, "nothing was claimed");
    let show = given::<Show>([scheduled()]);
    let wanted = LockSeats { terms: with_coupon(OfferDetails { active: false, ..plain() }), ..lock() };
    show.refuses(at(0), locking(&wanted), Rejection::CouponRefused("X".into(), CouponRefused::NotValid));
}

#[test]
fn a_coupon_that_saves_less_than_an_automatic_offer_is_passed_over() {
    let mut terms = automatic([offer("HALF", half_off())]);
    terms.coupon = Some(versioned(offer("TEN", flat(10.0))));
    let pricing = price(&terms, &[18_000]);
    assert_eq!((applied(&pricing), pricing.passed_over[0].code.as_str()), (vec![("HALF", 9_000)], "TEN"));
    terms.coupon = Some(versioned(offer("NINETY", flat(90.0))));
    assert_eq!(
        applied(&price(&terms, &[18_000])),
        [("NINETY", 9_000)],
        "of equal savings, the one that was asked for"
    );
}

#[test]
fn an_offer_is_for_the_shows_that_meet_all_its_conditions() {
    // 18:30 on a Sunday in Bengaluru.
    let show = ShowDetails {
        start_time: "2026-02-01T13:00:00Z".parse().unwrap(),
        timezone: "Asia/Kolkata".into(),
        ..details()
    };
    let time = |text: &str| Some(TimeOfDay::try_from(smol_str::SmolStr::from(text)).unwrap());
    let any = Conditions::default;
    let between = |from, to| Conditions { starts_from: time(from), starts_to: time(to), ..any() };
    for (conditions, meets) in [
        (any(), true),
        (Conditions { cities: [show.city_id.clone()].into(), ..any() }, true),
        (Conditions { cities: ["bom".into()].into(), ..any() }, false),
        (Conditions { theatres: ["th_9".into()].into(), ..any() }, false),
        (Conditions { movies: ["mv_9".into()].into(), ..any() }, false),
        (Conditions { formats: ["IMAX".into()].into(), ..any() }, false),
        (Conditions { days_of_week: [Day::Sat, Day::Sun].into(), ..any() }, true),
        (Conditions { days_of_week: [Day::Mon].into(), ..any() }, false),
        (between("18:30", "18:31"), true),
        (between("18:00", "18:30"), false),
        (between("22:00", "02:00"), false),
        (between("18:00", "02:00"), true),
        (between("22:00", "19:00"), true),
        (Conditions { starts_from: time("18:31"), ..any() }, false),
        (Conditions { starts_to: time("18:31"), ..any() }, true),
    ] {
        assert_eq!(conditions.meets(&show), meets, "{conditions:?}");
    }
    for bad in ["24:00", "12:60", "1:00", "12:0", "", "12.30", "+1:00", "aa:bb"] {
        assert!(TimeOfDay::try_from(smol_str::SmolStr::from(bad)).is_err(), "{bad}");
    }
}

fn policy(scope: PolicyScope, fee: f64, tax: u32, tax_on: TaxOn) -> Versioned<PolicyDetails> {
    let details = PolicyDetails { scope, fee_per_ticket: number(fee), tax_percent: percent(tax), tax_on };
    Versioned { details, version: 3 }
}

#[test]
fn the_narrowest_policy_makes_fees_and_tax() {
    let show = details();
    let scopes = [
        (PolicyScope::Default, 1.0),
        (PolicyScope::City(show.city_id.clone()), 2.0),
        (PolicyScope::Theatre(show.theatre_id.clone()), 3.0),
    ];
    for known in 0..=scopes.len() {
        let policies = scopes[..known]
            .iter()
            .map(|(scope, fee)| (scope.clone(), policy(scope.clone(), *fee, 0, TaxOn::All)));
        let rules = PriceRules { policies: policies.collect(), ..PriceRules::default() };
        let terms = PriceTerms { rules: Arc::new(rules), ..PriceTerms::default() };
        let pricing = price(&terms, &[18_000, 18_000]);
        assert_eq!(pricing.fees, 200 * i64::try_from(known).unwrap());
        let applied = pricing.policy.map(|policy| (policy.scope, policy.version));
        assert_eq!(applied, known.checked_sub(1).map(|last| (scopes[last].0.clone(), 3)));
    }
}

#[test]
fn tax_is_reckoned_on_what_the_policy_says() {
    for (tax_on, tax) in [(TaxOn::Net, 4_860), (TaxOn::Fees, 360), (TaxOn::All, 5_220)] {
        let mut terms =
            automatic([offer("QUARTER", Rule::PercentOff(PercentOff { percent: percent(2_500) }))]);
        let default = policy(PolicyScope::Default, 10.0, 1_800, tax_on);
        Arc::make_mut(&mut terms.rules).policies.insert(PolicyScope::Default, default);
        let pricing = price(&terms, &[18_000, 18_000]);
        assert_eq!((pricing.discount, pricing.fees, pricing.tax), (9_000, 2_000, tax));
        assert_eq!(pricing.total, 36_000 - 9_000 + 2_000 + tax);
    }
}

#[test]
fn a_booking_that_costs_nothing_is_confirmed_at_once_and_owes_nothing_back() {
    let wanted = LockSeats {
        terms: automatic([offer("FREE", flat(1_000.0))]),
        seats: seats(&["A1"]).into(),
        ..lock()
    };
    let decided = Show::default();
    let mut show = decided;
    show.evolve(&scheduled());
    let events = show.decide(at(0), &locking(&wanted)).unwrap();
    assert!(matches!(
        events[..],
        [ShowEvent::SeatsLocked(_), ShowEvent::PaymentPending(_), ShowEvent::Confirmed(_)]
    ));
    for event in &events {
        show.evolve(event);
    }
    let cancel = ShowCommand::CancelBooking(CancelBooking {
        booking_id: wanted.booking_id.clone(),
        user_id: wanted.user_id.clone(),
    });
    let cancelled = show.decide(at(1), &cancel).unwrap();
    assert!(
        matches!(&cancelled[..], [ShowEvent::BookingCancelled(cancelled)] if !cancelled.paid),
        "{cancelled:?}"
    );
}

fn claim(user: &str, key: &str, limits: OfferLimits) -> RedemptionCommand {
    RedemptionCommand::Claim {
        code: "X".into(),
        booking_id: BookingId::new(format!("bk_sh_1_{user}{key}")),
        user_id: user.into(),
        idempotency_key: key.into(),
        limits,
    }
}

/// Decides and folds.
fn redeem(
    redemptions: &mut Redemptions,
    now: Timestamp,
    command: &RedemptionCommand,
) -> Result<Vec<RedemptionEvent>, RedemptionRejection> {
    let events = redemptions.decide(now, command)?;
    for event in &events {
        redemptions.evolve(event);
    }
    Ok(events)
}

#[test]
fn redemptions_are_counted_for_all_and_for_each_customer() {
    let limits = OfferLimits { per_user: Some(1), total: Some(2) };
    let mut known = Redemptions::default();
    let code = || OfferCode::from("X");
    assert_eq!(redeem(&mut known, at(0), &claim("asha", "1", limits)).unwrap().len(), 1);
    assert_eq!(redeem(&mut known, at(0), &claim("asha", "1", limits)).unwrap().len(), 1);
    assert_eq!(known.count(), 1, "the attempts of a request share a redemption");
    let again = redeem(&mut known, at(0), &claim("asha", "2", limits));
    assert_eq!(again, Err(RedemptionRejection::ExhaustedForUser(code())));
    redeem(&mut known, at(0), &claim("ben", "1", limits)).unwrap();
    let third = redeem(&mut known, at(0), &claim("chitra", "1", limits));
    assert_eq!(third, Err(RedemptionRejection::Exhausted(code())));
    let release = |booking: &str| RedemptionCommand::Release {
        code: code(),
        booking_id: booking.into(),
        attempts: Attempts::All,
    };
    assert_eq!(redeem(&mut known, at(0), &release("bk_sh_1_nobody")), Ok(vec![]));
    redeem(&mut known, at(0), &release("bk_sh_1_asha1")).unwrap();
    assert_eq!(redeem(&mut known, at(0), &release("bk_sh_1_asha1")), Ok(vec![]), "given back once");
    redeem(&mut known, at(0), &claim("asha", "3", limits)).unwrap();
    assert_eq!(known.count(), 2);
}

#[test]
fn a_booking_must_have_its_seats_before_its_claim_may_be_gone() {
    let limits = OfferLimits { per_user: None, total: Some(1) };
    let mut known = Redemptions::default();
    let [RedemptionEvent::Claimed(claimed)] =
        &redeem(&mut known, at(0), &claim("asha", "1", limits)).unwrap()[..]
    else {
        panic!("not claimed")
    };
    let wanted = LockSeats {
        terms: PriceTerms { claimed: BTreeSet::from(["X".into()]), ..PriceTerms::default() },
        lock_before: Some(claimed.lock_before),
        ..lock()
    };
    let show = given::<Show>([scheduled()]);
    show.refuses(claimed.lock_before, locking(&wanted), Rejection::ClaimLapsed);
    // The same request later has another attempt, for the booking that it named first.
    let late = redeem(&mut known, claimed.lock_before, &claim("asha", "1", limits)).unwrap();
    assert!(matches!(&late[..], [RedemptionEvent::Claimed(late)] if late.booking_id == claimed.booking_id));
    assert_eq!(known.count(), 1);
}

/// Two attempts of one request: either may be the one that locks the seats, so that neither takes the redemption from the other.
#[test]
fn an_attempt_that_gives_up_leaves_the_redemption_to_the_others() {
    let limits = OfferLimits { per_user: Some(1), total: Some(1) };
    let code = || OfferCode::from("X");
    let mut known = Redemptions::default();
    let attempt =
        |known: &mut Redemptions, now: i64| match &redeem(known, at(now), &claim("asha", "1", limits))
            .unwrap()[..]
        {
            [RedemptionEvent::Claimed(claimed)] => claimed.lock_before,
            other => panic!("{other:?}"),
        };
    let (first, second) = (attempt(&mut known, 0), attempt(&mut known, 0));
    assert!(first < second, "attempts are told apart, though they come at once");
    let give_up =
        |attempts| RedemptionCommand::Release { code: code(), booking_id: "bk_sh_1_asha1".into(), attempts };
    redeem(&mut known, at(1), &give_up(Attempts::This(first))).unwrap();
    assert_eq!(redeem(&mut known, at(1), &give_up(Attempts::This(first))), Ok(vec![]), "once");
    let other = redeem(&mut known, at(1), &claim("ben", "1", limits));
    assert_eq!(
        other,
        Err(RedemptionRejection::Exhausted(code())),
        "the second attempt may yet lock its seats"
    );
    // Whoever waited for the first attempt knows nothing of a later one.
    let third = attempt(&mut known, 90_000);
    redeem(&mut known, at(120_000), &give_up(Attempts::Until(second))).unwrap();
    assert_eq!(known.count(), 1);
    redeem(&mut known, at(120_000), &give_up(Attempts::This(third))).unwrap();
    assert_eq!(known.count(), 0, "the last one gives the redemption back");
    redeem(&mut known, at(120_000), &claim("ben", "1", limits)).unwrap();
}
