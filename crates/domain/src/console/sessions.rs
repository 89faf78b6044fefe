//! The sessions of people who are signed in.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::error::Error;
use crate::model::staff_action::StaffAction;

/// How long sessions last.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits;

impl SessionLimits {
    /// A session that is not used ends after this.
    pub const IDLE: Duration = Duration::hours(8);
    /// Every session ends after this.
    pub const AT_MOST: Duration = Duration::days(7);
    /// The roles of a token count for this long.
    pub const ROLES: Duration = Duration::hours(1);
    /// The use of a session is recorded this often at most.
    pub const USE_RECORDED: Duration = Duration::minutes(1);
    /// How long one request has to renew the roles of a session before another may try.
    pub const RENEWAL: Duration = Duration::seconds(60);
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleSession {
    /// Its name in lists; not its secret id.
    pub uuid: Uuid,
    /// Who is signed in.
    pub username: String,
    /// The roles in their token, as `name:context`.
    pub roles: Vec<String>,
    /// Whether their token calls them an administrator.
    pub is_staff: bool,
    /// Until when these roles count.
    pub roles_until: DateTime<Utc>,
    /// The encrypted refresh token, if the provider gave one.
    pub refresh_token: Option<Vec<u8>>,
    /// The browser, as it calls itself.
    pub user_agent: String,
    /// When they signed in.
    pub created: DateTime<Utc>,
    /// When the session was last used, to the minute.
    pub last_used: DateTime<Utc>,
}

impl ConsoleSession {
    /// Whether it is still valid at this time.
    pub fn is_valid(&self, now: DateTime<Utc>) -> bool {
        now < self.last_used + SessionLimits::IDLE && now < self.created + SessionLimits::AT_MOST
    }
}

/// A new session, with the hash of its secret id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// The SHA-256 of the id in the cookie.
    pub id_hash: Vec<u8>,
    /// The session.
    pub session: ConsoleSession,
    /// How the provider names it.
    pub provider: ProviderIds,
}

/// How an OpenID Connect provider names a session of its own, and its person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderIds {
    /// The claim `sid` of its identity token.
    pub session: Option<String>,
    /// The claim `sub`.
    pub subject: Option<String>,
}

/// What the provider says about somebody when their roles are renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewedSession {
    /// See [`ConsoleSession::roles`].
    pub roles: Vec<String>,
    /// See [`ConsoleSession::is_staff`].
    pub is_staff: bool,
    /// See [`ConsoleSession::roles_until`].
    pub roles_until: DateTime<Utc>,
    /// See [`ConsoleSession::refresh_token`].
    pub refresh_token: Option<Vec<u8>>,
}

/// The sessions of the console. Each method is one statement, but for [`ConsoleSessions::end_session_of_other`].
pub trait ConsoleSessions: Send + Sync {
    /// Adds a session.
    fn add_session(&self, session: &NewSession) -> Result<(), Error>;

    /// The session with this hash, valid or not.
    fn session(&self, id_hash: &[u8]) -> Result<Option<ConsoleSession>, Error>;

    /// Records that a session is used.
    fn session_used(&self, id_hash: &[u8], now: DateTime<Utc>) -> Result<(), Error>;

    /// Reserves the renewal of a session's roles until a time. MUST return `true` to only one of several callers: not
    /// if the roles count longer than `now`, or if somebody else has reserved it longer than `now`.
    fn begin_renewal(&self, id_hash: &[u8], now: DateTime<Utc>, until: DateTime<Utc>) -> Result<bool, Error>;

    /// Stores renewed roles, and ends the reservation.
    fn renew_session(&self, id_hash: &[u8], renewed: &RenewedSession) -> Result<(), Error>;

    /// Ends a session, if it exists.
    fn end_session(&self, id_hash: &[u8]) -> Result<(), Error>;

    /// The session with this name, valid or not.
    fn named_session(&self, uuid: Uuid) -> Result<Option<ConsoleSession>, Error>;

    /// Ends the session with this name, if `owner` is its user. Returns whether there was one.
    fn end_session_of(&self, uuid: Uuid, owner: &str) -> Result<bool, Error>;

    /// Ends the session with this name, whose user is that of the record, and adds the record, both or neither. Returns
    /// whether there was one; otherwise nothing is recorded.
    fn end_session_of_other(&self, uuid: Uuid, record: &StaffAction) -> Result<bool, Error>;

    /// Ends all sessions of a user but the one with this name, if it is theirs. A record is added with their number, all
    /// or nothing; if there was none, nothing is recorded. Returns their number.
    fn end_other_sessions(&self, user: &str, kept: Uuid, record: Option<&StaffAction>) -> Result<usize, Error>;

    /// Ends the sessions with this id of the provider's, or of its person without one. With both, ends those of the
    /// person that have this id or none. Returns their number. MUST end none if neither is known.
    fn end_sessions_of_provider(&self, ids: &ProviderIds) -> Result<usize, Error>;

    /// Whether a logout token whose id has this hash was noted.
    fn logout_is_noted(&self, token_hash: &[u8]) -> Result<bool, Error>;

    /// Notes a logout token until it cannot be used any more. Returns `false` if it was noted before.
    fn note_logout(&self, token_hash: &[u8], until: DateTime<Utc>) -> Result<bool, Error>;

    /// Removes up to `limit` notes of logout tokens that cannot be used any more.
    fn remove_old_logouts(&self, now: DateTime<Utc>, limit: i64) -> Result<usize, Error>;

    /// Up to `limit` sessions that are valid at this time, of this user or of everybody, last used first.
    fn sessions(&self, owner: Option<&str>, now: DateTime<Utc>, limit: i64) -> Result<Vec<ConsoleSession>, Error>;

    /// Removes up to `limit` sessions that are not valid at this time.
    fn remove_ended(&self, now: DateTime<Utc>, limit: i64) -> Result<usize, Error>;
}
