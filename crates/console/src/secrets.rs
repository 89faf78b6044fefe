//! The secrets of sessions: their ids, and what is derived from them.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use license_manager_domain::Error;

/// A random text of 256 bits.
pub(crate) fn random() -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(key()?))
}

/// A random key of 256 bits.
pub(crate) fn key() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| Error::internal("the system has no random numbers"))?;
    Ok(bytes)
}

/// The SHA-256 of a text.
pub(crate) fn hash(text: &str) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    context.update(text.as_bytes());
    context.finish().as_ref().to_vec()
}

/// The secret id of a session, as its cookie has it.
#[derive(Clone)]
pub(crate) struct SessionId(String);

impl SessionId {
    /// A new one.
    pub(crate) fn new() -> Result<Self, Error> {
        random().map(Self)
    }

    /// The id in a cookie.
    pub(crate) fn sent(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The cookie's value.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// What storage knows the session by.
    pub(crate) fn hash(&self) -> Vec<u8> {
        self.derived("session")
    }

    /// What the session's forms carry. Other sites cannot read it.
    pub(crate) fn form_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.derived("form"))
    }

    /// Whether a form carries that.
    pub(crate) fn is_form_token(&self, sent: &str) -> bool {
        verify_slices_are_equal(self.form_token().as_bytes(), sent.as_bytes()).is_ok()
    }

    /// Encrypts a refresh token: storage alone does not reveal it.
    pub(crate) fn encrypt(&self, token: &str) -> Result<Vec<u8>, Error> {
        let mut text = token.as_bytes().to_vec();
        let nonce = self.key()?.seal_in_place_append_tag(Aad::empty(), &mut text);
        let nonce = nonce.map_err(|_| Error::internal("a refresh token cannot be encrypted"))?;
        let mut stored = nonce.as_ref().to_vec();
        stored.append(&mut text);
        Ok(stored)
    }

    /// The refresh token, if it was encrypted for this session.
    pub(crate) fn decrypt(&self, stored: &[u8]) -> Option<String> {
        let (nonce, text) = stored.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let plain = self.key().ok()?.open_in_place(nonce, Aad::empty(), &mut text).ok()?;
        String::from_utf8(plain.to_vec()).ok()
    }

    fn key(&self) -> Result<RandomizedNonceKey, Error> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.derived("refresh"));
        key.map_err(|_| Error::internal("a key cannot be made"))
    }

    fn derived(&self, purpose: &str) -> Vec<u8> {
        let mut context = Context::new(&SHA256);
        context.update(purpose.as_bytes());
        context.update(b":");
        context.update(self.0.as_bytes());
        context.finish().as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_read_only_with_the_id_of_its_session() {
        let (own, other) = (SessionId::new().unwrap(), SessionId::new().unwrap());
        let stored = own.encrypt("the-refresh-token").unwrap();
        assert!(!stored.windows(7).any(|part| part == b"refresh"));
        assert_eq!(own.decrypt(&stored).as_deref(), Some("the-refresh-token"));
        assert_eq!(other.decrypt(&stored), None);
        assert_eq!(own.decrypt(&stored[..5]), None);
    }

    #[test]
    fn what_is_derived_from_an_id_differs_by_purpose_and_session() {
        let (own, other) = (SessionId::new().unwrap(), SessionId::new().unwrap());
        assert!(own.is_form_token(&own.form_token()) && !own.is_form_token(&other.form_token()));
        assert!(!own.is_form_token("") && !own.is_form_token(own.expose()));
        assert_ne!(own.hash(), other.hash());
        assert_ne!(URL_SAFE_NO_PAD.encode(own.hash()), own.form_token());
    }
}
