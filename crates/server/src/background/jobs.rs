//! What runs beside the requests: the domain's jobs, one batch at a time, and the removal of what is no longer kept.

use std::sync::Arc;
use std::time::Duration;

use license_manager_domain::{Error, LicenseManager};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// How long to rest when there is nothing to do: another server may have left a job behind.
const REST: Duration = Duration::from_secs(2);

/// Starts to run jobs until `stop` becomes true; the batch under way is finished first. `wake` ends a rest.
pub fn start(manager: LicenseManager, wake: Arc<Notify>, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !*stop.borrow() {
            let runner = manager.clone();
            match tokio::task::spawn_blocking(move || runner.run_next_job()).await {
                Ok(Ok(true)) => continue,
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a job failed; it is tried again"),
                Err(error) => tracing::error!(%error, "a job ended unexpectedly; it is tried again"),
            }
            tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep(REST) => {}
                _ = stop.changed() => {}
            }
        }
    })
}

/// How long to rest after removing what is no longer to be kept.
const SWEEP: Duration = Duration::from_secs(10 * 60);

/// Starts to remove expired answers to requests with idempotency keys, and what webhooks were told long ago, until `stop` becomes
/// true.
pub fn start_sweeping(manager: LicenseManager, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !*stop.borrow() {
            let sweeper = manager.clone();
            match tokio::task::spawn_blocking(move || sweep(&sweeper)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "what expired could not be removed; that is tried again"),
                Err(error) => tracing::error!(%error, "removing what expired ended unexpectedly; it is tried again"),
            }
            tokio::select! {
                () = tokio::time::sleep(SWEEP) => {}
                _ = stop.changed() => {}
            }
        }
    })
}

fn sweep(manager: &LicenseManager) -> Result<(), Error> {
    manager.remove_expired_answers()?;
    manager.remove_old_webhook_deliveries()?;
    Ok(())
}
