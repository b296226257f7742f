//! The search index: one document a film, one a show.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use marquee_domain::catalogue::MovieDetails;
use marquee_event_store::Position;
use tantivy::directory::MmapDirectory;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TantivyDocument, TextFieldIndexing,
    TextOptions,
};
use tantivy::tokenizer::{AsciiFoldingFilter, LowerCaser, RemoveLongFilter, SimpleTokenizer, TextAnalyzer};
use tantivy::{Document, Index, IndexReader, IndexWriter, ReloadPolicy, Term};
use tokio::time::Instant;

use crate::catalogue::{Facts, Searchable, ShowCard};
use crate::fingerprint::Canonical;
use crate::views::ViewsError;

/// The least that the writer takes. A commit is a few documents.
const WRITER_MEMORY: usize = 15_000_000;

/// A commit waits this long after the one before, or five times as long as that one took.
const COMMIT_EVERY: Duration = Duration::from_millis(200);

/// A commit with nothing in it but its position, so that a restart need not look at what is long indexed.
const POSITION_EVERY: Duration = Duration::from_secs(30);

/// Folds case and accents: `AMÉLIE` is found as `amelie`.
pub(super) const ANALYZER: &str = "folded";

pub(super) fn analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(40))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .build()
}

/// The fields of a document. A film has the first four and its texts; a show the first two and its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    /// Kind and id in one, by which a document is replaced.
    pub key: Field,
    pub kind: Field,
    pub movie: Field,
    pub genre: Field,
    pub title: Field,
    pub about: Field,
    pub show: Field,
    pub city: Field,
    pub date: Field,
    pub language: Field,
    pub format: Field,
    pub start: Field,
}

pub(super) const MOVIE: &str = "movie";
pub(super) const SHOW: &str = "show";

impl Fields {
    fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(ANALYZER)
            .set_index_option(IndexRecordOption::WithFreqs);
        let text = TextOptions::default().set_indexing_options(indexing).set_stored();
        let fields = Self {
            key: schema.add_text_field("key", STRING | STORED),
            kind: schema.add_text_field("kind", STRING | STORED),
            movie: schema.add_text_field("movie", STRING | STORED | FAST),
            genre: schema.add_text_field("genre", STRING | STORED),
            title: schema.add_text_field("title", text.clone()),
            about: schema.add_text_field("about", text),
            show: schema.add_text_field("show", STRING | STORED | FAST),
            city: schema.add_text_field("city", STRING | STORED),
            date: schema.add_text_field("date", STRING | STORED),
            language: schema.add_text_field("language", STRING | STORED),
            format: schema.add_text_field("format", STRING | STORED),
            start: schema.add_i64_field("start", INDEXED | STORED | FAST),
        };
        (schema.build(), fields)
    }

    fn movie(self, movie: &MovieDetails) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_text(self.key, movie_key(movie.movie_id.as_str()));
        document.add_text(self.kind, MOVIE);
        document.add_text(self.movie, movie.movie_id.as_str());
        document.add_text(self.title, &movie.title);
        document.add_text(self.about, movie.synopsis.as_deref().unwrap_or_default());
        for genre in &movie.genres {
            document.add_text(self.genre, folded(genre));
            document.add_text(self.about, genre);
        }
        document
    }

    fn show(self, card: &ShowCard) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_text(self.key, show_key(card.show.show_id.as_str()));
        document.add_text(self.kind, SHOW);
        document.add_text(self.show, card.show.show_id.as_str());
        document.add_text(self.movie, card.show.movie_id.as_str());
        document.add_text(self.city, card.show.city_id.as_str());
        document.add_text(self.date, card.local_date.to_string());
        document.add_text(self.language, folded(&card.show.language));
        document.add_text(self.format, folded(&card.show.format));
        document.add_i64(self.start, card.show.start_time.as_millisecond());
        document
    }
}

/// Filters compare without regard to case.
pub(super) fn folded(text: &str) -> String {
    text.to_lowercase()
}

fn movie_key(id: &str) -> String {
    format!("m:{id}")
}

fn show_key(id: &str) -> String {
    format!("s:{id}")
}

/// What readers need of the index.
pub(super) struct Search {
    pub reader: IndexReader,
    pub fields: Fields,
}

/// An index with its one writer.
pub(super) struct SearchIndex {
    index: Index,
    writer: IndexWriter,
    pub search: Arc<Search>,
    /// The index holds every event up to here, for readers to see.
    pub committed: Position,
    dirty: bool,
    next_commit: Instant,
    next_position: Instant,
}

impl SearchIndex {
    /// Opens the index, or makes an empty one where there is none that can be used.
    pub fn open_or_begin(path: &Path) -> Result<Self, ViewsError> {
        if path.is_dir() {
            match Self::open(path) {
                Ok(index) => return Ok(index),
                Err(error) => {
                    tracing::error!(%error, "the search index cannot be used; it is made again from the log");
                }
            }
        }
        Self::begin(path)
    }

