//! Every endpoint, one a file.

pub(crate) mod audit;
pub(crate) mod bookings;
pub(crate) mod catalogue;
pub(crate) mod customers;
pub(crate) mod ops;
pub(crate) mod payments;
pub(crate) mod pricing;
pub(crate) mod shows;
pub(crate) mod theatres;
pub(crate) mod tickets;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};

use crate::app::App;
use crate::docs;
use crate::error::ApiError;

/// Every route, and what answers where there is none.
pub(crate) fn router() -> Router<App> {
    let api = Router::new()
        .route("/cities", get(catalogue::cities::list).post(catalogue::cities::add))
        .route("/cities/{cityId}/movies", get(catalogue::browse::movies))
        .route("/cities/{cityId}/movies/{movieId}/shows", get(catalogue::browse_shows::shows))
        .route("/cities/{cityId}/theatres", get(catalogue::theatres::list))
        .route("/cities/{cityId}/theatres/{theatreId}/shows", get(catalogue::theatres::programme))
        .route("/movies", post(catalogue::movies::add))
        .route("/movies/{movieId}", get(catalogue::movie::read).put(catalogue::movies::replace))
        .route("/partners", post(theatres::partners::onboard))
        .route("/partners/{partnerId}/theatres", get(theatres::read::list).post(theatres::theatres::add))
        .route("/theatres/{theatreId}", get(theatres::read::read).put(theatres::theatres::replace))
        .route("/theatres/{theatreId}/shows", get(theatres::read::shows))
        .route("/theatres/{theatreId}/screens", post(theatres::screens::add))
        .route("/theatres/{theatreId}/screens/{screenId}", put(theatres::screens::replace))
        .route("/offers", get(pricing::offers::list).post(pricing::offers::create))
        .route("/offers/{code}", get(pricing::offers::read).put(pricing::offers::replace))
        .route("/pricing/policies/{scope}", get(pricing::policies::read).put(pricing::policies::set))
        .route("/pricing/quote", post(pricing::quote::quote))
        .route("/shows", post(shows::schedule::schedule))
        .route(
            "/shows/{showId}",
            get(shows::read::read).put(shows::replace::replace).patch(shows::change::change),
        )
        .route("/shows/{showId}/cancel", post(shows::cancel::cancel))
        .route("/shows/{showId}/seats/block", post(shows::house::block))
        .route("/shows/{showId}/seats/release", post(shows::house::release))
        .route("/shows/{showId}/seats", get(shows::seats::seats))
        .route("/shows/{showId}/seats/stream", get(shows::stream::stream))
        .route("/bookings", get(bookings::list::list).post(bookings::create::create))
        .route("/bookings/{bookingId}", get(bookings::read::read))
        .route("/bookings/{bookingId}/ticket", get(bookings::ticket::negotiated))
        .route("/bookings/{bookingId}/ticket.png", get(bookings::ticket::png))
        .route("/bookings/{bookingId}/ticket.svg", get(bookings::ticket::svg))
        .route("/bookings/{bookingId}/ticket.ics", get(bookings::ticket::ics))
        .route("/bookings/{bookingId}/ticket.html", get(bookings::ticket::html))
        .route("/bookings/{bookingId}/payments", post(payments::initiate::initiate))
        .route("/bookings/{bookingId}/cancel", post(bookings::cancel::cancel))
        .route("/bookings/{bookingId}/extend", post(bookings::extend::extend))
        .route("/tickets/{ticketId}/verify", get(tickets::verify::verify))
        .route("/tickets/{ticketId}/redeem", post(tickets::redeem::redeem))
        .route(
            "/customers/me",
            get(customers::read::read).put(customers::keep::keep).delete(customers::erase::erase_own),
        )
        .route("/customers/{userId}", delete(customers::erase::erase))
        .route("/payments/webhooks/{provider}", post(payments::webhook::webhook))
        .route("/audit/events", get(audit::log::log))
        .route("/audit/streams/{stream}/events", get(audit::stream::stream))
        .route("/ops/messages", get(ops::messages::read))
        .route("/ops/notifications", get(ops::notifications::list))
        .route("/ops/notifications/{notificationId}/replay", post(ops::replay::replay))
        .route("/ops/projections", get(ops::projections::list))
        .route("/ops/refunds", get(ops::refunds::read))
        .route("/ops/projections/{name}/rebuild", post(ops::projections::rebuild));
    Router::new()
        .nest("/api/v1", api)
        .route("/sandbox/pay/{intentId}", get(payments::pay_page::show).post(payments::pay_page::press))
        .route("/healthz", get(ops::health::alive))
        .route("/readyz", get(ops::health::ready))
        .route("/metrics", get(ops::health::metrics))
        .route("/.well-known/jwks.json", get(ops::health::jwks))
        .merge(docs::router())
        .fallback(async || ApiError::not_found("route"))
        .method_not_allowed_fallback(async || {
            let message = "The route does not take this method.";
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)
        })
}

const MOST_CHARACTERS: usize = 200;
pub(crate) const MOST_ENTRIES: usize = 50;

/// A name or a label: not empty, not a page long, no control characters.
pub(crate) fn text(field: &str, value: &str) -> Result<smol_str::SmolStr, ApiError> {
    let sound = !value.trim().is_empty()
        && value.chars().count() <= MOST_CHARACTERS
        && !value.chars().any(char::is_control);
    sound.then(|| value.into()).ok_or_else(|| ApiError::invalid(field, "must be 1 to 200 characters"))
}

/// A short list of them.
pub(crate) fn texts(field: &str, values: &[String]) -> Result<Vec<smol_str::SmolStr>, ApiError> {
    if values.len() > MOST_ENTRIES {
        return Err(ApiError::invalid(field, "has too many entries"));
    }
    values.iter().map(|value| text(field, value)).collect()
}

/// An identifier in a body.
pub(crate) fn id<T>(
    field: &str,
    value: &str,
    parse: impl FnOnce(&str) -> Result<T, marquee_domain::ids::InvalidId>,
) -> Result<T, ApiError> {
    parse(value).map_err(|error| ApiError::invalid(field, &error.to_string()))
}
