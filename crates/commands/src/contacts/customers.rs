//! How customers are reached: each sealed under a key of its own, so that to destroy the key is to destroy what it sealed,
//! wherever a copy of that lies.
//!
//! Sealed contacts lie in `contacts.sqlite`, their keys in `contact-keys.sqlite`, wrapped by the deployment's key: a backup
//! of the first may be kept for long, of the second for as long as an erasure may take.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hmac, rand};
use marquee_domain::customer::Contact;
use marquee_domain::ids::UserId;
use rusqlite::{Connection, OptionalExtension, params};

use super::ContactsError;

/// Deleted bytes are overwritten, in the file and, by a checkpoint after each erasure, in the log beside it.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;";
const SEALED: &str = "CREATE TABLE IF NOT EXISTS customers(
    user TEXT PRIMARY KEY, nonce BLOB NOT NULL, sealed BLOB NOT NULL
) WITHOUT ROWID;";
const KEYS: &str = "CREATE TABLE IF NOT EXISTS keys(
    user TEXT PRIMARY KEY, nonce BLOB NOT NULL, wrapped BLOB NOT NULL
) WITHOUT ROWID;";

/// The two files, for one at a time.
pub(super) struct CustomerFiles {
    sealed: Connection,
    keys: Connection,
    wrapping: RandomizedNonceKey,
}

impl CustomerFiles {
    pub(super) fn open(dir: &Path, key: &[u8]) -> Result<Self, ContactsError> {
        // A key of its own for wrapping: one key has one use.
        let wrapping = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"marquee customer keys");
        let wrapping = cipher(wrapping.as_ref())?;
        let open = |file: &str, table: &str| -> rusqlite::Result<Connection> {
            let connection = Connection::open(dir.join(file))?;
            connection.execute_batch(SETTINGS)?;
            connection.execute_batch(table)?;
            Ok(connection)
        };
        Ok(Self {
            sealed: open("contacts.sqlite", SEALED)?,
            keys: open("contact-keys.sqlite", KEYS)?,
            wrapping,
        })
    }

    pub(super) fn put(&self, user: &UserId, contact: &Contact) -> Result<(), ContactsError> {
        let key = match self.key(user)? {
            Some(key) => key,
            None => self.new_key(user)?,
        };
        let plain = serde_json::to_vec(contact).map_err(|_| ContactsError::Sealed)?;
        let (nonce, sealed) = seal(&key, user, plain)?;
        self.sealed.execute(
            "INSERT OR REPLACE INTO customers(user, nonce, sealed) VALUES (?1, ?2, ?3)",
            params![user.as_str(), nonce.as_ref(), sealed],
        )?;
        Ok(())
    }

    /// `None` where nothing is known, or the key is no more.
    pub(super) fn get(&self, user: &UserId) -> Result<Option<Contact>, ContactsError> {
        let Some(key) = self.key(user)? else { return Ok(None) };
        let select = "SELECT nonce, sealed FROM customers WHERE user = ?1";
        let Some((nonce, sealed)) = row(&self.sealed, select, user)? else { return Ok(None) };
        let plain = open(&key, user, &nonce, sealed)?;
        serde_json::from_slice(&plain).map(Some).map_err(|_| ContactsError::Sealed)
    }

    /// The key first: without it the rest is noise, in every copy.
    pub(super) fn erase(&self, user: &UserId) -> Result<(), ContactsError> {
        for (file, delete) in [
            (&self.keys, "DELETE FROM keys WHERE user = ?1"),
            (&self.sealed, "DELETE FROM customers WHERE user = ?1"),
        ] {
            file.execute(delete, [user.as_str()])?;
            let busy: bool = file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            if busy {
                return Err(ContactsError::StillInUse);
            }
        }
        Ok(())
    }

    fn key(&self, user: &UserId) -> Result<Option<RandomizedNonceKey>, ContactsError> {
        let Some((nonce, wrapped)) =
            row(&self.keys, "SELECT nonce, wrapped FROM keys WHERE user = ?1", user)?
        else {
            return Ok(None);
        };
        cipher(&open(&self.wrapping, user, &nonce, wrapped)?).map(Some)
    }

    fn new_key(&self, user: &UserId) -> Result<RandomizedNonceKey, ContactsError> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| ContactsError::Sealed)?;
        let (nonce, wrapped) = seal(&self.wrapping, user, key.to_vec())?;
        self.keys.execute(
            "INSERT INTO keys(user, nonce, wrapped) VALUES (?1, ?2, ?3)",
            params![user.as_str(), nonce.as_ref(), wrapped],
        )?;
        cipher(&key)
    }
}

