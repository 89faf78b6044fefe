//! Requests take turns at the database, also for what they do beside their handlers.

use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{rt, test};
use license_manager::app::app;
use license_manager::http::turns::{Access, Turn, Turns};
use license_manager_domain::Actor;
use license_manager_domain::ports::StoreExt;
use license_manager_domain::use_cases::WebhookChanges;
use license_manager_domain::webhooks::WebhookSecret;
use license_manager_tests::{Database, Person, on_both_databases};
use serde_json::json;
use tokio::time::timeout;

use super::recorded::{CUSTOMER, run};
use super::service::{Service, admin, emails};

on_both_databases!(
    a_read_takes_one_turn_for_its_permission_and_its_data,
    slow_reads_hold_up_nobody_who_writes,
    each_part_of_a_csv_file_takes_a_turn,
    a_request_with_a_key_takes_turns_for_its_claim_its_work_and_its_answer,
    the_record_of_a_ping_takes_a_turn_to_write,
    a_health_check_is_answered_while_all_connections_are_in_use,
);

/// How long is waited for what is not to happen.
pub const SOON: Duration = Duration::from_millis(300);

/// How long is waited for what is to happen: less than requests wait for a turn.
pub const LONG: Duration = Duration::from_secs(20);

/// All turns that are left for this.
pub async fn all_turns(turns: &Turns, access: Access) -> Vec<Turn> {
    let mut taken = Vec::new();
    while let Ok(turn) = timeout(SOON, turns.take(access)).await {
        taken.push(turn.unwrap());
    }
    taken
}

fn a_read_takes_one_turn_for_its_permission_and_its_data(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let (plan, admin) = (service.plan("plan", 1), admin());
        let learner = Person::new(7, "amy@example.com", "amy").role(format!("enterprise_learner:{CUSTOMER}"));
        let of_customer = format!("?enterprise_customer_uuid={CUSTOMER}");
        for (person, path) in [
            (&learner, format!("learner-licenses/{of_customer}")),
            (&learner, format!("learner-subscriptions/{of_customer}")),
            (&learner, format!("customer-agreement/{of_customer}")),
            (&admin, format!("subscriptions/{of_customer}")),
            (&admin, format!("subscriptions/{plan}/")),
            (&admin, format!("subscriptions/{plan}/licenses/")),
            (&admin, format!("subscriptions/{plan}/licenses/overview/")),
        ] {
            let app = test::init_service(app(service.state.clone(), None)).await;
            let request = test::TestRequest::get()
                .uri(&format!("/api/v1/{path}"))
                .insert_header(("Authorization", person.authorization()))
                .to_request();
            let mut turns = all_turns(&service.state.turns, Access::Read).await;
            let mut answering = rt::spawn(async move { test::call_service(&app, request).await.status() });
            assert!(timeout(SOON, &mut answering).await.is_err(), "{path} waits for a turn");
            // The next turn after that of the request.
            let mut next = pin!(service.state.turns.take(Access::Read));
            assert!(timeout(SOON, &mut next).await.is_err(), "all turns are taken before {path}");
            drop(turns.pop());
            turns.push(next.await.unwrap());
            let status = timeout(LONG, answering).await.unwrap_or_else(|_| panic!("{path} waits for another turn"));
            assert_eq!(status.unwrap(), StatusCode::OK, "{path}");
        }
    });
}

fn slow_reads_hold_up_nobody_who_writes(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let plan = service.plan("plan", 1);
        let app = test::init_service(app(service.state.clone(), None)).await;
        let request = test::TestRequest::post()
            .uri(&format!("/api/v1/subscriptions/{plan}/licenses/assign/"))
            .insert_header(("Authorization", admin().authorization()))
            .set_json(json!({ "user_emails": emails(1) }))
            .to_request();
        let _reading = all_turns(&service.state.turns, Access::Read).await;
        let answer =
            timeout(LONG, test::call_service(&app, request)).await.expect("neither its check nor its work waits");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(service.handed_out(plan).len(), 1);
    });
}

