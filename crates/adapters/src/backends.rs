//! The databases that are built in, for code that names both. Where only one is built in, both names stand for it.

#[cfg(feature = "postgres")]
pub(crate) use diesel::pg::{Pg, PgConnection};
#[cfg(not(feature = "sqlite"))]
pub(crate) use diesel::pg::{Pg as Sqlite, PgConnection as SqliteConnection};
#[cfg(feature = "sqlite")]
pub(crate) use diesel::sqlite::{Sqlite, SqliteConnection};
#[cfg(not(feature = "postgres"))]
pub(crate) use diesel::sqlite::{Sqlite as Pg, SqliteConnection as PgConnection};
