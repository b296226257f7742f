//! Which languages a reader reads.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use smol_str::SmolStr;

use crate::error::ApiError;

const MOST: usize = 10;
const LONGEST: usize = 35;

/// What an answer says that differs with `Accept-Language`: a cache keeps one for each.
pub(crate) const VARY: [(HeaderName, HeaderValue); 1] =
    [(header::VARY, HeaderValue::from_static("accept-language"))];

/// The languages of a reader, the best first: the one that `lang` names, else those of `Accept-Language`. A browser sends
/// that whatever its owner wants, so what is not sound in it is passed over; `lang` is somebody's choice, and refused.
pub(crate) fn readers(lang: Option<&str>, headers: &HeaderMap) -> Result<Vec<SmolStr>, ApiError> {
    match lang {
        Some(lang) if is_tag(lang) => Ok(vec![SmolStr::new(lang.to_ascii_lowercase())]),
        Some(_) => Err(ApiError::invalid("lang", "must be a BCP 47 language tag")),
        None => Ok(accepted(headers)),
    }
}

/// Whether a text has the shape of a BCP 47 tag: `hi`, `pt-BR`, `sr-Cyrl`.
pub(crate) fn is_tag(text: &str) -> bool {
    let mut subtags = text.split('-');
    let primary = subtags.next().unwrap_or_default();
    let sound =
        |subtag: &str| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|c| c.is_ascii_alphanumeric());
    text.len() <= LONGEST
        && (2..=8).contains(&primary.len())
        && primary.bytes().all(|c| c.is_ascii_alphabetic())
        && subtags.all(sound)
}

/// `hi-IN, hi;q=0.9, *;q=0.1` by weight; those that weigh the same as they stand.
fn accepted(headers: &HeaderMap) -> Vec<SmolStr> {
    let values = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    let mut ranges: Vec<(u16, SmolStr)> =
        values.flat_map(|value| value.split(',')).take(MOST).filter_map(range).collect();
    ranges.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    ranges.into_iter().map(|(_, tag)| tag).collect()
}

/// A range with its weight in thousandths; `None` where it is not sound, or not wanted.
fn range(text: &str) -> Option<(u16, SmolStr)> {
    let mut parts = text.split(';').map(str::trim);
    let tag = parts.next().filter(|tag| *tag == "*" || is_tag(tag))?;
    let mut weight = 1_000;
    for part in parts {
        let thousandths = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="))?.parse::<f32>().ok()?;
        weight = thousands(thousandths).filter(|weight| *weight > 0)?;
    }
    Some((weight, SmolStr::new(tag.to_ascii_lowercase())))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1,000")]
fn thousands(weight: f32) -> Option<u16> {
    (0.0..=1.0).contains(&weight).then_some((weight * 1_000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(accept: &str) -> Vec<SmolStr> {
        let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, accept.parse().unwrap())]);
        readers(None, &headers).unwrap()
    }

    #[test]
    fn languages_are_read_by_their_weight() {
        assert_eq!(read("hi-IN, en;q=0.5, kn;q=0.8"), ["hi-in", "kn", "en"]);
        assert_eq!(read("fr, *;q=0.1"), ["fr", "*"]);
        assert_eq!(read("en;q=0, hi"), ["hi"], "what weighs nothing is not wanted");
        assert!(readers(None, &HeaderMap::new()).unwrap().is_empty());
    }

    #[test]
    fn what_a_browser_sends_amiss_is_passed_over_and_a_choice_that_is_no_tag_refused() {
        assert_eq!(read("h!, hi;q=2, kn;q=x, , en"), ["en"]);
        let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, "kn".parse().unwrap())]);
        assert_eq!(
            readers(Some("hi-IN"), &headers).unwrap(),
            ["hi-in"],
            "the choice goes before the browser"
        );
        for lang in ["", "h", "hi_IN", "hi-", "a-long-tag-that-goes-on-and-on-and-on-and-on"] {
            assert!(readers(Some(lang), &headers).is_err(), "{lang}");
        }
    }
}
