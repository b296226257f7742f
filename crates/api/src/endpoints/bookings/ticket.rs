//! `GET /bookings/{bookingId}/ticket`, and `.png`, `.svg`, `.ics`, `.html`

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use marquee_projections::View;
use utoipa::ToSchema;

use crate::accept;
use crate::app::App;
use crate::auth::Customer;
use crate::endpoints::bookings::read::own;
use crate::endpoints::bookings::{TicketBody, booking_id as booking_id_of};
use crate::error::{ApiError, ErrorEnvelope};
use crate::language::readers;
use crate::query::Segments;
use crate::tickets::calendar::calendar;
use crate::tickets::facts::TicketFacts;
use crate::tickets::page::{self, page};
use crate::tickets::qr::Qr;

/// What a ticket can be had as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Json,
    Html,
    Png,
    Svg,
    Calendar,
}

/// A picture.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "stands in the document for the file's bytes")]
pub(crate) struct PngFile(Vec<u8>);

/// Where a client takes several alike, the first.
const SHAPES: [(&str, Shape); 5] = [
    ("application/json", Shape::Json),
    ("text/html", Shape::Html),
    ("image/png", Shape::Png),
    ("image/svg+xml", Shape::Svg),
    ("text/calendar", Shape::Calendar),
];

/// The ticket of a booking of the caller, as `Accept` wants it: JSON, HTML, PNG, SVG or an iCalendar event.
#[utoipa::path(get, operation_id = "readTicket", path = "/api/v1/bookings/{bookingId}/ticket", tag = "bookings", params(("bookingId" = String, Path)),
    security(("bearer" = [])),
    responses((status = 200, content((TicketBody = "application/json"), (String = "text/html"), (PngFile = "image/png"), (String = "image/svg+xml"), (String = "text/calendar"))),
        (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope), (status = 406, body = ErrorEnvelope),
        (status = 409, body = ErrorEnvelope, description = "`NO_TICKET` yet"), (status = 422, body = ErrorEnvelope, description = "`NO_TICKET`, and none to come")))]
pub(crate) async fn negotiated(
    State(app): State<App>,
    customer: Customer,
    Segments(booking_id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Some(shape) = accept::best(&headers, &SHAPES) else {
        return Err(ApiError::not_acceptable(&SHAPES.map(|(kind, _)| kind)));
    };
    answer(&app, &customer, &booking_id, shape, &headers).await
}

/// The QR code of the ticket, black on white, with its quiet zone.
#[utoipa::path(get, operation_id = "readTicketPng", path = "/api/v1/bookings/{bookingId}/ticket.png", tag = "bookings", params(("bookingId" = String, Path)),
    security(("bearer" = [])),
    responses((status = 200, body = PngFile, content_type = "image/png"), (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope),
        (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
pub(crate) async fn png(
    State(app): State<App>,
    customer: Customer,
    Segments(booking_id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    answer(&app, &customer, &booking_id, Shape::Png, &headers).await
}

/// The QR code of the ticket, sharp at any size.
#[utoipa::path(get, operation_id = "readTicketSvg", path = "/api/v1/bookings/{bookingId}/ticket.svg", tag = "bookings", params(("bookingId" = String, Path)),
    security(("bearer" = [])),
    responses((status = 200, body = String, content_type = "image/svg+xml"), (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope),
        (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
pub(crate) async fn svg(
    State(app): State<App>,
    customer: Customer,
    Segments(booking_id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    answer(&app, &customer, &booking_id, Shape::Svg, &headers).await
}

/// The show as an event for a calendar, with an alarm.
#[utoipa::path(get, operation_id = "readTicketCalendar", path = "/api/v1/bookings/{bookingId}/ticket.ics", tag = "bookings", params(("bookingId" = String, Path)),
    security(("bearer" = [])),
    responses((status = 200, body = String, content_type = "text/calendar"), (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope),
        (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
pub(crate) async fn ics(
    State(app): State<App>,
    customer: Customer,
    Segments(booking_id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    answer(&app, &customer, &booking_id, Shape::Calendar, &headers).await
}

/// The ticket as a page to show or to print, in the reader's language (`Accept-Language`).
#[utoipa::path(get, operation_id = "readTicketPage", path = "/api/v1/bookings/{bookingId}/ticket.html", tag = "bookings", params(("bookingId" = String, Path)),
    security(("bearer" = [])),
    responses((status = 200, body = String, content_type = "text/html"), (status = 403, body = ErrorEnvelope), (status = 404, body = ErrorEnvelope),
        (status = 409, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
pub(crate) async fn html(
    State(app): State<App>,
    customer: Customer,
    Segments(booking_id): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    answer(&app, &customer, &booking_id, Shape::Html, &headers).await
}

async fn answer(
    app: &App,
    customer: &Customer,
    booking_id: &str,
    shape: Shape,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    app.wait(View::Catalogue, headers).await?;
    let snapshot = app.commands.booking(&booking_id_of(booking_id)?).await?;
    let booking = &snapshot.booking;
    own(customer, &booking.user_id)?;
    let now = app.clock.now();
    let ticket_id = booking.ticket().ok_or_else(|| ApiError::no_ticket(booking.status(now)))?;
    let readers = readers(None, headers)?;
    let facts = TicketFacts::of(app, &snapshot, ticket_id, &readers).await?;
    let mut response = match shape {
        Shape::Json => Json(TicketBody {
            ticket_id: facts.ticket_id.to_string(),
            qr_code_data: facts.token,
            seat_ids: facts.seat_ids,
        })
        .into_response(),
        Shape::Html => typed("text/html; charset=utf-8", page(&facts, &readers)?),
        Shape::Png => typed("image/png", Qr::of(&facts.token)?.png()?),
        Shape::Svg => typed("image/svg+xml", Qr::of(&facts.token)?.svg(facts.ticket_id.as_str())),
        Shape::Calendar => {
            let mut response = typed("text/calendar; charset=utf-8", calendar(&facts, now));
            let named = HeaderValue::from_static("attachment; filename=\"ticket.ics\"");
            response.headers_mut().insert(header::CONTENT_DISPOSITION, named);
            response
        }
    };
    // Whoever has it gets in: nothing on the way keeps a copy, and nothing in it runs.
    let guards: [(HeaderName, HeaderValue); 5] = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_SECURITY_POLICY, page::POLICY),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::VARY, HeaderValue::from_static("accept, accept-language")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    response.headers_mut().extend(guards);
    Ok(response)
}

fn typed(kind: &'static str, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
