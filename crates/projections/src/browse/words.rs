//! Texts as words that can be compared, in any script.

use tantivy::tokenizer::{AsciiFoldingFilter, LowerCaser, TextAnalyzer, WhitespaceTokenizer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The words of a text, without regard to case and accents: `AMÉLIE` is `amelie`.
///
/// Signs that belong to a letter stay in their word: without its virama, a word of an Indian script would fall apart.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut analyzer = TextAnalyzer::builder(WhitespaceTokenizer::default())
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .build();
    let (spaced, mut words) = (spaced(text), vec![]);
    let mut stream = analyzer.token_stream(&spaced);
    stream.process(&mut |token| words.push(token.text.clone()));
    words
}

/// The same with a space between each.
pub(super) fn joined(text: &str) -> String {
    words(text).join(" ")
}

/// Filters compare without regard to case.
pub(super) fn folded(text: &str) -> String {
    text.to_lowercase()
}

fn spaced(text: &str) -> String {
    let in_word = |c: char| if c.is_alphanumeric() || is_combining_mark(c) { c } else { ' ' };
    text.nfkd().filter(|c| !is_accent(*c) && !is_joiner(*c)).map(in_word).collect()
}

/// What Latin, Greek and Cyrillic letters are decomposed into, beside the letter.
fn is_accent(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

/// They shape what stands beside them and are typed by some and not by others.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_how_a_letter_is_written_do_not_tell_words_apart() {
        assert_eq!(words("AMÉLIE's  Ame\u{301}lie, Ørsted"), ["amelie", "s", "amelie", "orsted"]);
        assert_eq!(words("\u{95b}"), words("\u{91c}\u{93c}"), "a letter and its sign, in one or in two");
        assert!(words(" – !").is_empty());
    }

    #[test]
    fn a_word_of_an_indian_script_stays_whole() {
        assert_eq!(words("क्या हुआ"), ["क्या", "हुआ"]);
        assert_eq!(words("ತಾರಕಾಸುರ"), ["ತಾರಕಾಸುರ"].map(|word| word.nfkd().collect::<String>()));
        assert_eq!(words("க்\u{200c}ஷ"), words("க்ஷ"));
    }
}
