//! Turns at the database and rate limits for the console.

use std::time::Instant;

use actix_web::HttpRequest;
use async_trait::async_trait;
use license_manager_console::{Access, Busy, Host, TooMany, Turn};
use license_manager_domain::Error;

use crate::http::turns;
use crate::state::State;

/// This server, as the console sees it.
pub(super) struct ServerHost(State);

impl ServerHost {
    pub(super) fn new(state: State) -> Self {
        Self(state)
    }
}

#[async_trait]
impl Host for ServerHost {
    async fn turn(&self, access: Access) -> Result<Turn, Busy> {
        let access = match access {
            Access::Read => turns::Access::Read,
            Access::Write => turns::Access::Write,
            Access::Check => turns::Access::Check,
        };
        match self.0.turns.take(access).await {
            Ok(turn) => Ok(Box::new(turn)),
            Err(_) => Err(Busy),
        }
    }

    fn admit(&self, request: &HttpRequest, user: Option<&str>) -> Result<(), TooMany> {
        self.0.throttle.admit_named(request, user, Instant::now()).map_err(|wait| TooMany(wait.as_secs() + 1))
    }

    fn has_written(&self, user: &str) -> Result<bool, Error> {
        self.0.replicated.as_ref().map_or(Ok(false), |replicated| replicated.has_written(user))
    }

    fn note_write(&self, user: &str) {
        if let Some(replicated) = &self.0.replicated {
            replicated.note_write(user);
        }
    }

    fn wake_jobs(&self) {
        self.0.wake_jobs.notify_one();
    }
}