    /// Makes an empty index in place of whatever is there.
    pub fn begin(path: &Path) -> Result<Self, ViewsError> {
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        } else if path.exists() {
            fs::remove_file(path)?;
        }
        fs::create_dir_all(path)?;
        let (schema, fields) = Fields::schema();
        let directory = MmapDirectory::open(path).map_err(tantivy::TantivyError::from)?;
        Self::with(Index::open_or_create(directory, schema)?, fields, Position(0))
    }

    fn open(path: &Path) -> Result<Self, ViewsError> {
        let index = Index::open_in_dir(path)?;
        let (schema, fields) = Fields::schema();
        if index.schema() != schema {
            return Err(ViewsError::Corrupt("the index has other fields".into()));
        }
        if !index.validate_checksum()?.is_empty() {
            return Err(ViewsError::Corrupt("the index has damaged files".into()));
        }
        let payload = index.load_metas()?.payload.unwrap_or_default();
        let committed = if payload.is_empty() { Some(0) } else { payload.parse().ok() };
        let committed = committed.ok_or_else(|| ViewsError::Corrupt(format!("{payload} is no position")))?;
        Self::with(index, fields, Position(committed))
    }

    fn with(index: Index, fields: Fields, committed: Position) -> Result<Self, ViewsError> {
        index.tokenizers().register(ANALYZER, analyzer());
        let writer = index.writer_with_num_threads(1, WRITER_MEMORY)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let (search, now) = (Arc::new(Search { reader, fields }), Instant::now());
        let next_position = now + POSITION_EVERY;
        Ok(Self { index, writer, search, committed, dirty: false, next_commit: now, next_position })
    }

    /// Takes what an event changed; readers see it once it is committed.
    pub fn put(&mut self, facts: &Facts, changed: &Searchable) -> Result<(), ViewsError> {
        let fields = self.search.fields;
        let (key, document) = match changed {
            Searchable::Nothing => return Ok(()),
            Searchable::Movie(id) => {
                let document = facts.movies.get(id).map(|movie| fields.movie(&movie));
                (movie_key(id.as_str()), document)
            }
            Searchable::Show(id) => {
                let card = facts.shows.get(id);
                let document = card.filter(|card| !card.cancelled).map(|card| fields.show(&card));
                (show_key(id.as_str()), document)
            }
        };
        self.writer.delete_term(Term::from_field_text(fields.key, &key));
        if let Some(document) = document {
            self.writer.add_document(document)?;
        }
        self.dirty = true;
        Ok(())
    }

    /// Takes everything: an index that was lost is made again from the facts.
    pub fn put_all(&mut self, facts: &Facts) -> Result<(), ViewsError> {
        let movies: Vec<_> =
            facts.movies.iter().map(|movie| Searchable::Movie(movie.key().clone())).collect();
        let shows: Vec<_> = facts.shows.iter().map(|show| Searchable::Show(show.key().clone())).collect();
        movies.iter().chain(&shows).try_for_each(|changed| self.put(facts, changed))
    }

    /// Whether something was put that readers do not see yet.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Commits where it is time to; else answers how long that is yet.
    pub fn settle(&mut self, at: Position) -> Result<Option<Duration>, ViewsError> {
        let now = Instant::now();
        if self.dirty && now < self.next_commit {
            return Ok(Some(self.next_commit - now));
        }
        if self.dirty || (at > self.committed && now >= self.next_position) {
            self.commit(at)?;
        }
        Ok(None)
    }

    /// Makes all that was put visible, and remembers up to where the log was read for it.
    pub fn commit(&mut self, at: Position) -> Result<(), ViewsError> {
        let began = Instant::now();
        let mut commit = self.writer.prepare_commit()?;
        commit.set_payload(&at.to_string());
        commit.commit()?;
        self.search.reader.reload()?;
        let now = Instant::now();
        (self.committed, self.dirty) = (at, false);
        self.next_commit = now + COMMIT_EVERY.max((now - began) * 5);
        self.next_position = now + POSITION_EVERY;
        Ok(())
    }

    /// Adds every document, in the order of the keys.
    pub fn content(&self, canonical: &mut Canonical) -> Result<(), ViewsError> {
        let (searcher, schema) = (self.search.reader.searcher(), self.index.schema());
        let mut documents = vec![];
        for (segment, reader) in (0..).zip(searcher.segment_readers()) {
            for document in reader.doc_ids_alive() {
                let document: TantivyDocument = searcher.doc(tantivy::DocAddress::new(segment, document))?;
                documents.push(document.to_json(&schema));
            }
        }
        documents.sort_unstable();
        documents
            .iter()
            .try_for_each(|document| canonical.record(document))
            .map_err(|error| ViewsError::Corrupt(error.to_string()))
    }

    /// Lets go of the directory.
    pub fn close(self) {
        // Merges that run on would write into a directory that is about to be deleted.
        if let Err(error) = self.writer.wait_merging_threads() {
            tracing::debug!(%error, "the search index was closed in the middle of a merge");
        }
    }
}
