//! A customer who books and pays, and the gateway that says so.

use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::hmac;
use hyper::{StatusCode, Uri};

use super::booker::{Asked, Booker};
use crate::client::Client;
use crate::error::LoadError;
use crate::measure::{Driver, Tally};
use crate::seats::Seats;
use crate::token;
use crate::wire::{InitiatePayment, Notice, PaymentInitiated};

/// Books, pays, and sends the gateway's signed notice: three requests.
pub struct Payer {
    booker: Booker,
    gateway: Client,
    webhook: Uri,
    secret: hmac::Key,
}

impl Payer {
    /// As many customers as there are to be clients.
    pub fn crowd(base: &str, clients: usize, seats: &Arc<Seats>) -> Result<Vec<Self>, LoadError> {
        Booker::crowd(base, clients, seats)?
            .into_iter()
            .map(|booker| {
                // The notice goes over the customer's connection: it is the same server, and one client is one connection.
                let gateway = booker.client.anonymous();
                let webhook = gateway.uri("/api/v1/payments/webhooks/sandbox")?;
                let secret = hmac::Key::new(hmac::HMAC_SHA256, super::SANDBOX_SECRET.as_bytes());
                Ok(Self { booker, gateway, webhook, secret })
            })
            .collect()
    }
}

impl Driver for Payer {
    async fn step(&mut self, tally: &mut Tally) -> Result<bool, LoadError> {
        let mut booked = match self.booker.ask(tally).await? {
            Asked::Granted(acknowledged) => acknowledged,
            Asked::Refused => return Ok(true),
            Asked::SoldOut => return Ok(false),
        };
        let payments = self.booker.client.uri(&format!("/api/v1/bookings/{}/payments", booked.booking_id))?;
        let body =
            InitiatePayment { provider: "SANDBOX", return_url: "https://app.example.com/payment/return" };
        let body = serde_json::to_vec(&body).map_err(LoadError::shape("a payment"))?;
        let sent = Instant::now();
        let reply = self.booker.client.post(&payments, body.into()).await?;
        tally.answered(sent, reply.status.as_u16());
        if reply.status != StatusCode::CREATED {
            tally.unexpected("POST /bookings/{id}/payments", &reply);
            tally.journal.push(booked);
            return Ok(true);
        }

        let payment: PaymentInitiated = reply.json()?;
        let notice = Notice {
            event_id: format!("evt_{:032x}", fastrand::u128(..)),
            payment_intent_id: &payment.provider_payload.payment_intent_id,
            status: "SUCCEEDED",
            amount: &payment.amount,
            currency: &payment.currency,
            booking_reference: &booked.booking_id,
            timestamp: token::now().to_string(),
        };
        let notice = serde_json::to_vec(&notice).map_err(LoadError::shape("a notice"))?;
        let signature = hex::encode(hmac::sign(&self.secret, &notice));
        let sent = Instant::now();
        let reply = self.gateway.notify(&self.webhook, notice.into(), &signature).await?;
        tally.answered(sent, reply.status.as_u16());
        booked.paid = reply.status == StatusCode::OK;
        if !booked.paid {
            tally.unexpected("POST /payments/webhooks/sandbox", &reply);
        }
        tally.journal.push(booked);
        Ok(true)
    }
}
