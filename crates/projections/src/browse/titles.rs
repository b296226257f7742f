//! The titles of a film, and the one for a reader.

use marquee_domain::catalogue::MovieDetails;
use smol_str::SmolStr;

/// Every title of a film, the main one first.
pub(super) fn titles(movie: &MovieDetails) -> impl Iterator<Item = &SmolStr> {
    std::iter::once(&movie.title).chain(movie.titles.values())
}

/// A film's title for somebody who reads these languages (BCP 47 tags, the best first).
///
/// The first of them that the film has a title in decides; a tag is cut from its end until one fits (`hi-IN`, `hi`). The
/// main title is in the film's first language, and for who reads none of its languages.
pub fn title_for<'a>(movie: &'a MovieDetails, readers: &[SmolStr]) -> &'a SmolStr {
    readers.iter().find_map(|tag| title_in(movie, tag)).unwrap_or(&movie.title)
}

fn title_in<'a>(movie: &'a MovieDetails, tag: &str) -> Option<&'a SmolStr> {
    let mut range = tag;
    loop {
        let localised = movie.titles.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(range));
        if let Some((_, title)) = localised {
            return Some(title);
        }
        if range == "*" || movie.languages.first().is_some_and(|first| first.eq_ignore_ascii_case(range)) {
            return Some(&movie.title);
        }
        range = range.rsplit_once('-')?.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film() -> MovieDetails {
        MovieDetails {
            movie_id: "mv_1".into(),
            title: "Night Train".into(),
            titles: [("hi", "रात की गाड़ी"), ("pt-BR", "Trem Noturno")]
                .map(|(tag, title)| (tag.into(), title.into()))
                .into(),
            languages: vec!["en".into(), "hi".into()],
            genres: vec![],
            duration_mins: 100,
            certificate: None,
            synopsis: None,
            release_date: None,
        }
    }

    #[test]
    fn a_title_is_in_the_first_language_of_the_reader_that_the_film_has() {
        let film = film();
        let title = |readers: &[&str]| {
            title_for(&film, &readers.iter().map(SmolStr::new).collect::<Vec<_>>()).to_string()
        };
        assert_eq!(title(&["hi"]), "रात की गाड़ी");
        assert_eq!(title(&["HI-Deva-IN"]), "रात की गाड़ी", "a tag is cut until it fits");
        assert_eq!(title(&["pt"]), "Night Train", "Portuguese is not the Portuguese of Brazil");
        assert_eq!(title(&["fr", "pt-br", "hi"]), "Trem Noturno");
        assert_eq!(title(&["en-GB", "hi"]), "Night Train", "the main title is in the film's first language");
        assert_eq!(title(&["ta"]), "Night Train");
        assert_eq!(title(&["*", "hi"]), "Night Train");
        assert_eq!(title(&[]), "Night Train");
    }
}
