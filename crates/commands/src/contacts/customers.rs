//! How customers are reached: each sealed under a key of its own, so that to destroy the key is to destroy what it sealed,
//! wherever a copy of that lies. The keys are wrapped by the deployment's.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hmac, rand};
use futures_util::future::BoxFuture;
use marquee_domain::customer::Contact;
use marquee_domain::ids::UserId;

use super::ContactsError;

/// Keeps what is sealed, and the wrapped keys apart from it. An answered call is durable.
pub trait ContactVault: Send + Sync + 'static {
    /// A customer's wrapped key.
    fn key(&self, user: UserId) -> BoxFuture<'_, Result<Option<Vec<u8>>, ContactsError>>;

    /// Keeps a customer's wrapped key, unless there is one.
    fn add_key(&self, user: UserId, wrapped: Vec<u8>) -> BoxFuture<'_, Result<(), ContactsError>>;

    /// What is sealed of a customer.
    fn sealed(&self, user: UserId) -> BoxFuture<'_, Result<Option<Vec<u8>>, ContactsError>>;

    /// Keeps what is sealed of a customer, in place of what was.
    fn put(&self, user: UserId, sealed: Vec<u8>) -> BoxFuture<'_, Result<(), ContactsError>>;

    /// Destroys a customer's key, then what it sealed.
    fn erase(&self, user: UserId) -> BoxFuture<'_, Result<(), ContactsError>>;
}

/// Customers' contacts in a vault. Cheap to clone.
#[derive(Clone)]
pub(super) struct CustomerContacts {
    vault: Arc<dyn ContactVault>,
    /// Where contacts were kept before: read no more, and erased all the same.
    left: Vec<Arc<dyn ContactVault>>,
    wrapping: Arc<RandomizedNonceKey>,
}

impl CustomerContacts {
    pub fn new(vault: Arc<dyn ContactVault>, key: &[u8]) -> Result<Self, ContactsError> {
        // A key of its own for wrapping: one key has one use.
        let wrapping = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"marquee customer keys");
        Ok(Self { vault, left: vec![], wrapping: Arc::new(cipher(wrapping.as_ref())?) })
    }

    /// The same keys, somewhere else. What lies in the vault that is left is still destroyed with its customer.
    pub fn in_vault(&self, vault: Arc<dyn ContactVault>) -> Self {
        let left = self.left.iter().chain([&self.vault]).map(Arc::clone).collect();
        Self { vault, left, wrapping: Arc::clone(&self.wrapping) }
    }

    pub async fn put(&self, user: &UserId, contact: &Contact) -> Result<(), ContactsError> {
        let known = match self.key(user).await {
            // Nobody can open what it sealed any more.
            Err(ContactsError::Sealed) => {
                self.vault.erase(user.clone()).await?;
                None
            }
            known => known?,
        };
        let key = match known {
            Some(key) => key,
            None => {
                let mut key = [0; 32];
                rand::fill(&mut key).map_err(|_| ContactsError::Sealed)?;
                self.vault.add_key(user.clone(), seal(&self.wrapping, user, &key)?).await?;
                // Another may have been first.
                self.key(user).await?.ok_or(ContactsError::Sealed)?
            }
        };
        let plain = serde_json::to_vec(contact).map_err(|_| ContactsError::Sealed)?;
        self.vault.put(user.clone(), seal(&key, user, &plain)?).await
    }

    /// `None` where nothing is known, or the key is no more.
    pub async fn get(&self, user: &UserId) -> Result<Option<Contact>, ContactsError> {
        let Some(key) = self.key(user).await? else { return Ok(None) };
        let Some(sealed) = self.vault.sealed(user.clone()).await? else { return Ok(None) };
        serde_json::from_slice(&open(&key, user, sealed)?).map(Some).map_err(|_| ContactsError::Sealed)
    }

    pub async fn erase(&self, user: &UserId) -> Result<(), ContactsError> {
        for left in &self.left {
            left.erase(user.clone()).await?;
        }
        self.vault.erase(user.clone()).await
    }

    async fn key(&self, user: &UserId) -> Result<Option<RandomizedNonceKey>, ContactsError> {
        let wrapped = self.vault.key(user.clone()).await?;
        wrapped.map(|wrapped| cipher(&open(&self.wrapping, user, wrapped)?)).transpose()
    }
}

fn cipher(key: &[u8]) -> Result<RandomizedNonceKey, ContactsError> {
    RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| ContactsError::Sealed)
}

/// The nonce, then what is sealed: bound to its customer.
fn seal(key: &RandomizedNonceKey, user: &UserId, plain: &[u8]) -> Result<Vec<u8>, ContactsError> {
    let mut sealed = plain.to_vec();
    let nonce = key
        .seal_in_place_append_tag(Aad::from(user.as_str().as_bytes()), &mut sealed)
        .map_err(|_| ContactsError::Sealed)?;
    let nonce: &[u8] = nonce.as_ref();
    Ok([nonce, &sealed].concat())
}

fn open(key: &RandomizedNonceKey, user: &UserId, mut sealed: Vec<u8>) -> Result<Vec<u8>, ContactsError> {
    let (nonce, sealed) = sealed.split_at_mut_checked(NONCE_LEN).ok_or(ContactsError::Sealed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| ContactsError::Sealed)?;
    let plain = key
        .open_in_place(nonce, Aad::from(user.as_str().as_bytes()), sealed)
        .map_err(|_| ContactsError::Sealed)?;
    Ok(plain.to_vec())
}

#[cfg(test)]
mod tests {
    use marquee_domain::customer::Channel;

    use super::*;
    use crate::contacts::files::FileVault;

    #[tokio::test]
    async fn a_customer_is_reached_as_they_said_last_and_only_with_the_deployments_key() {
        let dir = tempfile::tempdir().unwrap();
        let open = |key: u8| {
            CustomerContacts::new(Arc::new(FileVault::open(dir.path()).unwrap()), &[key; 32]).unwrap()
        };
        let (user, other) = (UserId::from("u_1"), UserId::from("u_2"));
        let contact = Contact {
            email: Some("asha@canary.example".into()),
            phone: Some("+919900112233".into()),
            language: Some("hi".into()),
            channels: [Channel::Email].into(),
        };
        let ours = open(7);
        assert_eq!(ours.get(&user).await.unwrap(), None);
        ours.put(&user, &Contact::default()).await.unwrap();
        ours.put(&user, &contact).await.unwrap();
        assert_eq!(open(7).get(&user).await.unwrap(), Some(contact));
        assert!(matches!(open(8).get(&user).await, Err(ContactsError::Sealed)));

        // What was sealed of one customer is not taken for another's.
        ours.put(&other, &Contact::default()).await.unwrap();
        let sealed = ours.vault.sealed(user).await.unwrap().unwrap();
        ours.vault.put(other.clone(), sealed).await.unwrap();
        assert!(matches!(ours.get(&other).await, Err(ContactsError::Sealed)));
    }
}
