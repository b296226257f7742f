//! Where a customer may be sent back to: exactly an origin that is allowed, and never fetched by Marquee.

use crate::error::ApiError;

const MOST_CHARACTERS: usize = 2_000;

/// Checks a return URL against the allowed origins.
pub(crate) fn check(url: &str, allowed: &[String]) -> Result<(), ApiError> {
    let refused = |reason| Err(ApiError::invalid("returnUrl", reason));
    let plain =
        url.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>'));
    if url.len() > MOST_CHARACTERS || !plain {
        return refused("must be a plain URL");
    }
    let Some(origin) = origin(url) else { return refused("must be an https URL") };
    if allowed.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
        Ok(())
    } else {
        refused("its origin is not allowed")
    }
}

/// Scheme and authority of an https URL, or of an http one on the loopback.
pub(crate) fn origin(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    let secure = scheme.eq_ignore_ascii_case("https") || (scheme.eq_ignore_ascii_case("http") && loopback);
    secure.then(|| url.get(..scheme.len() + 3 + authority.len()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_allowed_origin_is_returned_to() {
        let allowed = ["https://app.example.com".to_owned(), "http://127.0.0.1:8080".to_owned()];
        for good in [
            "https://app.example.com/payment/return",
            "https://app.example.com",
            "http://127.0.0.1:8080/docs?x=1",
        ] {
            assert!(check(good, &allowed).is_ok(), "{good}");
        }
        for bad in [
            "http://app.example.com/",
            "https://app.example.com.evil.example/",
            "https://app.example.com@evil.example/",
            "https://evil.example/?https://app.example.com",
            "//app.example.com/",
            "https://app.example.com\\@evil.example/",
            "javascript:alert(1)",
            "https:///x",
            "https://app.example.com:444/",
            "https://203.0.113.7/",
            "https://app.example.com/\u{e9}",
            "https://app.example.com/\r\nX: y",
            "",
        ] {
            assert!(check(bad, &allowed).is_err(), "{bad}");
        }
    }
}
