//! No statement of a request needs a scan of the table of licenses.

use actix_web::http::Method;
use license_manager_domain::model::{TransferOrder, TransferredLicenses};
use license_manager_domain::use_cases::RenewedBy;
use license_manager_domain::{Actor, ChangeReason, Edit, License, PlanChanges, PlanId};
use license_manager_tests::{Database, Person, on_both_databases};
use serde_json::{Value, json};

use super::recorded::{CUSTOMER, Recorded, run};
use super::service::{Service, emails};

on_both_databases!(no_request_scans_the_licenses);

/// A request: who asks, how, the path and the body.
type Request = (Person, Method, String, Option<Value>);

fn no_request_scans_the_licenses(database: Database) {
    run(async {
        let is_sqlite = database.url().starts_with("sqlite:");
        if !is_sqlite {
            // A scan of a few rows is cheap: Postgres would choose it although there is an index.
            database.execute(
                "DO $$ BEGIN
                     EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database());
                 END $$",
            );
        }
        // Migrations may scan.
        let Recorded { database, .. } = Recorded::new(database);
        let before = if is_sqlite { 0 } else { database.postgres_scans("license") };
        let service = Service::new(database).await;
        let mut statements = Vec::new();
        for (person, method, path, body) in requests(&service) {
            statements.extend(service.whole_statements_of(&person, method, &path, body).await);
        }
        assert!(statements.iter().any(|statement| statement.contains("UPDATE license")), "statements were recorded");
        let database = &service.recorded.database;
        if is_sqlite {
            statements.retain(|statement| is_data(statement));
            statements.sort_unstable();
            statements.dedup();
            for statement in &statements {
                let steps = database.sqlite_steps(statement);
                let scans = |step: &String| names(statement).any(|name| *step == format!("SCAN {name}"));
                assert!(!steps.iter().any(scans), "{statement}: {steps:#?}");
            }
        } else {
            // auto_explain tells which statement it was.
            assert_eq!(database.postgres_scans("license"), before);
        }
    });
}

/// Whether a statement reads or writes rows.
fn is_data(statement: &str) -> bool {
    let verb = statement.split_whitespace().next();
    ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE"].into_iter().any(|data| verb == Some(data))
}

/// The names that the table of licenses has in a statement.
fn names(statement: &str) -> impl Iterator<Item = &str> {
    let ends = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
    let aliases = statement.split("license AS ").skip(1).filter_map(move |rest| rest.split(ends).next());
    aliases.chain(["license"])
}

