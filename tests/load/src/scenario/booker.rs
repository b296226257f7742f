//! A customer who books.

use std::sync::Arc;
use std::time::Instant;

use hyper::{StatusCode, Uri};

use crate::client::{Client, Reply};
use crate::error::LoadError;
use crate::measure::{Acknowledged, Driver, Tally};
use crate::seats::Seats;
use crate::token;
use crate::wire::{Booked, ClientInfo, CreateBooking};

/// A customer with a connection and a token of their own.
pub struct Booker {
    /// The connection.
    pub client: Client,
    user_id: Arc<str>,
    bookings: Uri,
    seats: Arc<Seats>,
}

/// How asking for seats went.
pub enum Asked {
    /// They are locked.
    Granted(Acknowledged),
    /// Somebody else has them, or the answer was one that cannot be.
    Refused,
    /// There are no more to ask for.
    SoldOut,
}

impl Booker {
    /// As many customers as there are to be clients.
    pub fn crowd(base: &str, clients: usize, seats: &Arc<Seats>) -> Result<Vec<Self>, LoadError> {
        (0..clients)
            .map(|number| {
                let user_id = format!("u_load_{number}");
                let client = Client::new(base, Some(&token::mint(&user_id, "customer", None)?), 1)?;
                let bookings = client.uri("/api/v1/bookings")?;
                Ok(Self { client, user_id: user_id.into(), bookings, seats: seats.clone() })
            })
            .collect()
    }

    /// Asks for the next seats.
    pub async fn ask(&self, tally: &mut Tally) -> Result<Asked, LoadError> {
        let Some(pick) = self.seats.pick() else { return Ok(Asked::SoldOut) };
        let body = CreateBooking {
            user_id: self.user_id.to_string(),
            show_id: pick.show_id.clone(),
            seat_ids: pick.seats.clone(),
            client: ClientInfo::default(),
        };
        let body = serde_json::to_vec(&body).map_err(LoadError::shape("a booking"))?;
        let sent = Instant::now();
        let reply: Reply = self.client.post(&self.bookings, body.into()).await?;
        tally.answered(sent, reply.status.as_u16());
        match reply.status {
            StatusCode::CREATED => {
                self.seats.granted(&pick);
                let Booked { booking_id } = reply.json()?;
                let user_id = self.user_id.clone();
                Ok(Asked::Granted(Acknowledged {
                    booking_id,
                    user_id,
                    show_id: pick.show_id,
                    seats: pick.seats,
                    paid: false,
                }))
            }
            StatusCode::CONFLICT if self.seats.contended() => Ok(Asked::Refused),
            _ => {
                tally.unexpected("POST /bookings", &reply);
                Ok(Asked::Refused)
            }
        }
    }
}

impl Driver for Booker {
    async fn step(&mut self, tally: &mut Tally) -> Result<bool, LoadError> {
        match self.ask(tally).await? {
            Asked::Granted(acknowledged) => tally.journal.push(acknowledged),
            Asked::Refused => {}
            Asked::SoldOut => return Ok(false),
        }
        Ok(true)
    }
}
