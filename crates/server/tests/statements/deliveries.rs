//! A delivery runs the same number of SQL statements however many messages it carries.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::Duration;
use license_manager_domain::delivery::{Deliveries, DeliverySettings};
use license_manager_domain::ports::{CampaignMail, Mail, MailKind, Person, StoreExt, Undelivered, UnsentMail};
use license_manager_domain::queue::{Queue, QueueKind};
use license_manager_domain::use_cases::WebhookChanges;
use license_manager_domain::webhooks::WebhookSecret;
use license_manager_domain::{
    Actor, AssignmentMail, ChangeReason, Edit, Email, LicenseManager, LicenseSelection, LmsUserId, PlanChanges, PlanId,
    ReminderMail,
};
use license_manager_tests::{Database, on_both_databases};

use super::recorded::{CUSTOMER, Recorded};

on_both_databases!(
    delivering_one_message_and_fifty,
    delivering_one_message_and_fifty_that_fail,
    finding_due_queues_among_one_message_and_a_thousand,
    counting_what_was_auto_applied_for_a_mail_that_is_due,
    delivering_one_event_and_twenty_to_webhooks,
    assigning_with_and_without_webhooks,
    reminding_reads_no_webhooks,
);

/// A license manager that records its statements, with a plan.
struct Service {
    manager: LicenseManager,
    plan: PlanId,
    recorded: Recorded,
}

/// A mail service that is down.
struct Away;

#[async_trait]
impl CampaignMail for Away {
    async fn send(&self, _: MailKind, _: &[Mail]) -> Result<Vec<UnsentMail>, Undelivered> {
        Err(Undelivered::Unavailable("answered 502 Bad Gateway".to_owned()))
    }

    async fn identify(&self, _: &[(Email, LmsUserId)]) -> Result<(), Undelivered> {
        Ok(())
    }
}

impl Service {
    fn new(database: Database) -> Self {
        let recorded = Recorded::new(database);
        let plan = recorded.plan(recorded.agreement(CUSTOMER, "customer"), "Plan", 2_000);
        Self { manager: recorded.manager.clone(), plan, recorded }
    }

    fn deliveries(&self, manager: LicenseManager) -> Deliveries {
        manager.deliveries(DeliverySettings {
            lease: Duration::minutes(2),
            retry_base: Duration::minutes(1),
            learner_portal: String::new(),
            admin_portal: String::new(),
            customer_success: None,
        })
    }

    /// Assigns licenses to this many people. The outbox then holds only their messages.
    fn assign(&self, name: &str, number: usize) -> Vec<Email> {
        let emails: Vec<Email> = (0..number).map(|one| format!("{name}{one}@example.com").parse().unwrap()).collect();
        let learners = emails.iter().cloned().collect();
        self.manager.assign(&Actor::service(), self.plan, &learners, &AssignmentMail::default()).unwrap();
        emails
    }

    /// The statements that `work` runs.
    fn statements<T>(&self, work: impl FnOnce() -> T) -> (Vec<String>, T) {
        self.recorded.record();
        let done = work();
        (self.recorded.statements(), done)
    }
}

/// Claims, delivers and settles a batch, and returns its number of messages.
fn deliver(deliveries: &Deliveries, queue: Queue) -> usize {
    let batch = deliveries.claim(queue).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = runtime.block_on(deliveries.deliver(&batch));
    deliveries.settle(&batch, &outcome).unwrap();
    batch.len()
}

fn everything(deliveries: &Deliveries) {
    while Queue::MESSAGES.into_iter().any(|queue| deliver(deliveries, queue) > 0) {}
}

/// Checks that one message and fifty messages of a queue take the same number of statements, of the same kinds. Their
/// texts may differ: Postgres has one for a single license.
fn assert_same_of_one_and_fifty(service: &Service, deliveries: &Deliveries, queue: Queue, promise: impl Fn(usize)) {
    let of = |number: usize| {
        promise(number);
        let (statements, delivered) = service.statements(|| deliver(deliveries, queue));
        assert_eq!(delivered, number);
        everything(&service.deliveries(service.manager.clone()));
        let kinds = statements.iter().map(|statement| statement.split_whitespace().next().map(str::to_owned));
        kinds.collect::<Vec<_>>()
    };
    let (one, fifty) = (of(1), of(50));
    assert_eq!(one, fifty, "{queue:?}");
}

fn delivering_one_message_and_fifty(database: Database) {
    let service = Service::new(database);
    let deliveries = service.deliveries(service.manager.clone());
    for queue in [Queue::Lms, Queue::Addresses] {
        assert_same_of_one_and_fifty(&service, &deliveries, queue, |number| {
            service.assign(&format!("{}{number}", queue.as_str()), number);
        });
    }
    assert_same_of_one_and_fifty(&service, &deliveries, Queue::Lms, |number| {
        let emails = service.assign(&format!("revoked{number}"), number);
        for (user, email) in (1..).zip(&emails) {
            let found =
                service.manager.store().read(|unit| unit.licenses().find_by_email(service.plan, email)).unwrap();
            let person =
                Person { email: Some(email.clone()), lms_user_id: Some(LmsUserId(number as i64 * 100 + user)) };
            service.manager.activate(&Actor::service(), found[0].activation_key().unwrap(), &person).unwrap();
        }
        everything(&deliveries);
        service.manager.revoke(&Actor::service(), service.plan, &LicenseSelection::Emails(emails)).unwrap();
    });
    assert_same_of_one_and_fifty(&service, &deliveries, Queue::Mail, |number| {
        let emails = service.assign(&format!("reminded{number}"), number);
        everything(&deliveries);
        let whom = LicenseSelection::Emails(emails);
        service.manager.remind(&Actor::service(), service.plan, &whom, &ReminderMail::default()).unwrap();
    });
}

