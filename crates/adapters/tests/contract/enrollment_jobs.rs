//! Bulk enrollments that were asked for.

use license_manager_domain::ports::StoreExt;
use license_manager_domain::{BulkEnrollment, Enrollees, EnrollmentJob, EnrollmentJobId, Entity, Error, LmsUserId};
use uuid::Uuid;

use super::Database;
use super::fixtures::*;

/// An enrollment that was asked for on day 1.
pub fn job(number: u128) -> EnrollmentJob {
    EnrollmentJob {
        id: EnrollmentJobId(Uuid::from_u128(number)),
        customer: customer(1),
        lms_user_id: Some(LmsUserId(7)),
        enrollment: BulkEnrollment {
            learners: Enrollees::Emails(vec![email("amy@example.com"), email("bob@example.com")]),
            plan: None,
            course_run_keys: vec!["course-v1:edX+Dé'mo\"X+T1".to_owned()],
            notify: true,
        },
        results: None,
        created: day(1),
        modified: day(1),
    }
}

pub fn an_enrollment_comes_back_as_it_was_asked_for(db: &dyn Database) {
    let store = db.store();
    let everybody = BulkEnrollment { learners: Enrollees::Holders, plan: Some(plan_id(1)), ..job(1).enrollment };
    let jobs = [job(1), EnrollmentJob { lms_user_id: None, customer: customer(2), enrollment: everybody, ..job(2) }];
    for job in &jobs {
        store.write(|unit| unit.enrollment_jobs().add(job)).unwrap();
    }
    for job in jobs {
        assert_eq!(store.read(|unit| unit.enrollment_jobs().find(job.id)), Ok(Some(job)));
    }
    assert_eq!(store.read(|unit| unit.enrollment_jobs().find(EnrollmentJobId(Uuid::from_u128(3)))), Ok(None));
}

pub fn an_enrollment_gets_its_results(db: &dyn Database) {
    let store = db.store();
    store.write(|unit| unit.enrollment_jobs().add(&job(1))).unwrap();
    store.write(|unit| unit.enrollment_jobs().add(&job(2))).unwrap();
    let done = EnrollmentJob { results: Some("email,result\r\n".to_owned()), modified: day(2), ..job(1) };
    store.write(|unit| unit.enrollment_jobs().save(std::slice::from_ref(&done))).unwrap();
    assert_eq!(store.read(|unit| unit.enrollment_jobs().find(done.id)), Ok(Some(done.clone())));
    assert_eq!(store.read(|unit| unit.enrollment_jobs().find(job(2).id)), Ok(Some(job(2))), "the other one");
    assert!(
        store.write(|unit| unit.enrollment_jobs().save(&[done.clone(), job(3)])).is_err(),
        "one that does not exist"
    );
}

pub fn enrollments_are_found_by_whom_they_name(db: &dyn Database) {
    let store = db.store();
    let others = BulkEnrollment { learners: Enrollees::Holders, ..job(1).enrollment };
    let done = |number, results: &str| EnrollmentJob {
        enrollment: others.clone(),
        results: Some(results.to_owned()),
        ..job(number)
    };
    let jobs = [job(3), done(2, "email\r\nAmy@example.com\r\n"), done(1, "email\r\neve@example.com\r\n"), job(4)];
    for job in &jobs {
        store.write(|unit| unit.enrollment_jobs().add(job)).unwrap();
    }
    let naming = |emails: &[&str]| {
        let emails: Vec<_> = emails.iter().map(|address| email(address)).collect();
        let found = store.write(|unit| unit.enrollment_jobs().lock_naming(&emails)).unwrap();
        found.iter().map(|job| job.id.0.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(naming(&["amy@example.com"]), [2, 3, 4]);
    assert_eq!(naming(&["eve@example.com", "bob@example.com"]), [1, 3, 4]);
    assert_eq!(naming(&["carl@example.com"]), [0; 0]);
    assert_eq!(naming(&[]), [0; 0]);
}

pub fn an_enrollment_of_work_that_failed_is_not_there(db: &dyn Database) {
    let store = db.store();
    let failed: Result<(), Error> = store.write(|unit| {
        unit.enrollment_jobs().add(&job(1))?;
        Err(Error::NotFound(Entity::Plan))
    });
    assert_eq!(failed, Err(Error::NotFound(Entity::Plan)));
    assert_eq!(store.read(|unit| unit.enrollment_jobs().find(job(1).id)), Ok(None));
}

pub fn an_enrollment_is_locked(db: &dyn Database) {
    let store = db.store();
    store.write(|unit| unit.enrollment_jobs().add(&job(1))).unwrap();
    assert_eq!(store.write(|unit| unit.enrollment_jobs().lock(job(1).id)), Ok(Some(job(1))));
    assert_eq!(store.write(|unit| unit.enrollment_jobs().lock(job(2).id)), Ok(None));
    assert!(store.read(|unit| unit.enrollment_jobs().lock(job(1).id)).is_err(), "whoever reads locks nothing");
}
