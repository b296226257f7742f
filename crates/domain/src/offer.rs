//! Offers: who may make them, and what they say.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::Decider;
use crate::event::events;
use crate::ids::{OfferCode, PartnerId};
use crate::pricing::{Conditions, OfferRule, Rule};
use crate::request::{Answered, KeyReused, Request};

/// How often an offer may be redeemed. A redemption counts from the seat lock on, and no more once the booking has ended unpaid
/// or was cancelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfferLimits {
    /// By one customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_user: Option<u32>,
    /// By all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
}

impl OfferLimits {
    /// Whether there are none.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// An offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferDetails {
    /// What a customer enters, and what a booking names it by.
    pub code: OfferCode,
    /// Whose it is; the house's own where it is nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partner_id: Option<PartnerId>,
    /// What it says it does.
    pub description: SmolStr,
    /// What it takes off.
    pub rule: Rule,
    /// For which shows.
    #[serde(default)]
    pub conditions: Conditions,
    /// Bookings get it from this instant on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// And before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Timestamp>,
    /// Whether a booking gets it without naming it.
    #[serde(default)]
    pub automatic: bool,
    /// Whether anybody gets it.
    pub active: bool,
    /// Whether it goes together with others that do.
    #[serde(default)]
    pub stackable: bool,
    /// How often.
    #[serde(default, skip_serializing_if = "OfferLimits::are_none")]
    pub limits: OfferLimits,
}

/// An offer was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferCreated {
    /// All of it.
    #[serde(flatten)]
    pub offer: OfferDetails,
    /// The request that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// An offer was replaced. Bookings keep the price that they were made at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferChanged {
    /// All of it, as it now stands.
    #[serde(flatten)]
    pub offer: OfferDetails,
    /// The request that changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// A code is about to become an offer: whoever starts finds all offers by this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OfferRegistered {
    /// The code.
    pub code: OfferCode,
}

events! {
    /// What happened to offers.
    OfferEvent {
        Created(OfferCreated) = "offer.created.v1",
        Changed(OfferChanged) = "offer.changed.v1",
        Registered(OfferRegistered) = "offer.registered.v1",
    }
}

/// Why an offer is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferRejection {
    /// The code is taken.
    #[error("the code is taken")]
    AlreadyExists,
    /// There is nothing to change.
    #[error("there is no such offer")]
    NotFound,
    /// It is another's.
    #[error("the offer belongs to somebody else")]
    NotYours,
    /// Its rule makes no sense.
    #[error("rule: {0}")]
    Rule(&'static str),
    /// It would end before it began.
    #[error("validTo is not after validFrom")]
    NeverValid,
    /// A limit that lets nobody have it.
    #[error("a limit is at least 1")]
    NeverRedeemable,
    /// The key was used for another body.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
}

impl OfferDetails {
    /// Whether it makes sense.
    pub fn check(&self) -> Result<(), OfferRejection> {
        if let Some(fault) = self.rule.fault() {
            return Err(OfferRejection::Rule(fault));
        }
        if matches!((self.valid_from, self.valid_to), (Some(from), Some(to)) if to <= from) {
            return Err(OfferRejection::NeverValid);
        }
        if self.limits.per_user == Some(0) || self.limits.total == Some(0) {
            return Err(OfferRejection::NeverRedeemable);
        }
        Ok(())
    }

    /// Whether bookings get it at an instant.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.active
            && self.valid_from.is_none_or(|from| from <= now)
            && self.valid_to.is_none_or(|to| now < to)
    }
}

/// What is wanted of an offer.
#[derive(Debug, Clone, PartialEq)]
pub enum OfferCommand {
    /// Makes it.
    Create(OfferCreated),
    /// Replaces it, for its owner, or for the house, which may change any.
    Change(OfferChanged),
}

/// An offer, or none yet.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    /// As it stands.
    pub details: Option<OfferDetails>,
    answered: Answered,
}

impl Decider for Offer {
    type Command = OfferCommand;
    type Event = OfferEvent;
    type Rejection = OfferRejection;

    fn decide(&self, _: Timestamp, command: &OfferCommand) -> Result<Vec<OfferEvent>, OfferRejection> {
        let (OfferCommand::Create(OfferCreated { offer, request })
        | OfferCommand::Change(OfferChanged { offer, request })) = command;
        if self.answered.seen(request.as_ref())? {
            return Ok(vec![]);
        }
        offer.check()?;
        match (command, &self.details) {
            (OfferCommand::Create(created), None) => Ok(vec![created.clone().into()]),
            (OfferCommand::Create(_), Some(_)) => Err(OfferRejection::AlreadyExists),
            (OfferCommand::Change(_), None) => Err(OfferRejection::NotFound),
            (OfferCommand::Change(changed), Some(known)) => {
                // What the house changes stays whose it was.
                let owner = changed.offer.partner_id.as_ref().or(known.partner_id.as_ref());
                if owner != known.partner_id.as_ref() {
                    return Err(OfferRejection::NotYours);
                }
                let offer = OfferDetails { partner_id: owner.cloned(), ..changed.offer.clone() };
                let same = offer == *known;
                let changed = OfferChanged { offer, request: changed.request.clone() };
                Ok(if same { vec![] } else { vec![changed.into()] })
            }
        }
    }

    fn evolve(&mut self, event: &OfferEvent) {
        match event {
            OfferEvent::Created(OfferCreated { offer, request })
            | OfferEvent::Changed(OfferChanged { offer, request }) => {
                self.answered.remember(request.as_ref());
                self.details = Some(offer.clone());
            }
            OfferEvent::Registered(_) => {}
        }
    }
}

/// The codes that may be offers.
#[derive(Debug, Clone, Default)]
pub struct OfferRegister {
    /// In the order in which they came.
    pub codes: Vec<OfferCode>,
}

impl Decider for OfferRegister {
    type Command = OfferCode;
    type Event = OfferEvent;
    type Rejection = OfferRejection;

    fn decide(&self, _: Timestamp, code: &OfferCode) -> Result<Vec<OfferEvent>, OfferRejection> {
        let known = self.codes.contains(code);
        Ok(if known { vec![] } else { vec![OfferRegistered { code: code.clone() }.into()] })
    }

    fn evolve(&mut self, event: &OfferEvent) {
        match event {
            OfferEvent::Registered(registered) => self.codes.push(registered.code.clone()),
            OfferEvent::Created(_) | OfferEvent::Changed(_) => {}
        }
    }
}
