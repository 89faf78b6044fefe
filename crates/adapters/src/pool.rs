//! Usage of the connection pools, for metrics.

use diesel::r2d2::{ManageConnection, Pool};

/// The usage of one pool at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// What the connections are used for.
    pub name: &'static str,
    /// The most connections the pool may open.
    pub limit: u32,
    /// Open connections.
    pub open: u32,
    /// Open connections that are not in use.
    pub idle: u32,
}

impl PoolUse {
    pub(crate) fn of<M: ManageConnection>(name: &'static str, pool: &Pool<M>) -> Self {
        let state = pool.state();
        Self { name, limit: pool.max_size(), open: state.connections, idle: state.idle_connections }
    }
}
