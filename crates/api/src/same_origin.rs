//! Forms that only the page they belong to may send.

use axum::extract::FromRequestParts;
use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

use crate::app::App;
use crate::error::ApiError;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A request that no page of another site had a browser send. Tools say nothing of an origin, and are let in: they hold
/// nobody's browser.
pub(crate) struct SameOrigin;

impl FromRequestParts<App> for SameOrigin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, ApiError> {
        if is_same_origin(&parts.headers) {
            Ok(Self)
        } else {
            Err(ApiError::forbidden("The form was sent by a page of another site."))
        }
    }
}

/// What the browser says of the two sites decides, since no page can forge it. Browsers say it only over https and on
/// loopback; elsewhere the origin must be the host that was asked, which a proxy may have given another scheme.
fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    origin.zip(host).is_some_and(|((_, authority), host)| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(headers: &[(&'static str, &'static str)]) -> bool {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        is_same_origin(&headers.iter().map(pair).collect())
    }

    #[test]
    fn a_page_of_the_same_origin_and_a_tool_are_let_in() {
        assert!(sent(&[("host", "a:1")]));
        assert!(sent(&[("host", "a:1"), ("origin", "http://a:1")]));
        assert!(sent(&[("host", "a"), ("origin", "https://A")]));
        assert!(sent(&[("host", "a"), ("sec-fetch-site", "same-origin")]));
        assert!(sent(&[("host", "a"), ("sec-fetch-site", "none")]));
    }

    #[test]
    fn a_page_of_another_origin_is_not() {
        assert!(!sent(&[("host", "a:1"), ("origin", "http://b:1")]));
        assert!(!sent(&[("host", "a:1"), ("origin", "http://a:2")]));
        assert!(!sent(&[("host", "a"), ("origin", "https://a.b")]));
        assert!(!sent(&[("host", "a"), ("origin", "null")]));
        assert!(!sent(&[("origin", "http://a")]));
        assert!(!sent(&[("host", "a"), ("sec-fetch-site", "same-site")]));
        assert!(!sent(&[("host", "a"), ("sec-fetch-site", "cross-site"), ("origin", "http://a")]));
    }
}
