//! From the log to what customers are told: one event, the customers whom it concerns.

use std::sync::Arc;

use jiff::Timestamp;
use marquee_domain::Event;
use marquee_domain::payment::PaymentEvent;
use marquee_event_store::{EventStore, Position, ReadError, Recorded};
use marquee_projections::messages::{
    Booking, BookingConfirmed, CancelledBy, Envelope, Message, Refund, Translator,
};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::kind::{Facts, Kind};

/// A customer is to be told of an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trigger {
    pub kind: Kind,
    pub event_id: Uuid,
    pub position: Position,
    pub time: Timestamp,
    pub user: SmolStr,
    /// Whether the event concerns more bookings than this one.
    pub one_of_many: bool,
    pub facts: Facts,
}

impl Trigger {
    /// The same event tells the same customer once in each channel, for ever: the id says so.
    pub fn id(&self, channel: marquee_domain::customer::Channel) -> String {
        let (event, channel) = (self.event_id.simple(), channel.as_str().to_ascii_lowercase());
        if self.one_of_many {
            let unique = self.facts.booking_id.rsplit('_').next().unwrap_or_default();
            format!("ntf_{event}_{unique}_{channel}")
        } else {
            format!("ntf_{event}_{channel}")
        }
    }
}

/// Follows the log with the messages' translator, which knows the show and the booking of an event.
pub(crate) struct Triggers {
    store: Arc<dyn EventStore>,
    translator: Translator,
}

impl Triggers {
    /// Give it every event from here on, in log order.
    pub fn new(store: Arc<dyn EventStore>) -> Self {
        Self { translator: Translator::new(Arc::clone(&store)), store }
    }

    /// Who is to be told of an event.
    pub async fn of(&mut self, event: &Recorded) -> Result<Vec<Trigger>, ReadError> {
        let Some(told) = self.translator.tell(event).await? else { return Ok(vec![]) };
        let message = match serde_json::from_slice::<Envelope>(&told.body) {
            Ok(envelope) => envelope.message,
            Err(error) => {
                tracing::error!(position = %event.position, %error, "an event cannot be told to customers: it is passed over");
                return Ok(vec![]);
            }
        };
        let of = |kind, user: &SmolStr, facts, one_of_many| Trigger {
            kind,
            event_id: event.id,
            position: event.position,
            time: event.time,
            user: user.clone(),
            one_of_many,
            facts,
        };
        Ok(match message {
            Message::BookingConfirmed(BookingConfirmed { booking, ticket_id, .. }) => {
                vec![of(Kind::BookingConfirmed, &booking.user_id, facts(&booking, Some(ticket_id)), false)]
            }
            Message::BookingCancelled(cancelled) => {
                let kind = match cancelled.by {
                    CancelledBy::Customer => Kind::BookingCancelled,
                    CancelledBy::Show => Kind::ShowCancelled,
                };
                vec![of(kind, &cancelled.booking.user_id, facts(&cancelled.booking, None), false)]
            }
            Message::BookingSeatsCancelled(cancelled) => {
                let booking = &cancelled.booking;
                vec![of(Kind::SeatsCancelled, &booking.user_id, facts(booking, None), false)]
            }
            Message::BookingExpired(ended) => {
                vec![of(Kind::BookingExpired, &ended.booking.user_id, facts(&ended.booking, None), false)]
            }
            Message::ShowChanged(change) if change.changed.iter().any(|fact| fact == "startTime") => {
                let bookings = self.translator.live_bookings(&event.stream);
                let told =
                    |booking: Booking| of(Kind::ShowChanged, &booking.user_id, facts(&booking, None), true);
                bookings.into_iter().map(told).collect()
            }
            Message::RefundRequested(refund) => {
                let user = self.payer(event).await?;
                user.map(|user| of(Kind::RefundInitiated, &user, money(refund), false)).into_iter().collect()
            }
            Message::RefundSucceeded(refund) => {
                let user = self.payer(event).await?;
                user.map(|user| of(Kind::RefundSucceeded, &user, money(refund), false)).into_iter().collect()
            }
            // A failed payment may be tried again, and is told where it is made; a refund that failed is the house's to mend. A
            // show that was called off cancels its bookings, each with an event of its own.
            Message::BookingFailed(_)
            | Message::BookingCompleted(_)
            | Message::PaymentSucceeded(_)
            | Message::PaymentFailed(_)
            | Message::PaymentMismatched(_)
            | Message::PaymentUnmatched(_)
            | Message::RefundFailed(_)
            | Message::ShowScheduled(_)
            | Message::ShowChanged(_)
            | Message::ShowCancelled(_) => vec![],
        })
    }

    /// Whose money it is, as the stream's first event says; nobody's where it fits no booking.
    async fn payer(&self, event: &Recorded) -> Result<Option<SmolStr>, ReadError> {
        if event.stream.as_payment().is_none() {
            return Ok(None);
        }
        let first = self.store.read_stream(event.stream.clone(), 0, 1).await?;
        Ok(first.first().and_then(|first| match first.event() {
            Ok(Event::Payment(PaymentEvent::Initiated(initiated))) => Some(initiated.user_id.as_str().into()),
            _ => None,
        }))
    }
}

fn facts(booking: &Booking, ticket_id: Option<SmolStr>) -> Facts {
    Facts {
        booking_id: booking.booking_id.clone(),
        ticket_id,
        seats: booking.seat_ids.to_vec(),
        amount: booking.amount.clone(),
        show: Some((*booking.show).clone()),
    }
}

fn money(refund: Refund) -> Facts {
    let Refund { booking_id, amount, .. } = refund;
    Facts { booking_id: booking_id.unwrap_or_default(), ticket_id: None, seats: vec![], amount, show: None }
}
