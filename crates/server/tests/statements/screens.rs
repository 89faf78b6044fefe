//! Each screen of the console runs the same number of SQL statements for one row and for thirty.

use std::ops::RangeInclusive;

use license_manager_domain::model::{TransferOrder, TransferredLicenses};
use license_manager_domain::use_cases::WebhookChanges;
use license_manager_domain::webhooks::WebhookSecret;
use license_manager_domain::{Actor, AgreementId, AssignmentMail, PlanId};
use license_manager_tests::{Database, on_both_databases};

use super::console::{Answer, Request, Service, customer};
use super::recorded::{CUSTOMER, Recorded, run};

on_both_databases!(
    listing_one_row_and_thirty,
    showing_plans_of_one_license_and_thirty,
    setting_one_license_back_and_thirty,
    showing_transfers_of_one_license_and_thirty,
    showing_webhooks_with_one_delivery_and_thirty,
    showing_people_with_one_license_and_thirty,
    acting_on_one_row_and_thirty,
);

/// The superuser among the people of the demo, and the name.
const SUPERUSER: &str = "person=5";
const NAME: &str = "demo-superuser";

/// Screens with a row for each thing that there is.
const LISTS: &[&str] = &[
    "/console/",
    "/console/search/?q=customer",
    "/console/customers/",
    "/console/plans/",
    "/console/plans/?job=yes",
    "/console/renewals/",
    "/console/transfers/",
    "/console/sessions/",
    "/console/operations/",
    "/console/operations/?state=waiting",
    "/console/operations/webhooks/",
    "/console/operations/jobs/",
    "/console/operations/enrollments/",
    "/console/operations/actions/",
    "/console/records/",
    "/console/records/plan-types/",
    "/console/records/roles/",
    "/console/records/users/",
    "/console/records/opportunities/",
    "/console/records/notifications/",
    "/console/records/license-events/",
];

/// A row for each plan or license in the lists that no story of the service fills quickly.
const ROWS: &str = "
    DELETE FROM plan_job;
    INSERT INTO plan_job (subscription_plan_uuid, kind, requested_by, requested_at, not_before, attempts, last_error)
    SELECT uuid, 'delete_revoked', 'zoe', created, created, 1, 'The database cannot be reached.' FROM subscription_plan;

    DELETE FROM outbox;
    INSERT INTO outbox (uuid, topic, enterprise_customer_uuid, payload, lane, lanes, created, not_before, parked_at)
    SELECT uuid, 'reminder', uuid, '{}', 'mail', '', created, created, created FROM subscription_plan;
    INSERT INTO outbox (uuid, topic, enterprise_customer_uuid, payload, lane, lanes, created, not_before)
    SELECT uuid, 'reminder', uuid, '{}', 'mail', '', created, created FROM customer_agreement;

    DELETE FROM bulk_enrollment_job;
    INSERT INTO bulk_enrollment_job (uuid, enterprise_customer_uuid, parameters, created, modified)
    SELECT uuid, uuid, '{\"learners\":{\"emails\":[]},\"plan\":null,\"course_run_keys\":[],\"notify\":false}', created,
           modified
    FROM subscription_plan;

    DELETE FROM staff_action;
    INSERT INTO staff_action (uuid, username, kind, number, created)
    SELECT uuid, 'demo-superuser', 'run_requested', 1, created FROM subscription_plan;

    DELETE FROM role_assignment;
    DELETE FROM users WHERE username LIKE 'user %';
    INSERT INTO users (username, email, is_staff, created, modified)
    SELECT 'user ' || CAST(uuid AS text), CAST(uuid AS text) || '@example.com', is_active, created, modified
    FROM subscription_plan;
    INSERT INTO role_assignment (username, role, created)
    SELECT username, 'license_manager_viewer', created FROM users WHERE username LIKE 'user %';

    DELETE FROM notification;
    INSERT INTO notification (enterprise_customer_uuid, enterprise_customer_user_id, subscription_plan_uuid,
                              notification_type, last_sent, created, modified)
    SELECT uuid, 1, uuid, 'no_allocations_remaining', created, created, modified FROM subscription_plan;

    DELETE FROM license_event;
    INSERT INTO license_event (license_uuid, event_name, created) SELECT uuid, 'told', created FROM license;

    DELETE FROM license_source;
    INSERT INTO license_source (license_uuid, source_id, source_type, created, modified)
    SELECT uuid, '006000000000000001', 'AMT', created, modified FROM license;

    DELETE FROM license_transfer_job;
    INSERT INTO license_transfer_job (customer_agreement_uuid, old_subscription_plan_uuid, new_subscription_plan_uuid,
                                      is_dry_run, processed_results, created, modified)
    SELECT emptied.customer_agreement_uuid, emptied.uuid, filled.uuid, TRUE, '[]', filled.created, filled.modified
    FROM subscription_plan AS emptied
    JOIN subscription_plan AS filled ON filled.customer_agreement_uuid = emptied.customer_agreement_uuid
                                    AND filled.uuid > emptied.uuid";

