//! Events to messages. A message depends on its event and on what its stream holds before that, so that telling it
//! again tells the same.

use std::sync::Arc;

use bytes::Bytes;
use marquee_domain::Event;
use marquee_domain::ids::{BookingId, RefundId};
use marquee_domain::payment::{self, PaymentEvent};
use marquee_domain::show::{self, ShowEvent};
use marquee_domain::theatre::SeatType;
use marquee_event_store::{EventStore, ReadError, Recorded, StreamName};
use smol_str::SmolStr;

use super::bus::{Origin, Outgoing};
use super::fold::{ShowFold, Shows};
use super::message::{
    Amount, Booking, BookingCancelled, BookingConfirmed, BookingEnded, BookingFailed, BookingSeatsCancelled,
    CancelledBy, Envelope, Message, PaymentFailed, PaymentMismatched, PaymentSucceeded, PaymentUnmatched,
    Refund, RefundCause, RefundFailed, SeatPrice, ShowCancelled, ShowChanged, ShowScheduled,
};

/// Events of a payment's stream that are read at once: more than any has.
const PAYMENT_PAGE: usize = 1_024;

/// Tells events as messages. Give it every event, in log order; after any jump, begin with a new one.
pub struct Translator {
    store: Arc<dyn EventStore>,
    shows: Shows,
}

impl Translator {
    /// A translator over a log.
    pub fn new(store: Arc<dyn EventStore>) -> Self {
        Self { store, shows: Shows::default() }
    }

    /// Takes note of an event that is not to be told.
    pub fn pass(&mut self, event: &Recorded) {
        if event.stream.as_show().is_some() {
            self.shows.note(event);
        }
    }

    /// The message that tells an event; `None` where the outside has no use for it.
    pub async fn tell(&mut self, event: &Recorded) -> Result<Option<Outgoing>, ReadError> {
        let message = match event.event() {
            Ok(Event::Show(told)) => self.show(event, told).await?,
            Ok(Event::Payment(told)) => self.payment(event, told).await?,
            Ok(
                Event::City(_)
                | Event::Movie(_)
                | Event::Partner(_)
                | Event::Theatre(_)
                | Event::Schedule(_)
                | Event::Offer(_)
                | Event::Policy(_)
                | Event::Redemption(_)
                | Event::Customer(_),
            ) => Told::Nothing,
            Err(error) => Told::Unsound(error.to_string()),
        };
        self.pass(event);
        Ok(match message {
            Told::Message(message) => outgoing(event, *message),
            Told::Nothing => None,
            Told::Unsound(reason) => {
                unsound(event, &reason);
                None
            }
        })
    }

    /// The live bookings of a show whose event was just told, as they stand after it.
    pub fn live_bookings(&self, show: &StreamName) -> Vec<Booking> {
        self.shows.get(show).map(ShowFold::bookings).unwrap_or_default()
    }

    async fn show(&mut self, event: &Recorded, told: &ShowEvent) -> Result<Told, ReadError> {
        let message = match told {
            // The outcome is told, not each step: the first two come with every click, and most end in another event. What the
            // house keeps, and who is in, is its own matter.
            ShowEvent::SeatsLocked(_)
            | ShowEvent::PaymentPending(_)
            | ShowEvent::LockExtended(_)
            | ShowEvent::SeatsBlocked(_)
            | ShowEvent::SeatsReleased(_)
            | ShowEvent::TicketRedeemed(_) => return Ok(Told::Nothing),
            ShowEvent::Scheduled(scheduled) => Some(Message::ShowScheduled(just_scheduled(scheduled))),
            ShowEvent::Changed(change) => {
                let before = self.shows.before(&*self.store, event).await?;
                change_of(before, change).map(Message::ShowChanged)
            }
            ShowEvent::Cancelled(_) => {
                let show = self.shows.before(&*self.store, event).await?.show.clone();
                show.map(|show| Message::ShowCancelled(ShowCancelled { show }))
            }
            ShowEvent::Confirmed(confirmed) => {
                self.booking(event, &confirmed.booking_id).await?.map(|booking| {
                    Message::BookingConfirmed(BookingConfirmed {
                        booking,
                        payment_id: confirmed.payment_id.as_str().into(),
                        ticket_id: confirmed.ticket_id.as_str().into(),
                    })
                })
            }
            ShowEvent::Failed(failed) => self.booking(event, &failed.booking_id).await?.map(|booking| {
                Message::BookingFailed(BookingFailed { booking, reason: failed.reason.clone() })
            }),
            ShowEvent::Expired(expired) => self
                .booking(event, &expired.booking_id)
                .await?
                .map(|booking| Message::BookingExpired(BookingEnded { booking })),
            ShowEvent::BookingCancelled(cancelled) => {
                let by = match cancelled.by {
                    show::CancelledBy::Customer => CancelledBy::Customer,
                    show::CancelledBy::Show => CancelledBy::Show,
                };
                self.booking(event, &cancelled.booking_id).await?.map(|booking| {
                    let amount = |minor: Option<i64>| {
                        minor.map(|minor| Amount { minor, currency: booking.amount.currency.clone() })
                    };
                    let (refund, retained) = (amount(cancelled.refund), amount(cancelled.retained));
                    let paid = cancelled.paid;
                    Message::BookingCancelled(BookingCancelled { booking, by, paid, refund, retained })
                })
            }
            ShowEvent::SeatsCancelled(cancelled) => self
                .booking(event, &cancelled.booking_id)
                .await?
                .map(|booking| Message::BookingSeatsCancelled(without(booking, cancelled))),
            ShowEvent::Completed(completed) => self
                .booking(event, &completed.booking_id)
                .await?
                .map(|booking| Message::BookingCompleted(BookingEnded { booking })),
        };
        Ok(message.map_or_else(|| Told::Unsound("its stream never began it".into()), Told::message))
    }

