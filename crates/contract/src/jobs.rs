//! Jobs on whole plans.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::history::Change;
use license_manager_domain::model::{Job, JobKind, Reminders};
use license_manager_domain::ports::{Store, StoreExt, UnitOfWork};
use license_manager_domain::queue::{Claim, ClaimedJob, Lease, Queue, QueueKind, Settlement};
use license_manager_domain::{Entity, Error};
use uuid::Uuid;

use super::Database;
use super::fixtures::*;

fn job(plan: u128, kind: JobKind, on: i64) -> Job {
    let reason = Some(format!("reason of day {on}"));
    Job { requested_by: Some(format!("admin of day {on}")), reason, ..Job::new(plan_id(plan), kind, day(on)) }
}

fn add(store: &dyn Store, job: &Job) {
    store.write(|unit| unit.jobs().add(job)).unwrap();
}

/// Claims the job that waits longest at a moment, for a day.
pub(crate) fn claim(
    unit: &mut dyn UnitOfWork,
    number: u128,
    now: DateTime<Utc>,
) -> Result<Option<(ClaimedJob, Job)>, Error> {
    let Some(&queue) = unit.queue().due(QueueKind::PlanJobs, now)?.first() else { return Ok(None) };
    let lease = Lease { id: Uuid::from_u128(number), queue };
    let Some(claimed) = unit.queue().claim_job(&Claim { lease, now, until: now + Duration::days(1), limit: 1 })? else {
        return Ok(None);
    };
    let Queue::PlanJobs(kind) = queue else { panic!("{queue:?} is no queue of jobs") };
    let job = unit.jobs().find(claimed.plan, kind)?.expect("what is claimed is there");
    Ok(Some((claimed, job)))
}

fn finish(unit: &mut dyn UnitOfWork, claimed: &ClaimedJob) -> Result<(), Error> {
    unit.queue().settle(claimed.lease, &[Settlement::completed(claimed.plan.0, day(1000))])
}

/// Claims and removes all jobs.
fn work_off(store: &dyn Store) -> Vec<Job> {
    let next = || {
        store
            .write(|unit| {
                let Some((claimed, job)) = claim(unit, 99, day(1000))? else { return Ok(None) };
                finish(unit, &claimed)?;
                Ok(Some(job))
            })
            .unwrap()
    };
    std::iter::from_fn(next).collect()
}

/// A request that is repeated does not start the work twice.
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

/// The work that waits longest comes first.
pub fn the_oldest_job_is_claimed_first(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let jobs = [job(2, JobKind::RevokeAll, 5), job(3, JobKind::Provision, 3), job(1, JobKind::Provision, 4)];
    jobs.iter().for_each(|job| add(&*store, job));
    assert_eq!(work_off(&*store), [jobs[1].clone(), jobs[2].clone(), jobs[0].clone()]);
}

/// A job is carried out once.
pub fn a_job_that_is_done_is_gone(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let next = || store.write(|unit| claim(unit, 1, day(1000))).unwrap();
    assert_eq!(next(), None);
    add(&*store, &job(1, JobKind::Provision, 1));
    add(&*store, &job(1, JobKind::RevokeAll, 2));
    let (claimed, _) = next().unwrap();
    store.write(|unit| finish(unit, &claimed)).unwrap();
    assert_eq!(work_off(&*store), [job(1, JobKind::RevokeAll, 2)]);
    store.write(|unit| finish(unit, &claimed)).unwrap();
    assert_eq!(store.read(|unit| unit.jobs().find(plan_id(1), JobKind::Provision)), Ok(None));
}

/// A job survives a failure.
pub fn a_job_whose_work_failed_is_claimed_again(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    add(&*store, &job(1, JobKind::Provision, 1));
    let failed: Result<(), Error> = store.write(|unit| {
        let (claimed, _) = claim(unit, 1, day(1000))?.ok_or(Error::NotFound(Entity::Plan))?;
        finish(unit, &claimed)?;
        Err(Error::NotFound(Entity::License))
    });
    assert_eq!(failed, Err(Error::NotFound(Entity::License)));
    assert_eq!(work_off(&*store), [job(1, JobKind::Provision, 1)]);
}

/// One job that cannot go on does not stop the others.
pub fn a_job_that_was_postponed_lets_the_others_pass(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    add(&*store, &job(1, JobKind::Provision, 1));
    add(&*store, &job(2, JobKind::Provision, 2));
    let next = |on| store.write(|unit| claim(unit, 1, day(on))).unwrap();
    let (claimed, first) = next(1).unwrap();
    assert_eq!((&first, claimed.attempts, claimed.due), (&job(1, JobKind::Provision, 1), 0, day(1)));
    let postponed = Settlement { attempts: 1, ..Settlement::due(plan_id(1).0, day(9)) };
    store.write(|unit| unit.queue().settle(claimed.lease, std::slice::from_ref(&postponed))).unwrap();
    assert_eq!(next(1), None);
    let (claimed, second) = next(8).unwrap();
    assert_eq!(second, job(2, JobKind::Provision, 2));
    assert_eq!(next(8), None, "what is claimed is nobody else's");
    let in_turn = Settlement::due(plan_id(2).0, claimed.due);
    store.write(|unit| unit.queue().settle(claimed.lease, std::slice::from_ref(&in_turn))).unwrap();
    assert_eq!(work_off(&*store), [job(2, JobKind::Provision, 2), job(1, JobKind::Provision, 1)]);
}

