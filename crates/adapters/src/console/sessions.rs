//! Sessions.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::query_dsl::methods::ExecuteDsl;
use license_manager_domain::Error;
use license_manager_domain::console::{
    ConsoleSession, ConsoleSessions, NewSession, ProviderIds, RenewedSession, SessionLimits,
};
use license_manager_domain::model::StaffAction;
use uuid::Uuid;

use super::for_both_stores;
use crate::backends::{Pg, Sqlite};
use crate::rows::staff_actions::addition;
use crate::schema::{console_logout as logout, console_session as table};
use crate::sql_types::{SqlTimestamp, SqlUuid};

#[derive(Queryable, Selectable)]
#[diesel(table_name = table, check_for_backend(Pg, Sqlite))]
struct SessionRow {
    uuid: Uuid,
    username: String,
    roles: String,
    is_staff: bool,
    roles_until: DateTime<Utc>,
    refresh_token: Option<Vec<u8>>,
    user_agent: String,
    created: DateTime<Utc>,
    last_used: DateTime<Utc>,
}

impl TryFrom<SessionRow> for ConsoleSession {
    type Error = Error;

    fn try_from(row: SessionRow) -> Result<Self, Error> {
        Ok(Self {
            uuid: row.uuid,
            username: row.username,
            roles: serde_json::from_str(&row.roles).map_err(Error::internal)?,
            is_staff: row.is_staff,
            roles_until: row.roles_until,
            refresh_token: row.refresh_token,
            user_agent: row.user_agent,
            created: row.created,
            last_used: row.last_used,
        })
    }
}

fn json(roles: &[String]) -> Result<String, Error> {
    serde_json::to_string(roles).map_err(Error::internal)
}

/// Refuses a write that did not find its row.
fn exactly_one(written: usize) -> Result<(), Error> {
    if written == 1 { Ok(()) } else { Err(Error::internal(format!("{written} sessions were written instead of one"))) }
}

/// Ends sessions of a user and records that, in one transaction. It counts the sessions.
struct Ending {
    user: String,
    which: Which,
    record: Option<StaffAction>,
}

/// Sessions by their name.
enum Which {
    This(Uuid),
    AllBut(Uuid),
}

macro_rules! ending {
    ($connection:ty) => {
        impl ExecuteDsl<$connection> for Ending {
            fn execute(this: Self, connection: &mut $connection) -> QueryResult<usize> {
                connection.transaction(|connection| {
                    let own = table::table.filter(table::username.eq(this.user.clone()));
                    let ended = match this.which {
                        Which::This(uuid) => {
                            diesel::delete(own.filter(table::uuid.eq(SqlUuid(uuid)))).execute(connection)?
                        }
                        Which::AllBut(uuid) => {
                            diesel::delete(own.filter(table::uuid.ne(SqlUuid(uuid)))).execute(connection)?
                        }
                    };
                    if let Some(record) = this.record.as_ref().filter(|_| ended > 0) {
                        let record = StaffAction { number: ended as i64, ..record.clone() };
                        ExecuteDsl::execute(addition(&record), connection)?;
                    }
                    Ok(ended)
                })
            }
        }
    };
}

#[cfg(feature = "postgres")]
ending!(PgConnection);
#[cfg(feature = "sqlite")]
ending!(SqliteConnection);

