//! Customers: how they are reached, and that they want to be forgotten.
//!
//! How somebody is reached is no event and part of none: it lies apart, encrypted, and can be destroyed. The log knows a
//! customer by an opaque id, and of an erasure that it happened.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::Decider;
use crate::event::events;
use crate::ids::UserId;

/// A way to tell a customer something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Channel {
    /// E-mail.
    Email,
    /// A text message to a phone.
    Sms,
    /// `WhatsApp`, to the same phone.
    Whatsapp,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 3] = [Self::Email, Self::Sms, Self::Whatsapp];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Sms => "SMS",
            Self::Whatsapp => "WHATSAPP",
        }
    }

    /// The channel of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == name)
    }
}

/// How a customer is reached. Personal data: it is never part of an event, and what it holds is never shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// An e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<SmolStr>,
    /// A phone number as E.164 has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<SmolStr>,
    /// The language to write in, a BCP 47 tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<SmolStr>,
    /// The channels that are wanted.
    pub channels: BTreeSet<Channel>,
}

impl Contact {
    /// Where a channel leads; `None` where it leads nowhere, or is not wanted.
    pub fn address(&self, channel: Channel) -> Option<&SmolStr> {
        let address = match channel {
            Channel::Email => self.email.as_ref(),
            Channel::Sms | Channel::Whatsapp => self.phone.as_ref(),
        };
        address.filter(|_| self.channels.contains(&channel))
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact").field("channels", &self.channels).finish_non_exhaustive()
    }
}

/// A customer's personal data was destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerErased {
    /// Whose.
    pub user_id: UserId,
}

events! {
    /// What happened to a customer.
    CustomerEvent {
        Erased(CustomerErased) = "customer.erased.v1",
    }
}

/// Why a customer's data is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CustomerRejection {
    /// The customer was erased, for good.
    #[error("the customer was erased")]
    Erased,
}

/// Destroys a customer's personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EraseCustomer(pub UserId);

/// A customer, of whom the log need not have heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Customer {
    /// May be reached, if it is known how.
    #[default]
    Reachable,
    /// Was erased. Nothing brings an id back: who returns is somebody new.
    Erased,
}

impl Customer {
    /// Refuses to keep how to reach somebody who was erased.
    pub fn may_be_kept(self) -> Result<(), CustomerRejection> {
        match self {
            Self::Reachable => Ok(()),
            Self::Erased => Err(CustomerRejection::Erased),
        }
    }
}

impl Decider for Customer {
    type Command = EraseCustomer;
    type Event = CustomerEvent;
    type Rejection = CustomerRejection;

    fn decide(
        &self,
        _now: Timestamp,
        EraseCustomer(user): &EraseCustomer,
    ) -> Result<Vec<CustomerEvent>, CustomerRejection> {
        match self {
            Self::Reachable => Ok(vec![CustomerErased { user_id: user.clone() }.into()]),
            Self::Erased => Ok(vec![]),
        }
    }

    fn evolve(&mut self, event: &CustomerEvent) {
        match event {
            CustomerEvent::Erased(_) => *self = Self::Erased,
        }
    }
}
