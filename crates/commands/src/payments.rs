//! Payment commands: initiating, and what the gateway says afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use marquee_domain::ids::{BookingId, IdempotencyKey, PaymentId};
use marquee_domain::money::Money;
use marquee_domain::payment::{
    IntentCreated, Notice, Outcome, Payment, PaymentCommand, PaymentInitiated, PaymentRejection,
    PaymentState, PaymentUnmatched, RefundCause, RefundDue,
};
use marquee_domain::request::{KeyReused, Request};
use marquee_domain::show::{BookingState, BookingStatus, Rejection, ShowCommand};
use marquee_event_store::{Metadata, StreamName};
use smol_str::SmolStr;

use crate::bookings::known_booking;
use crate::context::{Answer, Context};
use crate::error::CommandError;
use crate::execute::{Executed, Loaded, execute};
use crate::gateway::{GatewayError, Intent, Verified, WebhookError};
use crate::writer::Decided;
use crate::writer::Seen;
use crate::{Commands, counters};

/// A customer sets out to pay.
#[derive(Debug, Clone)]
pub struct InitiatePayment {
    /// For what.
    pub booking_id: BookingId,
    /// Through which gateway.
    pub provider: SmolStr,
    /// Where the gateway sends the customer afterwards; already checked.
    pub return_url: SmolStr,
    /// Who asks, and by which key.
    pub request: Request,
}

/// A payment that the gateway knows of.
#[derive(Debug, Clone)]
pub struct PaymentAnswer {
    /// What was asked for.
    pub initiated: PaymentInitiated,
    /// The gateway's answer.
    pub intent: IntentCreated,
}

/// Recent payments kept folded. Past this many, all are let go.
const MOST_KEPT: usize = 20_000;

/// Marks a booking's payment as being initiated, until it is dropped.
struct InFlight<'a> {
    all: &'a DashMap<BookingId, IdempotencyKey>,
    booking: &'a BookingId,
}

impl<'a> InFlight<'a> {
    fn begin(
        all: &'a DashMap<BookingId, IdempotencyKey>,
        booking: &'a BookingId,
        key: &IdempotencyKey,
    ) -> Result<Self, CommandError> {
        match all.entry(booking.clone()) {
            Entry::Vacant(vacant) => _ = vacant.insert(key.clone()),
            Entry::Occupied(other) if other.get() == key => return Err(CommandError::InProgress),
            Entry::Occupied(_) => return Err(PaymentRejection::AlreadyInitiated.into()),
        }
        Ok(Self { all, booking })
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.all.remove(self.booking);
    }
}

impl Commands {
    /// Begins the payment of a booking: writes it down, then tells the gateway.
    pub async fn initiate_payment(
        &self,
        ctx: &Context,
        initiate: InitiatePayment,
    ) -> Result<Answer<PaymentAnswer>, CommandError> {
        let InitiatePayment { booking_id, provider, return_url, request } = initiate;
        let gateway = self.inner.gateways.get(&provider).ok_or_else(|| CommandError::Invalid {
            field: "provider",
            reason: "no such payment provider is on".into(),
        })?;
        let _in_flight =
            InFlight::begin(&self.inner.payments_in_flight, &booking_id, &request.idempotency_key)?;
        let amount = match self.payable(&booking_id, &request).await? {
            Payable::Now(amount) => amount,
            Payable::Answered(answer) => return Ok(*answer),
        };
        let initiated = PaymentInitiated {
            payment_id: booking_id.payment(),
            booking_id: booking_id.clone(),
            user_id: request.user_id.clone(),
            provider: SmolStr::new_static(gateway.provider()),
            amount,
            return_url,
            request,
        };
        let command = match gateway.intent_beforehand(&initiated) {
            Some(intent) => {
                let intent = intent_created(&initiated, intent);
                PaymentCommand::InitiateKnown(initiated, intent)
            }
            None => PaymentCommand::Initiate(initiated),
        };
        let begun = self.execute_payment(&ctx.metadata(), &booking_id, &command).await?;
        let replayed = begun.appended.is_none();
        let Some(initiated) = begun.loaded.state.initiated.clone() else {
            return Err(CommandError::NotFound("payment"));
        };
        if let Some(intent) = begun.loaded.state.intent.clone() {
            let position =
                if replayed { self.intent_position(&booking_id).await? } else { begun.loaded.position };
            return Ok(Answer { value: PaymentAnswer { initiated, intent }, position, replayed });
        }
        let made = gateway.create_intent(&initiated).await.map_err(|error| match error {
            GatewayError::Refused(reason) => {
                CommandError::Invalid { field: "provider", reason: reason.to_string() }
            }
            GatewayError::Unavailable(reason) => CommandError::Unavailable(reason),
        })?;
        let intent = intent_created(&initiated, made);
        let known = self
            .execute_payment(
                &ctx.caused_by(begun.appended),
                &booking_id,
                &PaymentCommand::RecordIntent(intent.clone()),
            )
            .await?;
        let intent = known.loaded.state.intent.unwrap_or(intent);
        Ok(Answer { value: PaymentAnswer { initiated, intent }, position: known.loaded.position, replayed })
    }

