//! Requests that a caller may send again without having them done again.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What a caller names a request by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey {
    /// The caller's user name: keys of different people have nothing to do with each other.
    pub username: String,
    /// The caller's text, at most 255 characters.
    pub key: String,
    /// What is asked for: method and path, at most 1,000 characters.
    pub operation: String,
}

/// The first request of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstRequest {
    /// Digest of everything the request says. Another request with the key must say the same.
    pub fingerprint: [u8; 32],
    /// Whoever does the work: an id made for this request.
    pub owner: Uuid,
    /// When it came.
    pub created: DateTime<Utc>,
    /// Until when its owner, who renews this, is taken to be at work. Of no meaning once it is answered.
    pub lease_until: DateTime<Utc>,
    /// What it was answered; `None` while its owner is at work.
    pub answer: Option<StoredAnswer>,
}

/// An answer that is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The media type of the body, if it has one.
    pub content_type: Option<String>,
    /// The body; `None` where it was too large to keep.
    pub body: Option<Vec<u8>>,
}

/// Hides the body, which may hold email addresses.
impl std::fmt::Debug for StoredAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredAnswer")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("body_bytes", &self.body.as_ref().map(Vec::len))
            .finish()
    }
}
