//! What happened to a show and to every booking of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::cancel_policy::CancelPolicy;
use crate::event::events;
use crate::ids::{
    BookingId, CityId, IdempotencyKey, MovieId, PartnerId, PaymentId, ScreenId, SeatId, ShowId, TheatreId,
    TicketId, UserId,
};
use crate::money::Currency;
use crate::pricing::Pricing;
use crate::request::Request;
use crate::seat_rules::SeatRules;
use crate::show::sales::SalesWindow;
use crate::theatre::{LayoutRow, SeatType};

/// A show's facts. Layout and prices are copied in, so that nothing that happens to the screen later moves a sold seat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShowDetails {
    /// The show.
    pub show_id: ShowId,
    /// Whose it is.
    pub partner_id: PartnerId,
    /// Where it runs.
    pub theatre_id: TheatreId,
    /// The theatre's city.
    pub city_id: CityId,
    /// The city's IANA time zone: the offset of every time that a client sees.
    pub timezone: SmolStr,
    /// The screen.
    pub screen_id: ScreenId,
    /// The screen's name.
    pub screen_name: SmolStr,
    /// The film.
    pub movie_id: MovieId,
    /// When it starts. It is bookable until then at most.
    pub start_time: Timestamp,
    /// When it ends. Its confirmed bookings are completed from then on.
    pub end_time: Timestamp,
    /// The language that it is shown in.
    pub language: SmolStr,
    /// `2D`, `3D`, `IMAX` …
    pub format: SmolStr,
    /// The currency of the prices.
    pub currency: Currency,
    /// Minor units for each type of seat.
    pub prices: BTreeMap<SeatType, i64>,
    /// When it is on sale.
    #[serde(default, skip_serializing_if = "SalesWindow::is_unbounded")]
    pub sales: SalesWindow,
    /// How its seats are booked, as its theatre had it when it was scheduled.
    #[serde(default, skip_serializing_if = "SeatRules::is_none")]
    pub seat_rules: SeatRules,
    /// What a customer who cancels gets back, as its theatre had it when it was scheduled; everything where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_policy: Option<CancelPolicy>,
    /// The seats.
    pub rows: Vec<LayoutRow>,
}

/// A show was scheduled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShowScheduled {
    /// Its facts.
    #[serde(flatten)]
    pub show: ShowDetails,
    /// The request that scheduled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// Some of a show's facts changed; those that are absent did not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShowChanged {
    /// The new start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,
    /// The new end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Timestamp>,
    /// The new language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<SmolStr>,
    /// The new format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<SmolStr>,
    /// New prices in minor units, for the types that they name. Bookings keep the price that they were made at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prices: BTreeMap<SeatType, i64>,
    /// When it is now on sale, both bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sales: Option<SalesWindow>,
    /// The request that changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// A show was called off. Its live bookings are cancelled in the same append.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShowCancelled {
    /// The request that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// The house keeps seats for itself: nobody can book them until it releases them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatsBlocked {
    /// Those that were not blocked before.
    pub seat_ids: Vec<SeatId>,
    /// Why, in the partner's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<SmolStr>,
    /// The request that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// The house gives seats that it kept back to the sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatsReleased {
    /// Those that were blocked before.
    pub seat_ids: Vec<SeatId>,
    /// Why, in the partner's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<SmolStr>,
    /// The request that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// The client that a booking was made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientInfo {
    /// Such as `WEB`.
    pub platform: SmolStr,
    /// Such as `1.0.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<SmolStr>,
}

/// A customer holds seats until a deadline: a booking began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatsLocked {
    /// The booking.
    pub booking_id: BookingId,
    /// Whose it is.
    pub user_id: UserId,
    /// The seats, as they were asked for.
    pub seat_ids: Vec<SeatId>,
    /// The seats are free again from this instant, whoever writes it down and when.
    pub expires_at: Timestamp,
    /// The caller's key.
    pub idempotency_key: IdempotencyKey,
    /// A hash of the parsed body.
    pub fingerprint: SmolStr,
    /// The client that it was made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientInfo>,
}

