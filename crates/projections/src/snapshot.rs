//! What a memory view holds, in a file, so that a start need not read the whole log again.
//!
//! A file is lines of JSON: a header, a record each, and the SHA-256 of all that is before. It replaces the one before it
//! by a rename. A file that is missing, torn or of another version costs a replay of the log, nothing else.

mod keeper;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use marquee_event_store::Position;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::status::ParkedStream;
pub(crate) use keeper::Keeper;

/// What a snapshot is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The projection and the version of its records: `seat-maps.1`. A file of another is not read.
    pub format: String,
    /// The making that wrote it.
    pub generation: u64,
    /// It holds every event up to here.
    pub position: Position,
    /// When the latest events before it were decided, in milliseconds since 1970.
    pub times: Vec<i64>,
    /// The streams that were parked.
    pub parked: Vec<ParkedStream>,
}

/// Why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// There is none.
    #[error("there is none")]
    Missing,
    /// It cannot be read.
    #[error(transparent)]
    Io(io::Error),
    /// It is not what was written.
    #[error("its checksum is wrong")]
    Torn,
    /// Another release wrote it, or another view or making.
    #[error("it is of {0}")]
    Foreign(String),
    /// Its checksum is right and its content is not.
    #[error("it holds what cannot be read: {0}")]
    Corrupt(String),
}

impl From<serde_json::Error> for Unusable {
    fn from(error: serde_json::Error) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// Writes a file and puts it in the place of the one before: a crash leaves the old one or the new one. Answers its
/// size in bytes.
pub(crate) fn write<R: Serialize>(
    path: &Path,
    header: &Header,
    records: impl Iterator<Item = R>,
) -> io::Result<u64> {
    let temporary = temporary(path);
    let mut out = Hashing::new(BufWriter::new(File::create(&temporary)?));
    out.line(header)?;
    for record in records {
        out.line(&record)?;
    }
    let (file, bytes) = out.finish()?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(bytes)
}

/// Reads a file that [`write`] wrote for this making.
pub(crate) fn load<R: DeserializeOwned>(
    path: &Path,
    format: &str,
    generation: u64,
) -> Result<(Header, Vec<R>), Unusable> {
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unusable::Missing,
        _ => Unusable::Io(error),
    })?;
    let mut lines = checked(&bytes)?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let header: Header = serde_json::from_slice(lines.next().ok_or(Unusable::Torn)?)?;
    if (header.format.as_str(), header.generation) != (format, generation) {
        return Err(Unusable::Foreign(format!("{}, making {}", header.format, header.generation)));
    }
    let records = lines.map(serde_json::from_slice).collect::<Result<_, _>>()?;
    Ok((header, records))
}

/// Says why a view is read from the beginning of the log.
pub(crate) fn say_unusable(projection: &'static str, unusable: &Unusable) {
    match unusable {
        Unusable::Missing => {
            tracing::info!(projection, "no snapshot of the view: the log is read from its beginning");
        }
        Unusable::Io(_) | Unusable::Torn | Unusable::Foreign(_) | Unusable::Corrupt(_) => {
            tracing::warn!(
                projection, %unusable,
                "the snapshot of the view cannot be used: the log is read from its beginning",
            );
        }
    }
}

/// Where a file is written before it is put in its place.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// All but the checksum, where that is right.
fn checked(bytes: &[u8]) -> Result<&[u8], Unusable> {
    let length = 2 * digest::SHA256_OUTPUT_LEN + 1;
    let (content, sum) = bytes.split_at_checked(bytes.len().wrapping_sub(length)).ok_or(Unusable::Torn)?;
    let hash = hex::encode(digest::digest(&digest::SHA256, content));
    match sum.strip_suffix(b"\n") {
        Some(sum) if sum == hash.as_bytes() => Ok(content),
        Some(_) | None => Err(Unusable::Torn),
    }
}

/// Hashes what passes through it.
struct Hashing {
    out: BufWriter<File>,
    hash: digest::Context,
    bytes: u64,
}

impl Hashing {
    fn new(out: BufWriter<File>) -> Self {
        Self { out, hash: digest::Context::new(&digest::SHA256), bytes: 0 }
    }

    fn line(&mut self, record: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *self, record)?;
        self.write_all(b"\n")
    }

    fn finish(mut self) -> io::Result<(File, u64)> {
        let sum = format!("{}\n", hex::encode(self.hash.finish()));
        self.out.write_all(sum.as_bytes())?;
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((file, self.bytes + sum.len() as u64))
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let (format, position) = ("words.1".into(), Position(7));
        Header { format, generation: 3, position, times: vec![1_000], parked: vec![] }
    }

    fn written(dir: &Path) -> PathBuf {
        let path = dir.join("words.snapshot");
        write(&path, &header(), ["one", "two", "three"].iter()).unwrap();
        path
    }

    #[test]
    fn a_snapshot_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        let (read, words): (_, Vec<String>) = load(&path, "words.1", 3).unwrap();
        assert_eq!((read, words), (header(), vec!["one".into(), "two".into(), "three".into()]));
        assert!(!temporary(&path).exists());
    }

    #[test]
    fn a_file_cut_short_or_changed_anywhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let refused = load::<String>(&path, "words.1", 3);
            assert!(matches!(refused, Err(Unusable::Torn)), "{length} of {} bytes", whole.len());
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert!(matches!(load::<String>(&path, "words.1", 3), Err(Unusable::Torn)), "byte {at}");
        }
    }

    #[test]
    fn a_file_of_another_version_or_making_is_refused_and_a_missing_one_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        for (format, generation) in [("words.2", 3), ("words.1", 4)] {
            let refused = load::<String>(&path, format, generation);
            assert!(matches!(refused, Err(Unusable::Foreign(of)) if of == "words.1, making 3"));
        }
        assert!(matches!(load::<u64>(&path, "words.1", 3), Err(Unusable::Corrupt(_))));
        fs::remove_file(&path).unwrap();
        assert!(matches!(load::<String>(&path, "words.1", 3), Err(Unusable::Missing)));
    }
}