fn delivering_one_message_and_fifty_that_fail(database: Database) {
    let service = Service::new(database);
    let failing = service.deliveries(service.manager.clone().with_mail(Arc::new(Away)));
    assert_same_of_one_and_fifty(&service, &failing, Queue::Mail, |number| {
        service.assign(&format!("learner{number}"), number);
        assert_eq!(deliver(&failing, Queue::Lms), number);
    });
}

fn finding_due_queues_among_one_message_and_a_thousand(database: Database) {
    let service = Service::new(database);
    let deliveries = service.deliveries(service.manager.clone());
    for number in [1, 1_000] {
        service.assign(&format!("learner{number}"), number);
        let (statements, due) = service.statements(|| deliveries.due(QueueKind::Messages).unwrap());
        assert_eq!(due.len(), 2);
        assert_eq!(statements.len(), 1, "{statements:?}");
    }
    let waiting = service.manager.store().read(|unit| unit.outbox().count()).unwrap();
    assert_eq!(waiting, 2 * 1_001);
}

fn counting_what_was_auto_applied_for_a_mail_that_is_due(database: Database) {
    let recorded = Recorded::new(database);
    let agreement = recorded.agreement(CUSTOMER, "customer");
    let plan = recorded.plan(agreement, "Plan", 4);
    let service = Service { manager: recorded.manager.clone(), plan, recorded };
    let auto_applying = PlanChanges { should_auto_apply_licenses: Edit::Set(true), ..PlanChanges::default() };
    service.manager.update_plan(&Actor::service(), ChangeReason::Other, plan, auto_applying).unwrap();
    let deliveries = service.deliveries(service.manager.clone());
    let counts = |user: i64| {
        let email: Email = format!("learner{user}@example.com").parse().unwrap();
        let person = Person { email: Some(email), lms_user_id: Some(LmsUserId(user)) };
        service.manager.auto_apply(&Actor::service(), agreement, &person).unwrap();
        service.recorded.record();
        everything(&deliveries);
        let statements = service.recorded.whole_statements();
        assert!(statements.iter().any(|statement| statement.contains("seat_count")), "{statements:#?}");
        statements.iter().any(|statement| statement.contains("license.activation_date >= "))
    };
    // Admins are told from three quarters on.
    assert_eq!([1, 2, 3, 4].map(counts), [false, false, true, true]);
}

fn register(service: &Service, number: usize) {
    for number in 0..number {
        let (url, secret) = (format!("https://{number}.example.com/"), WebhookSecret::of_key(&[7; 32]));
        service.manager.create_webhook(&Actor::service(), url, secret, WebhookChanges::default()).unwrap();
    }
}

fn delivering_one_event_and_twenty_to_webhooks(database: Database) {
    let service = Service::new(database);
    let deliveries = service.deliveries(service.manager.clone());
    register(&service, 1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let of = |number: usize| {
        service.assign(&format!("learner{number}"), number);
        let (statements, told) = service.statements(|| {
            let due = deliveries.due(QueueKind::Webhooks).unwrap();
            let batch = deliveries.claim(due[0]).unwrap();
            let outcome = runtime.block_on(deliveries.deliver(&batch));
            deliveries.settle(&batch, &outcome).unwrap();
            batch.len()
        });
        assert_eq!(told, number);
        statements
    };
    assert_eq!(of(1), of(20));
}

fn assigning_with_and_without_webhooks(database: Database) {
    let service = Service::new(database);
    let (without, _) = service.statements(|| service.assign("amy", 10));
    register(&service, 5);
    let (with, _) = service.statements(|| service.assign("bob", 100));
    assert_eq!(without, with);
}

fn reminding_reads_no_webhooks(database: Database) {
    let service = Service::new(database);
    register(&service, 5);
    let whom = LicenseSelection::Emails(service.assign("amy", 10));
    let remind = || service.manager.remind(&Actor::service(), service.plan, &whom, &ReminderMail::default()).unwrap();
    let (statements, reminded) = service.statements(remind);
    assert_eq!(reminded, 10);
    // Postgres adds messages and tells webhooks with one statement, which reads these for events only.
    let adds_messages = |statement: &str| statement.starts_with("WITH message");
    let reads_webhooks = |statement: &String| statement.contains("webhook") && !adds_messages(statement);
    assert!(!statements.iter().any(reads_webhooks), "{statements:#?}");
}
