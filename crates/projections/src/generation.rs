//! Where a view keeps its makings: one file or directory each, and a pointer to the one that serves reads.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The makings of one view on disk.
#[derive(Debug, Clone)]
pub(crate) struct Generations {
    dir: PathBuf,
    name: &'static str,
    suffix: &'static str,
}

impl Generations {
    /// `<dir>/<name>.<generation><suffix>` and the pointer `<dir>/<name>.CURRENT`.
    pub fn new(dir: PathBuf, name: &'static str, suffix: &'static str) -> Self {
        Self { dir, name, suffix }
    }

    /// Where a making lies.
    pub fn path(&self, generation: u64) -> PathBuf {
        self.dir.join(format!("{}.{generation}{}", self.name, self.suffix))
    }

    fn pointer(&self) -> PathBuf {
        self.dir.join(format!("{}.CURRENT", self.name))
    }

    /// The making that serves reads; `None` where there is none yet or the pointer is torn.
    pub fn current(&self) -> Option<u64> {
        fs::read_to_string(self.pointer()).ok()?.trim().parse().ok()
    }

    /// A number that no making has had.
    pub fn unused(&self) -> io::Result<u64> {
        let newest = self.all()?.into_iter().chain(self.current()).max();
        Ok(newest.map_or(1, |newest| newest + 1))
    }

    /// Swaps the pointer: a crash leaves the old one or the new one, never neither.
    pub fn point_to(&self, generation: u64) -> io::Result<()> {
        let temporary = self.dir.join(format!("{}.CURRENT.new", self.name));
        let mut file = File::create(&temporary)?;
        writeln!(file, "{generation}")?;
        file.sync_all()?;
        fs::rename(&temporary, self.pointer())?;
        File::open(&self.dir)?.sync_all()
    }

    /// Deletes every making but one: what a crash during a rebuild left behind.
    pub fn keep_only(&self, generation: u64) -> io::Result<()> {
        self.all()?.into_iter().filter(|other| *other != generation).for_each(|other| self.remove(other));
        Ok(())
    }

    /// Deletes a making. What cannot be deleted is left for the next start.
    pub fn remove(&self, generation: u64) {
        let path = self.path(generation);
        for path in [sibling(&path, "-wal"), sibling(&path, "-shm"), sibling(&path, ".new"), path] {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(path = %path.display(), %error, "an old making of a view cannot be deleted");
                }
                Ok(()) | Err(_) => {}
            }
        }
    }

    fn all(&self) -> io::Result<Vec<u64>> {
        let mut generations = vec![];
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let generation: Option<u64> = name
                .to_str()
                .and_then(|name| name.strip_prefix(self.name)?.strip_prefix('.')?.strip_suffix(self.suffix))
                .and_then(|generation| generation.parse().ok());
            generations.extend(generation);
        }
        Ok(generations)
    }
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointer_names_one_making_and_what_a_crash_left_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let generations = Generations::new(dir.path().into(), "seats", ".sqlite");
        assert_eq!((generations.current(), generations.unused().unwrap()), (None, 1));

        for generation in 1..=3 {
            fs::write(generations.path(generation), "").unwrap();
        }
        generations.point_to(2).unwrap();
        assert_eq!((generations.current(), generations.unused().unwrap()), (Some(2), 4));

        generations.keep_only(2).unwrap();
        assert_eq!(generations.all().unwrap(), [2]);
    }

    #[test]
    fn a_torn_pointer_points_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let generations = Generations::new(dir.path().into(), "seats", ".sqlite");
        fs::write(generations.pointer(), "\0\0").unwrap();
        assert_eq!(generations.current(), None);
    }
}
