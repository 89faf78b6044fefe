//! What the application around the pages does for them.

use std::any::Any;

use actix_web::{HttpRequest, rt, web};
use async_trait::async_trait;
use license_manager_domain::Error;

use crate::Console;
use crate::error::PageError;

/// What a page does at the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It reads.
    Read,
    /// It may write.
    Write,
}

/// A turn at the database, which ends when it is dropped.
pub type Turn = Box<dyn Any + Send>;

/// Too many requests wait for the database.
#[derive(Debug, Clone, Copy)]
pub struct Busy;

/// There were too many requests. The next one may come after these seconds.
#[derive(Debug, Clone, Copy)]
pub struct TooMany(pub u64);

/// The application around the pages.
#[async_trait]
pub trait Host: Send + Sync {
    /// Waits for a turn at the database.
    async fn turn(&self, access: Access) -> Result<Turn, Busy>;

    /// Counts a request for the rate limits: of this user, or of the request's address.
    fn admit(&self, request: &HttpRequest, user: Option<&str>) -> Result<(), TooMany>;

    /// Whether the replica may lack what this user wrote. Asked only if there is one. Blocks.
    fn has_written(&self, user: &str) -> Result<bool, Error>;

    /// Notes that this user wrote. Told only if there is a replica. Blocks.
    fn note_write(&self, user: &str);

    /// Lets the jobs on plans begin at once.
    fn wake_jobs(&self);
}

/// Does work at the database on a blocking thread, when its turn comes.
pub(crate) async fn at_database<T: Send + 'static>(
    console: &web::Data<Console>,
    access: Access,
    work: impl FnOnce(&Console) -> Result<T, Error> + Send + 'static,
) -> Result<T, PageError> {
    let turn = console.host.turn(access).await.map_err(|Busy| PageError::Busy)?;
    let (console, span) = (console.clone(), tracing::Span::current());
    let work = move || {
        let _turn = turn;
        span.in_scope(|| work(&console))
    };
    let done = rt::task::spawn_blocking(work).await.map_err(|error| PageError::from(Error::internal(error)))?;
    Ok(done?)
}
