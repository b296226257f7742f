//! What the outside is told, in shapes of its own: a stored event may change, these only gain fields.
//!
//! No personal data and no secret: a customer is an opaque id. Amounts are whole minor units.

use std::sync::Arc;

use jiff::Timestamp;
use marquee_domain::money::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

/// A message to the outside: one event of the log, told to those who need not know the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The event that it tells of. The same event is the same message: consumers tell repeats apart by it.
    pub event_id: Uuid,
    /// The event's place in the log. Grows from message to message.
    pub position: u64,
    /// When it happened.
    pub time: Timestamp,
    /// Ties together all that one request caused.
    pub correlation_id: SmolStr,
    /// What happened.
    #[serde(flatten)]
    pub message: Message,
}

macro_rules! messages {
    ($($(#[$doc:meta])* $variant:ident($payload:ty) = $name:literal,)*) => {
        /// What happened, by its name; a name is also the end of its subject, after `marquee.`
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "type", content = "data")]
        pub enum Message {
            $($(#[$doc])* #[serde(rename = $name)] $variant($payload),)*
        }

        impl Message {
            /// Every subject.
            pub const SUBJECTS: &'static [&'static str] = &[$(concat!("marquee.", $name)),*];

            /// The subject that it is published on.
            pub fn subject(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => concat!("marquee.", $name),)*
                }
            }
        }

        /// The JSON schema of the message of each subject, whole: envelope and data.
        pub fn schemas() -> Vec<(&'static str, schemars::Schema)> {
            vec![$((concat!("marquee.", $name), crate::messages::schema::of::<$payload>($name))),*]
        }
    };
}

messages! {
    /// A booking was paid: its seats are sold and its ticket is issued.
    BookingConfirmed(BookingConfirmed) = "booking.confirmed",
    /// A booking was cancelled, by its customer or with its show.
    BookingCancelled(BookingCancelled) = "booking.cancelled",
    /// Some seats of a paid booking were cancelled by its customer; it goes on with the rest.
    BookingSeatsCancelled(BookingSeatsCancelled) = "booking.seats-cancelled",
    /// A booking was not paid in time: its seats are free.
    BookingExpired(BookingEnded) = "booking.expired",
    /// A booking's payment failed for good: its seats are free.
    BookingFailed(BookingFailed) = "booking.failed",
    /// The show of a confirmed booking is over.
    BookingCompleted(BookingEnded) = "booking.completed",
    /// The gateway has captured a booking's money.
    PaymentSucceeded(PaymentSucceeded) = "payment.succeeded",
    /// A payment failed for good.
    PaymentFailed(PaymentFailed) = "payment.failed",
    /// The gateway captured another amount than was asked for; it is paid back.
    PaymentMismatched(PaymentMismatched) = "payment.mismatched",
    /// A verified notice of the gateway fits no payment; what was captured is paid back.
    PaymentUnmatched(PaymentUnmatched) = "payment.unmatched",
    /// Money is owed back, and the gateway is being asked for it.
    RefundRequested(Refund) = "refund.requested",
    /// The gateway paid it back.
    RefundSucceeded(Refund) = "refund.succeeded",
    /// The gateway refused to pay it back; somebody must look.
    RefundFailed(RefundFailed) = "refund.failed",
    /// A show is on sale.
    ShowScheduled(ShowScheduled) = "show.scheduled",
    /// Some of a show's facts changed.
    ShowChanged(ShowChanged) = "show.changed",
    /// A show was called off. Its live bookings are cancelled, each with a message of its own.
    ShowCancelled(ShowCancelled) = "show.cancelled",
}

/// Money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Amount {
    /// Whole minor units: paise, cents.
    pub minor: i64,
    /// An ISO 4217 code, such as `INR`.
    #[schemars(regex(pattern = "^[A-Z]{3}$"))]
    pub currency: SmolStr,
}

impl From<&Money> for Amount {
    fn from(money: &Money) -> Self {
        Self { minor: money.minor, currency: money.currency.as_str().into() }
    }
}

/// A show as it stood at the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Show {
    /// The show.
    pub show_id: SmolStr,
    /// Whose it is.
    pub partner_id: SmolStr,
    /// Where it runs.
    pub theatre_id: SmolStr,
    /// The screen of the theatre.
    pub screen_id: SmolStr,
    /// The theatre's city.
    pub city_id: SmolStr,
    /// The film.
    pub movie_id: SmolStr,
    /// When it starts.
    pub start_time: Timestamp,
    /// When it ends.
    pub end_time: Timestamp,
    /// The IANA time zone of the theatre, to tell people the time by.
    pub timezone: SmolStr,
    /// The language that it is shown in.
    pub language: SmolStr,
    /// `2D`, `3D`, `IMAX` …
    pub format: SmolStr,
}

