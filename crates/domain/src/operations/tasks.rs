//! Tasks: work with calls to an upstream, each held by one run at a time.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::run::Run;
use crate::error::Error;
use crate::ports::{ExpirationProgress, StoreExt, Task, TaskClaim, UnitOfWork};
use crate::queue::{Claim, Lease, Settlement};
use crate::saturating_time;

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
            match run.take(key)? {
                TaskClaim::Taken(progress) => return Ok(Some((key, progress))),
                TaskClaim::HeldUntil(until) => {
                    self.held.push(key);
                    self.held_until = Some(self.held_until.map_or(until, |soonest| soonest.min(until)));
                }
            }
        }
    }
}

impl Run<'_> {
    fn task(&self, key: Uuid) -> Task {
        Task { operation: self.operation(), key }
    }

    fn lease(&self) -> Lease {
        Lease { id: self.owner, queue: self.task(Uuid::nil()).queue() }
    }

    fn take(&self, key: Uuid) -> Result<TaskClaim, Error> {
        let claim = Claim { lease: self.lease(), now: self.manager.now(), until: self.until(), limit: 1 };
        self.manager.store.write(|unit| unit.queue().claim_task(self.task(key), &claim))
    }

    fn until(&self) -> DateTime<Utc> {
        saturating_time::after(self.manager.now(), self.manager.settings.operations.lease)
    }

    /// Prolongs the lease of a task and stores its progress.
    ///
    /// # Errors
    /// Another run has claimed the task. Stop working on it.
    pub(super) fn keep(
        &self,
        unit: &mut dyn UnitOfWork,
        key: Uuid,
        progress: Option<ExpirationProgress>,
    ) -> Result<(), Error> {
        if unit.queue().prolong(self.lease(), &[key], self.until())? == 0 {
            return Err(Error::internal("another run took this over: it took too long here"));
        }
        match progress {
            Some(progress) => unit.operations().note_progress(self.task(key), self.owner, progress),
            None => Ok(()),
        }
    }

    /// As [`Run::keep`], in a transaction of its own.
    pub(super) fn keep_now(&self, key: Uuid, progress: Option<ExpirationProgress>) -> Result<(), Error> {
        self.manager.store.write(|unit| self.keep(unit, key, progress))
    }

    /// Completes a task.
    pub(super) fn finish(&self, key: Uuid) -> Result<(), Error> {
        let settlement = Settlement::completed(key, self.manager.now());
        self.manager.store.write(|unit| unit.queue().settle(self.lease(), std::slice::from_ref(&settlement)))
    }

    /// Releases a task that is not completed.
    pub(super) fn give_back(&self, key: Uuid) -> Result<(), Error> {
        let now = self.manager.now();
        self.manager.store.write(|unit| unit.queue().prolong(self.lease(), &[key], now))?;
        Ok(())
    }
}
