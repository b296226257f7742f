//! The money of one booking: what was asked for, what came, what went back.

mod decide;
mod event;

pub use decide::{
    Initiate, Notice, Outcome, Payment, PaymentCommand, PaymentRejection, PaymentState, Refund, RefundStatus,
};
pub use event::{
    IntentCreated, PaymentEvent, PaymentFailed, PaymentInitiated, PaymentMismatched, PaymentSucceeded,
    PaymentUnmatched, RefundCause, RefundFailed, RefundRequested, RefundSucceeded,
};