    /// Whether a booking may be paid for now; or the answer that the same request had before.
    async fn payable(&self, booking_id: &BookingId, request: &Request) -> Result<Payable, CommandError> {
        let show_id = booking_id.show().ok_or(CommandError::NotFound("booking"))?;
        let (wanted, user) = (booking_id.clone(), request.user_id.clone());
        let look = move |seen: Seen<'_>| -> Result<Money, Rejection> {
            let booking = seen.show.screening()?.payable(seen.now, &wanted, &user)?;
            let pricing =
                booking.pricing.as_ref().ok_or(Rejection::NotPayable(BookingStatus::SeatsLocked))?;
            Ok(pricing.amount())
        };
        let payable = self.inner.writers.read(&show_id, look).await?.map_err(CommandError::from);
        match known_booking(payable) {
            Ok(amount) => Ok(Payable::Now(amount)),
            Err(CommandError::Show(Rejection::NotPayable(status))) => {
                let payment = self.payment(booking_id).await?;
                match (payment.initiated, payment.intent) {
                    (Some(initiated), Some(intent)) if initiated.request.same_key(request) => {
                        if initiated.request.fingerprint != request.fingerprint {
                            return Err(PaymentRejection::KeyReused(KeyReused).into());
                        }
                        let position = self.intent_position(booking_id).await?;
                        let value = PaymentAnswer { initiated, intent };
                        Ok(Payable::Answered(Box::new(Answer { value, position, replayed: true })))
                    }
                    _ => Err(Rejection::NotPayable(status).into()),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Takes a gateway's webhook. `Ok` is for everything that need not be sent again, acted upon or not.
    pub async fn webhook(
        &self,
        ctx: &Context,
        provider: &str,
        headers: &BTreeMap<String, String>,
        body: &[u8],
    ) -> Result<(), CommandError> {
        let gateway = self.inner.gateways.get(provider).ok_or(CommandError::NotFound("provider"))?;
        let count = |result: &'static str| {
            metrics::counter!("marquee_webhooks_total", "provider" => gateway.provider(), "result" => result)
                .increment(1);
        };
        let verified = gateway.verify(headers, body).map_err(|error| match error {
            WebhookError::BadSignature => {
                count("bad_signature");
                CommandError::InvalidSignature
            }
            WebhookError::Malformed(reason) => {
                count("malformed");
                CommandError::Invalid { field: "body", reason }
            }
        })?;
        match verified {
            Verified::Payment { booking_reference, notice } => {
                let matched = self.told(ctx, gateway.provider(), &booking_reference, &notice).await?;
                count(if matched { "matched" } else { "unmatched" });
            }
            Verified::Refund { payment_id, refund_id, progress } => {
                let stream = StreamName::payment_of(&payment_id);
                let matched = match stream {
                    Some(stream) => {
                        self.record_refund(&ctx.metadata(), &stream, &refund_id, progress).await?
                    }
                    None => false,
                };
                count(if matched { "matched" } else { "unmatched" });
            }
            Verified::Other { status } => {
                count("ignored");
                tracing::info!(%status, "a webhook of a status that is not acted on");
            }
        }
        Ok(())
    }

    /// Writes down how a payment ended, whoever said so: the gateway unasked, or when it was asked. `false` where it fits no
    /// payment.
    pub(crate) async fn told(
        &self,
        ctx: &Context,
        provider: &'static str,
        reference: &str,
        notice: &Notice,
    ) -> Result<bool, CommandError> {
        let matched = self.payment_ended(ctx, reference, notice).await?;
        if !matched {
            self.unmatched(ctx, provider, reference, notice).await?;
        }
        Ok(matched)
    }

    /// Writes down how a payment ended and settles its booking at once. `false` where it fits no payment.
    async fn payment_ended(
        &self,
        ctx: &Context,
        reference: &str,
        notice: &Notice,
    ) -> Result<bool, CommandError> {
        let booking_id = BookingId::new(reference);
        if booking_id.show().is_none() {
            return Ok(false);
        }
        let command = PaymentCommand::RecordNotice(notice.clone());
        let recorded = self.execute_payment(&ctx.metadata(), &booking_id, &command).await;
        match recorded {
            Ok(executed) => {
                if executed.appended.is_some()
                    && notice.outcome == Outcome::Captured
                    && amount_differs(&executed, notice)
                {
                    tracing::error!(%booking_id, "alert: a payment of the wrong amount or currency came; it is paid back");
                    metrics::counter!(counters::PAYMENTS_MISMATCHED).increment(1);
                }
                self.settle(&ctx.caused_by(executed.appended), &booking_id, &executed.loaded.state).await?;
                Ok(true)
            }
            Err(CommandError::Payment(PaymentRejection::UnknownIntent)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Brings a booking to where its payment says that it should be. Repeating it changes nothing: the webhook does it
    /// at once, and a process does it again from the log.
    pub(crate) async fn settle(
        &self,
        metadata: &Arc<Metadata>,
        id: &BookingId,
        payment: &Payment,
    ) -> Result<(), CommandError> {
        let (Some(show_id), Some(initiated)) = (id.show(), &payment.initiated) else { return Ok(()) };
        let command = match payment.state {
            Some(PaymentState::Captured) => {
                ShowCommand::Confirm { booking_id: id.clone(), payment_id: initiated.payment_id.clone() }
            }
            Some(PaymentState::Failed) => {
                ShowCommand::Fail { booking_id: id.clone(), reason: "payment failed".into() }
            }
            Some(PaymentState::Pending) | None => return Ok(()),
        };
        let captured = payment.state == Some(PaymentState::Captured);
        let decided = self.inner.writers.decide(&show_id, command, Arc::clone(metadata)).await;
        // A confirm at or after the deadline wrote down that the booking expired.
        let came_late = |decided: &Decided| {
            captured && decided.booking.as_ref().is_some_and(|booking| booking.state == BookingState::Expired)
        };
        match decided {
            Ok(decided) if came_late(&decided) => {
                self.refund_late(metadata, id, payment, &Rejection::BookingExpired).await
            }
            Ok(decided) => {
                if captured && !decided.replayed {
                    metrics::counter!(counters::BOOKINGS_CONFIRMED).increment(1);
                }
                Ok(())
            }
            Err(CommandError::Show(rejection)) if captured => {
                let cancelled = rejection == Rejection::NotPayable(BookingStatus::Cancelled);
                let due = if cancelled { self.refunds_due(id).await? } else { None };
                match due {
                    // It was paid for before: the booking says what is owed, which need not be everything.
                    Some(due) => self.grant(metadata, id, due).await,
                    None => self.refund_late(metadata, id, payment, &rejection).await,
                }
            }
            // A booking that is over needs no failing.
            Err(CommandError::Show(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Money came that its booking cannot take: it is owed back.
    async fn refund_late(
        &self,
        metadata: &Arc<Metadata>,
        id: &BookingId,
        payment: &Payment,
        rejection: &Rejection,
    ) -> Result<(), CommandError> {
        if payment.refund().is_none() {
            tracing::error!(booking_id = %id, %rejection, "alert: money came that its booking cannot take; it is paid back");
            metrics::counter!(counters::LATE_PAYMENTS).increment(1);
        }
        let cause = match rejection {
            Rejection::NotPayable(BookingStatus::Cancelled) => RefundCause::BookingCancelled,
            _ => RefundCause::LatePayment,
        };
        self.request_refund(metadata, id, cause.into()).await.map(|_| ())
    }

    /// What a booking says that is owed of what was paid for it; `None` where it never was.
    pub(crate) async fn refunds_due(&self, id: &BookingId) -> Result<Option<Vec<RefundDue>>, CommandError> {
        let show_id = id.show().ok_or(CommandError::NotFound("booking"))?;
        let wanted = id.clone();
        let look = move |seen: Seen<'_>| -> Result<Option<Vec<RefundDue>>, Rejection> {
            let booking = seen.show.screening()?.booking(&wanted)?;
            Ok(booking.was_paid().then(|| booking.refunds_due()))
        };
        known_booking(self.inner.writers.read(&show_id, look).await?.map_err(CommandError::from))
    }

    /// Grants refunds; those that were granted before are no matter.
    pub(crate) async fn grant(
        &self,
        metadata: &Arc<Metadata>,
        id: &BookingId,
        due: Vec<RefundDue>,
    ) -> Result<(), CommandError> {
        for due in due {
            self.request_refund(metadata, id, due).await?;
        }
        Ok(())
    }

    /// Grants a refund of what was captured for a booking; nothing to do where nothing was.
    pub(crate) async fn request_refund(
        &self,
        metadata: &Arc<Metadata>,
        id: &BookingId,
        due: RefundDue,
    ) -> Result<Payment, CommandError> {
        let executed = self.execute_payment(metadata, id, &PaymentCommand::RequestRefund(due)).await;
        match executed {
            Ok(executed) => Ok(executed.loaded.state),
            Err(CommandError::Payment(PaymentRejection::NothingCaptured)) => self.payment(id).await,
            Err(error) => Err(error),
        }
    }

    async fn unmatched(
        &self,
        ctx: &Context,
        provider: &str,
        reference: &str,
        notice: &Notice,
    ) -> Result<(), CommandError> {
        // Named by what was signed, so that a replay under a new event id is the same fact.
        let outcome = if notice.outcome == Outcome::Captured { "captured" } else { "failed" };
        let name = format!(
            "{provider}\n{}\n{outcome}\n{}\n{}\n{reference}",
            notice.payment_intent_id, notice.amount.minor, notice.amount.currency
        );
        let hash = digest(&SHA256, name.as_bytes());
        let id = hex::encode(hash.as_ref().get(..13).unwrap_or_default());
        let unmatched = PaymentUnmatched {
            provider: provider.into(),
            payment_id: PaymentId::new(format!("pay_unmatched_{id}")),
            payment_intent_id: notice.payment_intent_id.clone(),
            provider_event_id: notice.provider_event_id.clone(),
            booking_reference: reference.into(),
            amount: notice.amount.clone(),
            captured: notice.outcome == Outcome::Captured,
        };
        let stream = StreamName::unmatched_payment(&id);
        let command = PaymentCommand::RecordUnmatched(unmatched);
        let Executed { appended, .. } = execute::<Payment>(
            &*self.inner.store,
            &*self.inner.clock,
            stream,
            &ctx.metadata(),
            None,
            &command,
        )
        .await?;
        if appended.is_some() {
            tracing::error!(%id, provider, "alert: a verified notice fits no payment");
            metrics::counter!(counters::PAYMENTS_UNMATCHED).increment(1);
        }
        Ok(())
    }

    /// A booking's payment as its stream has it.
    pub async fn payment(&self, id: &BookingId) -> Result<Payment, CommandError> {
        Ok(self.load::<Payment>(StreamName::payment(id)).await?.state)
    }

    pub(crate) async fn execute_payment(
        &self,
        metadata: &Arc<Metadata>,
        id: &BookingId,
        command: &PaymentCommand,
    ) -> Result<Executed<Payment>, CommandError> {
        let kept = &self.inner.payments;
        let hint = match (kept.get(id), command) {
            (Some(known), _) => Some(known.clone()),
            // Nearly every payment begins a stream: the append itself finds out if this one does not.
            (None, PaymentCommand::Initiate(_) | PaymentCommand::InitiateKnown(..)) => {
                Some(Loaded::default())
            }
            (None, _) => None,
        };
        let stream = StreamName::payment(id);
        let executed = execute(&*self.inner.store, &*self.inner.clock, stream, metadata, hint, command)
            .await
            .inspect_err(|_| {
                kept.remove(id);
            })?;
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        match executed.loaded.state.state {
            Some(PaymentState::Pending) => _ = kept.insert(id.clone(), executed.loaded.clone()),
            Some(PaymentState::Captured | PaymentState::Failed) | None => _ = kept.remove(id),
        }
        Ok(executed)
    }

    /// Where the log holds the answer that first came of initiating a booking's payment.
    async fn intent_position(&self, id: &BookingId) -> Result<marquee_event_store::Position, CommandError> {
        let events = self.inner.store.read_stream(StreamName::payment(id), 0, 2).await?;
        Ok(events.last().map(|recorded| recorded.position).unwrap_or_default())
    }
}

enum Payable {
    Now(Money),
    Answered(Box<Answer<PaymentAnswer>>),
}

fn intent_created(initiated: &PaymentInitiated, intent: Intent) -> IntentCreated {
    let Intent { payment_intent_id, redirect_url } = intent;
    IntentCreated { payment_id: initiated.payment_id.clone(), payment_intent_id, redirect_url }
}

fn amount_differs(executed: &Executed<Payment>, notice: &Notice) -> bool {
    executed.loaded.state.initiated.as_ref().is_some_and(|initiated| initiated.amount != notice.amount)
}
