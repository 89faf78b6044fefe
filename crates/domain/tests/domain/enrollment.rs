//! An admin asks to enroll many learners at once.

use crate::support::*;
use license_manager_domain::model::{Enrollees, EnrollmentJob, EnrollmentStage};
use license_manager_domain::outbox::Topic;
use license_manager_domain::ports::StoreExt;
use license_manager_domain::*;
use serde_json::json;
use uuid::Uuid;

fn enrollment(learners: usize, courses: usize) -> BulkEnrollment {
    BulkEnrollment {
        learners: Enrollees::Emails(
            (0..learners).map(|number| email(&format!("learner{number}@example.com"))).collect(),
        ),
        plan: None,
        course_run_keys: (0..courses).map(|number| format!("course-{number}")).collect(),
        notify: true,
    }
}

fn request(world: &World, enrollment: BulkEnrollment) -> Result<EnrollmentJobId, Error> {
    world.manager.request_enrollment(customer(), Some(LmsUserId(1)), enrollment)
}

#[test]
fn an_enrollment_is_noted_and_promised() {
    let world = World::new();
    let mut id = None;
    let owed = world.newly_owed(|| id = Some(request(&world, enrollment(2, 3)).unwrap()));
    let job = world.manager.enrollment_job(customer(), id.unwrap()).unwrap();
    let stage = EnrollmentStage::Enrolling { until: None };
    assert_eq!((&job.enrollment, job.lms_user_id, job.stage), (&enrollment(2, 3), Some(LmsUserId(1)), stage));
    assert!(!job.is_done());
    assert_eq!(topics(&owed), [Topic::BulkEnrollment]);
    assert_eq!((owed[0].plan, owed[0].license, owed[0].customer), (None, None, customer()));
    assert_eq!(world.owed(Topic::BulkEnrollment), [json!({ "job_uuid": job.id })]);
}

#[test]
fn one_request_has_at_most_five_hundred_enrollments() {
    let world = World::new();
    request(&world, enrollment(25, 20)).unwrap();
    let too_many = Refusal::TooManyEnrollments { requested: 501, limit: 500 };
    assert_eq!(request(&world, enrollment(167, 3)), Err(too_many.clone().into()));
    let holders = |courses| BulkEnrollment {
        learners: Enrollees::Holders,
        plan: Some(world.plan(courses)),
        ..enrollment(0, courses as usize)
    };
    request(&world, holders(500)).unwrap();
    assert_eq!(request(&world, holders(501)), Err(too_many.into()));
    assert_eq!(world.owed(Topic::BulkEnrollment).len(), 2, "what is refused is not promised");
}

#[test]
fn learners_and_course_runs_that_are_named_twice_count_once() {
    let world = World::with(Settings { enrollment_limit: 6, ..Settings::default() });
    let mut twice = enrollment(3, 2);
    twice.course_run_keys.extend(enrollment(0, 2).course_run_keys);
    if let (Enrollees::Emails(emails), Enrollees::Emails(again)) = (&mut twice.learners, enrollment(2, 0).learners) {
        emails.extend(again);
    }
    let id = request(&world, twice).unwrap();
    assert_eq!(world.manager.enrollment_job(customer(), id).unwrap().enrollment, enrollment(3, 2));
    let too_many = Refusal::TooManyEnrollments { requested: 8, limit: 6 };
    assert_eq!(request(&world, enrollment(4, 2)), Err(too_many.into()), "the limit is a setting");
}

#[test]
fn a_request_names_course_runs_and_the_plan_of_all_its_learners() {
    let world = World::new();
    let wrong_field = |enrollment| match request(&world, enrollment) {
        Err(Error::Invalid(errors)) => errors.iter().map(|(field, _)| field.to_owned()).collect::<Vec<_>>(),
        other => panic!("accepted: {other:?}"),
    };
    assert_eq!(wrong_field(enrollment(1, 0)), ["course_run_keys"]);
    let of_no_plan = BulkEnrollment { learners: Enrollees::Holders, ..enrollment(0, 1) };
    assert_eq!(wrong_field(of_no_plan), ["subscription_id"]);
}

