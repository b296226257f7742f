//! Which of several representations a client takes best.

use axum::http::{HeaderMap, header};

const MOST: usize = 32;

/// The media type that `Accept` weighs most; of those that weigh the same, the first that is offered. `None` where it takes none.
pub(crate) fn best<T: Copy>(headers: &HeaderMap, offered: &[(&str, T)]) -> Option<T> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<Range> =
        values.flat_map(|value| value.split(',')).take(MOST).filter_map(Range::parse).collect();
    if ranges.is_empty() {
        return offered.first().map(|(_, what)| *what);
    }
    let weighed = offered.iter().map(|(kind, what)| (weight(&ranges, kind), *what));
    // The first of the heaviest: `max_by_key` would take the last.
    weighed.rev().filter(|(weight, _)| *weight > 0).max_by_key(|(weight, _)| *weight).map(|(_, what)| what)
}

/// What the most specific range that fits says.
fn weight(ranges: &[Range], kind: &str) -> u16 {
    let fits = ranges.iter().filter_map(|range| Some((range.fits(kind)?, range.weight)));
    fits.max().map_or(0, |(_, weight)| weight)
}

struct Range {
    kind: String,
    /// In thousandths.
    weight: u16,
}

impl Range {
    /// `text/html;q=0.9`; `None` where it is not sound.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().filter(|kind| kind.contains('/'))?.to_ascii_lowercase();
        let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = q.map_or(Some(1.0), |q| q.parse::<f32>().ok())?;
        Some(Self { kind, weight: thousandths(weight)? })
    }

    /// How closely it names this kind; `None` where it does not.
    fn fits(&self, kind: &str) -> Option<u8> {
        let group = kind.split('/').next().unwrap_or_default();
        match self.kind.split_once('/')? {
            ("*", "*") => Some(0),
            (own, "*") if own == group => Some(1),
            _ if self.kind == kind => Some(2),
            _ => None,
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1,000")]
fn thousandths(weight: f32) -> Option<u16> {
    (0.0..=1.0).contains(&weight).then_some((weight * 1_000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &str) -> Option<u8> {
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        best(&headers, &[("application/json", 1), ("text/html", 2), ("image/png", 3)])
    }

    #[test]
    fn the_representation_that_weighs_most_is_taken() {
        assert_eq!(of("image/png"), Some(3));
        assert_eq!(of("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"), Some(2));
        assert_eq!(of("image/*, text/html;q=0.5"), Some(3));
        assert_eq!(of("application/json;q=0.1, */*"), Some(2), "what is named weighs what it is given");
        assert_eq!(of("*/*, application/json;q=0"), Some(2), "what weighs nothing is not wanted");
    }

    #[test]
    fn whoever_does_not_mind_gets_the_first_and_whoever_takes_none_gets_none() {
        assert_eq!(best(&HeaderMap::new(), &[("application/json", 1), ("text/html", 2)]), Some(1));
        assert_eq!(of("*/*"), Some(1));
        assert_eq!(of("nonsense"), Some(1));
        assert_eq!(of("application/pdf"), None);
        assert_eq!(of("text/html;q=2"), Some(1), "a range that is not sound says nothing");
    }
}