    async fn booking(&mut self, event: &Recorded, id: &BookingId) -> Result<Option<Booking>, ReadError> {
        Ok(self.shows.before(&*self.store, event).await?.booking(id))
    }

    async fn payment(&self, event: &Recorded, told: &PaymentEvent) -> Result<Told, ReadError> {
        let message = match told {
            PaymentEvent::Initiated(_) | PaymentEvent::IntentCreated(_) => return Ok(Told::Nothing),
            PaymentEvent::Succeeded(paid) => Message::PaymentSucceeded(PaymentSucceeded {
                payment_id: paid.payment_id.as_str().into(),
                booking_id: paid.booking_id.as_str().into(),
                amount: Amount::from(&paid.amount),
                occurred_at: paid.occurred_at,
            }),
            PaymentEvent::Failed(failed) => Message::PaymentFailed(PaymentFailed {
                payment_id: failed.payment_id.as_str().into(),
                booking_id: failed.booking_id.as_str().into(),
                reason: failed.reason.clone(),
            }),
            PaymentEvent::Mismatched(paid) => Message::PaymentMismatched(PaymentMismatched {
                payment_id: paid.payment_id.as_str().into(),
                booking_id: paid.booking_id.as_str().into(),
                expected: Amount::from(&paid.expected),
                captured: Amount::from(&paid.captured),
            }),
            PaymentEvent::Unmatched(notice) => Message::PaymentUnmatched(PaymentUnmatched {
                payment_id: notice.payment_id.as_str().into(),
                provider: notice.provider.clone(),
                amount: Amount::from(&notice.amount),
                captured: notice.captured,
            }),
            PaymentEvent::RefundRequested(request) => Message::RefundRequested(refund(event, request)),
            PaymentEvent::RefundSucceeded(done) => match self.requested(event, &done.refund_id).await? {
                Some(refund) => Message::RefundSucceeded(refund),
                None => return Ok(Told::Unsound(format!("refund {} was never asked for", done.refund_id))),
            },
            PaymentEvent::RefundFailed(done) => match self.requested(event, &done.refund_id).await? {
                Some(refund) => Message::RefundFailed(RefundFailed { refund, reason: done.reason.clone() }),
                None => return Ok(Told::Unsound(format!("refund {} was never asked for", done.refund_id))),
            },
        };
        Ok(Told::message(message))
    }

    /// The refund as it was asked for, earlier in the stream of its end.
    async fn requested(&self, end: &Recorded, id: &RefundId) -> Result<Option<Refund>, ReadError> {
        let stream = self.store.read_stream(end.stream.clone(), 0, PAYMENT_PAGE).await?;
        Ok(stream.iter().take_while(|event| event.revision < end.revision).find_map(|event| {
            match event.event() {
                Ok(Event::Payment(PaymentEvent::RefundRequested(request))) if request.refund_id == *id => {
                    Some(refund(event, request))
                }
                _ => None,
            }
        }))
    }
}

/// What comes of an event.
enum Told {
    Message(Box<Message>),
    Nothing,
    /// It cannot be told: its bytes are no event that this release knows, or it does not fit its stream.
    Unsound(String),
}

impl Told {
    fn message(message: Message) -> Self {
        Self::Message(Box::new(message))
    }
}

