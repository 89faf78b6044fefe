//! Shows a command's progress on standard error, and stops it at Ctrl-C or SIGTERM.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use license_manager_domain::operations::Supervisor;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

/// How often progress is printed without a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The exit status after a second signal.
const STOPPED_AT_ONCE: i32 = 130;

/// Shows progress and handles signals.
pub struct CommandSupervisor {
    shared: Arc<Shared>,
    progress: ProgressBar,
}

#[derive(Default)]
struct Shared {
    stopping: AtomicBool,
    stop: Notify,
    found: AtomicU64,
    done: AtomicU64,
}

impl CommandSupervisor {
    /// Starts watching a command. Must be called within a runtime.
    ///
    /// # Errors
    /// When the system does not allow signal handlers.
    pub fn start(command: &'static str) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let listener = shared.clone();
        tokio::spawn(async move {
            for times in 1.. {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                if times > 1 {
                    std::process::exit(STOPPED_AT_ONCE);
                }
                eprintln!("{command}: finishing the batch under way; once more stops at once");
                listener.stopping.store(true, Ordering::Relaxed);
                listener.stop.notify_waiters();
            }
        });
        let progress = if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {elapsed}");
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(5));
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.with_message(command)
        } else {
            print_progress(command, &shared);
            ProgressBar::hidden()
        };
        Ok(Self { shared, progress })
    }
}

/// Prints progress regularly.
fn print_progress(command: &'static str, shared: &Arc<Shared>) {
    let shared = Arc::downgrade(shared);
    tokio::spawn(async move {
        let mut every = tokio::time::interval_at(tokio::time::Instant::now() + LINE_EVERY, LINE_EVERY);
        loop {
            every.tick().await;
            let Some(shared) = shared.upgrade() else { return };
            let (done, found) = (shared.done.load(Ordering::Relaxed), shared.found.load(Ordering::Relaxed));
            eprintln!("{command}: {done} of {found}");
        }
    });
}

impl Drop for CommandSupervisor {
    fn drop(&mut self) {
        self.progress.finish_and_clear();
    }
}

#[async_trait]
impl Supervisor for CommandSupervisor {
    fn found(&self, number: u64) {
        self.shared.found.fetch_add(number, Ordering::Relaxed);
        self.progress.inc_length(number);
    }

    fn advanced(&self, number: u64) {
        self.shared.done.fetch_add(number, Ordering::Relaxed);
        self.progress.inc(number);
    }

    fn is_stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Relaxed)
    }

    async fn pause(&self, duration: Duration) {
        let stop = self.shared.stop.notified();
        if !self.is_stopping() {
            tokio::select! {
                () = stop => {}
                () = tokio::time::sleep(duration) => {}
            }
        }
    }
}