/// Alerts are raised on numbers that are right.
pub fn jobs_that_wait_are_counted_by_kind(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let counts = || store.read(|unit| unit.jobs().counts()).unwrap();
    let none = BTreeMap::from(JobKind::ALL.map(|kind| (kind, 0)));
    assert_eq!(counts(), none);
    add(&*store, &job(1, JobKind::Provision, 1));
    add(&*store, &job(2, JobKind::Provision, 1));
    add(&*store, &job(2, JobKind::RevokeAll, 1));
    let mut expected = none.clone();
    expected.extend([(JobKind::Provision, 2), (JobKind::RevokeAll, 1)]);
    assert_eq!(counts(), expected);
    work_off(&*store);
    assert_eq!(counts(), none);
}

/// Work on many plans is asked for at once.
pub fn a_job_is_added_to_several_plans_at_once(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    add(&*store, &job(2, JobKind::Freeze, 1));
    let asked = Change { at: day(3), by: Some("admin of day 3".to_owned()), reason: Some("reason of day 3".into()) };
    let plans = [plan_id(1), plan_id(2), plan_id(3)];
    store.write(|unit| unit.jobs().add_to_plans(&plans, JobKind::Freeze, &asked)).unwrap();
    store.write(|unit| unit.jobs().add_to_plans(&[], JobKind::Freeze, &asked)).unwrap();
    let mut done = work_off(&*store);
    done[1..].sort_by_key(|job| job.plan);
    let expected = [job(2, JobKind::Freeze, 3), job(1, JobKind::Freeze, 3), job(3, JobKind::Freeze, 3)];
    assert_eq!(done, expected, "the one that waited keeps its place");
}

/// Each batch of a job that reminds continues where the batch before has ended, with the words of the request.
pub fn a_job_keeps_what_it_reminds_of_and_how_far_it_has_read(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    let reminders = Reminders {
        email_words: vec!["am\"y".to_owned(), "@example.com".to_owned()],
        assigned_until: Some(day(1) + Duration::microseconds(1)),
        modified_since: None,
        greeting: "Grüß \"dich\"\n\\ '🎓'".to_owned(),
        closing: String::new(),
    };
    let begun = Job { reminders: Some(reminders), ..job(1, JobKind::Remind, 1) };
    let continued = Job { read_until: Some(license_id(7)), ..begun.clone() };
    let find = || store.read(|unit| unit.jobs().find(plan_id(1), JobKind::Remind)).unwrap();
    for job in [&begun, &continued] {
        add(&*store, job);
        assert_eq!(find().as_ref(), Some(job));
    }
    add(&*store, &job(1, JobKind::Provision, 2));
    let claimed = store.write(|unit| {
        let claimed = claim(unit, 1, day(3))?;
        unit.jobs().add(&begun)?;
        Ok(claimed)
    });
    let (claimed, found) = claimed.unwrap().unwrap();
    assert_eq!((found, find()), (continued, Some(begun)));
    let held = store.write(|unit| unit.queue().held(claimed.lease, &[plan_id(1).0]));
    assert_eq!(held, Ok(vec![plan_id(1).0]), "who works on it still does");
    let asked = Change { at: day(3), by: Some("admin of day 3".to_owned()), reason: Some("reason of day 3".into()) };
    store.write(|unit| unit.jobs().add_to_plans(&[plan_id(1)], JobKind::Remind, &asked)).unwrap();
    assert_eq!(find(), Some(job(1, JobKind::Remind, 3)));
}

/// When the cause of a failure is fixed, the job need not wait for its next try.
pub fn a_job_that_waits_is_hurried(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    add(&*store, &job(1, JobKind::Provision, 1));
    let next = |on| store.write(|unit| claim(unit, 1, day(on))).unwrap();
    let hurry =
        |plan, on| store.write(|unit| unit.jobs().hurry(&[plan_id(plan)], JobKind::Provision, day(on))).unwrap();
    let (claimed, _) = next(1).unwrap();
    assert_eq!(hurry(1, 1), 0, "somebody works on it");
    let postponed = Settlement { attempts: 3, ..Settlement::due(plan_id(1).0, day(9)) };
    store.write(|unit| unit.queue().settle(claimed.lease, std::slice::from_ref(&postponed))).unwrap();
    assert_eq!(next(2), None);
    assert_eq!((hurry(1, 2), hurry(2, 2)), (1, 0), "the other plan has none");
    let (claimed, again) = next(2).unwrap();
    assert_eq!((again, claimed.attempts), (job(1, JobKind::Provision, 1), 0));
    assert_eq!(hurry(1, 4), 1, "whoever worked on it is gone");
}

/// Work that was requested by mistake is not done.
pub fn a_job_is_removed(db: &dyn Database) {
    let store = db.store();
    with_plans(&*store);
    add(&*store, &job(1, JobKind::Provision, 1));
    add(&*store, &job(1, JobKind::RevokeAll, 2));
    add(&*store, &job(2, JobKind::Provision, 3));
    add(&*store, &job(3, JobKind::Provision, 4));
    let plans = [plan_id(1), plan_id(3)];
    let remove = || store.write(|unit| unit.jobs().remove(&plans, JobKind::Provision)).unwrap();
    assert_eq!((remove(), remove()), (2, 0), "once");
    assert_eq!(work_off(&*store), [job(1, JobKind::RevokeAll, 2), job(2, JobKind::Provision, 3)]);
}
