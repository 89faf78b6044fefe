//! The database of the Django service that license-manager replaces: how it is reached, what its tables mean, and how
//! its rows become ours.
//!
//! | module | contents |
//! |---|---|
//! | `address` | the URL of the database |
//! | `client` | a connection to MySQL or MariaDB |
//! | `layout` | which tables and columns there are |
//! | `values` | the values of a row, and rows of ours as JSON |
//! | `tables` | which table goes where |
//! | `mapping` | how each row becomes ours |
//! | `export` | the way back: how each row of ours is written there |
//!
//! [`DjangoDatabase`] reads the database, and [`DjangoExport`] writes it. `docs/MIGRATION.md` says what becomes of each column.

mod address;
mod client;
mod database;
mod error;
mod export;
mod layout;
mod mapping;
mod tables;
mod values;

pub use address::DatabaseAddress;
pub use database::DjangoDatabase;
pub use error::DjangoError;
pub use export::DjangoExport;
