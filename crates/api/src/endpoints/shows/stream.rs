//! `GET /shows/{showId}/seats/stream`: seats as they change, as server-sent events.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use marquee_domain::ids::{SeatId, ShowId};
use marquee_event_store::Position;
use marquee_projections::{SeatSnapshot, SeatStatus, View};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::app::App;
use crate::auth::Public;
use crate::error::{ApiError, ErrorEnvelope};
use crate::query::Segments;
use crate::wire::local;

/// Changes within this time go out together.
const GATHER: Duration = Duration::from_millis(50);
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeatsChanged<'a> {
    show_id: &'a ShowId,
    seats: Vec<SeatChange<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeatChange<'a> {
    seat_id: &'a SeatId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lock_expires_at: Option<String>,
}

/// What one reader has seen. Nothing is queued for it: it is shown what changed since, whenever it is ready for more.
struct Reader {
    app: App,
    show: ShowId,
    changes: watch::Receiver<Position>,
    seen: HashMap<SeatId, SeatStatus>,
    next_expiry: Option<jiff::Timestamp>,
    begun: bool,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.begun {
                self.wait().await?;
            }
            self.begun = true;
            let snapshot = self.app.views.seat_maps.seats(&self.show, self.app.clock.now()).await;
            // A reader whose stream ends comes back.
            let snapshot = snapshot.ok()??;
            if let Some(event) = self.difference(&snapshot) {
                return Some(event);
            }
        }
    }

    /// Until something changed or the earliest lock ran out.
    async fn wait(&mut self) -> Option<()> {
        let now = self.app.clock.now();
        let left = self.next_expiry.map(|at| at.as_millisecond() - now.as_millisecond());
        let left = left.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or_default() + 1));
        tokio::select! {
            changed = self.changes.changed() => changed.ok()?,
            // An open stream must not hold up a server that closes: its reader comes back elsewhere.
            () = self.app.closing.cancelled() => return None,
            () = tokio::time::sleep(left.unwrap_or(Duration::MAX)), if left.is_some() => {}
        }
        tokio::time::sleep(GATHER).await;
        self.changes.mark_unchanged();
        Some(())
    }

    fn difference(&mut self, snapshot: &SeatSnapshot) -> Option<Event> {
        self.next_expiry = snapshot.next_expiry;
        let changed = snapshot.seats.iter().filter(|(seat, status)| self.seen.get(seat) != Some(status));
        let seats: Vec<SeatChange<'_>> =
            changed.map(|(seat, status)| change(seat, *status, &snapshot.timezone)).collect();
        if seats.is_empty() {
            return None;
        }
        let data = SeatsChanged { show_id: &self.show, seats };
        let event = Event::default().event("seats").id(snapshot.position.to_string()).json_data(data).ok();
        self.seen = snapshot.seats.iter().cloned().collect();
        event
    }
}

fn change<'a>(seat_id: &'a SeatId, status: SeatStatus, timezone: &str) -> SeatChange<'a> {
    let (status, until) = match status {
        SeatStatus::Available => ("AVAILABLE", None),
        SeatStatus::Locked { until } => ("LOCKED", Some(until)),
        SeatStatus::Sold => ("SOLD", None),
        SeatStatus::Blocked => ("BLOCKED", None),
    };
    SeatChange { seat_id, status, lock_expires_at: until.map(|until| local(until, timezone)) }
}

/// The whole seat map once, then what changes. A reader that comes back (`Last-Event-ID`) gets the whole map again: a lock
/// that ran out meanwhile left no event to resume from.
#[utoipa::path(get, operation_id = "streamSeats", path = "/api/v1/shows/{showId}/seats/stream", tag = "browse", params(("showId" = String, Path)),
    responses((status = 200, content_type = "text/event-stream", description = "events named `seats`"),
        (status = 404, body = ErrorEnvelope)))]
pub(crate) async fn stream(
    State(app): State<App>,
    _: Public,
    Segments(show_id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    app.wait(View::SeatMaps, &headers).await?;
    let show = ShowId::new(show_id);
    let changes = app.views.seat_maps.subscribe(&show).await?;
    let mut changes = changes.ok_or_else(|| ApiError::not_found("show"))?;
    changes.mark_unchanged();
    let permit = app.streams.clone().try_acquire_owned();
    let permit = permit.map_err(|_| ApiError::unavailable("too many open seat streams"))?;
    let reader = Reader {
        app: app.clone(),
        show,
        changes,
        seen: HashMap::new(),
        next_expiry: None,
        begun: false,
        _permit: permit,
    };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}
