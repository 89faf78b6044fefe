//! Bulk enrollment jobs.

use license_manager_domain::model::{Enrollees, EnrollmentJob, EnrollmentNumbers, EnrollmentStage};
use license_manager_domain::ports::StoreExt;
use license_manager_domain::{BulkEnrollment, EnrollmentJobId, Entity, Error, LmsUserId};
use uuid::Uuid;

use super::Database;
use super::fixtures::*;

/// A job requested on day 1.
pub(crate) fn job(number: u128) -> EnrollmentJob {
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
        stage: EnrollmentStage::Enrolling { until: None },
        numbers: EnrollmentNumbers::default(),
        file: None,
        created: day(1),
        modified: day(1),
    }
}

/// No learner or course is lost.
pub fn an_enrollment_comes_back_as_it_was_asked_for(db: &dyn Database) {
    let store = db.store();
    let everybody = BulkEnrollment { learners: Enrollees::Holders, plan: Some(plan_id(1)), ..job(1).enrollment };
    let others = EnrollmentJob { lms_user_id: None, customer: customer(2), enrollment: everybody, ..job(2) };
    let jobs = [job(1), EnrollmentJob { file: Some("old/results.csv".to_owned()), ..others }];
    for job in &jobs {
        store.write(|unit| unit.enrollment_jobs().add(job)).unwrap();
    }
    for job in jobs {
        assert_eq!(store.read(|unit| unit.enrollment_jobs().find(job.id)), Ok(Some(job)));
    }
    assert_eq!(store.read(|unit| unit.enrollment_jobs().find(EnrollmentJobId(Uuid::from_u128(3)))), Ok(None));
}

/// Results are complete, part by part.
pub fn an_enrollment_gets_its_results(db: &dyn Database) {
    let store = db.store();
    store.write(|unit| unit.enrollment_jobs().add(&job(1))).unwrap();
    store.write(|unit| unit.enrollment_jobs().add(&job(2))).unwrap();
    let numbers = EnrollmentNumbers { successes: 5_000_000_000, pending: 2, failures: 3 };
    let stages = [
        (EnrollmentStage::Enrolling { until: Some(license_id(7)) }, "email\r\n", "email\r\n"),
        (EnrollmentStage::Filing, "amy, 1 é\r\n", "email\r\namy, 1 é\r\n"),
        (EnrollmentStage::Filed, "", "email\r\namy, 1 é\r\n"),
    ];
    assert_eq!(store.read(|unit| unit.enrollment_jobs().results(job(1).id)), Ok(None));
    for (stage, lines, results) in stages {
        let further = EnrollmentJob { stage, numbers, modified: day(2), ..job(1) };
        store.write(|unit| unit.enrollment_jobs().advance(&further, lines)).unwrap();
        assert_eq!(store.read(|unit| unit.enrollment_jobs().find(further.id)), Ok(Some(further.clone())));
        assert_eq!(store.read(|unit| unit.enrollment_jobs().results(further.id)), Ok(Some(results.to_owned())));
    }
    assert_eq!(store.read(|unit| unit.enrollment_jobs().find(job(2).id)), Ok(Some(job(2))), "the other one");
    assert_eq!(store.read(|unit| unit.enrollment_jobs().results(job(2).id)), Ok(None), "the other one");
    assert!(store.write(|unit| unit.enrollment_jobs().advance(&job(3), "")).is_err(), "one that does not exist");
}

/// A retirement can take somebody out of a job.
pub fn an_enrollment_is_written_anew(db: &dyn Database) {
    let store = db.store();
    let stage = EnrollmentStage::Done;
    store.write(|unit| unit.enrollment_jobs().add(&job(1))).unwrap();
    store.write(|unit| unit.enrollment_jobs().add(&job(2))).unwrap();
    store.write(|unit| unit.enrollment_jobs().advance(&EnrollmentJob { stage, ..job(1) }, "amy\nbob\n")).unwrap();
    let nobody = BulkEnrollment { learners: Enrollees::Emails(Vec::new()), ..job(1).enrollment };
    // Its progress is not overwritten.
    let anew = EnrollmentJob { enrollment: nobody, modified: day(3), ..job(1) };
    store.write(|unit| unit.enrollment_jobs().save(&[(anew.clone(), Some("bob\n".to_owned()))])).unwrap();
    let written = EnrollmentJob { stage, ..anew.clone() };
    assert_eq!(store.read(|unit| unit.enrollment_jobs().find(anew.id)), Ok(Some(written)));
    assert_eq!(store.read(|unit| unit.enrollment_jobs().results(anew.id)), Ok(Some("bob\n".to_owned())));
    assert_eq!(store.read(|unit| unit.enrollment_jobs().find(job(2).id)), Ok(Some(job(2))), "the other one");
    let missing = [(anew, None), (job(3), None)];
    assert!(store.write(|unit| unit.enrollment_jobs().save(&missing)).is_err(), "one that does not exist");
}

