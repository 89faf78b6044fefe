//! Jobs on whole plans.

use std::collections::BTreeMap;

use license_manager_domain::model::{Job, JobKind};
use license_manager_domain::ports::{Store, StoreExt};
use license_manager_domain::{Entity, Error};

use super::Database;
use super::fixtures::*;

fn job(plan: u128, kind: JobKind, on: i64) -> Job {
    Job { plan: plan_id(plan), kind, requested_by: Some(format!("admin of day {on}")), requested_at: day(on) }
}

fn add(store: &dyn Store, job: &Job) {
    store.write(|unit| unit.jobs().add(job)).unwrap();
}

/// Claims and removes all jobs.
fn work_off(store: &dyn Store) -> Vec<Job> {
    let next = || {
        store
            .write(|unit| {
                let job = unit.jobs().claim(day(1000))?;
                if let Some(job) = &job {
                    unit.jobs().remove(job.plan, job.kind)?;
                }
                Ok(job)
            })
            .unwrap()
    };
    std::iter::from_fn(next).collect()
}

pub fn a_plan_has_one_job_of_each_kind(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    add(&*store, &job(1, JobKind::Provision, 1));
    add(&*store, &job(1, JobKind::Provision, 2));
    add(&*store, &job(1, JobKind::RevokeAll, 3));
    add(&*store, &Job { requested_by: None, ..job(2, JobKind::Provision, 4) });
    assert_eq!(
        work_off(&*store),
        [
            job(1, JobKind::Provision, 2),
            job(1, JobKind::RevokeAll, 3),
            Job { requested_by: None, ..job(2, JobKind::Provision, 4) },
        ],
        "the latest request stands, in the turn of the first"
    );
}

pub fn the_oldest_job_is_claimed_first(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let jobs = [job(2, JobKind::RevokeAll, 5), job(3, JobKind::Provision, 3), job(1, JobKind::Provision, 4)];
    jobs.iter().for_each(|job| add(&*store, job));
    assert_eq!(work_off(&*store), [jobs[1].clone(), jobs[2].clone(), jobs[0].clone()]);
}

pub fn a_job_that_is_done_is_gone(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    assert_eq!(store.write(|unit| unit.jobs().claim(day(1000))), Ok(None));
    add(&*store, &job(1, JobKind::Provision, 1));
    add(&*store, &job(1, JobKind::RevokeAll, 2));
    store.write(|unit| unit.jobs().remove(plan_id(1), JobKind::Provision)).unwrap();
    assert_eq!(work_off(&*store), [job(1, JobKind::RevokeAll, 2)]);
    store.write(|unit| unit.jobs().remove(plan_id(1), JobKind::Provision)).unwrap();
}

pub fn a_job_whose_work_failed_is_claimed_again(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    add(&*store, &job(1, JobKind::Provision, 1));
    let failed: Result<(), Error> = store.write(|unit| {
        let job = unit.jobs().claim(day(1000))?.ok_or(Error::NotFound(Entity::Plan))?;
        unit.jobs().remove(job.plan, job.kind)?;
        Err(Error::NotFound(Entity::License))
    });
    assert_eq!(failed, Err(Error::NotFound(Entity::License)));
    assert_eq!(work_off(&*store), [job(1, JobKind::Provision, 1)]);
}

pub fn a_job_that_was_postponed_lets_the_others_pass(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    add(&*store, &job(1, JobKind::Provision, 1));
    add(&*store, &job(2, JobKind::Provision, 2));
    store.write(|unit| unit.jobs().postpone(plan_id(1), JobKind::Provision, day(9))).unwrap();
    let claim = |on| store.write(|unit| unit.jobs().claim(day(on))).unwrap();
    assert_eq!(claim(1), None);
    assert_eq!(claim(8), Some(job(2, JobKind::Provision, 2)));
    assert_eq!(work_off(&*store), [job(2, JobKind::Provision, 2), job(1, JobKind::Provision, 1)]);
}

pub fn jobs_that_wait_are_counted_by_kind(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let counts = || store.read(|unit| unit.jobs().counts()).unwrap();
    assert_eq!(counts(), BTreeMap::from([(JobKind::Provision, 0), (JobKind::RevokeAll, 0)]));
    add(&*store, &job(1, JobKind::Provision, 1));
    add(&*store, &job(2, JobKind::Provision, 1));
    add(&*store, &job(2, JobKind::RevokeAll, 1));
    assert_eq!(counts(), BTreeMap::from([(JobKind::Provision, 2), (JobKind::RevokeAll, 1)]));
    work_off(&*store);
    assert_eq!(counts().values().sum::<i64>(), 0);
}
