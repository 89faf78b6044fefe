//! Work on renewals and on plans that follow runs the same number of SQL statements for each slice of licenses.

use actix_web::http::Method;
use chrono::Duration;
use license_manager_domain::ports::{LicenseFilter, StoreExt};
use license_manager_domain::use_cases::RenewedBy;
use license_manager_domain::{Actor, ChangeReason, Edit, PlanChanges};
use license_manager_tests::{Database, Person, on_both_databases};
use serde_json::json;

use super::recorded::{CUSTOMER, assert_as_many, run};
use super::service::{Service, emails};

on_both_databases!(
    renewing_two_licenses_and_five_thousand,
    keeping_a_following_plan_in_line_with_two_licenses_and_with_five_hundred,
    moving_the_start_of_a_renewed_plan_with_two_licenses_and_five_thousand,
    applying_a_license_of_a_plan_with_and_without_a_renewal,
);

fn renewing_two_licenses_and_five_thousand(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let renewals = "/provisioning-admins/subscription-plan-renewals/";
        service.statements(Method::GET, renewals, None).await;
        let mut statements = Vec::new();
        // The renewed plan has one of its 7,000 licenses, so that the renewal assigns existing and new ones, and some
        // stay unassigned.
        for number in [2, 5_000] {
            let [prior, waiting] = [("prior", 6_000), ("waiting", 1)]
                .map(|(title, licenses)| service.plan(&format!("{title} of {number}"), licenses));
            service.assign(prior, &emails(number));
            let path = format!("{renewals}{}/process/", service.recorded.renewal(prior, Some(waiting), 7_000));
            statements.push(service.statements(Method::POST, &path, None).await);
            let counts = service.manager().plan(waiting).unwrap().counts;
            assert_eq!((counts.assigned, counts.total()), (number as i64, 7_000));
        }
        // Licenses are read, new ones added and events written in three slices each. Changed ones are written in four:
        // the first slice has the present license, too. On SQLite, the history and the events of webhooks are written
        // by themselves.
        let [few, many] = [&statements[0], &statements[1]];
        let more = many.len() - few.len();
        assert!(
            more == 2 + 2 + 2 + 3 || more == 2 + 2 * (2 + 2 + 3),
            "for two: {few:#?}\nfor five thousand: {many:#?}"
        );
    });
}

fn keeping_a_following_plan_in_line_with_two_licenses_and_with_five_hundred(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let prior = service.plan("prior", 2_000);
        let renewal = service.recorded.renewal(prior, None, 1_000);
        service.manager().process_renewal(&Actor::service(), renewal, RenewedBy::Manual).unwrap();
        let everybody = emails(502);
        for path in ["assign", "bulk-revoke"] {
            let path = format!("/subscriptions/{prior}/licenses/{path}/");
            let send = |emails: &[String]| {
                let (service, path, body) = (&service, &path, json!({ "user_emails": emails }));
                async move { service.statements(Method::POST, path, Some(body)).await }
            };
            send(&everybody[..1]).await;
            let (few, many) = (send(&everybody[1..3]).await, send(&everybody[3..]).await);
            assert_as_many(&few, &many);
        }
        let details = service.manager().renewal(renewal).unwrap();
        let following = details.renewal.terms.renewed_plan.unwrap();
        let counts = service.manager().plan(following).unwrap().counts;
        assert_eq!((counts.revoked, counts.unassigned), (502, 1_000));
    });
}

fn moving_the_start_of_a_renewed_plan_with_two_licenses_and_five_thousand(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let manager = service.manager();
        let mut statements = Vec::new();
        for number in [2, 5_000] {
            let prior = service.plan(&format!("prior of {number}"), 5_000);
            service.assign(prior, &emails(number));
            let activated = manager.store().write(|unit| {
                let live = unit.licenses().lock_live(prior, &LicenseFilter::default(), i64::MAX)?;
                let now = manager.now();
                let activated = live.into_iter().map(|license| license.activate(None, now));
                let activated = activated.collect::<Result<Vec<_>, _>>()?;
                unit.licenses().save(&activated, &Actor::service().change(now))
            });
            activated.unwrap();
            let renewal = service.recorded.renewal(prior, None, 6_000);
            manager.process_renewal(&Actor::service(), renewal, RenewedBy::Manual).unwrap();
            let following = manager.renewal(renewal).unwrap().renewal.terms.renewed_plan.unwrap();

            let start_date = Some(manager.plan(following).unwrap().details.plan.start_date + Duration::days(30));
            let changes = PlanChanges { start_date, ..PlanChanges::default() };
            service.recorded.record();
            manager.update_plan(&Actor::service(), ChangeReason::Other, following, changes).unwrap();
            statements.push(service.recorded.statements());
            let copies = manager.handed_out_licenses(following, None, i64::MAX).unwrap();
            assert_eq!(copies.len(), number);
            assert!(copies.iter().all(|copy| copy.activation_date() == start_date), "the copies have the new start");
        }
        // Originals and copies are read, and copies written, in three slices. On SQLite, their history is written by
        // itself.
        let [few, many] = [&statements[0], &statements[1]];
        let more = many.len() - few.len();
        assert!(more == 2 * 3 || more == 2 * 4, "for two: {few:#?}\nfor five thousand: {many:#?}");
    });
}

fn applying_a_license_of_a_plan_with_and_without_a_renewal(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let plan = service.plan("plan", 10);
        let changes = PlanChanges { should_auto_apply_licenses: Edit::Set(true), ..PlanChanges::default() };
        service.manager().update_plan(&Actor::service(), ChangeReason::Other, plan, changes).unwrap();
        let path = format!("/customer-agreement/{}/auto-apply/", service.agreement);
        let come = async |user: i64| {
            let learner = Person::new(user, format!("learner{user}@example.com"), format!("learner{user}"))
                .role(format!("enterprise_learner:{CUSTOMER}"));
            service.statements_of(&learner, Method::POST, &path, None).await
        };
        come(1).await;
        let without = come(2).await;
        service.recorded.renewal(plan, None, 5);
        let with = come(3).await;
        assert_eq!(with.len(), without.len() + 1, "{without:#?}\n{with:#?}");
    });
}
