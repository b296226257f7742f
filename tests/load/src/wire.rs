//! The bodies that a run sends and reads.

use serde::{Deserialize, Serialize};

/// `POST /bookings`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateBooking {
    /// Who books.
    pub user_id: String,
    /// Which show.
    pub show_id: String,
    /// Which seats.
    pub seat_ids: Vec<String>,
    /// With what.
    pub client: ClientInfo,
}

/// The client that a booking is made with.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientInfo {
    /// Such as `WEB`.
    pub platform: String,
    /// Such as `1.0.0`.
    pub app_version: String,
}

impl Default for ClientInfo {
    fn default() -> Self {
        Self { platform: "WEB".into(), app_version: "1.0.0".into() }
    }
}

/// What a run needs of a 201 to `POST /bookings`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Booked {
    /// The booking.
    pub booking_id: String,
}

/// `POST /bookings/{id}/payments`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InitiatePayment {
    /// The gateway.
    pub provider: &'static str,
    /// Where the customer goes afterwards.
    pub return_url: &'static str,
}

/// What a run needs of a 201 to `POST /bookings/{id}/payments`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentInitiated {
    /// What is to be paid, in major units, as it was written.
    pub amount: serde_json::Number,
    /// Its currency.
    pub currency: String,
    /// What the gateway said.
    pub provider_payload: ProviderPayload,
}

/// What the gateway said.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderPayload {
    /// Its name for the payment.
    pub payment_intent_id: String,
}

/// The gateway's notice to `POST /payments/webhooks/{provider}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice<'a> {
    /// The notice.
    pub event_id: String,
    /// The payment.
    pub payment_intent_id: &'a str,
    /// How it went.
    pub status: &'static str,
    /// What was captured.
    pub amount: &'a serde_json::Number,
    /// Its currency.
    pub currency: &'a str,
    /// The booking.
    pub booking_reference: &'a str,
    /// When, by the gateway's clock.
    pub timestamp: String,
}

/// `GET /bookings/{id}`, as far as a run looks at it.
#[derive(Debug, Deserialize)]
pub struct BookingStatus {
    /// Where the booking stands.
    pub status: String,
}

/// The beginning of a body, for a message.
pub fn excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(400)]).into_owned()
}
