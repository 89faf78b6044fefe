//! Upstreams and a supervisor for the stories.

use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use license_manager_domain::operations::{OperationSettings, OperationSummary, Supervisor};
use license_manager_domain::ports::{
    CustomerAdmin, EnrollmentResults, FixedClock, LearnerRegistry, LicensedEnrollment, PendingLearner, Store, StoreExt,
    Task, Undelivered,
};
use license_manager_domain::queue::{Claim, Lease};
use license_manager_domain::{CustomerId, Email, LicenseId, LicenseManager, LmsUserId, Settings};

use crate::support::*;

/// The outcome of work that waits for nothing.
pub fn now<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the work waits"),
    }
}

pub fn days(number: i64) -> Duration {
    Duration::days(number)
}

/// Whether the LMS fails a call.
type Fails = Box<dyn Fn(&Call) -> Option<Undelivered> + Send + Sync>;

/// A call to the LMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    Expire(Vec<LicenseId>, Option<DateTime<Utc>>),
    Unlink(CustomerId, Vec<String>),
}

/// An LMS that remembers what it was asked and did.
#[derive(Default)]
pub struct Lms {
    done: Mutex<Vec<Call>>,
    fails: Mutex<Option<Fails>>,
}

impl Lms {
    pub fn done(&self) -> Vec<Call> {
        self.done.lock().unwrap().clone()
    }

    /// The licenses whose enrollments ended, in the order of the calls.
    pub fn expired(&self) -> Vec<LicenseId> {
        let licenses = |call| if let Call::Expire(licenses, _) = call { licenses } else { Vec::new() };
        self.done().into_iter().flat_map(licenses).collect()
    }

    /// Who was unlinked, in the order of the calls.
    pub fn unlinked(&self) -> Vec<String> {
        let learners = |call| if let Call::Unlink(_, learners) = call { learners } else { Vec::new() };
        self.done().into_iter().flat_map(learners).collect()
    }

    pub fn fail(&self, fails: impl Fn(&Call) -> Option<Undelivered> + Send + Sync + 'static) {
        *self.fails.lock().unwrap() = Some(Box::new(fails));
    }

    pub fn recover(&self) {
        *self.fails.lock().unwrap() = None;
    }

    fn answer(&self, call: Call) -> Result<(), Undelivered> {
        if let Some(failure) = self.fails.lock().unwrap().as_ref().and_then(|fails| fails(&call)) {
            return Err(failure);
        }
        self.done.lock().unwrap().push(call);
        Ok(())
    }
}

#[async_trait]
impl LearnerRegistry for Lms {
    async fn expire_enrollments(
        &self,
        licenses: &[LicenseId],
        unless_modified_after: Option<DateTime<Utc>>,
    ) -> Result<(), Undelivered> {
        assert!(licenses.len() <= 100, "at most 100 a call");
        self.answer(Call::Expire(licenses.to_vec(), unless_modified_after))
    }

    async fn unlink(&self, customer: CustomerId, learners: &[Email]) -> Result<(), Undelivered> {
        assert!(learners.len() <= 100, "at most 100 a call");
        self.answer(Call::Unlink(customer, learners.iter().map(|learner| learner.as_str().to_owned()).collect()))
    }

    async fn link(&self, _: &[PendingLearner]) -> Result<(), Undelivered> {
        panic!("nobody is linked here")
    }

    async fn end_enrollments(&self, _: CustomerId, _: LmsUserId) -> Result<(), Undelivered> {
        panic!("no single license is revoked here")
    }

    async fn enroll(&self, _: CustomerId, _: &[LicensedEnrollment], _: bool) -> Result<EnrollmentResults, Undelivered> {
        panic!("nobody is enrolled here")
    }

    async fn admins(&self, _: CustomerId) -> Result<Vec<CustomerAdmin>, Undelivered> {
        panic!("no admin is looked up here")
    }
}

/// Waits by moving the clock, and ends the run after so many looks.
pub struct Watch {
    clock: std::sync::Arc<FixedClock>,
    looks_left: AtomicI64,
}

impl Watch {
    pub fn patient(world: &World) -> Self {
        Self::for_looks(world, i64::MAX)
    }

    pub fn for_looks(world: &World, looks: i64) -> Self {
        Self { clock: world.clock.clone(), looks_left: AtomicI64::new(looks) }
    }
}

#[async_trait]
impl Supervisor for Watch {
    fn is_stopping(&self) -> bool {
        self.looks_left.fetch_sub(1, Ordering::Relaxed) <= 0
    }

    async fn pause(&self, duration: std::time::Duration) {
        self.clock.advance(Duration::from_std(duration).unwrap().max(Duration::milliseconds(1)));
    }
}

/// A world whose settings name the customer for everything, in small batches, with an LMS.
pub fn world_with_lms() -> (World, std::sync::Arc<Lms>, LicenseManager) {
    let operations = OperationSettings {
        unlink_customers: vec![customer()],
        custom_event_customers: vec![customer()],
        ..OperationSettings::default()
    };
    let world = World::with(Settings { batch_size: batches_of(3), operations, ..Settings::default() });
    let lms = std::sync::Arc::new(Lms::default());
    let manager = world.manager.clone().with_learner_registry(lms.clone());
    (world, lms, manager)
}

/// What a summary counts under a name.
#[track_caller]
pub fn count(summary: &OperationSummary, name: &str) -> i64 {
    *summary.counts.get(name).unwrap_or_else(|| panic!("no {name} in {summary:?}"))
}

#[track_caller]
pub fn complete(summary: OperationSummary) -> OperationSummary {
    assert!(summary.is_complete(), "{summary:?}");
    summary
}

/// Takes a task, as another process would.
pub fn take_task(store: &dyn Store, task: Task, owner: uuid::Uuid, now: DateTime<Utc>, until: DateTime<Utc>) {
    let claim = Claim { lease: Lease { id: owner, queue: task.queue() }, now, until, limit: 1 };
    store.write(|unit| unit.queue().claim_task(task, &claim)).unwrap();
}