fn outgoing(event: &Recorded, message: Message) -> Option<Outgoing> {
    let subject = message.subject();
    let envelope = Envelope {
        event_id: event.id,
        position: event.position.0,
        time: event.time,
        correlation_id: event.metadata.correlation_id.clone(),
        message,
    };
    let body = match serde_json::to_vec(&envelope) {
        Ok(body) => Bytes::from(body),
        Err(error) => {
            unsound(event, &error.to_string());
            return None;
        }
    };
    let origin = Origin {
        event_id: event.id,
        position: event.position,
        stream: event.stream.clone(),
        revision: event.revision,
    };
    Some(Outgoing { origin, time: event.time, subject, body })
}

/// The rest goes on; somebody must look.
fn unsound(event: &Recorded, reason: &str) {
    tracing::error!(
        stream = %event.stream, position = %event.position, event = %event.stored_name, reason,
        "an event cannot be told to the outside: it is passed over",
    );
    metrics::counter!("marquee_messages_untold_total").increment(1);
}

fn prices<'a>(
    prices: impl IntoIterator<Item = (&'a SeatType, &'a i64)>,
    currency: &SmolStr,
) -> Vec<SeatPrice> {
    let price = |(seat_type, minor): (&SeatType, &i64)| SeatPrice {
        seat_type: seat_type_name(*seat_type),
        price: Amount { minor: *minor, currency: currency.clone() },
    };
    prices.into_iter().map(price).collect()
}

fn seat_type_name(seat_type: SeatType) -> SmolStr {
    SmolStr::new_static(match seat_type {
        SeatType::Regular => "REGULAR",
        SeatType::Premium => "PREMIUM",
        SeatType::Recliner => "RECLINER",
        SeatType::Wheelchair => "WHEELCHAIR",
        SeatType::Companion => "COMPANION",
    })
}

fn just_scheduled(scheduled: &show::ShowScheduled) -> ShowScheduled {
    let details = &scheduled.show;
    ShowScheduled {
        show: Arc::new(super::fold::show(details)),
        seats: details.rows.iter().map(|row| row.seats.len()).sum(),
        prices: prices(&details.prices, &details.currency.as_str().into()),
    }
}

fn change_of(before: &ShowFold, change: &show::ShowChanged) -> Option<ShowChanged> {
    let mut show = before.show.clone()?;
    super::fold::changed(Arc::make_mut(&mut show), change);
    let facts = [
        (change.start_time.is_some(), "startTime"),
        (change.end_time.is_some(), "endTime"),
        (change.language.is_some(), "language"),
        (change.format.is_some(), "format"),
        (!change.prices.is_empty(), "prices"),
        (change.sales.is_some(), "sales"),
    ];
    let changed =
        facts.into_iter().filter(|(is, _)| *is).map(|(_, name)| SmolStr::new_static(name)).collect();
    Some(ShowChanged { show, changed, prices: prices(&change.prices, &before.currency) })
}

/// A booking as it stands after some of its seats were cancelled.
fn without(before: Booking, cancelled: &show::BookingSeatsCancelled) -> BookingSeatsCancelled {
    let amount = |minor| Amount { minor, currency: cancelled.pricing.currency.as_str().into() };
    let gone = |seat: &SmolStr| cancelled.seat_ids.iter().any(|gone| gone.as_str() == seat);
    let left = before.seat_ids.iter().filter(|seat| !gone(seat)).cloned().collect();
    BookingSeatsCancelled {
        booking: Booking { seat_ids: left, amount: amount(cancelled.pricing.total), ..before },
        cancelled_seat_ids: cancelled.seat_ids.iter().map(|seat| seat.as_str().into()).collect(),
        refund: amount(cancelled.refund),
        retained: amount(cancelled.retained),
    }
}

fn refund(event: &Recorded, request: &payment::RefundRequested) -> Refund {
    Refund {
        refund_id: request.refund_id.as_str().into(),
        payment_id: request.payment_id.as_str().into(),
        booking_id: event.stream.as_payment().map(|booking| booking.as_str().into()),
        amount: Amount::from(&request.amount),
        cause: match request.cause {
            payment::RefundCause::LatePayment => RefundCause::LatePayment,
            payment::RefundCause::BookingCancelled => RefundCause::BookingCancelled,
            payment::RefundCause::SeatsCancelled => RefundCause::SeatsCancelled,
            payment::RefundCause::ShowCancelled => RefundCause::ShowCancelled,
            payment::RefundCause::Mismatch => RefundCause::Mismatch,
            payment::RefundCause::Unmatched => RefundCause::Unmatched,
        },
    }
}
