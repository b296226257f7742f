//! What goes back of a booking's money, as its row holds it.

use std::collections::BTreeMap;

use marquee_domain::ids::RefundId;
use marquee_domain::money::Money;
use marquee_domain::payment::RefundRequested;
use serde::{Deserialize, Serialize};

use super::{RefundRow, RefundStatus};
use crate::projector::Poison;

/// One refund.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Refund {
    pub id: RefundId,
    pub status: RefundStatus,
    pub amount: Money,
    /// Whether it is of money that nobody asked for: no part of what the customer is shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aside: bool,
}

/// Those of a booking, in the order in which they were granted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Refunds(Vec<Refund>);

impl Refunds {
    pub fn new(refunds: Vec<Refund>) -> Self {
        Self(refunds)
    }

    /// One is granted.
    pub fn begin(&mut self, requested: &RefundRequested) {
        self.0.push(Refund {
            id: requested.refund_id.clone(),
            status: RefundStatus::Initiated,
            amount: requested.amount.clone(),
            aside: !requested.cause.is_of_the_price(),
        });
    }

    /// One has come to an end.
    pub fn end(&mut self, id: &RefundId, status: RefundStatus) -> Result<(), Poison> {
        let refund = self.0.iter_mut().find(|refund| refund.id == *id).ok_or(Poison::NothingToChange)?;
        refund.status = status;
        Ok(())
    }

    /// What a customer is shown: the sum, as far as the least advanced of them.
    pub fn shown(&self) -> Option<RefundRow> {
        let status =
            self.of_the_price().map(|refund| refund.status).min_by_key(|status| status.progress())?;
        let minor = self.of_the_price().map(|refund| refund.amount.minor).sum();
        let currency = self.of_the_price().next()?.amount.currency.clone();
        Some(RefundRow { status, amount: Money::new(minor, currency) })
    }

    /// The latest of those that a customer is shown.
    pub fn latest(&self) -> Option<&RefundId> {
        self.of_the_price().last().map(|refund| &refund.id)
    }

    /// Each by itself, where what is shown does not tell it.
    pub fn apart(&self) -> Option<&[Refund]> {
        let told = match &self.0[..] {
            [] => true,
            [only] => !only.aside,
            _ => false,
        };
        (!told).then_some(&self.0)
    }

    fn of_the_price(&self) -> impl Iterator<Item = &Refund> {
        self.0.iter().filter(|refund| !refund.aside)
    }
}

impl RefundStatus {
    fn progress(self) -> u8 {
        match self {
            Self::Initiated => 0,
            Self::Failed => 1,
            Self::Succeeded => 2,
        }
    }
}

/// What goes back of the money of a show's bookings, in one status and currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundTotal {
    /// How far these refunds have come.
    pub status: RefundStatus,
    /// How many they are.
    pub count: u64,
    /// What they come to.
    pub amount: Money,
}

/// Counts and sums, those that are owed first.
pub(super) fn totals(rows: impl IntoIterator<Item = Refunds>) -> Vec<RefundTotal> {
    let mut totals: BTreeMap<(u8, String), RefundTotal> = BTreeMap::new();
    for refund in rows.into_iter().flat_map(|refunds| refunds.0) {
        let key = (refund.status.progress(), refund.amount.currency.to_string());
        let total = totals.entry(key).or_insert_with(|| RefundTotal {
            status: refund.status,
            count: 0,
            amount: Money::zero(refund.amount.currency.clone()),
        });
        total.count += 1;
        total.amount.minor += refund.amount.minor;
    }
    totals.into_values().collect()
}