/// A booking was priced and awaits its payment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingPaymentPending {
    /// The booking.
    pub booking_id: BookingId,
    /// Its price and the rules that made it.
    pub pricing: Pricing,
}

/// A customer holds the seats of a booking for longer, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockExtended {
    /// The booking.
    pub booking_id: BookingId,
    /// The new end of the lock, exclusive.
    pub expires_at: Timestamp,
    /// The request that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// A booking was paid: its seats are sold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingConfirmed {
    /// The booking.
    pub booking_id: BookingId,
    /// What paid for it.
    pub payment_id: PaymentId,
    /// The ticket that it is now worth.
    pub ticket_id: TicketId,
    /// When; always before its deadline.
    pub confirmed_at: Timestamp,
}

/// A ticket was redeemed at the door: its bearers are in. The booking's state stays as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketRedeemed {
    /// The ticket.
    pub ticket_id: TicketId,
    /// Its booking.
    pub booking_id: BookingId,
    /// When.
    pub redeemed_at: Timestamp,
    /// At which gate, in the partner's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<SmolStr>,
    /// The request that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// A booking's payment failed for good: its seats are free.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingFailed {
    /// The booking.
    pub booking_id: BookingId,
    /// Why, in a word.
    pub reason: SmolStr,
}

/// A booking's deadline passed. The seats were free from the deadline on; this writes it down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingExpired {
    /// The booking.
    pub booking_id: BookingId,
}

/// Who ended a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancelledBy {
    /// The customer whose it was.
    Customer,
    /// The partner, by calling off the show.
    Show,
}

/// A booking was cancelled: its seats are free, and what was paid is owed back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingCancelled {
    /// The booking.
    pub booking_id: BookingId,
    /// Who did it.
    pub by: CancelledBy,
    /// Whether it had been paid for, so that a refund is due.
    pub paid: bool,
    /// What is owed back, in minor units; everything that was paid where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<i64>,
    /// What is kept of what was paid for the seats that it still had; nothing where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained: Option<i64>,
}

/// Some seats of a paid booking were cancelled: they are free, and a part of what was paid is owed back. The booking goes on with the
/// rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingSeatsCancelled {
    /// The booking.
    pub booking_id: BookingId,
    /// The seats that it loses.
    pub seat_ids: Vec<SeatId>,
    /// Counts the times that seats of the booking were cancelled, from 1.
    pub part: u32,
    /// The price of the seats that remain: their shares of what was paid.
    pub pricing: Pricing,
    /// What is owed back of these seats' shares, in minor units.
    pub refund: i64,
    /// What is kept of them.
    pub retained: i64,
    /// The request that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
}

/// The show of a confirmed booking is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookingCompleted {
    /// The booking.
    pub booking_id: BookingId,
}

events! {
    /// What happened to a show and its bookings.
    #[expect(clippy::large_enum_variant, reason = "decoded events live briefly; a box would cost every reader")]
    ShowEvent {
        Scheduled(ShowScheduled) = "show.scheduled.v1",
        Changed(ShowChanged) = "show.changed.v1",
        Cancelled(ShowCancelled) = "show.cancelled.v1",
        SeatsBlocked(SeatsBlocked) = "show.seats-blocked.v1",
        SeatsReleased(SeatsReleased) = "show.seats-released.v1",
        SeatsLocked(SeatsLocked) = "booking.seats-locked.v1",
        PaymentPending(BookingPaymentPending) = "booking.payment-pending.v1",
        LockExtended(LockExtended) = "booking.lock-extended.v1",
        Confirmed(BookingConfirmed) = "booking.confirmed.v1",
        Failed(BookingFailed) = "booking.failed.v1",
        Expired(BookingExpired) = "booking.expired.v1",
        BookingCancelled(BookingCancelled) = "booking.cancelled.v1",
        SeatsCancelled(BookingSeatsCancelled) = "booking.seats-cancelled.v1",
        Completed(BookingCompleted) = "booking.completed.v1",
        TicketRedeemed(TicketRedeemed) = "ticket.redeemed.v1",
    }
}
