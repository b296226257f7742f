//! The rules that a price is made by.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::{AppliedOffer, AppliedPolicy, OfferRule, PassedOver, Pricing};
use crate::ids::OfferCode;
use crate::offer::{OfferDetails, OfferLimits};
use crate::policy::{PolicyDetails, PolicyScope, TaxOn};
use crate::show::ShowDetails;

/// Most offers that a price tells of as passed over, the best of them: it lies in an event.
const MOST_PASSED_OVER: usize = 10;

/// A rule as it stood at a revision of its stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<T> {
    /// The rule.
    pub details: T,
    /// The revision.
    pub version: u64,
}

/// The rules that hold for everybody.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PriceRules {
    /// The offers that a booking gets without naming them, valid or not.
    pub automatic: Vec<Arc<Versioned<OfferDetails>>>,
    /// Fees and taxes, by where they hold.
    pub policies: HashMap<PolicyScope, Versioned<PolicyDetails>>,
}

/// The rules that one booking is priced by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PriceTerms {
    /// Those for everybody.
    pub rules: Arc<PriceRules>,
    /// The offer that the customer has named.
    pub coupon: Option<Arc<Versioned<OfferDetails>>>,
    /// The offers of which the booking has claimed a redemption. One that has limits applies to no other booking.
    pub claimed: BTreeSet<OfferCode>,
}

/// Why a coupon is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CouponRefused {
    /// Nobody gets it now.
    #[error("it is not valid now")]
    NotValid,
    /// It is for other shows.
    #[error("it is not for this show")]
    NotForThisShow,
    /// It takes nothing off these seats.
    #[error("it takes nothing off these seats")]
    NothingOff,
    /// No redemption of it is left.
    #[error("it has been redeemed as often as it may be")]
    Exhausted,
}

/// What a rule takes off this booking.
struct Candidate<'a> {
    offer: &'a Versioned<OfferDetails>,
    discount: i64,
    named: bool,
}