/// Adds a customer for each number, with two plans and a renewal, and lets every list have rows for them.
fn fill(recorded: &Recorded, numbers: RangeInclusive<u128>) {
    for number in numbers {
        let agreement = customer(recorded, number, 1);
        recorded.plan(agreement, &format!("other plan of customer {number}"), 2);
        webhook(recorded, number);
        recorded.database.execute(&format!(
            "INSERT INTO plan_type VALUES (1000 + {number}, 'type {number}', 'a type', TRUE, FALSE, FALSE, FALSE);
             INSERT INTO product (id, name, description, plan_type_id)
             VALUES (1000 + {number}, 'product {number}', 'a product', 1000 + {number})"
        ));
    }
    recorded.database.execute(ROWS);
}

fn webhook(recorded: &Recorded, number: u128) -> String {
    let (url, secret) = (format!("https://{number}.example.com/"), WebhookSecret::of_key(&[7; 32]));
    let webhook = recorded.manager.create_webhook(&Actor::service(), url, secret, WebhookChanges::default()).unwrap();
    webhook.id.to_string()
}

/// A service whose superuser can sign in.
async fn service(database: Database) -> Service {
    let service = Service::new(database).await;
    service.recorded.manager.make_superuser(NAME).unwrap();
    service
}

fn get(path: &str) -> Request<'_> {
    (path, None)
}

fn post<'a>(path: &'a str, fields: &'a str) -> Request<'a> {
    (path, Some(fields))
}

/// Checks that a screen took as many statements for few rows as for many, and that it shows more of many.
#[track_caller]
fn assert_alike(screen: &str, few: &Answer, many: &Answer) {
    let numbers = [few.statements.len(), many.statements.len()];
    assert!(numbers[0] > 0, "{screen}: no statement was seen");
    let statements = [&few.statements, &many.statements];
    assert_eq!(numbers[0], numbers[1], "{screen} with {} and {} rows: {statements:#?}", few.rows, many.rows);
}

#[track_caller]
fn assert_longer(screen: &str, few: &Answer, many: &Answer) {
    assert!(few.rows > 0 && many.rows > few.rows, "{screen} shows {} and {} rows", few.rows, many.rows);
    assert_alike(screen, few, many);
}

fn listing_one_row_and_thirty(database: Database) {
    run(async {
        let service = service(database).await;
        let requests: Vec<Request<'_>> = LISTS.iter().map(|list| get(list)).collect();
        fill(&service.recorded, 1..=1);
        let few = service.answers(SUPERUSER, &requests).await;
        fill(&service.recorded, 2..=30);
        for _ in 0..29 {
            service.answers(SUPERUSER, &[]).await;
        }
        let many = service.answers(SUPERUSER, &requests).await;
        for (list, (few, many)) in LISTS.iter().zip(few.iter().zip(&many)) {
            assert_longer(list, few, many);
        }
    });
}

