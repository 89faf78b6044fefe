use async_trait::async_trait;

/// Decides where asynchronous use cases call the store.
///
/// Stores block the thread that calls them. Most use cases are blocking functions, and their caller decides on which
/// thread they run. The asynchronous ones, such as [`crate::LicenseManager::process_renewals`], call upstreams and the
/// store in turn. They pass everything that calls the store to this port.
///
/// The default is [`Inline`]. It is right for a program that runs such a use case on a thread of its own. It is wrong on
/// a thread of an async runtime: the runtime's other tasks wait for the database, and a store that itself waits for an
/// async database library by `block_on` panics ("Cannot start a runtime from within a runtime"). With tokio, use its
/// threads for blocking work:
///
/// ```
/// use async_trait::async_trait;
/// use license_manager_domain::ports::Blocking;
///
/// struct SpawnBlocking;
///
/// #[async_trait]
/// impl Blocking for SpawnBlocking {
///     async fn run(&self, work: Box<dyn FnOnce() + Send>) {
///         if let Err(failure) = tokio::task::spawn_blocking(work).await
///             && failure.is_panic()
///         {
///             std::panic::resume_unwind(failure.into_panic());
///         }
///     }
/// }
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # let (sender, receiver) = std::sync::mpsc::channel();
/// # let calling = std::thread::current().id();
/// # runtime.block_on(SpawnBlocking.run(Box::new(move || sender.send(std::thread::current().id()).unwrap())));
/// # assert_ne!(receiver.recv().unwrap(), calling);
/// ```
///
/// Pass it to [`crate::LicenseManager::with_blocking`].
#[async_trait]
pub trait Blocking: Send + Sync {
    /// Runs work that may block its thread, and returns when the work has ended.
    ///
    /// If this returns without having run the work, as a runtime may do that shuts down, the use case fails with
    /// [`crate::Error::Internal`] and has changed nothing more.
    async fn run(&self, work: Box<dyn FnOnce() + Send>);
}

/// Runs the work on the calling thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inline;

#[async_trait]
impl Blocking for Inline {
    async fn run(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }
}