fn each_part_of_a_csv_file_takes_a_turn(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let plan = service.plan("plan", 1);
        service.assign(plan, &emails(1));
        let app = test::init_service(app(service.state.clone(), None)).await;
        let path = format!("/api/v1/subscriptions/{plan}/licenses/csv/");
        let request =
            test::TestRequest::get().uri(&path).insert_header(("Authorization", admin().authorization())).to_request();
        let answer = test::call_service(&app, request).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let turns = all_turns(&service.state.turns, Access::Read).await;
        let mut file = pin!(test::read_body(answer));
        assert!(timeout(SOON, &mut file).await.is_err(), "it waits for a turn");
        drop(turns);
        let file = file.await;
        assert!(String::from_utf8_lossy(&file).contains("learner0@example.com"), "{file:?}");
    });
}

fn a_request_with_a_key_takes_turns_for_its_claim_its_work_and_its_answer(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let plan = service.plan("plan", 1);
        let app = test::init_service(app(service.state.clone(), None)).await;
        let path = format!("/api/v1/subscriptions/{plan}/licenses/assign/");
        let request = test::TestRequest::post()
            .uri(&path)
            .insert_header(("Authorization", admin().authorization()))
            .insert_header(("Idempotency-Key", "key"))
            .set_json(json!({ "user_emails": emails(1) }))
            .to_request();
        let mut others = all_turns(&service.state.turns, Access::Write).await;
        let mut turn = others.pop();
        let mut answering = rt::spawn(async move { test::call_service(&app, request).await.status() });
        for step in ["the claim", "the work", "the answer"] {
            assert!(timeout(SOON, &mut answering).await.is_err(), "{step} waits for a turn");
            // The next turn after that of the step.
            let mut next = pin!(service.state.turns.take(Access::Write));
            assert!(timeout(SOON, &mut next).await.is_err(), "all turns are taken before {step}");
            drop(turn.take());
            turn = Some(next.await.unwrap());
        }
        drop(turn);
        assert_eq!(answering.await.unwrap(), StatusCode::OK);
        assert_eq!(service.handed_out(plan).len(), 1);
    });
}

fn the_record_of_a_ping_takes_a_turn_to_write(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let (url, secret) = ("https://hooks.example.com/".to_owned(), WebhookSecret::of_key(&[7; 32]));
        let changes = WebhookChanges::default();
        let webhook = service.manager().create_webhook(&Actor::service(), url, secret, changes).unwrap().id;
        let app = test::init_service(app(service.state.clone(), None)).await;
        let request = test::TestRequest::post()
            .uri(&format!("/api/v1/provisioning-admins/webhooks/{webhook}/ping/"))
            .insert_header(("Authorization", admin().authorization()))
            .to_request();
        let turns = all_turns(&service.state.turns, Access::Write).await;
        let mut answering = pin!(test::call_service(&app, request));
        assert!(timeout(SOON, &mut answering).await.is_err(), "it waits for a turn");
        drop(turns);
        assert_eq!(answering.await.status(), StatusCode::OK);
    });
}

fn a_health_check_is_answered_while_all_connections_are_in_use(database: Database) {
    run(async {
        let service = Service::new(database).await;
        let app = test::init_service(app(service.state.clone(), None)).await;
        let (telling, told) = mpsc::channel();
        let (going_on, stopped) = mpsc::channel::<()>();
        let stopped = Arc::new(Mutex::new(stopped));
        let read = || {
            let (manager, telling, stopped) = (service.manager().clone(), telling.clone(), stopped.clone());
            thread::spawn(move || {
                manager.store().read(|_| {
                    telling.send(()).unwrap();
                    // Fails as soon as the sender is gone.
                    let _ = stopped.lock().unwrap().recv();
                    Ok(())
                })
            })
        };
        let readers: Vec<_> = (0..service.recorded.config.database.pool_size).map(|_| read()).collect();
        for _ in &readers {
            told.recv().unwrap();
        }
        let request = test::TestRequest::get().uri("/health/ready/").to_request();
        assert_eq!(test::call_service(&app, request).await.status(), StatusCode::OK);
        drop(going_on);
        for reader in readers {
            assert_eq!(reader.join().unwrap(), Ok(()));
        }
    });
}
