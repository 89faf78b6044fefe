//! Queries and rows of several subjects.

use diesel::QueryableByName;
use diesel::query_dsl::LoadQuery;
use diesel::query_dsl::methods::{ExecuteDsl, LimitDsl, OffsetDsl};
use diesel::sql_types::BigInt;
use license_manager_domain::ports::LimitOffset;
use license_manager_domain::{AgreementId, LicenseId, PlanId};
use uuid::Uuid;

use crate::backends::{PgConnection, SqliteConnection};
use crate::sql_types::SqlUuid;

/// The id of a row.
#[derive(QueryableByName)]
pub(crate) struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    pub uuid: Uuid,
}

impl From<IdRow> for PlanId {
    fn from(row: IdRow) -> Self {
        Self(row.uuid)
    }
}

impl From<IdRow> for LicenseId {
    fn from(row: IdRow) -> Self {
        Self(row.uuid)
    }
}

impl From<IdRow> for AgreementId {
    fn from(row: IdRow) -> Self {
        Self(row.uuid)
    }
}

/// A number of rows.
#[derive(QueryableByName)]
pub(crate) struct NumberRow {
    #[diesel(sql_type = BigInt)]
    pub number: i64,
}

/// The id after which the next licenses come. No license has the nil id.
pub(crate) fn following(after: Option<LicenseId>) -> Uuid {
    after.map_or(Uuid::nil(), |id| id.0)
}

/// Ids in the order of locking, without duplicates.
pub(crate) fn sorted_uuids(uuids: impl IntoIterator<Item = Uuid>) -> Vec<Uuid> {
    let mut uuids: Vec<Uuid> = uuids.into_iter().collect();
    uuids.sort_unstable();
    uuids.dedup();
    uuids
}

/// A part of what a query finds.
pub(crate) fn part<Q>(query: Q, limit_offset: LimitOffset) -> <Q::Output as LimitDsl>::Output
where
    Q: OffsetDsl,
    Q::Output: LimitDsl,
{
    let LimitOffset { offset, limit } = limit_offset.at_least_zero();
    query.offset(offset).limit(limit)
}

/// Loads the rows of a query that have one of the ids in a column. For one id the statement has no array: Postgres expects
/// ten ids in an array, so it would plan the statement anew each time.
macro_rules! load_with_ids {
    ($unit:expr, $query:expr, $column:expr, $ids:expr, $row:ty) => {
        match $ids {
            [id] => {
                let query = $query.filter($column.eq($crate::sql_types::SqlUuid(id.0)));
                $unit.read(|connection| query.load::<$row>(connection))
            }
            ids => {
                let query = $query.filter($crate::one_of::one_of($column, ids.iter().map(|id| id.0)));
                $unit.read(|connection| query.load::<$row>(connection))
            }
        }
    };
}
pub(crate) use load_with_ids;

/// A query that runs on both databases.
///
/// In plain SQL its parameters are `$1`, `$2` and so on, and must first appear in this order: SQLite numbers them as
/// they appear.
pub(crate) trait SharedQuery<R>:
    LoadQuery<'static, PgConnection, R> + LoadQuery<'static, SqliteConnection, R>
{
}

impl<R, Q> SharedQuery<R> for Q where Q: LoadQuery<'static, PgConnection, R> + LoadQuery<'static, SqliteConnection, R> {}

/// A statement that runs on both databases and returns no rows. Its parameters are those of a [`SharedQuery`].
pub(crate) trait SharedStatement: ExecuteDsl<PgConnection> + ExecuteDsl<SqliteConnection> {}

impl<S: ExecuteDsl<PgConnection> + ExecuteDsl<SqliteConnection>> SharedStatement for S {}

/// Implements a repository for the units of work of both databases. For repositories whose statements are the same in
/// both; what differs is a method of each unit.
///
/// A method that is missing would fail at run time: the ports have defaults for other stores.
macro_rules! for_both_databases {
    ($(#[$attribute:meta])* impl $repository:ident for Unit $methods:tt) => {
        #[cfg(feature = "postgres")]
        #[warn(clippy::missing_trait_methods)]
        $(#[$attribute])*
        impl $repository for $crate::postgres::unit::PostgresUnit<'_> $methods

        #[cfg(feature = "sqlite")]
        #[warn(clippy::missing_trait_methods)]
        $(#[$attribute])*
        impl $repository for $crate::sqlite::unit::SqliteUnit<'_> $methods
    };
}
pub(crate) use for_both_databases;
