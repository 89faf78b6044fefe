//! A request runs the same number of SQL statements however many rows it touches.

use actix_web::http::Method;
use license_manager_domain::model::{TransferOrder, TransferredLicenses};
use license_manager_domain::ports::StoreExt;
use license_manager_domain::{Actor, ChangeReason, Edit, Email, LicenseId, PlanChanges, PlanId};
use license_manager_tests::{Database, Person, on_both_databases};
use serde_json::json;

use super::recorded::{CUSTOMER, assert_as_many, run};
use super::service::{Service, emails};

on_both_databases!(
    assigning_one_license_and_activating_it,
    activating_a_license_as_somebody_who_is_known_and_who_is_new,
    assigning_two_emails_and_a_thousand_and_six_thousand,
    revoking_one_license_and_five_hundred,
    listing_one_plan_and_fifty,
    listing_ten_licenses_and_five_hundred,
    counting_the_licenses_of_a_list_once,
    provisioning_ten_licenses_and_five_thousand,
    reminding_one_learner_and_five_hundred,
    listing_ten_licenses_of_many_plans_and_five_hundred,
    retiring_a_person_with_one_license_and_with_fifty,
    looking_up_a_person_with_one_license_and_with_fifty,
    reverting_one_license_and_five_hundred,
    showing_one_change_and_twenty,
    freezing_ten_licenses_and_five_thousand,
    deleting_one_revoked_license_and_five_hundred,
    choosing_among_two_plans_and_fifty_the_one_that_auto_applies,
    transferring_two_licenses_and_a_hundred_thousand,
    reporting_on_two_licenses_and_five_thousand,
);

/// Every statement of the smallest writes is a round trip on Postgres.
fn assigning_one_license_and_activating_it(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let (plan, now) = (service.plan("plan", 10), service.manager().now());
        let address = Some("amy@example.com");
        service.manager().store().write(|unit| unit.users().remember("amy", address, false, now)).unwrap();
        let path = format!("/subscriptions/{plan}/licenses/assign/");
        let body = json!({ "user_emails": ["amy@example.com"] });
        let assigned = service.statements(Method::POST, &path, Some(body)).await;
        let key = service.manager().handed_out_licenses(plan, None, 1).unwrap()[0].activation_key().unwrap();
        let amy = Person::new(7, "amy@example.com", "amy").role(format!("enterprise_learner:{CUSTOMER}"));
        let path = format!("/license-activation/?activation_key={}", key.0);
        let activated = service.statements_of(&amy, Method::POST, &path, None).await;
        let (is_assigned, is_activated) = match service.recorded.database.url().starts_with("sqlite:") {
            // Who asks, whose plan it is, begin, who has a license, claim, plan, save, history, messages, webhooks, commit.
            // Who asks, whose key it is, begin, their licenses, plans with their renewals, save, history, messages,
            // webhooks, commit.
            true => (11, 10),
            // Asks and claims at once; the history is saved with the license, and webhooks with the messages. Locks the
            // person.
            false => (8, 9),
        };
        assert_eq!(assigned.len(), is_assigned, "{assigned:#?}");
        assert_eq!(activated.len(), is_activated, "{activated:#?}");
    });
}

/// Who is new is stored by the transaction that their request causes anyway.
fn activating_a_license_as_somebody_who_is_known_and_who_is_new(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let (plan, now) = (service.plan("plan", 10), service.manager().now());
        let person = |number: i64, name: &str| {
            Person::new(number, format!("{name}@example.com"), name).role(format!("enterprise_learner:{CUSTOMER}"))
        };
        let activate = async |person: &Person| {
            service.assign(plan, &[person.email().to_owned()]);
            let email: Email = person.email().parse().unwrap();
            let found = service.manager().store().read(|unit| unit.licenses().find_by_email(plan, &email)).unwrap();
            let path = format!("/license-activation/?activation_key={}", found[0].activation_key().unwrap().0);
            service.statements_of(person, Method::POST, &path, None).await
        };
        let (store, address) = (service.manager().store(), Some("amy@example.com"));
        let find = |name: &str| store.read(|unit| unit.users().find(name)).unwrap();
        store.write(|unit| unit.users().remember("amy", address, false, now)).unwrap();
        let known = activate(&person(7, "amy")).await;
        let (bob, cyd) = (person(8, "bob"), person(9, "cyd"));
        let new = activate(&bob).await;
        assert_eq!(new.len(), known.len() + 1, "of somebody known: {known:#?}\nof somebody new: {new:#?}");
        assert_eq!(find("bob").unwrap().email.as_deref(), Some("bob@example.com"));
        // The portal reads first. Who only reads is not stored yet.
        let path = format!("/learner-licenses/?enterprise_customer_uuid={CUSTOMER}");
        let read = service.statements_of(&cyd, Method::GET, &path, None).await;
        assert_eq!(find("cyd"), None);
        assert_eq!(activate(&cyd).await.len(), new.len());
        assert_eq!(find("cyd").unwrap().email.as_deref(), Some("cyd@example.com"));
        assert_as_many(&read, &service.statements_of(&cyd, Method::GET, &path, None).await);
    });
}

