//! The `OpenAPI` document, made from the handlers, and a page to browse it that needs no network.

use axum::Router;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::SwaggerUi;

use crate::app::App;
use crate::endpoints::{audit, bookings, catalogue, ops, payments, shows, theatres};

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Marquee", description = "A booking engine for cinemas.", license(name = "Apache-2.0")),
    modifiers(&Bearer),
    paths(
        catalogue::cities::list,
        catalogue::cities::add,
        catalogue::movies::add,
        catalogue::movies::replace,
        catalogue::browse::movies,
        catalogue::browse_shows::shows,
        theatres::partners::onboard,
        theatres::theatres::add,
        theatres::theatres::replace,
        theatres::screens::add,
        theatres::screens::replace,
        shows::schedule::schedule,
        shows::change::change,
        shows::cancel::cancel,
        shows::seats::seats,
        shows::stream::stream,
        bookings::create::create,
        bookings::list::list,
        bookings::read::read,
        bookings::cancel::cancel,
        payments::initiate::initiate,
        payments::webhook::webhook,
        audit::log::log,
        audit::stream::stream,
        ops::projections::list,
        ops::projections::rebuild,
        ops::health::alive,
        ops::health::ready,
        ops::health::metrics,
        ops::health::jwks,
    )
)]
struct Document;

/// The `OpenAPI` document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// `/openapi.json` and `/docs`.
pub(crate) fn router() -> Router<App> {
    SwaggerUi::new("/docs").url("/openapi.json", openapi()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_SCHEMAS=1 cargo test -p marquee-api` writes the file anew.
    #[test]
    fn the_committed_document_is_the_one_that_is_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/openapi.json");
        let made = openapi().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(path).unwrap(),
            made,
            "run with UPDATE_SCHEMAS=1 and commit the file"
        );
    }
}
