//! When a show is on sale.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::show::command::Rejection;
use crate::show::event::ShowDetails;

/// When a show is on sale; without bounds, from when it is scheduled until it starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SalesWindow {
    /// Bookable from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Bookable until then, exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What a bound becomes: an instant, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SalesBound(pub Option<Timestamp>);

impl SalesWindow {
    /// The same with other bounds, where they are given.
    #[must_use]
    pub fn with(self, from: Option<SalesBound>, until: Option<SalesBound>) -> Self {
        let bound = |given: Option<SalesBound>, before| given.map_or(before, |SalesBound(bound)| bound);
        Self { from: bound(from, self.from), until: bound(until, self.until) }
    }

    /// Whether it has no bounds of its own.
    pub fn is_unbounded(&self) -> bool {
        *self == Self::default()
    }
}

impl ShowDetails {
    /// When its sale ends, exclusive.
    pub fn sales_end(&self) -> Timestamp {
        self.sales.until.unwrap_or(self.start_time)
    }

    /// Whether its sale can begin, and ends by its start.
    pub(super) fn check_sales(&self) -> Result<(), Rejection> {
        let end = self.sales_end();
        if end > self.start_time {
            Err(Rejection::SoldAfterStart)
        } else if self.sales.from.is_some_and(|from| from >= end) {
            Err(Rejection::NeverOnSale)
        } else {
            Ok(())
        }
    }

    pub(super) fn check_on_sale(&self, now: Timestamp) -> Result<(), Rejection> {
        match (self.sales.from, self.sales.until) {
            (Some(from), _) if now < from => Err(Rejection::NotYetOnSale(from)),
            (_, Some(until)) if now >= until => Err(Rejection::NoLongerOnSale(until)),
            _ => Ok(()),
        }
    }
}
