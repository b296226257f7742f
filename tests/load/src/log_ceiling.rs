//! The second ceiling: what the log itself takes, with no server around it.
//!
//! Each appender appends the two events of a booking to one of its own streams and waits until they are durable, as a
//! show's writer does.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use marquee_domain::ids::{BookingId, IdempotencyKey, SeatId, ShowId, UserId};
use marquee_domain::money::Currency;
use marquee_domain::pricing::Pricing;
use marquee_domain::show::{BookingPaymentPending, ClientInfo, SeatsLocked, ShowEvent};
use marquee_event_store::embedded::{DataDir, EmbeddedStore};
use marquee_event_store::{EventStore, Expected, Metadata, NewEvent, StreamName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::LoadError;
use crate::token;

/// What was measured.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Ceiling {
    /// How many appended at once.
    pub appenders: usize,
    /// Bookings (appends of two events) durable, a second.
    pub bookings_per_second: f64,
}

/// Measures the log in a data directory of its own.
pub async fn measure(
    dir: &Path,
    appenders: usize,
    streams: usize,
    seconds: Duration,
) -> Result<Ceiling, LoadError> {
    let failed = |error: &dyn std::fmt::Display| LoadError::Log(error.to_string());
    let dir = DataDir::lock(dir).map_err(|error| failed(&error))?;
    let store = EmbeddedStore::open(&dir).map_err(|error| failed(&error))?;
    let until = Instant::now() + seconds;
    let tasks: Vec<_> = (0..appenders)
        .map(|first| {
            let shows: Vec<_> = (first..streams.max(appenders)).step_by(appenders).collect();
            tokio::spawn(append_until(store.clone(), shows, until))
        })
        .collect();
    let mut appends = 0;
    for task in tasks {
        appends += task.await.map_err(|error| failed(&error))??;
    }
    store.close().await;
    Ok(Ceiling { appenders, bookings_per_second: crate::measure::rate(appends, seconds) })
}

async fn append_until(store: EmbeddedStore, shows: Vec<usize>, until: Instant) -> Result<u64, LoadError> {
    let mut streams: Vec<_> = shows
        .into_iter()
        .map(|number| {
            let show = ShowId::new(format!("sh_{number:024}"));
            (StreamName::show(&show), show, Expected::NoStream)
        })
        .collect();
    let metadata = Arc::new(Metadata {
        actor: "customer:u_load_1".into(),
        correlation_id: Uuid::new_v4().to_string().into(),
        causation_id: None,
    });
    let mut appends = 0;
    loop {
        for (stream, show, expected) in &mut streams {
            if Instant::now() >= until {
                return Ok(appends);
            }
            let events = booking(show, appends, &metadata);
            let appended = store
                .append(stream.clone(), *expected, events)
                .await
                .map_err(|error| LoadError::Log(error.to_string()))?;
            *expected = Expected::Revision(appended.revision);
            appends += 1;
        }
    }
}

/// The two events that begin a booking, each of its real size.
fn booking(show: &ShowId, number: u64, metadata: &Arc<Metadata>) -> Vec<NewEvent> {
    let time: Timestamp = token::now();
    let booking_id = BookingId::compose(show, &format!("{number:026}"));
    let locked = SeatsLocked {
        booking_id: booking_id.clone(),
        user_id: UserId::from("u_load_1"),
        seat_ids: vec![SeatId::from("A10"), SeatId::from("A11")],
        expires_at: time + SignedDuration::from_mins(5),
        idempotency_key: IdempotencyKey::new(Uuid::now_v7().to_string()),
        fingerprint: "0123456789abcdef0123456789abcdef".into(),
        client: Some(ClientInfo { platform: "WEB".into(), app_version: Some("1.0.0".into()) }),
    };
    let pending =
        BookingPaymentPending { booking_id, pricing: Pricing::of_seats(Currency::inr(), [18_000, 18_000]) };
    [ShowEvent::from(locked), ShowEvent::from(pending)]
        .map(|event| NewEvent { id: Uuid::now_v7(), time, event: event.into(), metadata: metadata.clone() })
        .into()
}