/// A retirement finds every job that names the person.
pub fn enrollments_are_found_by_whom_they_name(db: &dyn Database) {
    let store = db.store();
    let others = BulkEnrollment { learners: Enrollees::Holders, ..job(1).enrollment };
    let of_holders = |number, stage| EnrollmentJob { enrollment: others.clone(), stage, ..job(number) };
    let jobs = [
        (job(3), ""),
        (of_holders(2, EnrollmentStage::Filing), "email\r\namy@example.com\r\n\"\"\"a,b\"\"@example.com\"\r\n"),
        (of_holders(1, EnrollmentStage::Done), "email\r\neve@example.com\r\n"),
        (job(4), ""),
    ];
    for (job, lines) in &jobs {
        store.write(|unit| unit.enrollment_jobs().add(job)).unwrap();
        store.write(|unit| unit.enrollment_jobs().advance(job, lines)).unwrap();
    }
    let naming = |emails: &[&str]| {
        let emails: Vec<_> = emails.iter().map(|address| email(address)).collect();
        let found = store.write(|unit| unit.enrollment_jobs().lock_naming(&emails)).unwrap();
        for (found, results) in &found {
            let (job, lines) = jobs.iter().find(|(job, _)| job.id == found.id).unwrap();
            assert_eq!((found, results.as_deref()), (job, Some(*lines).filter(|lines| !lines.is_empty())));
        }
        found.iter().map(|(job, _)| job.id.0.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(naming(&["amy@example.com"]), [2, 3, 4]);
    assert_eq!(naming(&["eve@example.com", "bob@example.com"]), [1, 3, 4]);
    assert_eq!(naming(&["\"a,b\"@example.com"]), [2]);
    assert_eq!(naming(&["carl@example.com"]), [0; 0]);
    assert_eq!(naming(&[]), [0; 0]);
}

/// A retirement finds jobs whose learners are not listed.
pub fn an_enrollment_of_holders_may_name_anybody_while_it_lasts(db: &dyn Database) {
    let store = db.store();
    let everybody = BulkEnrollment { learners: Enrollees::Holders, plan: Some(plan_id(1)), ..job(1).enrollment };
    let under_way = EnrollmentJob { enrollment: everybody, ..job(1) };
    let naming = || store.write(|unit| unit.enrollment_jobs().lock_naming(&[email("carl@example.com")])).unwrap();
    store.write(|unit| unit.enrollment_jobs().add(&job(2))).unwrap();
    store.write(|unit| unit.enrollment_jobs().add(&under_way)).unwrap();
    assert_eq!(naming(), [(under_way.clone(), None)]);
    let done = EnrollmentJob { stage: EnrollmentStage::Done, ..under_way };
    store.write(|unit| unit.enrollment_jobs().advance(&done, "email\n")).unwrap();
    assert_eq!(naming(), []);
}

/// Nobody is enrolled by a request that failed.
pub fn an_enrollment_of_work_that_failed_is_not_there(db: &dyn Database) {
    let store = db.store();
    let failed: Result<(), Error> = store.write(|unit| {
        unit.enrollment_jobs().add(&job(1))?;
        Err(Error::NotFound(Entity::Plan))
    });
    assert_eq!(failed, Err(Error::NotFound(Entity::Plan)));
    assert_eq!(store.read(|unit| unit.enrollment_jobs().find(job(1).id)), Ok(None));
}

/// A worker and a retirement do not overwrite each other.
pub fn an_enrollment_is_locked(db: &dyn Database) {
    let store = db.store();
    store.write(|unit| unit.enrollment_jobs().add(&job(1))).unwrap();
    assert_eq!(store.write(|unit| unit.enrollment_jobs().lock(job(1).id)), Ok(Some(job(1))));
    assert_eq!(store.write(|unit| unit.enrollment_jobs().lock(job(2).id)), Ok(None));
    assert!(store.read(|unit| unit.enrollment_jobs().lock(job(1).id)).is_err(), "whoever reads locks nothing");
}