for_both_stores! {
    impl ConsoleSessions for Store {
        fn add_session(&self, NewSession { id_hash, session, provider }: &NewSession) -> Result<(), Error> {
            let written = self.change(diesel::insert_into(table::table).values((
                table::id_hash.eq(id_hash.clone()),
                table::uuid.eq(SqlUuid(session.uuid)),
                table::username.eq(session.username.clone()),
                table::roles.eq(json(&session.roles)?),
                table::is_staff.eq(session.is_staff),
                table::roles_until.eq(SqlTimestamp(session.roles_until)),
                table::refresh_token.eq(session.refresh_token.clone()),
                table::user_agent.eq(session.user_agent.clone()),
                table::created.eq(SqlTimestamp(session.created)),
                table::last_used.eq(SqlTimestamp(session.last_used)),
                table::provider_session.eq(provider.session.clone()),
                table::provider_subject.eq(provider.subject.clone()),
            )))?;
            exactly_one(written)
        }

        fn session(&self, id_hash: &[u8]) -> Result<Option<ConsoleSession>, Error> {
            let query = table::table.find(id_hash.to_vec()).select(SessionRow::as_select());
            self.rows::<SessionRow>(query)?.pop().map(ConsoleSession::try_from).transpose()
        }

        fn session_used(&self, id_hash: &[u8], now: DateTime<Utc>) -> Result<(), Error> {
            // The session may have been ended meanwhile.
            let session = table::table.find(id_hash.to_vec()).filter(table::last_used.lt(SqlTimestamp(now)));
            self.change(diesel::update(session).set(table::last_used.eq(SqlTimestamp(now))))?;
            Ok(())
        }

        fn begin_renewal(&self, id_hash: &[u8], now: DateTime<Utc>, until: DateTime<Utc>) -> Result<bool, Error> {
            let (now, until) = (SqlTimestamp(now), SqlTimestamp(until));
            let free = table::renewing_until.is_null().or(table::renewing_until.assume_not_null().le(now));
            let session = table::table.find(id_hash.to_vec()).filter(table::roles_until.le(now)).filter(free);
            Ok(self.change(diesel::update(session).set(table::renewing_until.eq(Some(until))))? == 1)
        }

        fn renew_session(&self, id_hash: &[u8], renewed: &RenewedSession) -> Result<(), Error> {
            // The session may have been ended meanwhile.
            self.change(diesel::update(table::table.find(id_hash.to_vec())).set((
                table::roles.eq(json(&renewed.roles)?),
                table::is_staff.eq(renewed.is_staff),
                table::roles_until.eq(SqlTimestamp(renewed.roles_until)),
                table::renewing_until.eq(None::<SqlTimestamp>),
                table::refresh_token.eq(renewed.refresh_token.clone()),
            )))?;
            Ok(())
        }

        fn end_session(&self, id_hash: &[u8]) -> Result<(), Error> {
            self.change(diesel::delete(table::table.find(id_hash.to_vec())))?;
            Ok(())
        }

        fn named_session(&self, uuid: Uuid) -> Result<Option<ConsoleSession>, Error> {
            let query = table::table.filter(table::uuid.eq(SqlUuid(uuid))).select(SessionRow::as_select());
            self.rows::<SessionRow>(query)?.pop().map(ConsoleSession::try_from).transpose()
        }

        fn end_session_of(&self, uuid: Uuid, owner: &str) -> Result<bool, Error> {
            let session = table::table.filter(table::uuid.eq(SqlUuid(uuid)));
            Ok(self.change(diesel::delete(session.filter(table::username.eq(owner.to_owned()))))? == 1)
        }

        fn end_session_of_other(&self, uuid: Uuid, record: &StaffAction) -> Result<bool, Error> {
            let user = record.user.clone().unwrap_or_default();
            Ok(self.change(Ending { user, which: Which::This(uuid), record: Some(record.clone()) })? == 1)
        }

        fn end_other_sessions(&self, user: &str, kept: Uuid, record: Option<&StaffAction>) -> Result<usize, Error> {
            let ending = Ending { user: user.to_owned(), which: Which::AllBut(kept), record: record.cloned() };
            self.change(ending)
        }

        fn end_sessions_of_provider(&self, ids: &ProviderIds) -> Result<usize, Error> {
            match (&ids.session, &ids.subject) {
                (Some(session), Some(subject)) => {
                    let is_meant = table::provider_session
                        .is_null()
                        .or(table::provider_session.assume_not_null().eq(session.clone()));
                    let sessions = table::table.filter(is_meant).filter(table::provider_subject.eq(subject.clone()));
                    self.change(diesel::delete(sessions))
                }
                (Some(session), None) => {
                    self.change(diesel::delete(table::table.filter(table::provider_session.eq(session.clone()))))
                }
                (None, Some(subject)) => {
                    self.change(diesel::delete(table::table.filter(table::provider_subject.eq(subject.clone()))))
                }
                (None, None) => Ok(0),
            }
        }

        fn logout_is_noted(&self, token_hash: &[u8]) -> Result<bool, Error> {
            let query = logout::table.find(token_hash.to_vec()).select(logout::token_hash);
            Ok(!self.rows::<Vec<u8>>(query)?.is_empty())
        }

        fn note_logout(&self, token_hash: &[u8], until: DateTime<Utc>) -> Result<bool, Error> {
            let note = (logout::token_hash.eq(token_hash.to_vec()), logout::until.eq(SqlTimestamp(until)));
            let statement = diesel::insert_into(logout::table).values(note).on_conflict_do_nothing();
            Ok(self.change(statement)? == 1)
        }

        fn remove_old_logouts(&self, now: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
            let old = logout::table
                .filter(logout::until.le(SqlTimestamp(now)))
                .order(logout::until)
                .limit(limit.max(0))
                .select(logout::token_hash);
            let old: Vec<Vec<u8>> = self.rows(old)?;
            if old.is_empty() {
                return Ok(0);
            }
            self.change(diesel::delete(logout::table.filter(logout::token_hash.eq_any(old))))
        }

        fn sessions(&self, owner: Option<&str>, now: DateTime<Utc>, limit: i64) -> Result<Vec<ConsoleSession>, Error> {
            let valid = table::table
                .filter(table::last_used.gt(SqlTimestamp(now - SessionLimits::IDLE)))
                .filter(table::created.gt(SqlTimestamp(now - SessionLimits::AT_MOST)))
                .order((table::last_used.desc(), table::uuid))
                .limit(limit.max(0))
                .select(SessionRow::as_select());
            let rows: Vec<SessionRow> = match owner {
                Some(owner) => self.rows(valid.filter(table::username.eq(owner.to_owned())))?,
                None => self.rows(valid)?,
            };
            rows.into_iter().map(ConsoleSession::try_from).collect()
        }

        fn remove_ended(&self, now: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
            let ended = table::table
                .filter(table::last_used.le(SqlTimestamp(now - SessionLimits::IDLE)))
                .or_filter(table::created.le(SqlTimestamp(now - SessionLimits::AT_MOST)))
                .order(table::last_used)
                .limit(limit.max(0))
                .select(table::id_hash);
            let ended: Vec<Vec<u8>> = self.rows(ended)?;
            if ended.is_empty() {
                return Ok(0);
            }
            self.change(diesel::delete(table::table.filter(table::id_hash.eq_any(ended))))
        }
    }
}
