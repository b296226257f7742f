//! Questions to the index.

use marquee_domain::ids::MovieId;
use tantivy::collector::TopDocs;
use tantivy::query::{
    BooleanQuery, ConstScoreQuery, DisjunctionMaxQuery, FuzzyTermQuery, Occur, Query, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocAddress, Searcher, Term};

use super::index::Search;
use super::words::words;

/// Films that a text may match: more than a catalogue has. A city's are picked from them afterwards, so that none may be cut off.
const MOST_MATCHES: usize = 100_000;

/// Words of a text that count: more than titles have, and few enough that a search stays cheap.
const MOST_WORDS: usize = 16;

/// A longer word is found as it is written, or not: nobody types it, and to forgive slips in it costs the more the longer it is.
const LONGEST_FORGIVEN: usize = 40;

/// How well a word is found: in a title before the rest, there as it is before its beginning before a slip. What all
/// words bring is added up.
mod worth {
    pub const TITLE: f32 = 32.0;
    pub const TITLE_BEGUN: f32 = 16.0;
    pub const TITLE_SLIP: f32 = 8.0;
    pub const TITLE_BEGUN_SLIP: f32 = 6.0;
    pub const ABOUT: f32 = 4.0;
    pub const ABOUT_SLIP: f32 = 2.0;
    /// On top of its words: the text is the title, or a title begins with it.
    pub const WHOLE: f32 = 2.0;
    pub const WHOLE_BEGUN: f32 = 1.0;
}

impl Search {
    /// The films that a text matches, each with how well. Every word of it must be found, if with a slip.
    pub fn movies_matching(&self, text: &str) -> tantivy::Result<Vec<(u32, MovieId)>> {
        let mut words = words(text);
        words.truncate(MOST_WORDS);
        let Some(last) = words.len().checked_sub(1) else { return Ok(vec![]) };
        let clauses = words.iter().enumerate().map(|(at, word)| (Occur::Must, self.word(word, at == last)));
        let mut clauses: Vec<_> = clauses.collect();
        let whole = Term::from_field_text(self.fields.whole, &words.join(" "));
        let begun = FuzzyTermQuery::new_prefix(whole.clone(), 0, true);
        clauses.push((Occur::Should, worth(worth::WHOLE, exactly(whole))));
        clauses.push((Occur::Should, worth(worth::WHOLE_BEGUN, Box::new(begun))));
        let searcher = self.reader.searcher();
        let collector = TopDocs::with_limit(MOST_MATCHES).order_by_score();
        let found = searcher.search(&BooleanQuery::new(clauses), &collector)?;
        let film = |(score, address)| match id_of(&searcher, address) {
            Ok(id) => id.map(|id| Ok((whole_number(score), MovieId::new(id)))),
            Err(error) => Some(Err(error)),
        };
        found.into_iter().filter_map(film).collect()
    }

    /// A word of a search: as it is, with a slip, or cut short where it is the last, as it is while somebody types. The
    /// best way to find it counts.
    fn word(&self, word: &str, last: bool) -> Box<dyn Query> {
        let term = |field: Field| Term::from_field_text(field, word);
        let (title, about) = (term(self.fields.title), term(self.fields.about));
        let slips = slips(word);
        let mut ways =
            vec![worth(worth::TITLE, exactly(title.clone())), worth(worth::ABOUT, exactly(about.clone()))];
        if last {
            let begun = FuzzyTermQuery::new_prefix(title.clone(), 0, true);
            ways.push(worth(worth::TITLE_BEGUN, Box::new(begun)));
        }
        if slips > 0 {
            let about = FuzzyTermQuery::new(about, slips, true);
            ways.push(worth(worth::ABOUT_SLIP, Box::new(about)));
            let slip = FuzzyTermQuery::new(title.clone(), slips, true);
            ways.push(worth(worth::TITLE_SLIP, Box::new(slip)));
        }
        if slips > 0 && last {
            let begun = FuzzyTermQuery::new_prefix(title, slips, true);
            ways.push(worth(worth::TITLE_BEGUN_SLIP, Box::new(begun)));
        }
        Box::new(DisjunctionMaxQuery::new(ways))
    }
}

/// How many slips of the finger a word forgives: the longer, the more.
fn slips(word: &str) -> u8 {
    match word.chars().count() {
        0..=3 => 0,
        4..=7 => 1,
        8..=LONGEST_FORGIVEN => 2,
        _ => 0,
    }
}

fn exactly(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

/// The same for every film that matches: how rare a word is says nothing of how well it is found.
fn worth(worth: f32, query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(query, worth))
}

/// Sums of [`worth`]s are small whole numbers.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sum of a hundred small whole numbers"
)]
fn whole_number(score: f32) -> u32 {
    score as u32
}

fn id_of(searcher: &Searcher, address: DocAddress) -> tantivy::Result<Option<String>> {
    let Some(column) = searcher.segment_reader(address.segment_ord).fast_fields().str("movie")? else {
        return Ok(None);
    };
    let Some(ordinal) = column.term_ords(address.doc_id).next() else { return Ok(None) };
    let mut id = String::new();
    Ok(column.ord_to_str(ordinal, &mut id)?.then_some(id))
}