/// A plan with that many learners.
fn held(recorded: &Recorded, agreement: AgreementId, learners: i32) -> PlanId {
    let plan = recorded.plan(agreement, &format!("plan of {learners}"), learners);
    let emails = (0..learners).map(|number| (format!("l{number}@example.com").parse().unwrap(), None)).collect();
    recorded.manager.assign(&Actor::service(), plan, &emails, &AssignmentMail::default()).unwrap();
    plan
}

fn showing_plans_of_one_license_and_thirty(database: Database) {
    run(async {
        let service = service(database).await;
        let agreement = service.recorded.agreement(CUSTOMER, "customer");
        let [few, many] = [1, 30].map(|learners| held(&service.recorded, agreement, learners));
        for below in ["", "history/", "utilization/", "as-of/", "edit/", "assign/", "add/", "revert/", "delete/"] {
            let addresses = [few, many].map(|plan| format!("/console/plans/{plan}/{below}"));
            let answers = service.answers(SUPERUSER, &[get(&addresses[0]), get(&addresses[1])]).await;
            assert_alike(below, &answers[0], &answers[1]);
            assert!(!below.is_empty() || answers[1].rows > answers[0].rows, "the list of licenses");
        }
    });
}

fn setting_one_license_back_and_thirty(database: Database) {
    run(async {
        let service = service(database).await;
        let Recorded { manager, .. } = &service.recorded;
        let agreement = service.recorded.agreement(CUSTOMER, "customer");
        let [few, many] = [1, 30].map(|learners| {
            let plan = service.recorded.plan(agreement, &format!("plan of {learners}"), learners);
            let before = manager.now().format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
            let emails = (0..learners).map(|number| (format!("l{number}@example.com").parse().unwrap(), None));
            manager.assign(&Actor::service(), plan, &emails.collect(), &AssignmentMail::default()).unwrap();
            (format!("/console/plans/{plan}/revert/"), format!("as_of={before}"))
        });
        let answers = service.answers(SUPERUSER, &[post(&few.0, &few.1), post(&many.0, &many.1)]).await;
        assert_longer("the look at what changes", &answers[0], &answers[1]);
        let confirmed = [few, many].map(|(path, fields)| (path, format!("{fields}&confirmed=yes&reason=mistake")));
        let requests: Vec<_> = confirmed.iter().map(|(path, fields)| post(path, fields)).collect();
        let answers = service.answers(SUPERUSER, &requests).await;
        assert_alike("setting back", &answers[0], &answers[1]);
        let query = "SELECT status AS text FROM license WHERE status <> 'unassigned'";
        assert_eq!(service.recorded.database.texts(query), Vec::<String>::new());
    });
}

fn showing_transfers_of_one_license_and_thirty(database: Database) {
    run(async {
        let service = service(database).await;
        let Recorded { manager, .. } = &service.recorded;
        let agreement = service.recorded.agreement(CUSTOMER, "customer");
        let new_plan = service.recorded.plan(agreement, "the new plan", 1);
        let [few, many] = [1, 30].map(|learners| {
            let order = TransferOrder {
                agreement,
                old_plan: held(&service.recorded, agreement, learners),
                new_plan,
                notes: None,
                is_dry_run: true,
                licenses: TransferredLicenses::All,
            };
            format!("/console/transfers/{}/", manager.create_transfer_job(&Actor::service(), &order).unwrap().id)
        });
        let tries = [&few, &many].map(|address| format!("{address}try/"));
        let dry_runs = service.answers(SUPERUSER, &[post(&tries[0], ""), post(&tries[1], "")]).await;
        assert_alike("a dry run", &dry_runs[0], &dry_runs[1]);
        let shown = service.answers(SUPERUSER, &[get(&few), get(&many)]).await;
        assert_longer("a transfer", &shown[0], &shown[1]);
    });
}

