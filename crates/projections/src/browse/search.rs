//! Questions to the index.

use std::collections::HashSet;
use std::ops::Bound;

use marquee_domain::ids::{MovieId, ShowId};
use tantivy::collector::{DocSetCollector, TopDocs};
use tantivy::query::{BooleanQuery, BoostQuery, FuzzyTermQuery, Query, RangeQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocAddress, Searcher, SegmentReader, Term};

use super::index::{MOVIE, SHOW, Search, analyzer, folded};
use super::{MovieQuery, ShowQuery};

/// Films that a text may match. More than a city ever shows.
const MOST_MATCHES: usize = 2_000;

impl Search {
    /// The films that have a show to book, by the shows' documents.
    pub fn movies_shown(&self, query: &MovieQuery) -> tantivy::Result<HashSet<MovieId>> {
        let fields = self.fields;
        let mut clauses = vec![term(fields.kind, SHOW), term(fields.city, query.city.as_str())];
        clauses.extend(query.date.map(|date| term(fields.date, &date.to_string())));
        clauses.extend(query.language.as_deref().map(|language| term(fields.language, &folded(language))));
        clauses.push(self.starts_after(query.now));
        let ids = self.ids(&BooleanQuery::intersection(clauses), "movie")?;
        Ok(ids.into_iter().map(MovieId::new).collect())
    }

    /// The shows that are wanted.
    pub fn shows(&self, query: &ShowQuery) -> tantivy::Result<HashSet<ShowId>> {
        let fields = self.fields;
        let mut clauses = vec![
            term(fields.kind, SHOW),
            term(fields.city, query.city.as_str()),
            term(fields.movie, query.movie.as_str()),
            term(fields.date, &query.date.to_string()),
        ];
        clauses.extend(query.language.as_deref().map(|language| term(fields.language, &folded(language))));
        clauses.extend(query.format.as_deref().map(|format| term(fields.format, &folded(format))));
        clauses.push(self.starts_after(query.now));
        let ids = self.ids(&BooleanQuery::intersection(clauses), "show")?;
        Ok(ids.into_iter().map(ShowId::new).collect())
    }

    /// The films that a text matches, the best first. Every word of it must be found, if with a slip.
    pub fn movies_matching(&self, text: &str) -> tantivy::Result<Vec<MovieId>> {
        let words = words(text);
        let mut clauses = vec![term(self.fields.kind, MOVIE)];
        let last = words.len().saturating_sub(1);
        clauses.extend(words.iter().enumerate().map(|(at, word)| self.word(word, at == last)));
        let searcher = self.reader.searcher();
        let collector = TopDocs::with_limit(MOST_MATCHES).order_by_score();
        let found = searcher.search(&BooleanQuery::intersection(clauses), &collector)?;
        let addresses: Vec<_> = found.into_iter().map(|(_, address)| address).collect();
        let ids = addresses.iter().map(|address| id_of(&searcher, *address, "movie"));
        ids.filter_map(Result::transpose).map(|id| id.map(MovieId::new)).collect()
    }

    /// A word of a search: as it is, with a slip, or cut short where it is the last, as it is while somebody types.
    fn word(&self, word: &str, last: bool) -> Box<dyn Query> {
        let (title, about) = (self.fields.title, self.fields.about);
        let slips = slips(word);
        let in_title = Term::from_field_text(title, word);
        let in_about = Term::from_field_text(about, word);
        let mut ways = vec![
            boosted(8.0, TermQuery::new(in_title.clone(), IndexRecordOption::WithFreqs)),
            boosted(1.0, TermQuery::new(in_about.clone(), IndexRecordOption::WithFreqs)),
        ];
        if slips > 0 {
            ways.push(boosted(2.0, FuzzyTermQuery::new(in_title.clone(), slips, true)));
            ways.push(boosted(0.25, FuzzyTermQuery::new(in_about, slips, true)));
        }
        if last {
            ways.push(boosted(1.5, FuzzyTermQuery::new_prefix(in_title, slips, true)));
        }
        Box::new(BooleanQuery::union(ways))
    }

    fn starts_after(&self, now: jiff::Timestamp) -> Box<dyn Query> {
        let now = Term::from_field_i64(self.fields.start, now.as_millisecond());
        Box::new(RangeQuery::new(Bound::Excluded(now), Bound::Unbounded))
    }

    /// The distinct values of a column among the documents that match.
    fn ids(&self, query: &dyn Query, column: &str) -> tantivy::Result<HashSet<String>> {
        let searcher = self.reader.searcher();
        let mut ordinals: HashSet<(u32, u64)> = HashSet::new();
        let columns: Vec<_> = searcher
            .segment_readers()
            .iter()
            .map(|segment: &SegmentReader| segment.fast_fields().str(column))
            .collect::<tantivy::Result<_>>()?;
        for address in searcher.search(query, &DocSetCollector)? {
            let Some(Some(column)) = columns.get(address.segment_ord as usize) else { continue };
            ordinals.extend(column.term_ords(address.doc_id).map(|ordinal| (address.segment_ord, ordinal)));
        }
        let mut ids = HashSet::with_capacity(ordinals.len());
        for (segment, ordinal) in ordinals {
            let Some(Some(column)) = columns.get(segment as usize) else { continue };
            let mut id = String::new();
            if column.ord_to_str(ordinal, &mut id)? {
                ids.insert(id);
            }
        }
        Ok(ids)
    }
}

/// The words of a text, as the index holds them.
pub(super) fn words(text: &str) -> Vec<String> {
    let (mut analyzer, mut words) = (analyzer(), vec![]);
    let mut stream = analyzer.token_stream(text);
    stream.process(&mut |token| words.push(token.text.clone()));
    words
}

/// How many slips of the finger a word forgives: the longer, the more.
fn slips(word: &str) -> u8 {
    match word.chars().count() {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    }
}

fn term(field: Field, text: &str) -> Box<dyn Query> {
    // A filter has no say in the order.
    let filter = TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic);
    Box::new(tantivy::query::ConstScoreQuery::new(Box::new(filter), 0.0))
}

fn boosted(boost: f32, query: impl Query) -> Box<dyn Query> {
    Box::new(BoostQuery::new(Box::new(query), boost))
}

fn id_of(searcher: &Searcher, address: DocAddress, column: &str) -> tantivy::Result<Option<String>> {
    let Some(column) = searcher.segment_reader(address.segment_ord).fast_fields().str(column)? else {
        return Ok(None);
    };
    let Some(ordinal) = column.term_ords(address.doc_id).next() else { return Ok(None) };
    let mut id = String::new();
    Ok(column.ord_to_str(ordinal, &mut id)?.then_some(id))
}
