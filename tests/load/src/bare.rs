//! The first ceiling: a handler that does only what no booking engine on this stack can avoid.
//!
//! It verifies the token, parses the booking and answers a body of a booking's shape; or it answers static bytes. It has
//! no rules, no log, no views, no limits and no metrics. What a server gets of its rate is what Marquee's own work leaves.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{Path as PathParameter, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use bytes::Bytes;
use serde::Serialize;

use crate::error::LoadError;
use crate::token::Verifier;
use crate::wire::CreateBooking;

/// What the server writes when it listens, and what the bare one writes in its likeness.
#[derive(Debug, Serialize, serde::Deserialize)]
pub struct Announcement {
    /// `127.0.0.1:PORT`.
    pub listen: SocketAddr,
}

impl Announcement {
    /// Tells it to who waits for the file.
    pub fn write(&self, announce: &Path) -> Result<(), LoadError> {
        let text = serde_json::to_vec(self).map_err(LoadError::shape("the announcement"))?;
        std::fs::write(announce, text).map_err(LoadError::io(announce.display().to_string()))
    }
}

struct Bare {
    verifier: Verifier,
    booked: AtomicU64,
    seat_map: RwLock<Bytes>,
    /// Pages of the catalogue, by path and query.
    pages: RwLock<HashMap<String, Bytes>>,
}

/// Serves until the process is stopped, and writes where to `announce`.
pub async fn serve(announce: &Path) -> Result<(), LoadError> {
    let state = Arc::new(Bare {
        verifier: Verifier::new(),
        booked: AtomicU64::new(0),
        seat_map: RwLock::new(Bytes::from_static(b"{}")),
        pages: RwLock::default(),
    });
    let router = Router::new()
        .route("/api/v1/bookings", post(book))
        .route("/api/v1/shows/{show_id}/seats", get(seat_map).put(set_seat_map))
        .route("/api/v1/cities/{*page}", get(page).put(set_page))
        .with_state(state);
    let listener =
        tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(LoadError::io("listening on loopback"))?;
    let listen = listener.local_addr().map_err(LoadError::io("reading the listening address"))?;
    Announcement { listen }.write(announce)?;
    let listener = listener.tap_io(|socket| {
        // Without it the answer may wait for an acknowledgement; it costs the ceiling nothing where it fails.
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, router).await.map_err(LoadError::io("serving"))
}

async fn book(
    State(bare): State<Arc<Bare>>,
    headers: HeaderMap,
    Json(booking): Json<CreateBooking>,
) -> Response {
    let token =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(Ok(claims)) = token.map(|token| bare.verifier.verify(token)) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    if claims.role != "customer" || claims.sub != booking.user_id {
        return StatusCode::FORBIDDEN.into_response();
    }
    let number = bare.booked.fetch_add(1, Ordering::Relaxed);
    let body = BookingBody {
        booking_id: format!("bk_{}_{number:026}", booking.show_id),
        status: "PAYMENT_PENDING",
        expires_at: "2026-02-01T18:10:00.000+05:30",
        show: ShowBody {
            show_id: booking.show_id,
            theatre_id: "th_101",
            start_time: "2026-02-01T18:30:00+05:30",
        },
        pricing: PricingBody {
            currency: "INR",
            subtotal: 180 * booking.seat_ids.len(),
            total: 180 * booking.seat_ids.len(),
            ..PricingBody::default()
        },
        seats: booking.seat_ids,
    };
    (StatusCode::CREATED, Json(body)).into_response()
}

async fn seat_map(State(bare): State<Arc<Bare>>, PathParameter(_show): PathParameter<String>) -> Response {
    let bytes = bare.seat_map.read().unwrap_or_else(PoisonError::into_inner).clone();
    ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
}

async fn set_seat_map(State(bare): State<Arc<Bare>>, bytes: Bytes) -> StatusCode {
    *bare.seat_map.write().unwrap_or_else(PoisonError::into_inner) = bytes;
    StatusCode::NO_CONTENT
}

async fn page(State(bare): State<Arc<Bare>>, uri: Uri) -> Response {
    let page = bare.pages.read().unwrap_or_else(PoisonError::into_inner).get(&path_of(&uri)).cloned();
    page.map_or_else(
        || StatusCode::NOT_FOUND.into_response(),
        |bytes| ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
    )
}

async fn set_page(State(bare): State<Arc<Bare>>, uri: Uri, bytes: Bytes) -> StatusCode {
    bare.pages.write().unwrap_or_else(PoisonError::into_inner).insert(path_of(&uri), bytes);
    StatusCode::NO_CONTENT
}

fn path_of(uri: &Uri) -> String {
    uri.path_and_query().map(ToString::to_string).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BookingBody {
    booking_id: String,
    status: &'static str,
    expires_at: &'static str,
    show: ShowBody,
    seats: Vec<String>,
    pricing: PricingBody,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShowBody {
    show_id: String,
    theatre_id: &'static str,
    start_time: &'static str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct PricingBody {
    currency: &'static str,
    subtotal: usize,
    discount: usize,
    fees: usize,
    tax: usize,
    total: usize,
    applied_offers: [(); 0],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;
    use crate::token;

    #[tokio::test]
    async fn the_ceiling_does_verify_tokens_and_owners() {
        let dir = tempfile::tempdir().unwrap();
        let announced = dir.path().join("bare.json");
        let served = announced.clone();
        let serving = tokio::spawn(async move { serve(&served).await });
        let listen = loop {
            if let Ok(text) = std::fs::read(&announced)
                && let Ok(Announcement { listen }) = serde_json::from_slice(&text)
            {
                break listen;
            }
            tokio::task::yield_now().await;
        };
        let base = format!("http://{listen}");
        let body = Bytes::from_static(
            br#"{"userId":"u_1","showId":"sh_1","seatIds":["A1"],"client":{"platform":"WEB","appVersion":"1.0.0"}}"#,
        );
        let owner = token::mint("u_1", "customer", None).unwrap();
        let other = token::mint("u_2", "customer", None).unwrap();
        let forged = format!("{}x", &owner[..owner.len() - 2]);
        for (token, status) in [
            (Some(owner.as_str()), StatusCode::CREATED),
            (Some(other.as_str()), StatusCode::FORBIDDEN),
            (Some(forged.as_str()), StatusCode::UNAUTHORIZED),
            (None, StatusCode::UNAUTHORIZED),
        ] {
            let client = Client::new(&base, token, 1).unwrap();
            let reply = client.post(&client.uri("/api/v1/bookings").unwrap(), body.clone()).await.unwrap();
            assert_eq!(reply.status, status);
        }
        serving.abort();
    }
}
