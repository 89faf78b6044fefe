//! How the connections to a database are used, for whoever watches them.

use diesel::r2d2::{ManageConnection, Pool};

/// A pool of connections at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// What its connections are for.
    pub name: &'static str,
    /// How many connections there may be.
    pub limit: u32,
    /// How many of them are open.
    pub open: u32,
    /// How many of those wait for work.
    pub idle: u32,
}

impl PoolUse {
    /// How a pool is used now.
    pub(crate) fn of<M: ManageConnection>(name: &'static str, pool: &Pool<M>) -> Self {
        let state = pool.state();
        Self { name, limit: pool.max_size(), open: state.connections, idle: state.idle_connections }
    }
}
