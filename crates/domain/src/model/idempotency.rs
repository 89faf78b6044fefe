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
    /// The bytes that are set aside for the answer while the owner works on it.
    pub reserved: i64,
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
    pub body: Option<StoredBody>,
}

/// The body of a stored answer.
#[derive(Clone, PartialEq, Eq)]
pub enum StoredBody {
    /// As it was sent.
    Plain(Vec<u8>),
    /// Compressed. Whoever stores it knows how.
    Compressed(Vec<u8>),
}

impl StoredBody {
    /// The bytes that are stored.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) | Self::Compressed(bytes) => bytes,
        }
    }
}

/// How much is kept of answers, in bytes. Each request counts [`REQUEST_BYTES`] and the body of its answer; while it has no answer, what is
/// [reserved](FirstRequest::reserved) for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerQuota {
    /// The most for the body of one answer. So much is reserved for a request without an answer.
    pub answer: i64,
    /// The most for the requests of one user.
    pub user: i64,
    /// The most for all requests. Requests that are claimed at the same moment may exceed it together.
    pub total: i64,
}

impl Default for AnswerQuota {
    fn default() -> Self {
        Self { answer: 1 << 20, user: 64 << 20, total: 1 << 30 }
    }
}

/// The bytes that each stored request counts besides its answer's body: its own row.
pub const REQUEST_BYTES: i64 = 512;

/// The result of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The request is the first one of its key.
    First,
    /// There is one already.
    Existing(FirstRequest),
    /// There is none, and no room to keep the answer. Nothing was stored.
    NoRoom,
}

impl FirstRequest {
    /// The bytes that it counts.
    pub fn size(&self) -> i64 {
        let body = self.answer.as_ref().map(|answer| answer.body.as_ref().map_or(0, |body| body.bytes().len() as i64));
        REQUEST_BYTES + body.unwrap_or(self.reserved)
    }
}

/// Hides the body, which may hold email addresses.
impl std::fmt::Debug for StoredAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredAnswer")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("body", &self.body)
            .finish()
    }
}

impl std::fmt::Debug for StoredBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let form = match self {
            Self::Plain(_) => "Plain",
            Self::Compressed(_) => "Compressed",
        };
        write!(f, "{form}({} bytes)", self.bytes().len())
    }
}
