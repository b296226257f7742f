//! Offers, price policies and quotes.

use std::sync::Arc;

use marquee_domain::catalogue::City;
use marquee_domain::ids::{OfferCode, PartnerId, SeatId, ShowId, UserId};
use marquee_domain::offer::{
    Offer, OfferChanged, OfferCommand, OfferCreated, OfferDetails, OfferEvent, OfferRegister, OfferRejection,
};
use marquee_domain::policy::{
    Policy, PolicyDetails, PolicyEvent, PolicyRegister, PolicyScope, PolicySet, SetPolicy,
};
use marquee_domain::pricing::{CouponRefused, PriceTerms, Pricing, Versioned};
use marquee_domain::request::Request;
use marquee_domain::show::Rejection;
use marquee_event_store::StreamName;
use smol_str::SmolStr;

use crate::Commands;
use crate::context::{Answer, Context};
use crate::error::CommandError;
use crate::execute::execute;
use crate::theatres::Requested;
use crate::writer::Seen;

impl Requested for OfferEvent {
    fn request(&self) -> Option<&Request> {
        match self {
            Self::Created(offer) => offer.request.as_ref(),
            Self::Changed(offer) => offer.request.as_ref(),
            Self::Registered(_) => None,
        }
    }
}

impl Requested for PolicyEvent {
    fn request(&self) -> Option<&Request> {
        match self {
            Self::Set(policy) => policy.request.as_ref(),
            Self::Registered(_) => None,
        }
    }
}

/// Somebody asks what seats would cost.
#[derive(Debug, Clone)]
pub struct AskQuote {
    /// In which show.
    pub show_id: ShowId,
    /// Which seats, taken or not.
    pub seat_ids: Vec<SeatId>,
    /// An offer's code.
    pub coupon_code: Option<SmolStr>,
    /// Who asks, where that is known: an offer may be redeemed by each so often.
    pub user_id: Option<UserId>,
}

impl Commands {
    /// Makes an offer. A partner's holds in theatres of its own alone.
    pub async fn create_offer(
        &self,
        ctx: &Context,
        created: OfferCreated,
    ) -> Result<Answer<OfferDetails>, CommandError> {
        // Before its code is registered, which is for ever.
        created.offer.check()?;
        self.check_theatres(&created.offer).await?;
        let (store, clock) = (&*self.inner.store, &*self.inner.clock);
        let (code, request) = (created.offer.code.clone(), created.request.clone());
        let register = StreamName::offer_register();
        execute::<OfferRegister>(store, clock, register, &ctx.metadata(), None, &code).await?;
        let (stream, command) = (StreamName::offer(&code), OfferCommand::Create(created));
        let answer = self.answer::<Offer>(ctx, stream, request.as_ref(), &command).await?;
        self.inner.rules.load_offer(&code).await?;
        answer.some(|state| state.details, "offer")
    }

    /// Replaces an offer. Bookings keep the price that they were made at.
    pub async fn change_offer(
        &self,
        ctx: &Context,
        changed: OfferChanged,
    ) -> Result<Answer<OfferDetails>, CommandError> {
        self.check_theatres(&changed.offer).await?;
        let (code, request) = (changed.offer.code.clone(), changed.request.clone());
        let claims = self.redemption_fold(&code);
        let _none_by_the_old_limits = claims.lock().await;
        let (stream, command) = (StreamName::offer(&code), OfferCommand::Change(changed));
        let answer = self.answer::<Offer>(ctx, stream, request.as_ref(), &command).await;
        let answer = answer.map_err(|error| match error {
            CommandError::Offer(OfferRejection::NotFound) => CommandError::NotFound("offer"),
            CommandError::Offer(OfferRejection::NotYours) => CommandError::NotYours,
            other => other,
        })?;
        self.inner.rules.load_offer(&code).await?;
        answer.some(|state| state.details, "offer")
    }

    /// An offer with its version.
    pub async fn offer(&self, code: &OfferCode) -> Result<Arc<Versioned<OfferDetails>>, CommandError> {
        self.inner.rules.offer(code).await?.ok_or(CommandError::NotFound("offer"))
    }

    /// The offers of a partner, or all: so many after a code, and whether there are more.
    pub async fn offers_of(
        &self,
        partner: Option<&PartnerId>,
        after: Option<&OfferCode>,
        limit: usize,
    ) -> Result<(Vec<Arc<Versioned<OfferDetails>>>, bool), CommandError> {
        let mut offers = self.inner.rules.offers().await?;
        offers.retain(|offer| {
            let own = partner.is_none() || offer.details.partner_id.as_ref() == partner;
            own && after.is_none_or(|after| *after < offer.details.code)
        });
        offers.sort_unstable_by(|one, other| one.details.code.cmp(&other.details.code));
        let more = offers.len() > limit;
        offers.truncate(limit);
        Ok((offers, more))
    }

