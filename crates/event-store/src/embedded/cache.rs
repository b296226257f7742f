//! Where streams end, in memory.

use std::collections::HashMap;

use crate::stream::StreamName;

/// Streams in one generation; two are kept.
const GENERATION: usize = 50_000;

/// A stream that has events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stream {
    /// Its number in the file.
    pub key: i64,
    /// The revision of its last event.
    pub last: u64,
}

/// Streams that were lately written to. A full generation grows old, and the old one is forgotten: bounded, and as good as
/// least-recently-used for what it costs.
#[derive(Debug, Default)]
pub(super) struct StreamCache {
    young: HashMap<StreamName, Stream>,
    old: HashMap<StreamName, Stream>,
}

impl StreamCache {
    /// The stream, where it is known.
    pub fn get(&self, name: &StreamName) -> Option<Stream> {
        self.young.get(name).or_else(|| self.old.get(name)).copied()
    }

    /// Remembers where a stream now ends.
    pub fn put(&mut self, name: &StreamName, stream: Stream) {
        if let Some(known) = self.young.get_mut(name) {
            *known = stream;
            return;
        }
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name.clone(), stream);
    }

    /// Forgets all: what was remembered may have been rolled back.
    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}
