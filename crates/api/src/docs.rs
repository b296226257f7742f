//! The `OpenAPI` document, made from the handlers, and a page to browse it that needs no network.

use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::{Router, middleware};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::app::App;
use crate::endpoints::{
    audit, bookings, catalogue, customers, ops, payments, pricing, shows, theatres, tickets,
};

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
        catalogue::movie::read,
        catalogue::browse::movies,
        catalogue::browse_shows::shows,
        catalogue::theatres::list,
        catalogue::theatres::programme,
        theatres::partners::onboard,
        theatres::theatres::add,
        theatres::theatres::replace,
        theatres::read::list,
        theatres::read::read,
        theatres::read::shows,
        theatres::screens::add,
        theatres::screens::replace,
        pricing::offers::create,
        pricing::offers::list,
        pricing::offers::read,
        pricing::offers::replace,
        pricing::policies::set,
        pricing::policies::read,
        pricing::quote::quote,
        shows::schedule::schedule,
        shows::read::read,
        shows::replace::replace,
        shows::change::change,
        shows::cancel::cancel,
        shows::house::block,
        shows::house::release,
        shows::seats::seats,
        shows::stream::stream,
        bookings::create::create,
        bookings::list::list,
        bookings::read::read,
        bookings::cancel::cancel,
        bookings::extend::extend,
        bookings::ticket::negotiated,
        bookings::ticket::png,
        bookings::ticket::svg,
        bookings::ticket::ics,
        bookings::ticket::html,
        tickets::verify::verify,
        tickets::redeem::redeem,
        customers::read::read,
        customers::keep::keep,
        customers::erase::erase_own,
        customers::erase::erase,
        payments::initiate::initiate,
        payments::webhook::webhook,
        audit::log::log,
        audit::stream::stream,
        ops::messages::read,
        ops::notifications::list,
        ops::replay::replay,
        ops::projections::list,
        ops::projections::rebuild,
        ops::refunds::read,
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

/// What the page may do: its own scripts and calls to this server. It styles in line and has its icons inside.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// `/openapi.json` and `/docs`.
pub(crate) fn router() -> Router<App> {
    // Without this, the page would ask a validator on the network about every document.
    let config = Config::default().validator_url("none");
    let page: Router<App> = SwaggerUi::new("/docs").config(config).url("/openapi.json", openapi()).into();
    page.layer(middleware::map_response(async |mut response: Response| {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let document = serde_json::to_value(openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
        let mut names: Vec<_> =
            operations.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect();
        let count = names.len();
        assert!(count > 20, "the document names the operations: {names:?}");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "a generated client would have two methods of one name: {names:?}");
        // A verb and what it is done to: the handlers' own names (`list`, `add`) say it only within their file.
        for name in names {
            assert!(name.chars().any(|letter| letter.is_ascii_uppercase()), "{name}");
        }
    }

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