    /// What is charged on top of the seats by a scope's own policy.
    pub async fn policy(
        &self,
        partner: Option<&PartnerId>,
        scope: &PolicyScope,
    ) -> Result<PolicyDetails, CommandError> {
        self.check_scope(partner, scope).await?;
        let policy = self.load::<Policy>(StreamName::policy(scope)).await?;
        policy.state.details.ok_or(CommandError::NotFound("policy"))
    }

    /// Sets what is charged on top of the seats. A partner does so for its own theatres.
    pub async fn set_policy(
        &self,
        ctx: &Context,
        partner: Option<&PartnerId>,
        set: PolicySet,
    ) -> Result<Answer<PolicyDetails>, CommandError> {
        let scope = set.policy.scope.clone();
        self.check_scope(partner, &scope).await?;
        let (store, clock) = (&*self.inner.store, &*self.inner.clock);
        let register = StreamName::policy_register();
        execute::<PolicyRegister>(store, clock, register, &ctx.metadata(), None, &scope).await?;
        let (stream, request) = (StreamName::policy(&scope), set.request.clone());
        let answer = self.answer::<Policy>(ctx, stream, request.as_ref(), &SetPolicy(set)).await?;
        self.inner.rules.load_policy(&scope).await?;
        answer.some(|state| state.details, "policy")
    }

    /// What seats would cost now: what a booking of them would be charged, as long as no rule changes in between.
    pub async fn quote(&self, ask: AskQuote) -> Result<Pricing, CommandError> {
        let AskQuote { show_id, seat_ids, coupon_code, user_id } = ask;
        let mut terms = self.terms(coupon_code).await?;
        if terms.has_limits() {
            let wanted = terms.clone();
            let look =
                move |seen: Seen<'_>| Ok(wanted.limited_for(&seen.show.screening()?.details, seen.now));
            let limited = self.inner.writers.read(&show_id, look).await?.map_err(|error: Rejection| error)?;
            for (code, limits) in limited {
                if !self.is_exhausted(&code, &limits, user_id.as_ref()).await? {
                    terms.claimed.insert(code);
                }
            }
        }
        let look = move |seen: Seen<'_>| seen.show.screening()?.quote(seen.now, &seat_ids, &terms);
        Ok(self.inner.writers.read(&show_id, look).await??)
    }

    /// The rules that a booking with this coupon would be priced by.
    pub(crate) async fn terms(&self, coupon_code: Option<SmolStr>) -> Result<PriceTerms, CommandError> {
        let rules = self.inner.rules.rules().await?;
        let coupon = match coupon_code {
            None => None,
            Some(code) => {
                let known = match OfferCode::parse(&code) {
                    Ok(code) => self.inner.rules.offer(&code).await?,
                    Err(_) => None,
                };
                Some(known.ok_or(CommandError::UnknownCoupon(code))?)
            }
        };
        Ok(PriceTerms { rules, coupon, ..PriceTerms::default() })
    }

    /// A partner's offer names theatres, and they are its own.
    async fn check_theatres(&self, offer: &OfferDetails) -> Result<(), CommandError> {
        let Some(partner) = &offer.partner_id else { return Ok(()) };
        if offer.conditions.theatres.is_empty() {
            return Err(CommandError::NotYours);
        }
        for theatre in &offer.conditions.theatres {
            self.check_scope(Some(partner), &PolicyScope::Theatre(theatre.clone())).await?;
        }
        Ok(())
    }

    async fn check_scope(
        &self,
        partner: Option<&PartnerId>,
        scope: &PolicyScope,
    ) -> Result<(), CommandError> {
        let missing = || CommandError::NotFound("scope");
        match (partner, scope) {
            (None, PolicyScope::Default) => Ok(()),
            (None, PolicyScope::City(city)) => {
                let city = self.load::<City>(StreamName::city(city)).await?;
                city.state.details.map(|_| ()).ok_or_else(missing)
            }
            (Some(_), PolicyScope::Default | PolicyScope::City(_)) => Err(CommandError::NotYours),
            (partner, PolicyScope::Theatre(theatre)) => {
                let theatre = self.theatre(theatre).await?.details.ok_or_else(missing)?;
                let own = partner.is_none_or(|partner| theatre.partner_id == *partner);
                if own { Ok(()) } else { Err(CommandError::NotYours) }
            }
        }
    }
}

/// A coupon of which no redemption is left, as the booking's own rules would refuse it.
pub(crate) fn exhausted(code: OfferCode) -> CommandError {
    Rejection::CouponRefused(code, CouponRefused::Exhausted).into()
}
