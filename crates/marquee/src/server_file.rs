//! `server.json` in the data directory: where the server that holds it listens.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The server that holds a data directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerFile {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where KurrentDB's clients come in, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<SocketAddr>,
    /// Its process.
    pub pid: u32,
}

/// Removes the file when the server stops.
#[derive(Debug)]
pub struct Written(PathBuf);

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("server.json")
}

impl ServerFile {
    /// Tells the command line where the server is.
    pub fn write(&self, data_dir: &Path) -> io::Result<Written> {
        let (path, unfinished) = (path(data_dir), data_dir.join("server.json.new"));
        std::fs::write(&unfinished, serde_json::to_vec(self)?)?;
        std::fs::rename(&unfinished, &path)?;
        Ok(Written(path))
    }

    /// Where the server is, if it said so.
    pub fn read(data_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path(data_dir)).ok()?).ok()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        // Left behind, it is overwritten by the next server.
        _ = std::fs::remove_file(&self.0);
    }
}
