//! What happened to the money of a booking.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::event::events;
use crate::ids::{BookingId, PaymentId, PaymentIntentId, RefundId, UserId};
use crate::money::Money;
use crate::request::Request;

/// A customer set out to pay. Appended before the gateway hears of it, so that a crash in between orphans nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentInitiated {
    /// The payment.
    pub payment_id: PaymentId,
    /// The booking; also the key under which the gateway tells repeats apart.
    pub booking_id: BookingId,
    /// Who pays.
    pub user_id: UserId,
    /// The gateway, such as `SANDBOX`.
    pub provider: SmolStr,
    /// What is to be paid.
    pub amount: Money,
    /// Where the gateway sends the customer afterwards.
    pub return_url: SmolStr,
    /// The request that did it.
    pub request: Request,
}

/// The gateway knows of the payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntentCreated {
    /// The payment.
    pub payment_id: PaymentId,
    /// The gateway's name for it.
    pub payment_intent_id: PaymentIntentId,
    /// Where the customer pays.
    pub redirect_url: SmolStr,
}

/// The gateway has the money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentSucceeded {
    /// The payment.
    pub payment_id: PaymentId,
    /// The booking that it pays for.
    pub booking_id: BookingId,
    /// The gateway's name for it.
    pub payment_intent_id: PaymentIntentId,
    /// The gateway's name for the notice.
    pub provider_event_id: SmolStr,
    /// What was captured.
    pub amount: Money,
    /// When, by the gateway's clock.
    pub occurred_at: Timestamp,
}

/// The payment failed for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentFailed {
    /// The payment.
    pub payment_id: PaymentId,
    /// The booking that it was for.
    pub booking_id: BookingId,
    /// The gateway's name for the notice.
    pub provider_event_id: SmolStr,
    /// Why, in a word.
    pub reason: SmolStr,
}

/// The gateway captured another amount or currency than was asked for. It is paid back; the booking stays payable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentMismatched {
    /// The payment.
    pub payment_id: PaymentId,
    /// The booking that it was for.
    pub booking_id: BookingId,
    /// The gateway's name for the payment; with what was captured, it tells repeats apart.
    pub payment_intent_id: PaymentIntentId,
    /// The gateway's name for the notice.
    pub provider_event_id: SmolStr,
    /// What was asked for.
    pub expected: Money,
    /// What was captured.
    pub captured: Money,
}

/// A verified notice fits no payment that Marquee knows. Never dropped: it is money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentUnmatched {
    /// The gateway.
    pub provider: SmolStr,
    /// The payment as this stream names it.
    pub payment_id: PaymentId,
    /// The gateway's name for it.
    pub payment_intent_id: PaymentIntentId,
    /// The gateway's name for the notice.
    pub provider_event_id: SmolStr,
    /// What the gateway says that it was for.
    pub booking_reference: SmolStr,
    /// What the notice is about.
    pub amount: Money,
    /// Whether the money was captured, so that it is owed back.
    pub captured: bool,
}

/// Why money goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefundCause {
    /// It came for a booking that could no longer take it.
    LatePayment,
    /// The customer cancelled.
    BookingCancelled,
    /// The customer cancelled some of the seats.
    SeatsCancelled,
    /// The partner called off the show.
    ShowCancelled,
    /// The wrong amount or currency came.
    Mismatch,
    /// It fits no booking.
    Unmatched,
}

/// Money is owed back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundRequested {
    /// The refund; also the key under which the gateway tells repeats apart.
    pub refund_id: RefundId,
    /// The payment that it is taken from.
    pub payment_id: PaymentId,
    /// The gateway.
    pub provider: SmolStr,
    /// The gateway's name for the payment.
    pub payment_intent_id: PaymentIntentId,
    /// How much.
    pub amount: Money,
    /// Why.
    pub cause: RefundCause,
    /// Which part of the booking it is for, where the customer cancelled some of the seats. With the payment, the key of the refund:
    /// one part pays back once, and the booking as a whole once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
}

/// The gateway paid it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundSucceeded {
    /// The refund.
    pub refund_id: RefundId,
}

/// The gateway refused to pay it back; somebody must look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundFailed {
    /// The refund.
    pub refund_id: RefundId,
    /// Why, in a word.
    pub reason: SmolStr,
}

events! {
    /// What happened to the money of a booking, or to money that fits none.
    PaymentEvent {
        Initiated(PaymentInitiated) = "payment.initiated.v1",
        IntentCreated(IntentCreated) = "payment.intent-created.v1",
        Succeeded(PaymentSucceeded) = "payment.succeeded.v1",
        Failed(PaymentFailed) = "payment.failed.v1",
        Mismatched(PaymentMismatched) = "payment.mismatched.v1",
        Unmatched(PaymentUnmatched) = "payment.unmatched.v1",
        RefundRequested(RefundRequested) = "refund.requested.v1",
        RefundSucceeded(RefundSucceeded) = "refund.succeeded.v1",
        RefundFailed(RefundFailed) = "refund.failed.v1",
    }
}
