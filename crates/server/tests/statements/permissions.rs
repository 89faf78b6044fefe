//! Who lacks the permission for a read is refused before anything is read for it, and is not told what else is wrong.

use actix_web::http::Method;
use license_manager::api;
use license_manager_tests::{Database, Person, on_both_databases};
use serde_json::Value;
use uuid::Uuid;

use super::recorded::{CUSTOMER, run};
use super::service::{Service, admin};

on_both_databases!(
    for_who_lacks_the_permission_nothing_else_is_read,
    what_else_is_wrong_is_told_only_to_those_with_the_permission,
);

/// Somebody without roles.
fn nobody() -> Person {
    Person::new(8, "bob@example.com", "bob")
}

/// A path with ids of nothing in the place of its parameters.
fn with_ids(path: &str) -> String {
    let part = |part: &str| match part {
        _ if part.ends_with("_uuid}") => Uuid::from_u128(9).to_string(),
        _ if part.starts_with('{') => "9".to_owned(),
        _ => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn for_who_lacks_the_permission_nothing_else_is_read(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let endpoints = api::endpoints();
        for (_, path) in endpoints.registered().filter(|(method, _)| *method == "GET") {
            let path = with_ids(path.strip_prefix("/api/v1").unwrap());
            let (status, statements) = service.answer(Some(&nobody()), Method::GET, &path, None).await;
            assert_eq!(status.as_u16(), 403, "{path}");
            let reads = statements.iter().filter(|statement| statement.to_uppercase().starts_with("SELECT")).count();
            assert_eq!(reads, 1, "{path}: who asks: {statements:#?}");
        }
    });
}

fn what_else_is_wrong_is_told_only_to_those_with_the_permission(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let (plan, admin) = (service.plan("plan", 1), admin());
        let learner = Person::new(7, "amy@example.com", "amy").role(format!("enterprise_learner:{CUSTOMER}"));
        let without_id = learner.clone().claim("user_id", Value::Null);
        let of_customer = format!("?enterprise_customer_uuid={CUSTOMER}");
        for (permitted, path, expected) in [
            (&learner, "/learner-licenses/".to_owned(), 400),
            (&learner, "/learner-licenses/?enterprise_customer_uuid=acme".to_owned(), 400),
            (&learner, format!("/learner-licenses/{of_customer}&modified_since=soon"), 400),
            (&learner, format!("/learner-licenses/{of_customer}&page=9"), 404),
            (&learner, format!("/learner-licenses/{of_customer}"), 200),
            (&without_id, "/learner-licenses/".to_owned(), 400),
            (&without_id, format!("/learner-licenses/{of_customer}&page=9"), 404),
            (&without_id, format!("/learner-licenses/{of_customer}"), 200),
            (&learner, "/learner-subscriptions/?current=true".to_owned(), 400),
            (&learner, format!("/learner-subscriptions/{of_customer}&page=9"), 404),
            (&learner, "/customer-agreement/?customer_agreement_uuid=acme".to_owned(), 400),
            (&admin, "/subscriptions/?enterprise_customer_uuid=acme".to_owned(), 400),
            (&admin, "/subscriptions/?current=true".to_owned(), 400),
            (&admin, format!("/subscriptions/{of_customer}&page=9"), 404),
            (&admin, "/subscriptions/acme/".to_owned(), 404),
            (&admin, "/subscriptions/acme/licenses/".to_owned(), 404),
            (&admin, format!("/subscriptions/{plan}/licenses/?modified_since=soon"), 400),
            (&admin, format!("/subscriptions/{plan}/licenses/?cursor=acme"), 400),
            (&admin, format!("/subscriptions/{plan}/licenses/overview/?modified_since=soon"), 400),
            (&admin, format!("/subscriptions/{plan}/licenses/acme/"), 404),
            (&admin, "/licenses/?subscription_plan=acme".to_owned(), 400),
            (&admin, "/licenses/acme/".to_owned(), 404),
        ] {
            for (person, expected) in [(None, 401), (Some(&nobody()), 403), (Some(permitted), expected)] {
                let (status, _) = service.answer(person, Method::GET, &path, None).await;
                assert_eq!(status.as_u16(), expected, "{path}");
            }
        }
    });
}
