//! Money that goes back: what is due, what was granted, how far it has come.

use serde::{Deserialize, Serialize};

use crate::ids::RefundId;
use crate::money::Money;
use crate::payment::decide::{Payment, PaymentRejection, PaymentState};
use crate::payment::event::{PaymentEvent, RefundCause, RefundRequested};

/// What of the captured money is owed back, as its booking says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundDue {
    /// Why.
    pub cause: RefundCause,
    /// How much, in minor units; all that was captured and is not granted yet where it is absent.
    pub amount: Option<i64>,
    /// Which part of the booking it is for; absent for the booking as a whole. With the payment, the key of the refund.
    pub part: Option<u32>,
}

impl From<RefundCause> for RefundDue {
    /// Everything.
    fn from(cause: RefundCause) -> Self {
        Self { cause, amount: None, part: None }
    }
}

/// How far a refund has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundStatus {
    /// It is owed.
    Initiated,
    /// The gateway refused.
    Failed,
    /// It was paid back.
    Succeeded,
}

/// Money that goes back.
#[derive(Debug, Clone, PartialEq)]
pub struct Refund {
    /// What was granted.
    pub requested: RefundRequested,
    /// How far it has come.
    pub status: RefundStatus,
}

impl RefundCause {
    /// Whether it takes from the money that the booking was paid with, and not from money that nobody asked for.
    pub fn is_of_the_price(&self) -> bool {
        match self {
            Self::LatePayment | Self::BookingCancelled | Self::SeatsCancelled | Self::ShowCancelled => true,
            Self::Mismatch | Self::Unmatched => false,
        }
    }
}

impl Payment {
    /// What goes back of the captured amount, as a customer is shown it: the sum of what was granted, as far as the least advanced of
    /// it.
    pub fn refund(&self) -> Option<(RefundStatus, Money)> {
        let status = self.granted().map(|refund| refund.status).min()?;
        let currency = self.granted().map(|refund| refund.requested.amount.currency.clone()).next()?;
        Some((status, Money::new(self.granted_minor(), currency)))
    }

    /// Whether a refund was granted and is neither paid nor refused.
    pub fn owes(&self, id: &RefundId) -> bool {
        self.open_refund(id) == Ok(true)
    }

    fn granted(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.iter().filter(|refund| refund.requested.cause.is_of_the_price())
    }

    fn granted_minor(&self) -> i64 {
        self.granted().map(|refund| refund.requested.amount.minor).sum()
    }

    pub(super) fn open_refund(&self, id: &RefundId) -> Result<bool, PaymentRejection> {
        let refund = self.refunds.iter().find(|refund| refund.requested.refund_id == *id);
        refund.map(|refund| refund.status == RefundStatus::Initiated).ok_or(PaymentRejection::UnknownRefund)
    }

    /// One part, one refund; and together never more than was captured.
    pub(super) fn request_refund(&self, due: &RefundDue) -> Result<Vec<PaymentEvent>, PaymentRejection> {
        if self.granted().any(|refund| refund.requested.part == due.part) {
            return Ok(vec![]);
        }
        let (Some(initiated), Some(PaymentState::Captured)) = (&self.initiated, self.state) else {
            return Err(PaymentRejection::NothingCaptured);
        };
        let payment_intent_id = self.captured_as.clone().ok_or(PaymentRejection::NothingCaptured)?;
        let left = initiated.amount.minor - self.granted_minor();
        let minor = due.amount.unwrap_or(left);
        if minor > left {
            return Err(PaymentRejection::MoreThanCaptured);
        }
        if minor <= 0 {
            return Ok(vec![]);
        }
        let refund_id = match due.part {
            None => format!("rf_{}", initiated.payment_id),
            Some(part) => format!("rf_{}_part_{part}", initiated.payment_id),
        };
        Ok(vec![
            RefundRequested {
                refund_id: RefundId::new(refund_id),
                payment_id: initiated.payment_id.clone(),
                provider: initiated.provider.clone(),
                payment_intent_id,
                amount: Money::new(minor, initiated.amount.currency.clone()),
                cause: due.cause.clone(),
                part: due.part,
            }
            .into(),
        ])
    }

    pub(super) fn set_refund(&mut self, id: &RefundId, status: RefundStatus) {
        for refund in self.refunds.iter_mut().filter(|refund| refund.requested.refund_id == *id) {
            refund.status = status;
        }
    }
}
