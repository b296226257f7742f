//! Fees and taxes, by where a theatre is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::Decider;
use crate::event::events;
use crate::ids::{CityId, TheatreId};
use crate::pricing::{MajorAmount, Percent};
use crate::request::{Answered, KeyReused, Request};

/// Where a policy holds. A theatre's goes before its city's, and that before the default.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "SmolStr", into = "SmolStr")]
pub enum PolicyScope {
    /// Everywhere else.
    Default,
    /// In a city.
    City(CityId),
    /// In a theatre.
    Theatre(TheatreId),
}

impl PolicyScope {
    /// `default`, `city:` or `theatre:` with an id.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None => (text == "default").then_some(Self::Default),
            Some(("city", id)) => CityId::parse(id).ok().map(Self::City),
            Some(("theatre", id)) => TheatreId::parse(id).ok().map(Self::Theatre),
            Some(_) => None,
        }
    }
}

impl std::fmt::Display for PolicyScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::City(id) => write!(f, "city:{id}"),
            Self::Theatre(id) => write!(f, "theatre:{id}"),
        }
    }
}

impl From<PolicyScope> for SmolStr {
    fn from(scope: PolicyScope) -> Self {
        Self::from(scope.to_string())
    }
}

impl TryFrom<SmolStr> for PolicyScope {
    type Error = &'static str;

    fn try_from(text: SmolStr) -> Result<Self, &'static str> {
        Self::parse(&text).ok_or("a scope is default, city:… or theatre:…")
    }
}

/// What tax is reckoned on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TaxOn {
    /// The seats less the discount.
    Net,
    /// The fees.
    Fees,
    /// Both.
    All,
}

/// What is charged on top of the seats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyDetails {
    /// Where it holds.
    pub scope: PolicyScope,
    /// A convenience fee for each ticket, in major units of the show's currency.
    pub fee_per_ticket: MajorAmount,
    /// The tax.
    pub tax_percent: Percent,
    /// On what.
    pub tax_on: TaxOn,
}

/// A policy was set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicySet {
    /// All of it.
    #[serde(flatten)]
    pub policy: PolicyDetails,
    /// The request that set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// A scope is about to get its first policy: whoever starts finds all policies by this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRegistered {
    /// The scope.
    pub scope: PolicyScope,
}

events! {
    /// What happened to price policies.
    PolicyEvent {
        Set(PolicySet) = "policy.set.v1",
        Registered(PolicyRegistered) = "policy.registered.v1",
    }
}

/// Why a policy is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRejection {
    /// The key was used for another body.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
}

/// Sets a policy.
#[derive(Debug, Clone, PartialEq)]
pub struct SetPolicy(pub PolicySet);

/// A scope's policy, or none yet.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// As it stands.
    pub details: Option<PolicyDetails>,
    answered: Answered,
}

impl Decider for Policy {
    type Command = SetPolicy;
    type Event = PolicyEvent;
    type Rejection = PolicyRejection;

    fn decide(&self, _: Timestamp, SetPolicy(set): &SetPolicy) -> Result<Vec<PolicyEvent>, PolicyRejection> {
        if self.answered.seen(set.request.as_ref())? || self.details.as_ref() == Some(&set.policy) {
            return Ok(vec![]);
        }
        Ok(vec![set.clone().into()])
    }

    fn evolve(&mut self, event: &PolicyEvent) {
        match event {
            PolicyEvent::Set(set) => {
                self.answered.remember(set.request.as_ref());
                self.details = Some(set.policy.clone());
            }
            PolicyEvent::Registered(_) => {}
        }
    }
}

/// The scopes that may have a policy.
#[derive(Debug, Clone, Default)]
pub struct PolicyRegister {
    /// In the order in which they came.
    pub scopes: Vec<PolicyScope>,
}

impl Decider for PolicyRegister {
    type Command = PolicyScope;
    type Event = PolicyEvent;
    type Rejection = PolicyRejection;

    fn decide(&self, _: Timestamp, scope: &PolicyScope) -> Result<Vec<PolicyEvent>, PolicyRejection> {
        let known = self.scopes.contains(scope);
        Ok(if known { vec![] } else { vec![PolicyRegistered { scope: scope.clone() }.into()] })
    }

    fn evolve(&mut self, event: &PolicyEvent) {
        match event {
            PolicyEvent::Registered(registered) => self.scopes.push(registered.scope.clone()),
            PolicyEvent::Set(_) => {}
        }
    }
}
