//! The rules of money. Only here are refunds granted, whoever asks for them.

use jiff::Timestamp;
use smol_str::SmolStr;

use crate::Decider;
use crate::ids::{BookingId, PaymentId, PaymentIntentId, RefundId};
use crate::money::Money;
use crate::payment::event::{
    IntentCreated, PaymentEvent, PaymentFailed, PaymentInitiated, PaymentMismatched, PaymentSucceeded,
    PaymentUnmatched, RefundCause, RefundFailed, RefundRequested, RefundSucceeded,
};
use crate::payment::refunds::{Refund, RefundDue, RefundStatus};

/// A customer sets out to pay.
pub type Initiate = PaymentInitiated;

/// What a verified notice of the gateway says of a payment.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The gateway's name for the notice.
    pub provider_event_id: SmolStr,
    /// The gateway's name for the payment.
    pub payment_intent_id: PaymentIntentId,
    /// How it ended.
    pub outcome: Outcome,
    /// What the notice is about.
    pub amount: Money,
    /// When, by the gateway's clock.
    pub occurred_at: Timestamp,
}

/// How a payment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The money was captured.
    Captured,
    /// It failed, and this intent will never succeed.
    Failed,
}

/// What is wanted of a payment.
#[derive(Debug, Clone, PartialEq)]
pub enum PaymentCommand {
    /// Begins it.
    Initiate(Initiate),
    /// Begins it with a gateway whose answer is known beforehand.
    InitiateKnown(Initiate, IntentCreated),
    /// The gateway has answered.
    RecordIntent(IntentCreated),
    /// The gateway says how it ended.
    RecordNotice(Notice),
    /// A notice fits no payment: this stream is where the money is written down.
    RecordUnmatched(PaymentUnmatched),
    /// Some of the captured money is owed back, or all.
    RequestRefund(RefundDue),
    /// The gateway has paid it back.
    RefundSucceeded(RefundId),
    /// The gateway refuses to.
    RefundFailed(RefundId, SmolStr),
}

/// Why a command is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PaymentRejection {
    /// The booking is being paid for already.
    #[error("a payment was already initiated")]
    AlreadyInitiated,
    /// The key was used for another body.
    #[error(transparent)]
    KeyReused(#[from] crate::request::KeyReused),
    /// No payment was begun here, or it is known to the gateway by another name.
    #[error("the notice fits no payment")]
    UnknownIntent,
    /// Nothing was captured that could go back.
    #[error("nothing was captured")]
    NothingCaptured,
    /// More is owed than is left of what was captured.
    #[error("more would go back than was captured")]
    MoreThanCaptured,
    /// No such refund.
    #[error("there is no such refund")]
    UnknownRefund,
}

/// How the payment that was asked for ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentState {
    /// Not yet.
    Pending,
    /// The money is here.
    Captured,
    /// It failed. Money may still come: a gateway's notices arrive in any order.
    Failed,
}

/// The money of a booking.
#[derive(Debug, Clone, Default)]
pub struct Payment {
    /// What was asked for; `None` before, and for money that fits no booking.
    pub initiated: Option<PaymentInitiated>,
    /// The gateway's answer.
    pub intent: Option<IntentCreated>,
    /// How it ended.
    pub state: Option<PaymentState>,
    /// Money that went or goes back.
    pub refunds: Vec<Refund>,
    pub(super) captured_as: Option<PaymentIntentId>,
    mismatched: Vec<PaymentMismatched>,
    unmatched: Option<PaymentUnmatched>,
}

impl Payment {
    fn initiate(&self, initiate: &Initiate) -> Result<Vec<PaymentEvent>, PaymentRejection> {
        match &self.initiated {
            None => Ok(vec![initiate.clone().into()]),
            Some(known) if !known.request.same_key(&initiate.request) => {
                Err(PaymentRejection::AlreadyInitiated)
            }
            Some(known) if known.request.fingerprint != initiate.request.fingerprint => {
                Err(crate::request::KeyReused.into())
            }
            Some(_) => Ok(vec![]),
        }
    }

    fn record_notice(&self, notice: &Notice) -> Result<Vec<PaymentEvent>, PaymentRejection> {
        let initiated = self.initiated.as_ref().ok_or(PaymentRejection::UnknownIntent)?;
        if self.repeats_a_mismatch(notice) {
            return Ok(vec![]);
        }
        // Once money came, only the payment that it came by is told again; any other is money of its own.
        let asked = self.intent.as_ref().map(|intent| &intent.payment_intent_id);
        let known = self.captured_as.as_ref().or(asked);
        if known.is_some_and(|known| *known != notice.payment_intent_id) {
            return Err(PaymentRejection::UnknownIntent);
        }
        let (payment_id, booking_id) = (initiated.payment_id.clone(), initiated.booking_id.clone());
        let provider_event_id = notice.provider_event_id.clone();
        match (notice.outcome, self.state) {
            (Outcome::Failed, Some(PaymentState::Pending) | None) => Ok(vec![
                PaymentFailed { payment_id, booking_id, provider_event_id, reason: "declined".into() }.into(),
            ]),
            (Outcome::Captured, _) if notice.amount != initiated.amount => {
                Ok(self.mismatch(initiated, notice))
            }
            // A failure told after the capture, or anything told again, changes nothing.
            (Outcome::Failed, Some(PaymentState::Captured | PaymentState::Failed))
            | (Outcome::Captured, Some(PaymentState::Captured)) => Ok(vec![]),
            (Outcome::Captured, Some(PaymentState::Pending | PaymentState::Failed) | None) => Ok(vec![
                PaymentSucceeded {
                    payment_id,
                    booking_id,
                    payment_intent_id: notice.payment_intent_id.clone(),
                    provider_event_id,
                    amount: notice.amount.clone(),
                    occurred_at: notice.occurred_at,
                }
                .into(),
            ]),
        }
    }

