//! The runtime of commands.

use tokio::runtime::{Builder, Runtime};

/// A runtime with one thread, for signals and calls to upstream services. The command blocks its own thread.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn command_runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}