fn showing_webhooks_with_one_delivery_and_thirty(database: Database) {
    run(async {
        let service = service(database).await;
        let [few, many] = [1, 30].map(|number| {
            let webhook = webhook(&service.recorded, number);
            for delivery in 0..number {
                service.recorded.database.execute(&format!(
                    "INSERT INTO webhook_delivery (webhook_uuid, uuid, event_type, payload, not_before, due_since, created)
                     SELECT uuid, '00000000-0000-4000-8000-{delivery:012}', 'assigned', '{{}}', created, created, created
                     FROM webhook WHERE uuid = '{webhook}'"
                ));
            }
            format!("/console/operations/webhooks/{webhook}/")
        });
        let shown = service.answers(SUPERUSER, &[get(&few), get(&many)]).await;
        assert_longer("a webhook", &shown[0], &shown[1]);
        let replays = [&few, &many].map(|address| format!("{address}replay/"));
        let all = "all=yes&confirmed=yes";
        let answers = service.answers(SUPERUSER, &[post(&replays[0], all), post(&replays[1], all)]).await;
        assert_alike("sending again", &answers[0], &answers[1]);
    });
}

fn showing_people_with_one_license_and_thirty(database: Database) {
    run(async {
        let service = service(database).await;
        let agreement = service.recorded.agreement(CUSTOMER, "customer");
        for number in 0..30 {
            let plan = service.recorded.plan(agreement, &format!("plan {number}"), 2);
            let people: &[&str] =
                if number == 0 { &["few@example.com", "many@example.com"] } else { &["many@example.com"] };
            let emails = people.iter().map(|email| (email.parse().unwrap(), None)).collect();
            let actor = Actor::user(if number == 0 { "few" } else { "many" });
            service.recorded.manager.assign(&actor, plan, &emails, &AssignmentMail::default()).unwrap();
        }
        service.recorded.database.execute(
            "INSERT INTO users (username, is_staff, created, modified)
             SELECT 'few', is_active, created, modified FROM subscription_plan WHERE title = 'plan 0'
             UNION ALL SELECT 'many', is_active, created, modified FROM subscription_plan WHERE title = 'plan 0'",
        );
        for (screen, address) in
            [("a person", "people/?email=WHO@example.com"), ("a user", "records/users/one/?name=WHO")]
        {
            let [few, many] = ["few", "many"].map(|who| format!("/console/{}", address.replace("WHO", who)));
            let shown = service.answers(SUPERUSER, &[get(&few), get(&many)]).await;
            assert_longer(screen, &shown[0], &shown[1]);
        }
    });
}

fn acting_on_one_row_and_thirty(database: Database) {
    run(async {
        let service = service(database).await;
        let mut answers = Vec::new();
        for numbers in [1..=1, 2..=30] {
            fill(&service.recorded, numbers);
            service
                .recorded
                .database
                .execute("DELETE FROM plan_job; UPDATE subscription_plan SET desired_num_licenses = 9");
            let plans = service.recorded.database.texts("SELECT CAST(uuid AS text) AS text FROM subscription_plan");
            let plans: String = plans.iter().map(|plan| format!("&plan={plan}")).collect();
            let jobs = plans.replace("&plan=", "&item=provision+");
            let forms = [
                ("plans/act/", format!("act=provision{plans}")),
                ("jobs/act/", format!("act=retry{jobs}")),
                ("jobs/act/", format!("act=cancel{jobs}")),
                ("operations/messages/act/", "act=retry&all=yes".to_owned()),
                ("records/notifications/delete/", "all=yes".to_owned()),
                ("records/license-events/delete/", "all=yes".to_owned()),
            ];
            let mut answered = Vec::new();
            for (path, fields) in &forms {
                let (path, fields) = (format!("/console/{path}"), format!("{fields}&reason=mistake&confirmed=yes"));
                let answer = service.answers(SUPERUSER, &[post(&path, &fields)]).await.remove(0);
                assert!(answer.is_done, "{path}: {fields}");
                answered.push((format!("{path} {fields:.12}"), answer));
            }
            answers.push(answered);
        }
        let [few, many]: [Vec<(String, Answer)>; 2] = answers.try_into().unwrap();
        for ((act, few), (_, many)) in few.iter().zip(&many) {
            assert_alike(act, few, many);
        }
    });
}