#[test]
fn the_plan_must_be_the_customers() {
    let world = World::new();
    let other = NewAgreement {
        customer: CustomerId(Uuid::from_u128(9)),
        changes: AgreementChanges { default_catalog: Edit::Set(catalog()), ..AgreementChanges::default() },
    };
    let agreement = world.manager.create_agreement(&admin(), other).unwrap().details.agreement.id;
    let foreign = world.create(NewPlan { agreement, ..world.new_plan("Foreign", 1) }).unwrap();
    let unknown = PlanId(Uuid::from_u128(77));
    for plan in [foreign, unknown] {
        let refused = request(&world, BulkEnrollment { plan: Some(plan), ..enrollment(1, 1) });
        assert_eq!(refused, Err(Error::UnknownReference { field: "subscription_id", entity: Entity::Plan }));
    }
    request(&world, BulkEnrollment { plan: Some(world.plan(1)), ..enrollment(1, 1) }).unwrap();
}

#[test]
fn a_customer_sees_its_own_enrollments_only() {
    let world = World::new();
    let stranger = CustomerId(Uuid::from_u128(9));
    let missing = Error::NotFound(Entity::Agreement);
    assert_eq!(world.manager.request_enrollment(stranger, None, enrollment(1, 1)), Err(missing));
    let id = request(&world, enrollment(1, 1)).unwrap();
    assert_eq!(world.manager.enrollment_job(stranger, id), Err(Error::NotFound(Entity::EnrollmentJob)));
}

#[test]
fn results_that_another_service_wrote_into_a_file_are_not_here() {
    let world = World::new();
    let id = request(&world, enrollment(1, 1)).unwrap();
    let job = world.manager.enrollment_job(customer(), id).unwrap();
    let foreign = EnrollmentJob {
        id: EnrollmentJobId(Uuid::from_u128(78)),
        stage: EnrollmentStage::Filed,
        file: Some("old/results.csv".to_owned()),
        ..job
    };
    world
        .store
        .write(|unit| {
            unit.enrollment_jobs().add(&foreign)?;
            unit.enrollment_jobs().advance(&foreign, "email\n")
        })
        .unwrap();
    assert_eq!(world.manager.enrollment_results(customer(), foreign.id), Ok(None));
}

#[test]
fn a_job_that_another_service_carried_out_without_a_file_has_no_results() {
    let world = World::new();
    let id = request(&world, enrollment(1, 1)).unwrap();
    let job = world.manager.enrollment_job(customer(), id).unwrap();
    let done = EnrollmentJob { stage: EnrollmentStage::Done, ..job };
    assert!(done.has_results() && !done.enrollment.is_imported());
    let unknown = BulkEnrollment { course_run_keys: Vec::new(), ..done.enrollment.clone() };
    let imported = EnrollmentJob { id: EnrollmentJobId(Uuid::from_u128(78)), enrollment: unknown, ..done };
    assert!(imported.is_done() && imported.enrollment.is_imported() && !imported.has_results());
    world
        .store
        .write(|unit| {
            unit.enrollment_jobs().add(&imported)?;
            unit.enrollment_jobs().advance(&imported, "email\n")
        })
        .unwrap();
    assert_eq!(world.manager.enrollment_results(customer(), imported.id), Ok(None));
}

#[test]
fn results_appear_once_they_are_there() {
    let world = World::new();
    let id = request(&world, enrollment(1, 1)).unwrap();
    let mut job = world.manager.enrollment_job(customer(), id).unwrap();
    let stages = [EnrollmentStage::Enrolling { until: None }, EnrollmentStage::Filing, EnrollmentStage::Done];
    for (stage, results) in stages.into_iter().zip([None, None, Some("email\n".to_owned())]) {
        job.stage = stage;
        let lines = if stage == EnrollmentStage::Filing { "email\n" } else { "" };
        world.store.write(|unit| unit.enrollment_jobs().advance(&job, lines)).unwrap();
        assert_eq!(world.manager.enrollment_results(customer(), id), Ok(results), "{stage:?}");
    }
    assert_eq!(world.manager.enrollment_job(customer(), id), Ok(job));
    let stranger = CustomerId(Uuid::from_u128(9));
    assert_eq!(world.manager.enrollment_results(stranger, id), Err(Error::NotFound(Entity::EnrollmentJob)));
}
