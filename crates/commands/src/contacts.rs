//! Personal data, apart from the log and encrypted: events hold opaque ids only.

mod customers;
mod files;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use aws_lc_rs::hmac;
use marquee_domain::customer::Contact;
use marquee_domain::ids::UserId;
use rusqlite::{Connection, OptionalExtension, params};

pub use self::customers::ContactVault;
use self::customers::CustomerContacts;
use self::files::FileVault;

/// Why a contact could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum ContactsError {
    /// The file is out.
    #[error("the contacts file failed: {0}")]
    Storage(#[from] rusqlite::Error),
    /// The key does not fit, or what was stored was changed.
    #[error("a contact does not decrypt")]
    Sealed,
    /// Another thread failed while it held the file.
    #[error("the contacts file is out")]
    Poisoned,
    /// Something reads it: what was deleted may yet lie in the log beside it.
    #[error("the contacts file is in use")]
    StillInUse,
    /// The vault that nodes share is out.
    #[error("contacts are out: {0}")]
    Out(String),
}

/// How to reach people and companies. AES-256-GCM, each entry bound to its subject.
#[derive(Clone)]
pub struct Contacts {
    file: PathBuf,
    inner: Arc<Mutex<(Connection, RandomizedNonceKey)>>,
    digests: Arc<hmac::Key>,
    customers: CustomerContacts,
}

impl Contacts {
    /// Opens `<dir>/contacts.sqlite`, and `contact-keys.sqlite` beside it. `key` is 32 bytes and lies outside them.
    pub fn open(dir: &Path, key: &[u8]) -> Result<Self, ContactsError> {
        let file = dir.join("contacts.sqlite");
        let connection = Connection::open(&file)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE IF NOT EXISTS contacts(
               subject TEXT PRIMARY KEY, nonce BLOB NOT NULL, sealed BLOB NOT NULL
             ) WITHOUT ROWID;",
        )?;
        // A key of its own for digests: one key has one use.
        let digests = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"marquee contact digests");
        let digests = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, digests.as_ref()));
        let customers = CustomerContacts::new(Arc::new(FileVault::open(dir)?), key)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| ContactsError::Sealed)?;
        Ok(Self { file, inner: Arc::new(Mutex::new((connection, key))), digests, customers })
    }

    /// Tells contacts apart without telling them: what may stand in the log in place of one. Nobody can confirm a guess
    /// without the key.
    pub fn digest(&self, contact: &str) -> String {
        hex::encode(hmac::sign(&self.digests, contact.as_bytes()))
    }

    /// The same, with customers' contacts in another vault.
    #[must_use]
    pub fn with_vault(mut self, vault: Arc<dyn ContactVault>) -> Self {
        self.customers = self.customers.in_vault(vault);
        self
    }

    /// Keeps how to reach a customer, in place of what was known.
    pub async fn put_customer(&self, user: &UserId, contact: &Contact) -> Result<(), ContactsError> {
        self.customers.put(user, contact).await
    }

    /// How to reach a customer.
    pub async fn customer(&self, user: &UserId) -> Result<Option<Contact>, ContactsError> {
        self.customers.get(user).await
    }

    /// Destroys how to reach a customer.
    pub async fn erase_customer(&self, user: &UserId) -> Result<(), ContactsError> {
        self.customers.erase(user).await
    }

    /// Keeps how to reach a subject, such as `partner:p_1`, in place of what was known.
    pub fn put(&self, subject: &str, contact: &str) -> Result<(), ContactsError> {
        self.write(subject, contact, "DO UPDATE SET nonce = excluded.nonce, sealed = excluded.sealed")
    }

    /// Keeps how to reach a subject, unless that is known.
    pub fn put_missing(&self, subject: &str, contact: &str) -> Result<(), ContactsError> {
        self.write(subject, contact, "DO NOTHING")
    }

    fn write(&self, subject: &str, contact: &str, known: &str) -> Result<(), ContactsError> {
        let inner = self.inner.lock().map_err(|_| ContactsError::Poisoned)?;
        let (connection, key) = &*inner;
        let mut sealed = contact.as_bytes().to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(subject.as_bytes()), &mut sealed)
            .map_err(|_| ContactsError::Sealed)?;
        connection.execute(
            &format!(
                "INSERT INTO contacts(subject, nonce, sealed) VALUES (?1, ?2, ?3) ON CONFLICT(subject) {known}"
            ),
            params![subject, nonce.as_ref(), sealed],
        )?;
        Ok(())
    }

    /// How to reach a subject.
    pub fn get(&self, subject: &str) -> Result<Option<String>, ContactsError> {
        let inner = self.inner.lock().map_err(|_| ContactsError::Poisoned)?;
        let (connection, key) = &*inner;
        let row: Option<(Vec<u8>, Vec<u8>)> = connection
            .query_row("SELECT nonce, sealed FROM contacts WHERE subject = ?1", [subject], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let Some((nonce, mut sealed)) = row else { return Ok(None) };
        let nonce =
            aws_lc_rs::aead::Nonce::try_assume_unique_for_key(&nonce).map_err(|_| ContactsError::Sealed)?;
        let plain = key
            .open_in_place(nonce, Aad::from(subject.as_bytes()), &mut sealed)
            .map_err(|_| ContactsError::Sealed)?;
        Ok(Some(String::from_utf8_lossy(plain).into_owned()))
    }
}

impl std::fmt::Debug for Contacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contacts").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_never_on_disk_in_clear() {
        let dir = tempfile::tempdir().unwrap();
        let contacts = Contacts::open(dir.path(), &[7; 32]).unwrap();
        contacts.put("partner:p_1", "desk@cinema.example").unwrap();
        assert_eq!(contacts.get("partner:p_1").unwrap().as_deref(), Some("desk@cinema.example"));
        assert_eq!(contacts.get("partner:p_2").unwrap(), None);
        contacts.put_missing("partner:p_1", "desk@late.example").unwrap();
        assert_eq!(
            contacts.get("partner:p_1").unwrap().as_deref(),
            Some("desk@cinema.example"),
            "it was known"
        );
        contacts.put_missing("partner:p_3", "desk@late.example").unwrap();
        assert_eq!(contacts.get("partner:p_3").unwrap().as_deref(), Some("desk@late.example"));
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(4).any(|window| window == b"desk"));
        }
        let digest = contacts.digest("desk@cinema.example");
        assert_eq!(digest, contacts.digest("desk@cinema.example"));
        assert_ne!(digest, contacts.digest("desk@late.example"));
        drop(contacts);
        let other = Contacts::open(dir.path(), &[8; 32]).unwrap();
        assert_ne!(
            digest,
            other.digest("desk@cinema.example"),
            "without the key a guess cannot be confirmed"
        );
        assert!(matches!(other.get("partner:p_1"), Err(ContactsError::Sealed)));
    }
}