    /// Whether wrong money was written down before. A gateway that signs only the body can be replayed under a new event id,
    /// so what was captured tells repeats apart as well as the id does. Asked before anything else of a notice: money that
    /// already goes back must not be taken for somebody else's.
    fn repeats_a_mismatch(&self, notice: &Notice) -> bool {
        let told = self.mismatched.iter().any(|told| {
            let same_money =
                told.payment_intent_id == notice.payment_intent_id && told.captured == notice.amount;
            same_money || told.provider_event_id == notice.provider_event_id
        });
        notice.outcome == Outcome::Captured && told
    }

    /// Writes down money that was not asked for in this amount, and owes it back.
    fn mismatch(&self, initiated: &PaymentInitiated, notice: &Notice) -> Vec<PaymentEvent> {
        let number = self.mismatched.len() + 1;
        let payment_id = initiated.payment_id.clone();
        let mut events = vec![
            PaymentMismatched {
                payment_id: payment_id.clone(),
                booking_id: initiated.booking_id.clone(),
                payment_intent_id: notice.payment_intent_id.clone(),
                provider_event_id: notice.provider_event_id.clone(),
                expected: initiated.amount.clone(),
                captured: notice.amount.clone(),
            }
            .into(),
        ];
        if notice.amount.minor > 0 {
            events.push(
                RefundRequested {
                    refund_id: RefundId::new(format!("rf_{payment_id}_mismatch_{number}")),
                    payment_id,
                    provider: initiated.provider.clone(),
                    payment_intent_id: notice.payment_intent_id.clone(),
                    amount: notice.amount.clone(),
                    cause: RefundCause::Mismatch,
                    part: None,
                }
                .into(),
            );
        }
        events
    }

    /// The booking whose money this is.
    pub fn booking_id(&self) -> Option<&BookingId> {
        self.initiated.as_ref().map(|initiated| &initiated.booking_id)
    }

    /// The payment's id.
    pub fn payment_id(&self) -> Option<&PaymentId> {
        self.initiated.as_ref().map(|initiated| &initiated.payment_id)
    }
}

impl Decider for Payment {
    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type Rejection = PaymentRejection;

    fn decide(
        &self,
        _now: Timestamp,
        command: &PaymentCommand,
    ) -> Result<Vec<PaymentEvent>, PaymentRejection> {
        match command {
            PaymentCommand::Initiate(initiate) => self.initiate(initiate),
            PaymentCommand::InitiateKnown(initiate, intent) => {
                let mut events = self.initiate(initiate)?;
                if !events.is_empty() {
                    events.push(intent.clone().into());
                }
                Ok(events)
            }
            PaymentCommand::RecordIntent(created) => {
                if self.initiated.is_none() {
                    return Err(PaymentRejection::UnknownIntent);
                }
                Ok(if self.intent.is_none() { vec![created.clone().into()] } else { vec![] })
            }
            PaymentCommand::RecordNotice(notice) => self.record_notice(notice),
            PaymentCommand::RecordUnmatched(unmatched) => {
                if self.unmatched.is_some() {
                    return Ok(vec![]);
                }
                let mut events = vec![unmatched.clone().into()];
                if unmatched.captured && unmatched.amount.minor > 0 {
                    events.push(
                        RefundRequested {
                            refund_id: RefundId::new(format!("rf_{}", unmatched.payment_id)),
                            payment_id: unmatched.payment_id.clone(),
                            provider: unmatched.provider.clone(),
                            payment_intent_id: unmatched.payment_intent_id.clone(),
                            amount: unmatched.amount.clone(),
                            cause: RefundCause::Unmatched,
                            part: None,
                        }
                        .into(),
                    );
                }
                Ok(events)
            }
            PaymentCommand::RequestRefund(due) => self.request_refund(due),
            PaymentCommand::RefundSucceeded(id) => {
                let open = self.open_refund(id)?;
                Ok(if open { vec![RefundSucceeded { refund_id: id.clone() }.into()] } else { vec![] })
            }
            PaymentCommand::RefundFailed(id, reason) => {
                let open = self.open_refund(id)?;
                let failed = || RefundFailed { refund_id: id.clone(), reason: reason.clone() };
                Ok(if open { vec![failed().into()] } else { vec![] })
            }
        }
    }

    fn evolve(&mut self, event: &PaymentEvent) {
        match event {
            PaymentEvent::Initiated(initiated) => {
                self.initiated = Some(initiated.clone());
                self.state = Some(PaymentState::Pending);
            }
            PaymentEvent::IntentCreated(created) => self.intent = Some(created.clone()),
            PaymentEvent::Succeeded(succeeded) => {
                self.state = Some(PaymentState::Captured);
                self.captured_as = Some(succeeded.payment_intent_id.clone());
            }
            PaymentEvent::Failed(_) => self.state = Some(PaymentState::Failed),
            PaymentEvent::Mismatched(mismatched) => {
                self.mismatched.push(mismatched.clone());
            }
            PaymentEvent::Unmatched(unmatched) => self.unmatched = Some(unmatched.clone()),
            PaymentEvent::RefundRequested(requested) => {
                self.refunds.push(Refund { requested: requested.clone(), status: RefundStatus::Initiated });
            }
            PaymentEvent::RefundSucceeded(done) => self.set_refund(&done.refund_id, RefundStatus::Succeeded),
            PaymentEvent::RefundFailed(failed) => self.set_refund(&failed.refund_id, RefundStatus::Failed),
        }
    }
}
