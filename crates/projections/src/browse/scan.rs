//! What the index answers, answered from the facts: for as long as there is no index.

use marquee_domain::ids::MovieId;
use smol_str::SmolStr;

use super::titles::titles;
use super::words::words;
use crate::catalogue::Facts;

/// The films whose titles or synopsis have every word; slips are not forgiven here, and all matches are as good.
pub(super) fn movies_matching(facts: &Facts, text: &str) -> Vec<(u32, MovieId)> {
    let wanted = words(text);
    let matching = facts.movies.iter().filter(|movie| {
        let about = movie.synopsis.as_deref().unwrap_or_default();
        let all: Vec<_> = titles(movie).map(SmolStr::as_str).collect();
        let text = words(&format!("{} {about} {}", all.join(" "), movie.genres.join(" ")));
        !wanted.is_empty()
            && wanted.iter().all(|wanted| text.iter().any(|word| word.contains(wanted.as_str())))
    });
    matching.map(|movie| (0, movie.key().clone())).collect()
}