impl PriceTerms {
    /// The offers that may lower a price of this show now, the one that was named first.
    pub fn offers<'a>(
        &'a self,
        show: &'a ShowDetails,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Versioned<OfferDetails>> {
        self.all().map(|(offer, _)| offer).filter(move |offer| refused(&offer.details, show, now).is_none())
    }

    /// Whether an offer among them may be redeemed only so often.
    pub fn has_limits(&self) -> bool {
        self.limited().next().is_some()
    }

    /// The offers among them that may be redeemed only so often.
    pub fn limited(&self) -> impl Iterator<Item = &OfferDetails> {
        self.all().map(|(offer, _)| &offer.details).filter(|offer| !offer.limits.are_none())
    }

    /// Those of them that may lower a price of this show now, with their limits.
    pub fn limited_for(&self, show: &ShowDetails, now: Timestamp) -> Vec<(OfferCode, OfferLimits)> {
        let limited = self.offers(show, now).filter(|offer| !offer.details.limits.are_none());
        limited.map(|offer| (offer.details.code.clone(), offer.details.limits)).collect()
    }

    /// Every offer, and whether the customer has named it.
    fn all(&self) -> impl Iterator<Item = (&Versioned<OfferDetails>, bool)> {
        let named = self.coupon.as_ref().map(|coupon| &coupon.details.code);
        let others = self.rules.automatic.iter().filter(move |offer| Some(&offer.details.code) != named);
        self.coupon.iter().map(|coupon| (&**coupon, true)).chain(others.map(|offer| (&**offer, false)))
    }

    /// The price of tickets at these prices.
    ///
    /// Of the offers the one that saves most goes, or all together that may be combined, where they save more.
    ///
    /// # Errors
    /// The offer that the customer has named does not apply.
    pub fn price(
        &self,
        show: &ShowDetails,
        now: Timestamp,
        prices: &[i64],
    ) -> Result<Pricing, CouponRefused> {
        let mut dearest_first = prices.to_vec();
        dearest_first.sort_unstable_by_key(|price| Reverse(*price));
        let subtotal: i64 = prices.iter().sum();
        let candidates = self.candidates(show, now, &dearest_first)?;
        let (applied, passed_over) = choose(candidates, subtotal);
        let discount = applied.iter().map(|offer| offer.discount).sum();
        let policy = self.policy(show);
        let (fees, tax) = policy.map_or((0, 0), |policy| {
            let tickets = i64::try_from(prices.len()).unwrap_or(i64::MAX);
            let fees = policy.details.fee_per_ticket.rounded(&show.currency).saturating_mul(tickets);
            let net = subtotal - discount;
            let taxed = match policy.details.tax_on {
                TaxOn::Net => net,
                TaxOn::Fees => fees,
                TaxOn::All => net.saturating_add(fees),
            };
            (fees, policy.details.tax_percent.share_of(taxed))
        });
        Ok(Pricing {
            currency: show.currency.clone(),
            subtotal,
            discount,
            fees,
            tax,
            total: (subtotal - discount).saturating_add(fees).saturating_add(tax),
            applied_offers: applied,
            passed_over,
            policy: policy
                .map(|policy| AppliedPolicy { scope: policy.details.scope.clone(), version: policy.version }),
        })
    }

    fn candidates(
        &self,
        show: &ShowDetails,
        now: Timestamp,
        prices: &[i64],
    ) -> Result<Vec<Candidate<'_>>, CouponRefused> {
        let mut candidates = Vec::new();
        for (offer, named) in self.all() {
            let limited = !offer.details.limits.are_none();
            // Most offers are for other shows: what costs least is asked first.
            let judged = match refused(&offer.details, show, now) {
                Some(refused) => Err(refused),
                None => match offer.details.rule.discount(prices, &show.currency) {
                    0 => Err(CouponRefused::NothingOff),
                    _ if limited && !self.claimed.contains(&offer.details.code) => {
                        Err(CouponRefused::Exhausted)
                    }
                    discount => Ok(discount),
                },
            };
            match (judged, named) {
                (Ok(discount), _) => candidates.push(Candidate { offer, discount, named }),
                (Err(refused), true) => return Err(refused),
                (Err(_), false) => {}
            }
        }
        Ok(candidates)
    }

    /// A theatre's goes before its city's, and that before the default.
    fn policy(&self, show: &ShowDetails) -> Option<&Versioned<PolicyDetails>> {
        let scopes = [
            PolicyScope::Theatre(show.theatre_id.clone()),
            PolicyScope::City(show.city_id.clone()),
            PolicyScope::Default,
        ];
        scopes.iter().find_map(|scope| self.rules.policies.get(scope))
    }
}

fn refused(offer: &OfferDetails, show: &ShowDetails, now: Timestamp) -> Option<CouponRefused> {
    if !offer.is_valid(now) {
        Some(CouponRefused::NotValid)
    } else if !offer.conditions.meets(show) {
        Some(CouponRefused::NotForThisShow)
    } else {
        None
    }
}

/// Of equal savings the offer that was named goes first, then one that others need not share, then by code.
fn choose(mut candidates: Vec<Candidate<'_>>, subtotal: i64) -> (Vec<AppliedOffer>, Vec<PassedOver>) {
    candidates.sort_by_key(|candidate| {
        let offer = &candidate.offer.details;
        (Reverse(candidate.discount), !candidate.named, !offer.limits.are_none(), offer.code.clone())
    });
    let best = candidates.first().map_or(0, |candidate| candidate.discount);
    let together: i64 =
        candidates.iter().filter(|one| one.offer.details.stackable).map(|one| one.discount).sum();
    let stacked = together.min(subtotal) > best;
    let (mut applied, mut passed_over, mut left) = (vec![], vec![], subtotal);
    for (place, Candidate { offer, discount, .. }) in candidates.into_iter().enumerate() {
        let Versioned { details, version } = offer;
        let taken = if stacked { details.stackable } else { place == 0 };
        let off = discount.min(left);
        if taken && off > 0 {
            left -= off;
            applied.push(AppliedOffer {
                code: details.code.clone(),
                description: details.description.clone(),
                version: *version,
                discount: off,
                limited: !details.limits.are_none(),
            });
        } else if passed_over.len() < MOST_PASSED_OVER {
            passed_over.push(PassedOver { code: details.code.clone(), version: *version, discount });
        }
    }
    (applied, passed_over)
}
