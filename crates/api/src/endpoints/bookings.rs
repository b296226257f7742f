//! Bookings.

pub(crate) mod cancel;
pub(crate) mod create;
pub(crate) mod extend;
pub(crate) mod list;
pub(crate) mod read;
pub(crate) mod ticket;

use marquee_domain::ids::{BookingId, SeatId, ShowId};
use marquee_domain::money::Money;
use marquee_domain::pricing::Pricing;
use marquee_domain::show::{Booking, ShowDetails};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::wire::{Amount, local};

/// The show of a booking.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BookingShow {
    #[schema(value_type = String)]
    pub show_id: ShowId,
    pub theatre_id: String,
    pub start_time: String,
}

/// An offer that lowered a price.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AppliedOfferBody {
    code: String,
    description: String,
}

/// An offer that would have applied, and gave way to what saved more.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PassedOverBody {
    code: String,
    /// What it would have taken off, in major units.
    #[schema(value_type = f64)]
    discount: Amount,
}

/// A price, in major units.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PricingBody {
    currency: String,
    #[schema(value_type = f64)]
    subtotal: Amount,
    #[schema(value_type = f64)]
    discount: Amount,
    #[schema(value_type = f64)]
    fees: Amount,
    #[schema(value_type = f64)]
    tax: Amount,
    #[schema(value_type = f64)]
    total: Amount,
    applied_offers: Vec<AppliedOfferBody>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    passed_over: Vec<PassedOverBody>,
}

impl From<&Pricing> for PricingBody {
    fn from(pricing: &Pricing) -> Self {
        let amount = |minor| Amount::new(minor, &pricing.currency);
        let offers = pricing.applied_offers.iter();
        Self {
            currency: pricing.currency.to_string(),
            subtotal: amount(pricing.subtotal),
            discount: amount(pricing.discount),
            fees: amount(pricing.fees),
            tax: amount(pricing.tax),
            total: amount(pricing.total),
            applied_offers: offers
                .map(|offer| AppliedOfferBody {
                    code: offer.code.to_string(),
                    description: offer.description.to_string(),
                })
                .collect(),
            passed_over: pricing
                .passed_over
                .iter()
                .map(|offer| PassedOverBody {
                    code: offer.code.to_string(),
                    discount: amount(offer.discount),
                })
                .collect(),
        }
    }
}

/// A ticket.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TicketBody {
    pub ticket_id: String,
    /// A signed token; `/.well-known/jwks.json` has the key.
    pub qr_code_data: String,
    #[schema(value_type = Vec<String>)]
    pub seat_ids: Vec<SeatId>,
}

/// What goes back.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefundBody {
    /// `INITIATED`, `SUCCEEDED` or `FAILED`.
    pub status: &'static str,
    #[schema(value_type = f64)]
    pub amount: Amount,
}

/// A booking.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BookingBody {
    #[schema(value_type = String)]
    pub booking_id: BookingId,
    /// `PAYMENT_PENDING`, `CONFIRMED`, `COMPLETED`, `FAILED`, `EXPIRED` or `CANCELLED`.
    pub status: &'static str,
    pub expires_at: String,
    pub show: BookingShow,
    #[schema(value_type = Vec<String>)]
    pub seats: Vec<SeatId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pricing: Option<PricingBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund: Option<RefundBody>,
}

impl BookingBody {
    /// A booking and its show, without what came of it since.
    pub fn new(booking: &Booking, show: &ShowDetails, status: &'static str) -> Self {
        Self {
            booking_id: booking.id.clone(),
            status,
            expires_at: local(booking.expires_at, &show.timezone),
            show: BookingShow {
                show_id: show.show_id.clone(),
                theatre_id: show.theatre_id.to_string(),
                start_time: local(show.start_time, &show.timezone),
            },
            seats: booking.seat_ids.clone(),
            pricing: booking.pricing.as_ref().map(PricingBody::from),
            confirmed_at: None,
            ticket: None,
            refund: None,
        }
    }
}

pub(crate) fn refund(status: &'static str, amount: &Money) -> RefundBody {
    RefundBody { status, amount: Amount(amount.clone()) }
}

/// A booking id of a path: what is not one is no booking.
pub(crate) fn booking_id(text: &str) -> Result<BookingId, ApiError> {
    BookingId::parse_composed(text).ok_or_else(|| ApiError::not_found("booking"))
}
