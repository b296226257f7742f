//! The vault in the data directory: sealed contacts in `contacts.sqlite`, their keys in `contact-keys.sqlite`. A backup of the
//! first may be kept for long, of the second for as long as an erasure may take.

use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use marquee_domain::ids::UserId;
use rusqlite::{Connection, OptionalExtension, params};

use super::ContactsError;
use super::customers::ContactVault;

/// Deleted bytes are overwritten, in the file and, by a checkpoint after each erasure, in the log beside it.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;";
const SEALED: &str =
    "CREATE TABLE IF NOT EXISTS customers(user TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;";
const KEYS: &str =
    "CREATE TABLE IF NOT EXISTS keys(user TEXT PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID;";

/// The two files, for one at a time.
struct Files {
    sealed: Connection,
    keys: Connection,
}

/// Contacts in the data directory. Cheap to clone.
#[derive(Clone)]
pub(super) struct FileVault(Arc<Mutex<Files>>);

impl FileVault {
    pub fn open(dir: &Path) -> Result<Self, ContactsError> {
        let open = |file: &str, table: &str| -> rusqlite::Result<Connection> {
            let connection = Connection::open(dir.join(file))?;
            connection.execute_batch(SETTINGS)?;
            connection.execute_batch(table)?;
            Ok(connection)
        };
        let files =
            Files { sealed: open("contacts.sqlite", SEALED)?, keys: open("contact-keys.sqlite", KEYS)? };
        Ok(Self(Arc::new(Mutex::new(files))))
    }

    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T, ContactsError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, ContactsError>> {
        let files = Arc::clone(&self.0);
        let work = move || work(&*files.lock().map_err(|_| ContactsError::Poisoned)?);
        Box::pin(async move { tokio::task::spawn_blocking(work).await.map_err(|_| ContactsError::Poisoned)? })
    }
}

impl Files {
    fn erase(&self, user: &UserId) -> Result<(), ContactsError> {
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
}

fn blob(file: &Connection, select: &str, user: &UserId) -> rusqlite::Result<Option<Vec<u8>>> {
    file.prepare_cached(select)?.query_row([user.as_str()], |row| row.get(0)).optional()
}

impl ContactVault for FileVault {
    fn key(&self, user: UserId) -> BoxFuture<'_, Result<Option<Vec<u8>>, ContactsError>> {
        self.blocking(move |files| Ok(blob(&files.keys, "SELECT wrapped FROM keys WHERE user = ?1", &user)?))
    }

    fn add_key(&self, user: UserId, wrapped: Vec<u8>) -> BoxFuture<'_, Result<(), ContactsError>> {
        self.blocking(move |files| {
            let add = "INSERT INTO keys(user, wrapped) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            files.keys.execute(add, params![user.as_str(), wrapped])?;
            Ok(())
        })
    }

    fn sealed(&self, user: UserId) -> BoxFuture<'_, Result<Option<Vec<u8>>, ContactsError>> {
        self.blocking(move |files| {
            Ok(blob(&files.sealed, "SELECT sealed FROM customers WHERE user = ?1", &user)?)
        })
    }

    fn put(&self, user: UserId, sealed: Vec<u8>) -> BoxFuture<'_, Result<(), ContactsError>> {
        self.blocking(move |files| {
            let put = "INSERT OR REPLACE INTO customers(user, sealed) VALUES (?1, ?2)";
            files.sealed.execute(put, params![user.as_str(), sealed])?;
            Ok(())
        })
    }

    fn erase(&self, user: UserId) -> BoxFuture<'_, Result<(), ContactsError>> {
        self.blocking(move |files| files.erase(&user))
    }
}

#[cfg(test)]
mod tests {
    use marquee_domain::customer::Contact;

    use super::*;
    use crate::contacts::customers::CustomerContacts;

    fn bytes(dir: &Path, file: &str) -> Vec<u8> {
        let read = |name: String| std::fs::read(dir.join(name)).unwrap_or_default();
        [read(file.to_owned()), read(format!("{file}-wal"))].concat()
    }

    fn holds(bytes: &[u8], needle: &[u8]) -> bool {
        bytes.windows(needle.len()).any(|window| window == needle)
    }

    #[tokio::test]
    async fn an_erasure_destroys_the_key_on_disk_so_that_a_copy_of_what_it_sealed_is_noise() {
        let dir = tempfile::tempdir().unwrap();
        let vault = FileVault::open(dir.path()).unwrap();
        let customers = CustomerContacts::new(Arc::new(vault.clone()), &[7; 32]).unwrap();
        let (user, other) = (UserId::from("u_1"), UserId::from("u_2"));
        let contact = Contact { email: Some("asha@canary.example".into()), ..Contact::default() };
        customers.put(&user, &contact).await.unwrap();
        customers.put(&other, &contact).await.unwrap();
        let wrapped = vault.key(user.clone()).await.unwrap().unwrap();
        let sealed = vault.sealed(user.clone()).await.unwrap().unwrap();
        assert!(
            holds(&bytes(dir.path(), "contact-keys.sqlite"), &wrapped),
            "the test looks where the key is"
        );
        for file in ["contacts.sqlite", "contact-keys.sqlite"] {
            assert!(!holds(&bytes(dir.path(), file), b"canary"), "never in clear");
        }

        customers.erase(&user).await.unwrap();
        customers.erase(&user).await.unwrap();
        assert_eq!(customers.get(&user).await.unwrap(), None);
        assert_eq!(customers.get(&other).await.unwrap(), Some(contact), "nobody else's");
        assert!(!holds(&bytes(dir.path(), "contact-keys.sqlite"), &wrapped));
        assert!(!holds(&bytes(dir.path(), "contacts.sqlite"), &sealed));

        // An older copy of what was sealed is put back: its key is no more.
        vault.put(user.clone(), sealed).await.unwrap();
        assert_eq!(customers.get(&user).await.unwrap(), None);
    }
}
