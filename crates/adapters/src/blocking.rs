//! Blocking work on tokio's threads for it.

use async_trait::async_trait;
use license_manager_domain::ports::Blocking;
use opentelemetry::Context;

/// Runs blocking work by `tokio::task::spawn_blocking`. Needs to be called within a tokio runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpawnBlocking;

#[async_trait]
impl Blocking for SpawnBlocking {
    async fn run(&self, work: Box<dyn FnOnce() + Send>) {
        // Messages that the work stores belong to the caller's trace.
        let trace = Context::current();
        let work = move || {
            let _traced = trace.attach();
            work();
        };
        // Otherwise the runtime is shutting down, and the use case fails.
        if let Err(failure) = tokio::task::spawn_blocking(work).await
            && failure.is_panic()
        {
            std::panic::resume_unwind(failure.into_panic());
        }
    }
}