fn assigning_two_emails_and_a_thousand_and_six_thousand(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let (small, large) = (service.plan("small", 10), service.plan("large", 7_000));
        let path = |plan| format!("/subscriptions/{plan}/licenses/assign/");
        // The first request of a user also stores the user.
        let first = json!({ "user_emails": ["first@example.com"] });
        service.statements(Method::POST, &path(small), Some(first)).await;
        let few = service.statements(Method::POST, &path(small), Some(json!({ "user_emails": emails(2) }))).await;
        let everybody = emails(7_000);
        let (some, rest) = everybody.split_at(1_000);
        let many = service.statements(Method::POST, &path(large), Some(json!({ "user_emails": some }))).await;
        assert_as_many(&few, &many);
        // What it writes takes memory, so it is written in slices: two thousand licenses each, and two thousand of their
        // messages. On SQLite their history and the webhooks' events are written by themselves.
        let slices = service.statements(Method::POST, &path(large), Some(json!({ "user_emails": rest }))).await;
        let more = slices.len() - few.len();
        assert!(more == 2 + 5 || more == 2 * (2 + 5), "for one slice: {few:#?}\nfor three and six: {slices:#?}");
    });
}

fn revoking_one_license_and_five_hundred(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let plan = service.plan("plan", 600);
        service.assign(plan, &emails(502));
        let path = format!("/subscriptions/{plan}/licenses/bulk-revoke/");
        let everybody = emails(502);
        service.statements(Method::POST, &path, Some(json!({ "user_emails": everybody[..1] }))).await;
        let few = service.statements(Method::POST, &path, Some(json!({ "user_emails": everybody[1..2] }))).await;
        let many = service.statements(Method::POST, &path, Some(json!({ "user_emails": everybody[2..] }))).await;
        assert_as_many(&few, &many);
    });
}

fn listing_one_plan_and_fifty(database: Database) {
    run(async {
        let service = Service::new(database).await;
        for number in 0..50 {
            service.plan(&format!("plan {number}"), 2);
        }
        for path in [
            format!("/subscriptions/?enterprise_customer_uuid={CUSTOMER}&page_size="),
            format!("/provisioning-admins/subscriptions/?enterprise_customer_uuid={CUSTOMER}&page_size="),
        ] {
            service.statements(Method::GET, &format!("{path}1"), None).await;
            let few = service.statements(Method::GET, &format!("{path}1"), None).await;
            let many = service.statements(Method::GET, &format!("{path}50"), None).await;
            assert_as_many(&few, &many);
            let reads = few.iter().filter(|statement| statement.to_uppercase().starts_with("SELECT")).count();
            assert_eq!(reads, 3, "who asks, the plans with their renewals, their counts: {few:#?}");
        }
    });
}

fn listing_ten_licenses_and_five_hundred(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let plan = service.plan("plan", 500);
        service.assign(plan, &emails(400));
        let path = format!("/subscriptions/{plan}/licenses/?page_size=");
        service.statements(Method::GET, &format!("{path}10"), None).await;
        let few = service.statements(Method::GET, &format!("{path}10"), None).await;
        let many = service.statements(Method::GET, &format!("{path}500"), None).await;
        assert_as_many(&few, &many);
    });
}

/// Counting reads all licenses that are hidden, or all plans.
fn counting_the_licenses_of_a_list_once(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let plan = service.plan("plan", 20);
        service.assign(plan, &emails(10));
        let admin = Person::new(1, "admin@example.com", "admin").role(format!("enterprise_admin:{CUSTOMER}"));
        let everybody = Person::new(2, "everybody@example.com", "everybody").role("enterprise_admin:*");
        for (person, path) in [
            (&admin, format!("/subscriptions/{plan}/licenses/?ignore_null_emails=1")),
            (&admin, "/licenses/?ignore_null_emails=1".to_owned()),
            (&everybody, "/licenses/".to_owned()),
        ] {
            let statements = service.statements_of(person, Method::GET, &path, None).await;
            let counting = |table: &str| statements.iter().filter(|one| one.contains(table)).count();
            assert_eq!(counting("FROM seat_count"), 1, "{statements:#?}");
            let hidden = usize::from(path.contains("ignore_null_emails"));
            assert_eq!(counting("count(*) AS number FROM license"), hidden, "{statements:#?}");
        }
    });
}