/// A booking as it stood at the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Booking {
    /// The booking.
    pub booking_id: SmolStr,
    /// Whose it is: an opaque id, as the customer's token names them.
    pub user_id: SmolStr,
    /// The seats.
    pub seat_ids: Arc<[SmolStr]>,
    /// What it costs.
    pub amount: Amount,
    /// The show.
    pub show: Arc<Show>,
}

/// A booking was paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingConfirmed {
    /// The booking.
    #[serde(flatten)]
    pub booking: Booking,
    /// What paid for it.
    pub payment_id: SmolStr,
    /// The ticket that it is now worth.
    pub ticket_id: SmolStr,
}

/// Who ended a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancelledBy {
    /// The customer whose it was.
    Customer,
    /// The partner, by calling off the show.
    Show,
}

/// A booking was cancelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingCancelled {
    /// The booking.
    #[serde(flatten)]
    pub booking: Booking,
    /// Who did it.
    pub by: CancelledBy,
    /// Whether it had been paid for, so that a refund follows.
    pub paid: bool,
    /// What goes back; everything that was paid where it is absent, and nothing was kept before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<Amount>,
    /// What is kept of what the booking cost; nothing where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained: Option<Amount>,
}

/// Some seats of a paid booking were cancelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingSeatsCancelled {
    /// The booking, with the seats that it still has and what those cost.
    #[serde(flatten)]
    pub booking: Booking,
    /// The seats that it lost.
    pub cancelled_seat_ids: Vec<SmolStr>,
    /// What goes back of what they cost.
    pub refund: Amount,
    /// What is kept of it.
    pub retained: Amount,
}

/// A booking came to its end by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingEnded {
    /// The booking.
    #[serde(flatten)]
    pub booking: Booking,
}

/// A booking's payment failed for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BookingFailed {
    /// The booking.
    #[serde(flatten)]
    pub booking: Booking,
    /// Why, in a word.
    pub reason: SmolStr,
}

/// The gateway has captured a booking's money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentSucceeded {
    /// The payment.
    pub payment_id: SmolStr,
    /// The booking that it pays for.
    pub booking_id: SmolStr,
    /// What was captured.
    pub amount: Amount,
    /// When, by the gateway's clock.
    pub occurred_at: Timestamp,
}

/// A payment failed for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentFailed {
    /// The payment.
    pub payment_id: SmolStr,
    /// The booking that it was for.
    pub booking_id: SmolStr,
    /// Why, in a word.
    pub reason: SmolStr,
}

/// The gateway captured another amount than was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentMismatched {
    /// The payment.
    pub payment_id: SmolStr,
    /// The booking that it was for.
    pub booking_id: SmolStr,
    /// What was asked for.
    pub expected: Amount,
    /// What was captured.
    pub captured: Amount,
}

/// A notice fits no payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentUnmatched {
    /// The payment, as the log names it.
    pub payment_id: SmolStr,
    /// The gateway, such as `SANDBOX`.
    pub provider: SmolStr,
    /// What the notice is about.
    pub amount: Amount,
    /// Whether the money was captured, so that it is owed back.
    pub captured: bool,
}

/// Why money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// Money that goes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    /// The refund. Unique within its payment.
    pub refund_id: SmolStr,
    /// The payment that it is taken from.
    pub payment_id: SmolStr,
    /// The booking that was paid for; absent where the money fits none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking_id: Option<SmolStr>,
    /// How much.
    pub amount: Amount,
    /// Why.
    pub cause: RefundCause,
}

/// The gateway refused to pay it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundFailed {
    /// The refund.
    #[serde(flatten)]
    pub refund: Refund,
    /// Why it was refused, in a word.
    pub reason: SmolStr,
}

/// The price of a seat of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeatPrice {
    /// `REGULAR`, `PREMIUM`, `RECLINER`, `WHEELCHAIR`, `COMPANION`.
    pub seat_type: SmolStr,
    /// What it costs, before fees and offers.
    pub price: Amount,
}

/// A show is on sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShowScheduled {
    /// The show.
    #[serde(flatten)]
    pub show: Arc<Show>,
    /// How many seats it has.
    pub seats: usize,
    /// What they cost.
    pub prices: Vec<SeatPrice>,
}

/// Some of a show's facts changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShowChanged {
    /// The show, as it stands after the change.
    #[serde(flatten)]
    pub show: Arc<Show>,
    /// The names of what changed: `startTime`, `endTime`, `language`, `format`, `prices`, `sales`. When it is on sale is not told here: `GET /shows/{showId}` has it.
    pub changed: Vec<SmolStr>,
    /// New prices, for the types that they name. Bookings keep the price that they were made at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<SeatPrice>,
}

/// A show was called off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShowCancelled {
    /// The show.
    #[serde(flatten)]
    pub show: Arc<Show>,
}
