//! Tells a torn write-ahead log from a damaged one.
//!
//! `SQLite` ends recovery at the first frame that does not check, whatever follows. After a crash that is right: only the last
//! transaction can be torn, for the next one begins when the last is synced. So where a transaction's end is followed by
//! another's beginning, and a frame before that does not check, then acknowledged events were damaged; recovering would drop
//! them in silence. Damage within the very last transaction cannot be told from a crash.

use std::io::ErrorKind;
use std::path::Path;

use super::OpenError;

/// Sizes of the file's header and of a frame's, in bytes (`SQLite` file format, section 4.1).
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Refuses a write-ahead log that is damaged before its last transaction.
pub(super) fn check(wal: &Path) -> Result<(), OpenError> {
    let bytes = match std::fs::read(wal) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OpenError::Io { path: wal.to_owned(), reason: error.to_string() }),
    };
    match damage(&bytes) {
        None => Ok(()),
        Some(offset) => {
            let reason = format!("the frame at byte {offset} does not check, yet later commits follow it");
            Err(OpenError::Corrupt { path: wal.to_owned(), position: None, reason })
        }
    }
}

/// The offset of the first damaged frame, or of the header.
fn damage(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(..HEADER)?;
    let big_endian = header[3] & 1 == 1;
    let header_checks = checksum([0, 0], &header[..24], big_endian) == pair(header, 24);
    let page = if header_checks { word(header, 8) as usize } else { 4_096 };
    if !page.is_power_of_two() || !(512..=65_536).contains(&page) {
        return None;
    }
    let frames: Vec<&[u8]> = bytes[HEADER..].chunks_exact(FRAME_HEADER + page).collect();
    // Frames of other salts are left over from before the log last began anew.
    let salts = if header_checks { pair(header, 16) } else { pair(frames.first()?, 8) };
    let follows = |before: [u32; 2], frame: &[u8]| {
        let sum = checksum(checksum(before, &frame[..8], big_endian), &frame[FRAME_HEADER..], big_endian);
        pair(frame, 8) == salts && sum == pair(frame, 16)
    };
    let broken = if header_checks {
        let mut before = pair(header, 24);
        frames.iter().position(|frame| {
            let sound = follows(before, frame);
            before = pair(frame, 16);
            !sound
        })?
    } else {
        0
    };
    let commits_follow = frames[broken..].windows(2).any(|two| {
        let ends_transaction = word(two[0], 4) != 0 && pair(two[0], 8) == salts;
        ends_transaction && follows(pair(two[0], 16), two[1])
    });
    let offset = if header_checks { HEADER + broken * (FRAME_HEADER + page) } else { 0 };
    commits_follow.then_some(offset)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn pair(bytes: &[u8], at: usize) -> [u32; 2] {
    [word(bytes, at), word(bytes, at + 4)]
}

/// `SQLite`'s running checksum; the bytes are a multiple of eight.
fn checksum([mut first, mut second]: [u32; 2], bytes: &[u8], big_endian: bool) -> [u32; 2] {
    let read = |bytes: &[u8]| if big_endian { word(bytes, 0) } else { word(bytes, 0).swap_bytes() };
    for eight in bytes.chunks_exact(8) {
        first = first.wrapping_add(read(eight)).wrapping_add(second);
        second = second.wrapping_add(read(&eight[4..])).wrapping_add(first);
    }
    [first, second]
}
