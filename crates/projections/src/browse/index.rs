//! The search index: one document a film.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use marquee_domain::catalogue::MovieDetails;
use marquee_event_store::Position;
use tantivy::directory::MmapDirectory;
use tantivy::schema::{
    FAST, Field, IndexRecordOption, STORED, STRING, Schema, TantivyDocument, TextFieldIndexing, TextOptions,
};
use tantivy::{Document, Index, IndexReader, IndexWriter, ReloadPolicy, Term};
use tokio::time::Instant;

use super::titles::titles;
use super::words::joined;
use crate::catalogue::{Facts, Searchable};
use crate::fingerprint::Canonical;
use crate::views::ViewsError;

/// The least that the writer takes. A commit is a few documents.
const WRITER_MEMORY: usize = 15_000_000;

/// A commit waits this long after the one before, or five times as long as that one took.
const COMMIT_EVERY: Duration = Duration::from_millis(200);

/// A commit with nothing in it but its position, so that a restart need not look at what is long indexed.
const POSITION_EVERY: Duration = Duration::from_secs(30);

/// Splits what [`words::joined`] made at its spaces.
const ANALYZER: &str = "whitespace";

/// The fields of a document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    pub movie: Field,
    /// Each title as one term.
    pub whole: Field,
    /// The words of every title.
    pub title: Field,
    /// The words of the synopsis and the genres.
    pub about: Field,
}

impl Fields {
    fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(ANALYZER)
            .set_index_option(IndexRecordOption::Basic)
            .set_fieldnorms(false);
        let text = TextOptions::default().set_indexing_options(indexing).set_stored();
        let fields = Self {
            movie: schema.add_text_field("movie", STRING | STORED | FAST),
            whole: schema.add_text_field("whole", STRING | STORED),
            title: schema.add_text_field("title", text.clone()),
            about: schema.add_text_field("about", text),
        };
        (schema.build(), fields)
    }

    fn document(self, movie: &MovieDetails) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_text(self.movie, movie.movie_id.as_str());
        for title in titles(movie).map(|title| joined(title)) {
            document.add_text(self.whole, &title);
            document.add_text(self.title, &title);
        }
        document.add_text(self.about, joined(movie.synopsis.as_deref().unwrap_or_default()));
        for genre in &movie.genres {
            document.add_text(self.about, joined(genre));
        }
        document
    }
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
        let writer = index.writer_with_num_threads(1, WRITER_MEMORY)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let (search, now) = (Arc::new(Search { reader, fields }), Instant::now());
        let next_position = now + POSITION_EVERY;
        Ok(Self { index, writer, search, committed, dirty: false, next_commit: now, next_position })
    }

    /// Takes what an event changed; readers see it once it is committed.
    pub fn put(&mut self, facts: &Facts, changed: &Searchable) -> Result<(), ViewsError> {
        let fields = self.search.fields;
        let id = match changed {
            Searchable::Nothing => return Ok(()),
            Searchable::Movie(id) => id,
        };
        let document = facts.movies.get(id).map(|movie| fields.document(&movie));
        self.writer.delete_term(Term::from_field_text(fields.movie, id.as_str()));
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
        movies.iter().try_for_each(|changed| self.put(facts, changed))
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