fn provisioning_ten_licenses_and_five_thousand(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let body = |title: &str, licenses: i32| {
            json!({
                "title": title,
                "customer_agreement": service.agreement,
                "start_date": "2030-01-01",
                "expiration_date": "2031-01-01",
                "desired_num_licenses": licenses,
                "change_reason": "new",
                "salesforce_opportunity_line_item": "00k000000000000001",
            })
        };
        let path = "/provisioning-admins/subscriptions/";
        service.statements(Method::POST, path, Some(body("first", 10))).await;
        let few = service.statements(Method::POST, path, Some(body("few", 10))).await;
        let many = service.statements(Method::POST, path, Some(body("many", 5_000))).await;
        assert_as_many(&few, &many);
    });
}

fn reminding_one_learner_and_five_hundred(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let (small, large) = (service.plan("small", 10), service.plan("large", 600));
        let everybody = emails(500);
        service.assign(small, &everybody[..1]);
        service.assign(large, &everybody);
        let remind = |plan, emails: &[String]| {
            let path = format!("/subscriptions/{plan}/licenses/remind/");
            let body = json!({ "user_emails": emails });
            let service = &service;
            async move { service.statements(Method::POST, &path, Some(body)).await }
        };
        remind(large, &everybody[..1]).await;
        assert_as_many(&remind(large, &everybody[..1]).await, &remind(large, &everybody).await);
        let remind_all = async |plan| {
            let path = format!("/subscriptions/{plan}/licenses/remind-all/");
            service.statements(Method::POST, &path, None).await
        };
        assert_as_many(&remind_all(small).await, &remind_all(large).await);
    });
}

fn listing_ten_licenses_of_many_plans_and_five_hundred(database: Database) {
    run(async {
        let service = Service::new(database).await;
        for number in 0..10 {
            service.plan(&format!("plan {number}"), 50);
        }
        service.statements(Method::GET, "/licenses/?page_size=10", None).await;
        let few = service.statements(Method::GET, "/licenses/?page_size=10", None).await;
        let many = service.statements(Method::GET, "/licenses/?page_size=500", None).await;
        assert_as_many(&few, &many);
    });
}

/// Assigns a license in each of this many plans to somebody.
fn hand_out(service: &Service, address: &str, plans: usize) {
    for number in 0..plans {
        let plan = service.plan(&format!("{address} {number}"), 1);
        service.assign(plan, &[address.to_owned()]);
    }
}

fn retiring_a_person_with_one_license_and_with_fifty(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let retire = async |name: &str, plans: usize| {
            let address = format!("{name}@example.com");
            hand_out(&service, &address, plans);
            let now = service.manager().now();
            let remember =
                service.manager().store().write(|unit| unit.users().remember(name, Some(&address), false, now));
            remember.unwrap();
            let body = json!({ "lms_user_id": 7, "original_username": name });
            let worker = Person::new(6, "worker@example.com", "retirement_worker");
            service.statements_of(&worker, Method::POST, "/retire_user/", Some(body)).await
        };
        retire("first", 1).await;
        assert_as_many(&retire("amy", 1).await, &retire("bob", 50).await);
    });
}

fn looking_up_a_person_with_one_license_and_with_fifty(database: Database) {
    run(async {
        let service = Service::new(database).await;
        hand_out(&service, "amy@example.com", 1);
        hand_out(&service, "bob@example.com", 50);
        let staff = Person::new(5, "staff@example.com", "staff").claim("administrator", json!(true));
        let look_up = async |address: &str| {
            let path = format!("/admin-license-view/?user_email={address}&enterprise_customer_uuid={CUSTOMER}");
            let mut statements = service.statements_of(&staff, Method::GET, &path, None).await;
            let body = json!({ "user_email": address });
            statements.extend(service.statements_of(&staff, Method::POST, "/staff_lookup_licenses/", Some(body)).await);
            statements
        };
        look_up("amy@example.com").await;
        assert_as_many(&look_up("amy@example.com").await, &look_up("bob@example.com").await);
    });
}

fn reverting_one_license_and_five_hundred(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let plan = service.plan("plan", 600);
        service.assign(plan, &emails(502));
        let good = service.manager().now();
        let revoke = format!("/subscriptions/{plan}/licenses/bulk-revoke/");
        service.statements(Method::POST, &revoke, Some(json!({ "user_emails": emails(502) }))).await;
        let licenses: Vec<LicenseId> =
            service.manager().handed_out_licenses(plan, None, 600).unwrap().iter().map(|license| license.id).collect();
        let path = format!("/subscriptions/{plan}/revert/");
        let body = |licenses: &[LicenseId]| json!({ "as_of": good, "license_uuids": licenses, "dry_run": false });
        let few = service.statements(Method::POST, &path, Some(body(&licenses[1..2]))).await;
        let many = service.statements(Method::POST, &path, Some(body(&licenses[2..]))).await;
        assert_as_many(&few, &many);
    });
}

