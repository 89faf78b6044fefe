//! What the application around the pages does for them.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::{HttpRequest, rt, web};
use async_trait::async_trait;
use license_manager_domain::Error;
use opentelemetry::Context;

use crate::Console;
use crate::error::PageError;

/// What a page does at the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It reads.
    Read,
    /// It may write.
    Write,
    /// It looks up who asks: short reads.
    Check,
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
    let (result, of_work) = (Arc::new(Mutex::new(None)), console.clone());
    let done = result.clone();
    let work = move || *locked(&done) = Some(work(&of_work));
    on_thread(console, access, Box::new(work)).await?;
    let result = locked(&result).take();
    Ok(result.ok_or_else(|| Error::internal("work ended without a result"))??)
}

fn locked<T>(result: &Mutex<T>) -> MutexGuard<'_, T> {
    result.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The part that does not depend on what the work returns: what the runtime needs for it is compiled once, and not for each
/// page.
async fn on_thread(
    console: &web::Data<Console>,
    access: Access,
    work: Box<dyn FnOnce() + Send>,
) -> Result<(), PageError> {
    let turn = console.host.turn(access).await.map_err(|Busy| PageError::Busy)?;
    let (span, trace) = (tracing::Span::current(), Context::current());
    let work = move || {
        let _turn = turn;
        let _traced = trace.attach();
        span.in_scope(work);
    };
    rt::task::spawn_blocking(work).await.map_err(|error| PageError::from(Error::internal(error)))
}
