//! Where a list reads on: a place in its order, sealed, so that nobody makes one up or takes it to another list.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// Bytes of the seal: nobody guesses so many.
const SEAL: usize = 16;

/// Seals cursors. Every node with the same secret opens them.
pub(crate) struct Cursors(hmac::Key);

impl Cursors {
    /// Cursors under a secret of their own, which is derived from the tokens'.
    pub fn new(secret: &[u8]) -> Self {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"marquee cursors");
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// A place in the list that `list` tells from every other: its route and whatever chooses and orders its entries.
    pub fn seal(&self, list: &impl Serialize, place: &impl Serialize) -> String {
        // Neither fails for what lists are made of: texts and numbers.
        let place = serde_json::to_vec(place).unwrap_or_default();
        let mut sealed = self.of(list, &place);
        sealed.extend(place);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The place that was sealed for this list.
    pub fn open<T: DeserializeOwned>(&self, list: &impl Serialize, cursor: &str) -> Result<T, ApiError> {
        let place = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|sealed| {
            let (seal, place) = sealed.split_at_checked(SEAL)?;
            let sound =
                aws_lc_rs::constant_time::verify_slices_are_equal(seal, &self.of(list, place)).is_ok();
            sound.then(|| serde_json::from_slice(place).ok()).flatten()
        });
        place.ok_or_else(|| ApiError::invalid("cursor", "is not one that was given for this list"))
    }

    fn of(&self, list: &impl Serialize, place: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        let list = serde_json::to_vec(list).unwrap_or_default();
        context.update(&(list.len() as u64).to_be_bytes());
        context.update(&list);
        context.update(place);
        context.sign().as_ref().get(..SEAL).unwrap_or_default().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_in_the_list_that_it_was_given_for_and_nowhere_else() {
        let (ours, theirs) = (Cursors::new(b"one secret"), Cursors::new(b"another"));
        let cursor = ours.seal(&("movies", "blr"), &("Amélie", 3));
        let opened = ours.open::<(String, u32)>(&("movies", "blr"), &cursor);
        assert_eq!(opened.unwrap(), ("Amélie".to_owned(), 3));
        assert!(ours.open::<(String, u32)>(&("movies", "bom"), &cursor).is_err(), "another list");
        assert!(theirs.open::<(String, u32)>(&("movies", "blr"), &cursor).is_err(), "another secret");
    }

    #[test]
    fn a_cursor_that_was_tampered_with_does_not_open() {
        let cursors = Cursors::new(b"one secret");
        let cursor = cursors.seal(&"movies", &"Amélie");
        for at in 0..cursor.len() {
            let mut forged = cursor.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(cursors.open::<String>(&"movies", &forged).is_err(), "{forged}");
        }
        for forged in ["", "x", "mv_901", "!!", &cursor[1..]] {
            assert!(cursors.open::<String>(&"movies", forged).is_err(), "{forged}");
        }
    }
}
