//! Requests that a client can send again without repeating their effect.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Identifies a request that may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey {
    /// The caller's user name. Keys of different users are independent.
    pub username: String,
    /// The client's key, at most 255 characters.
    pub key: String,
    /// Method and path, at most 1,000 characters.
    pub operation: String,
}

/// The first request with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstRequest {
    /// A digest of the request. Further requests with the key must have the same.
    pub fingerprint: [u8; 32],
    /// The process that handles the request: an id created for this request.
    pub owner: Uuid,
    /// When it arrived.
    pub created: DateTime<Utc>,
    /// When the owner's lease ends, unless it is renewed. Without meaning once answered.
    pub lease_until: DateTime<Utc>,
    /// The answer; `None` while the owner works on it.
    pub answer: Option<StoredAnswer>,
}

/// A stored answer.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body's media type, if any.
    pub content_type: Option<String>,
    /// The body; `None` if it was too large to store.
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