/// What learners, admins and operators ask, beside what finds text in addresses or counts licenses by time.
fn requests(service: &Service) -> Vec<Request> {
    let person = |id, name: &str| Person::new(id, format!("{name}@example.com"), name);
    let admin = person(1, "admin").role(format!("enterprise_admin:{CUSTOMER}"));
    let everybody = person(2, "everybody").role("enterprise_admin:*");
    let operator = person(3, "operator").role("enterprise_provisioning_admin:*");
    let staff = person(4, "staff").claim("administrator", json!(true));
    let worker = person(5, "retirement_worker");
    let learner = person(6, "learner0").role(format!("enterprise_learner:{CUSTOMER}"));
    let newcomer = person(7, "newcomer").role(format!("enterprise_learner:{CUSTOMER}"));

    let [plan, other, prior, renewed] = ["plan", "other", "prior", "renewed"].map(|title| service.plan(title, 20));
    service.assign(plan, &emails(6));
    service.assign(other, &["moved@example.com".to_owned()]);
    service.assign(prior, &emails(2));
    service.assign(renewed, &emails(2));
    let auto_applying = PlanChanges { should_auto_apply_licenses: Edit::Set(true), ..PlanChanges::default() };
    service.manager().update_plan(&Actor::service(), ChangeReason::Other, plan, auto_applying).unwrap();
    let licenses = service.manager().handed_out_licenses(plan, None, 20).unwrap();
    let of_learner = licenses.iter().find(|license| license.has_address(&"learner0@example.com".parse().unwrap()));
    let (license, key) = (licenses[5].id, of_learner.and_then(License::activation_key).unwrap().0);
    let order = TransferOrder {
        agreement: service.agreement,
        old_plan: other,
        new_plan: plan,
        notes: None,
        is_dry_run: false,
        licenses: TransferredLicenses::Named(service.handed_out(other)),
    };
    let transfer = service.manager().create_transfer_job(&Actor::service(), &order).unwrap().id;
    let renewal = service.recorded.renewal(prior, None, 30);
    let processed = service.recorded.renewal(renewed, None, 30);
    service.manager().process_renewal(&Actor::service(), processed, RenewedBy::Manual).unwrap();
    let following = service.manager().renewal(processed).unwrap().renewal.terms.renewed_plan.unwrap();
    let agreement = service.agreement;
    let provisioning = "/provisioning-admins";

    let of_plan = |plan: PlanId, path: &str| format!("/subscriptions/{plan}/{path}");
    let reads = [
        ("", &admin),
        ("licenses/overview/", &admin),
        ("licenses/", &admin),
        ("licenses/?page_size=2&page=last&ordering=-activation_date,user_email", &admin),
        ("licenses/?cursor=", &admin),
        ("licenses/?search=learner1", &admin),
        ("history/", &admin),
        ("utilization/", &admin),
        ("license/", &learner),
    ];
    let mut requests: Vec<Request> =
        reads.into_iter().map(|(path, person)| (person.clone(), Method::GET, of_plan(plan, path), None)).collect();
    for reader in [&admin, &everybody] {
        for path in [
            format!("/subscriptions/?enterprise_customer_uuid={CUSTOMER}"),
            "/licenses/".to_owned(),
            "/licenses/?page_size=2&page=last".to_owned(),
            "/licenses/?cursor=&ordering=-last_remind_date,user_email".to_owned(),
            "/licenses/?search=learner1".to_owned(),
            format!("/licenses/{license}/"),
            format!("/licenses/{license}/history/"),
        ] {
            requests.push((reader.clone(), Method::GET, path, None));
        }
    }
    for (reader, path) in [
        (&learner, format!("/learner-licenses/?enterprise_customer_uuid={CUSTOMER}")),
        (&learner, format!("/learner-subscriptions/?enterprise_customer_uuid={CUSTOMER}")),
        (&learner, format!("/customer-agreement/?enterprise_customer_uuid={CUSTOMER}")),
        (&staff, format!("/admin-license-view/?user_email=learner1@example.com&enterprise_customer_uuid={CUSTOMER}")),
        (&operator, format!("{provisioning}/subscriptions/")),
        (&operator, format!("{provisioning}/subscription-plan-renewals/")),
        (&operator, format!("{provisioning}/subscription-plan-renewals/{processed}/")),
        (&operator, format!("{provisioning}/licenses/{license}/")),
        (&operator, format!("{provisioning}/license-events/?license_uuid={license}")),
    ] {
        requests.push((reader.clone(), Method::GET, path, None));
    }
    let addressed = |addresses: &[&str]| json!({ "user_emails": addresses });
    for (writer, path, body) in [
        (&learner, format!("/license-activation/?activation_key={key}"), None),
        (&admin, of_plan(plan, "licenses/assign/"), Some(addressed(&["one@example.com"]))),
        (&admin, of_plan(plan, "licenses/assign/"), Some(addressed(&["two@example.com", "three@example.com"]))),
        (&admin, of_plan(plan, "licenses/remind/"), Some(addressed(&["two@example.com"]))),
        (&admin, of_plan(plan, "licenses/remind-all/"), None),
        (&admin, of_plan(plan, "licenses/bulk-revoke/"), Some(addressed(&["one@example.com", "three@example.com"]))),
        (&staff, "/staff_lookup_licenses/".to_owned(), Some(json!({ "user_email": "learner1@example.com" }))),
        (&operator, format!("{provisioning}/license-transfer-jobs/{transfer}/process/"), None),
        (&operator, format!("{provisioning}/subscription-plan-renewals/{renewal}/process/"), None),
        // The renewed plan follows.
        (&admin, of_plan(prior, "licenses/assign/"), Some(addressed(&["three@example.com"]))),
        (&admin, of_plan(prior, "licenses/bulk-revoke/"), Some(addressed(&["learner1@example.com"]))),
        // A plan that follows looks for who waits for its licenses.
        (&admin, of_plan(following, "licenses/assign/"), Some(addressed(&["four@example.com"]))),
        (&admin, of_plan(following, "licenses/bulk-revoke/"), Some(addressed(&["four@example.com"]))),
        (&newcomer, format!("/customer-agreement/{agreement}/auto-apply/"), None),
        (&worker, "/retire_user/".to_owned(), Some(json!({ "lms_user_id": 6, "original_username": "learner0" }))),
        (&operator, format!("{provisioning}/subscriptions/{other}/freeze/"), None),
        (&admin, of_plan(plan, "licenses/revoke-all/"), None),
        (&operator, format!("{provisioning}/subscriptions/{plan}/delete-revoked/"), None),
    ] {
        requests.push((writer.clone(), Method::POST, path, body));
    }
    requests
}