fn row(file: &Connection, select: &str, user: &UserId) -> rusqlite::Result<Option<(Vec<u8>, Vec<u8>)>> {
    file.prepare_cached(select)?.query_row([user.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

fn cipher(key: &[u8]) -> Result<RandomizedNonceKey, ContactsError> {
    RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| ContactsError::Sealed)
}

fn seal(
    key: &RandomizedNonceKey,
    user: &UserId,
    mut plain: Vec<u8>,
) -> Result<(Nonce, Vec<u8>), ContactsError> {
    let nonce = key
        .seal_in_place_append_tag(Aad::from(user.as_str().as_bytes()), &mut plain)
        .map_err(|_| ContactsError::Sealed)?;
    Ok((nonce, plain))
}

fn open(
    key: &RandomizedNonceKey,
    user: &UserId,
    nonce: &[u8],
    mut sealed: Vec<u8>,
) -> Result<Vec<u8>, ContactsError> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| ContactsError::Sealed)?;
    let plain = key
        .open_in_place(nonce, Aad::from(user.as_str().as_bytes()), &mut sealed)
        .map_err(|_| ContactsError::Sealed)?;
    Ok(plain.to_vec())
}

#[cfg(test)]
mod tests {
    use marquee_domain::customer::Channel;

    use super::*;

    fn contact() -> Contact {
        Contact {
            email: Some("asha@canary.example".into()),
            phone: Some("+919900112233".into()),
            language: Some("hi".into()),
            channels: [Channel::Email].into(),
        }
    }

    fn bytes(dir: &Path, file: &str) -> Vec<u8> {
        let read = |name: String| std::fs::read(dir.join(name)).unwrap_or_default();
        [read(file.to_owned()), read(format!("{file}-wal"))].concat()
    }

    fn holds(bytes: &[u8], needle: &[u8]) -> bool {
        bytes.windows(needle.len()).any(|window| window == needle)
    }

    #[test]
    fn a_customer_is_reached_as_they_said_last_and_never_on_disk_in_clear() {
        let dir = tempfile::tempdir().unwrap();
        let files = CustomerFiles::open(dir.path(), &[7; 32]).unwrap();
        let user = UserId::from("u_1");
        assert_eq!(files.get(&user).unwrap(), None);
        files.put(&user, &Contact::default()).unwrap();
        files.put(&user, &contact()).unwrap();
        assert_eq!(files.get(&user).unwrap(), Some(contact()));
        for file in ["contacts.sqlite", "contact-keys.sqlite"] {
            let bytes = bytes(dir.path(), file);
            assert!(!holds(&bytes, b"canary") && !holds(&bytes, b"9900112233"), "{file}");
        }
        drop(files);
        let reopened = CustomerFiles::open(dir.path(), &[7; 32]).unwrap();
        assert_eq!(reopened.get(&user).unwrap(), Some(contact()));
        drop(reopened);
        let stranger = CustomerFiles::open(dir.path(), &[8; 32]).unwrap();
        assert!(matches!(stranger.get(&user), Err(ContactsError::Sealed)));
    }

    #[test]
    fn an_erasure_destroys_the_key_on_disk_so_that_a_copy_of_what_it_sealed_is_noise() {
        let dir = tempfile::tempdir().unwrap();
        let files = CustomerFiles::open(dir.path(), &[7; 32]).unwrap();
        let (user, other) = (UserId::from("u_1"), UserId::from("u_2"));
        files.put(&user, &contact()).unwrap();
        files.put(&other, &contact()).unwrap();
        let (_, wrapped) =
            row(&files.keys, "SELECT nonce, wrapped FROM keys WHERE user = ?1", &user).unwrap().unwrap();
        let sealed_before = row(&files.sealed, "SELECT nonce, sealed FROM customers WHERE user = ?1", &user)
            .unwrap()
            .unwrap();
        assert!(
            holds(&bytes(dir.path(), "contact-keys.sqlite"), &wrapped),
            "the test looks where the key is"
        );

        files.erase(&user).unwrap();
        files.erase(&user).unwrap();
        assert_eq!(files.get(&user).unwrap(), None);
        assert_eq!(files.get(&other).unwrap(), Some(contact()), "nobody else's");
        assert!(!holds(&bytes(dir.path(), "contact-keys.sqlite"), &wrapped));
        assert!(!holds(&bytes(dir.path(), "contacts.sqlite"), &sealed_before.1));

        // An older copy of what was sealed is put back: its key is no more.
        let (nonce, sealed) = sealed_before;
        let back = "INSERT INTO customers(user, nonce, sealed) VALUES (?1, ?2, ?3)";
        files.sealed.execute(back, params![user.as_str(), nonce, sealed]).unwrap();
        assert_eq!(files.get(&user).unwrap(), None);
    }
}
