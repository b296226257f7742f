//! The money of one booking: what was asked for, what came, what went back.

mod decide;
mod event;
mod refunds;

pub use decide::{Initiate, Notice, Outcome, Payment, PaymentCommand, PaymentRejection, PaymentState};
pub use event::{
    IntentCreated, PaymentEvent, PaymentFailed, PaymentInitiated, PaymentMismatched, PaymentSucceeded,
    PaymentUnmatched, RefundCause, RefundFailed, RefundRequested, RefundSucceeded,
};
pub use refunds::{Refund, RefundDue, RefundStatus};
