//! Results of bulk enrollments in a bucket.

use license_manager_tests::{
    Customer, Database, FakeBucket, FakeUpstreams, PATIENCE, Person, Request, Server, borrowed, on_both_databases, poll,
};
use serde_json::{Value, json};

on_both_databases!(
    results_are_downloaded_from_the_bucket_without_a_token,
    results_wait_until_the_bucket_works,
    a_retired_person_is_removed_from_the_bucket,
);

const COURSE: &str = "course-v1:edX+Demo+T1";

/// A server with these upstreams and this bucket.
fn start(database: &Database, upstreams: &FakeUpstreams, bucket: &FakeBucket) -> Server {
    let settings = [upstreams.settings(), bucket.settings()].concat();
    let mut settings = borrowed(&settings);
    settings.extend([("LM_WORKER__RETRY_BASE_SECONDS", "1"), ("LM_WORKER__LEASE_SECONDS", "2")]);
    Server::start_with(database.url(), &settings)
}

/// Enrolls these learners and returns the path of the job's status.
fn enroll(customer: &Customer, admin: &license_manager_tests::Client, learners: &[String]) -> String {
    let path = format!("/api/v1/bulk-license-enrollment/?enterprise_customer_uuid={}", customer.enterprise);
    let body = json!({ "emails": learners, "course_run_keys": [COURSE], "notify": true });
    let job = admin.post(&path, &body).expect(201)["job_id"].as_str().expect("a job").to_owned();
    format!("{path}&bulk_enrollment_job_uuid={job}")
}

fn address(admin: &license_manager_tests::Client, status: &str) -> Option<String> {
    admin.get(status).expect(200)["download_url"].as_str().map(str::to_owned)
}

fn read(address: &str) -> (u16, String) {
    let answer = reqwest::blocking::get(address).expect("the bucket answers");
    (answer.status().as_u16(), answer.text().expect("a text"))
}

fn results_are_downloaded_from_the_bucket_without_a_token(database: Database) {
    let (upstreams, bucket) = (FakeUpstreams::start(), FakeBucket::start());
    let server = start(&database, &upstreams, &bucket);
    let customer = Customer::new(&server);
    let plan = customer.plan(2);
    let amy = customer.email("amy");
    plan.assign(std::slice::from_ref(&amy)).expect(200);
    upstreams.add_admin(11, 1, "ann@example.com");
    let status = enroll(&customer, &plan.admin, &[amy.clone(), customer.email("eve")]);
    let file = poll(PATIENCE, || address(&plan.admin, &status)).expect("it is done");
    assert!(file.starts_with(&format!("{}/results/bulk-enrollments/", bucket.url())), "{file}");
    assert!(file.contains("X-Amz-Expires=3600") && file.contains("X-Amz-Signature="), "{file}");
    assert!(!file.contains("secret"), "{file}");
    let (answered, results) = read(&file);
    assert_eq!((answered, results.lines().next()), (200, Some("email,course_run_key,result,detail")));
    assert!(results.contains(&format!("{amy},{COURSE},success,\n")), "{results}");
    assert_eq!(read(file.split_once('?').unwrap().0).0, 403, "without the signature");
    let results_here = status.replace("/?", "/results/?");
    assert_eq!(plan.admin.get(&results_here).expect(200), Value::String(results), "storage keeps them");
    let mailed = || upstreams.mailed().contains(&("bulk_enrollment_result".to_owned(), "ann@example.com".to_owned()));
    assert!(poll(PATIENCE, || mailed().then_some(())).is_some(), "whoever asked is mailed");
}

fn results_wait_until_the_bucket_works(database: Database) {
    let (upstreams, bucket) = (FakeUpstreams::start(), FakeBucket::start());
    let mut server = start(&database, &upstreams, &bucket);
    let customer = Customer::new(&server);
    let plan = customer.plan(1);
    let amy = customer.email("amy");
    plan.assign(std::slice::from_ref(&amy)).expect(200);
    bucket.set_away(true);
    let status = enroll(&customer, &plan.admin, std::slice::from_ref(&amy));
    let tried = || server.log().contains("answered 503");
    assert!(poll(PATIENCE, || tried().then_some(())).is_some(), "it is tried");
    assert_eq!((address(&plan.admin, &status), bucket.objects().len()), (None, 0), "it is not done yet");
    server.restart();
    database.assert_sound();
    bucket.set_away(false);
    let file = poll(PATIENCE, || address(&plan.admin, &status)).expect("it is done");
    assert!(read(&file).1.contains(&amy));
    assert_eq!(upstreams.taken("/enroll_learners_in_courses/").len(), 1, "nobody is enrolled twice");
}

fn a_retired_person_is_removed_from_the_bucket(database: Database) {
    let (upstreams, bucket) = (FakeUpstreams::start(), FakeBucket::start());
    let server = start(&database, &upstreams, &bucket);
    let customer = Customer::new(&server);
    let plan = customer.plan(2);
    let person = customer.learner(7, "amy");
    let (amy, bob) = (person.email().to_owned(), customer.email("bob"));
    plan.assign(&[amy.clone(), bob.clone()]).expect(200);
    let path = format!("/api/v1/license-activation/?activation_key={}", plan.activation_key(&amy));
    server.client(&person).send(Request::new("POST", path)).expect(200);
    let status = enroll(&customer, &plan.admin, &[amy.clone(), bob.clone()]);
    let file = poll(PATIENCE, || address(&plan.admin, &status)).expect("it is done");
    assert!(read(&file).1.contains(&amy));
    let worker = server.client(&Person::new(6, "worker@example.com", "retirement_worker"));
    let name = amy.replace("@example.com", "");
    worker.post("/api/v1/retire_user/", &json!({ "lms_user_id": 7, "original_username": name })).expect(204);
    let gone = poll(PATIENCE, || bucket.objects().values().all(|object| !object.contains(&amy)).then_some(()));
    assert!(gone.is_some(), "the bucket names a retiree");
    let (answered, results) = read(&address(&plan.admin, &status).expect("it is still done"));
    assert!(answered == 200 && results.contains(&bob) && !results.contains(&amy), "{results}");
}
