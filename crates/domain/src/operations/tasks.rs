//! Tasks: work with calls to an upstream, each held by one run at a time.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::run::Run;
use crate::error::Error;
use crate::ports::{ExpirationProgress, StoreExt, Task, TaskClaim, UnitOfWork};
use crate::queue::{Claim, Lease, Settlement};
use crate::saturating_time;
use crate::use_cases::manager::LicenseManager;

/// The longest pause before a held task is claimed again.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

/// The remaining tasks of a run.
pub(super) struct Tasks {
    left: VecDeque<Uuid>,
    /// Tasks that another run holds. They are claimed again when its lease ends.
    held: Vec<Uuid>,
    held_until: Option<DateTime<Utc>>,
}

impl Tasks {
    pub(super) fn new(keys: impl IntoIterator<Item = Uuid>) -> Self {
        Self { left: keys.into_iter().collect(), held: Vec::new(), held_until: None }
    }

    /// Claims the next task, and returns it with the progress of its previous holder. Waits for tasks that other runs
    /// hold after all others. `None` if none is left or the run stops. A dry run claims nothing.
    pub(super) async fn next(
        &mut self,
        run: &mut Run<'_>,
    ) -> Result<Option<(Uuid, Option<ExpirationProgress>)>, Error> {
        loop {
            if self.left.is_empty() && self.held.is_empty() {
                return Ok(None);
            }
            if run.stops() {
                return Ok(None);
            }
            let Some(key) = self.left.pop_front() else {
                let now = run.manager.now();
                let wait = self.held_until.take().and_then(|until| (until - now).to_std().ok()).unwrap_or_default();
                run.supervisor.pause(wait.min(PATIENCE)).await;
                self.left.extend(self.held.drain(..));
                continue;
            };
            if run.dry_run() {
                return Ok(Some((key, None)));
            }
            match run.take(key).await? {
                TaskClaim::Taken(progress) => return Ok(Some((key, progress))),
                TaskClaim::HeldUntil(until) => {
                    self.held.push(key);
                    self.held_until = Some(self.held_until.map_or(until, |soonest| soonest.min(until)));
                }
            }
        }
    }
}

/// The holder of a run's tasks. It goes along with work to other threads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    operation: &'static str,
    owner: Uuid,
}

impl Holder {
    fn task(self, key: Uuid) -> Task {
        Task { operation: self.operation, key }
    }

    fn lease(self) -> Lease {
        Lease { id: self.owner, queue: self.task(Uuid::nil()).queue() }
    }

    /// Prolongs the lease of a task and stores its progress.
    ///
    /// # Errors
    /// Another run has claimed the task. Stop working on it.
    pub(super) fn keep(
        self,
        manager: &LicenseManager,
        unit: &mut dyn UnitOfWork,
        key: Uuid,
        progress: Option<ExpirationProgress>,
    ) -> Result<(), Error> {
        if unit.queue().prolong(self.lease(), &[key], until(manager))? == 0 {
            return Err(Error::internal("another run took this over: it took too long here"));
        }
        match progress {
            Some(progress) => unit.operations().note_progress(self.task(key), self.owner, progress),
            None => Ok(()),
        }
    }
}

/// When a lease that is claimed or prolonged now ends.
fn until(manager: &LicenseManager) -> DateTime<Utc> {
    saturating_time::after(manager.now(), manager.settings.operations.lease)
}

impl Run<'_> {
    pub(super) fn holder(&self) -> Holder {
        Holder { operation: self.operation(), owner: self.owner }
    }

    async fn take(&self, key: Uuid) -> Result<TaskClaim, Error> {
        let holder = self.holder();
        let work = move |manager: &LicenseManager| {
            let claim = Claim { lease: holder.lease(), now: manager.now(), until: until(manager), limit: 1 };
            manager.store.write(|unit| unit.queue().claim_task(holder.task(key), &claim))
        };
        self.manager.blocking(work).await
    }

    /// As [`Holder::keep`], in a transaction of its own.
    pub(super) async fn keep_now(&self, key: Uuid, progress: Option<ExpirationProgress>) -> Result<(), Error> {
        let holder = self.holder();
        let work =
            move |manager: &LicenseManager| manager.store.write(|unit| holder.keep(manager, unit, key, progress));
        self.manager.blocking(work).await
    }

    /// Completes a task.
    pub(super) async fn finish(&self, key: Uuid) -> Result<(), Error> {
        let holder = self.holder();
        let work = move |manager: &LicenseManager| {
            let settlement = Settlement::completed(key, manager.now());
            manager.store.write(|unit| unit.queue().settle(holder.lease(), std::slice::from_ref(&settlement)))
        };
        self.manager.blocking(work).await
    }

    /// Releases a task that is not completed.
    pub(super) async fn give_back(&self, key: Uuid) -> Result<(), Error> {
        let holder = self.holder();
        let work = move |manager: &LicenseManager| {
            let now = manager.now();
            manager.store.write(|unit| unit.queue().prolong(holder.lease(), &[key], now)).map(drop)
        };
        self.manager.blocking(work).await
    }
}