fn showing_one_change_and_twenty(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let plan = service.plan("plan", 1);
        for number in 0..20 {
            let changes = PlanChanges { title: Some(format!("plan {number}")), ..PlanChanges::default() };
            service.manager().update_plan(&Actor::service(), ChangeReason::Other, plan, changes).unwrap();
        }
        let path = format!("/subscriptions/{plan}/history/?page_size=");
        service.statements(Method::GET, &format!("{path}1"), None).await;
        let few = service.statements(Method::GET, &format!("{path}1"), None).await;
        let many = service.statements(Method::GET, &format!("{path}20"), None).await;
        assert_as_many(&few, &many);
    });
}

fn freezing_ten_licenses_and_five_thousand(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let frozen = async |title: &str, licenses: i32| {
            let plan = service.plan(title, licenses);
            let path = format!("/provisioning-admins/subscriptions/{plan}/freeze/");
            service.statements(Method::POST, &path, None).await
        };
        frozen("first", 1).await;
        assert_as_many(&frozen("few", 10).await, &frozen("many", 5_000).await);
    });
}

fn deleting_one_revoked_license_and_five_hundred(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let deleted = async |title: &str, revoked: usize| {
            let plan = service.plan(title, 500);
            service.assign(plan, &emails(revoked));
            service.manager().revoke_all(&Actor::service(), plan).unwrap();
            let path = format!("/provisioning-admins/subscriptions/{plan}/delete-revoked/");
            service.statements(Method::POST, &path, None).await
        };
        deleted("first", 1).await;
        assert_as_many(&deleted("few", 1).await, &deleted("many", 500).await);
    });
}

fn choosing_among_two_plans_and_fifty_the_one_that_auto_applies(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let path = format!("/provisioning-admins/customer-agreement/{}/settings/", service.agreement);
        let choose = async |plan: PlanId| {
            let body = json!({ "auto_applied_subscription": plan });
            service.statements(Method::PATCH, &path, Some(body)).await
        };
        let (one, two) = (service.plan("one", 1), service.plan("two", 1));
        choose(one).await;
        let few = choose(two).await;
        for number in 0..48 {
            let auto_applying = PlanChanges { should_auto_apply_licenses: Edit::Set(true), ..PlanChanges::default() };
            let plan = service.plan(&format!("plan {number}"), 1);
            service.manager().update_plan(&Actor::service(), ChangeReason::Other, plan, auto_applying).unwrap();
        }
        assert_as_many(&few, &choose(one).await);
    });
}

fn transferring_two_licenses_and_a_hundred_thousand(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let jobs = "/provisioning-admins/license-transfer-jobs/";
        service.statements(Method::GET, jobs, None).await;
        for all in [true, false] {
            let mut statements = Vec::new();
            let largest = if all { 100_000 } else { 5_000 };
            for number in [2, largest] {
                let [old, new] = ["old", "new"].map(|title| service.plan(&format!("{title} {all} {number}"), 0));
                service.fill(old, number);
                let licenses = if all {
                    TransferredLicenses::All
                } else {
                    service.assign(old, &emails(number));
                    TransferredLicenses::Named(service.handed_out(old))
                };
                let (agreement, notes, is_dry_run) = (service.agreement, None, false);
                let order = TransferOrder { agreement, old_plan: old, new_plan: new, notes, is_dry_run, licenses };
                let job = service.manager().create_transfer_job(&Actor::service(), &order).unwrap().id;
                statements.push(service.statements(Method::POST, &format!("{jobs}{job}/process/"), None).await);
                let counts = service.manager().plan(new).unwrap().counts;
                assert_eq!(counts.total(), number as i64, "they moved");
            }
            // Each slice of two thousand is looked for in the new plan, and moved. On SQLite, the history is written by
            // itself.
            let [few, many] = [&statements[0], &statements[1]];
            let (more, slices) = (many.len() - few.len(), (largest - 1) / 2_000);
            assert!(more == 2 * slices || more == 3 * slices, "for two: {few:#?}\nfor more: {many:#?}");
        }
    });
}

fn reporting_on_two_licenses_and_five_thousand(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let (small, large) = (service.plan("small", 2), service.plan("large", 5_000));
        service.assign(small, &emails(1));
        service.assign(large, &emails(4_000));
        let report = async |plan| {
            service.statements(Method::GET, &format!("/subscriptions/{plan}/utilization/?idle_limit=500"), None).await
        };
        report(small).await;
        let (few, many) = (report(small).await, report(large).await);
        assert_as_many(&few, &many);
        let reads = |table: &str| many.iter().filter(|statement| statement.contains(table)).count();
        assert_eq!((reads("sum(unassigned)"), reads("days_assigned"), reads("ORDER BY assigned_date")), (1, 1, 1));
    });
}
