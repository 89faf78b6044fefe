//! Stores that implement a part of the repositories: which use case needs which, as the page about own stores says.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chrono::Duration;
use license_manager_domain::history::EntityRef;
use license_manager_domain::model::{
    BulkEnrollment, Enrollees, IdempotencyKey, JobKind, Period, TransferOrder, TransferredLicenses,
};
use license_manager_domain::operations::{Expiration, OperationSummary, RecurringOperation, Timetable, Unsupervised};
use license_manager_domain::outbox::OutboxSelection;
use license_manager_domain::ports::*;
use license_manager_domain::queue::QueueKind;
use license_manager_domain::use_cases::{LearnerLicenseFilter, LicenseEdit, RenewalOutcome, RenewedBy, WebhookChanges};
use license_manager_domain::webhooks::WebhookSecret;
use license_manager_domain::*;

use crate::operations::world::now;
use crate::support::upstreams::Town;
use crate::support::*;

/// A unit of work that notes which repositories are reached.
struct Recorded<'a> {
    unit: &'a mut dyn UnitOfWork,
    reached: &'a Mutex<BTreeSet<&'static str>>,
}

macro_rules! recorded {
    ($($accessor:ident: $repository:ident,)+) => {
        impl UnitOfWork for Recorded<'_> {
            $(fn $accessor(&mut self) -> &mut dyn $repository {
                self.reached.lock().unwrap().insert(stringify!($accessor));
                self.unit.$accessor()
            })+
        }
    };
}

recorded! {
    agreements: AgreementRepository,
    plans: PlanRepository,
    licenses: LicenseRepository,
    products: ProductRepository,
    renewals: RenewalRepository,
    transfers: TransferRepository,
    users: UserRepository,
    outbox: OutboxRepository,
    queue: QueueRepository,
    jobs: JobRepository,
    enrollment_jobs: EnrollmentJobRepository,
    lookups: LookupRepository,
    retirement: RetirementRepository,
    history: HistoryRepository,
    role_assignments: RoleAssignmentRepository,
    notifications: NotificationRepository,
    license_events: LicenseEventRepository,
    staff_actions: StaffActionRepository,
    idempotency: IdempotencyRepository,
    operations: OperationRepository,
    due_work: DueWorkRepository,
    purge: PurgeRepository,
    schedule: ScheduleRepository,
    webhooks: WebhookRepository,
    webhook_deliveries: WebhookDeliveryRepository,
    utilization: UtilizationRepository,
}

/// Records what `work` reaches in a world with a plan of three licenses: one activated by Amy, one assigned to Bob.
/// If the plan is renewed, another one follows it.
fn reached(renewed: bool, work: impl Fn(&LicenseManager, &World, PlanId)) -> BTreeSet<&'static str> {
    let world = World::new();
    let plan = world.plan(3);
    world.activate(plan, "amy@example.com", 7);
    world.assign(plan, &learners(["bob@example.com"])).unwrap();
    if renewed {
        world.renew(world.schedule(&world.terms(plan, 3))).unwrap();
    }
    let reached = Arc::<Mutex<BTreeSet<&'static str>>>::default();
    let noted = reached.clone();
    let store = wrapping(world.store.clone(), move |unit, work| work(&mut Recorded { unit, reached: &noted }));
    work(&world.manager.over(store), &world, plan);
    reached.lock().unwrap().clone()
}

fn everything(_: i64) -> Result<LimitOffset, Error> {
    Ok(ALL)
}

type UseCase = fn(&LicenseManager, &World, PlanId);

/// Each line of the table: the names of use cases, and a story that calls them.
const USE_CASES: &[(&str, UseCase)] = &[
    ("`create_agreement`", |manager, _, _| {
        let new =
            NewAgreement { customer: CustomerId(uuid::Uuid::from_u128(77)), changes: AgreementChanges::default() };
        manager.create_agreement(&admin(), new).unwrap();
    }),
    ("`update_agreement`", |manager, world, _| {
        let changes = AgreementChanges { customer_name: Edit::Set("Acme".to_owned()), ..Default::default() };
        manager.update_agreement(&admin(), world.agreement, changes).unwrap();
    }),
    ("`agreement`, `agreements`", |manager, world, _| {
        manager.agreement(world.agreement).unwrap();
        let filter = AgreementFilter { scope: CustomerScope::All, customer: None, agreement: None };
        manager.agreements(&filter, everything).unwrap();
    }),
    ("`create_plan`", |manager, world, _| {
        manager.create_plan(&admin(), ChangeReason::New, world.new_plan("Another", 2)).unwrap();
    }),
    ("`update_plan`", |manager, _, plan| {
        let changes = PlanChanges { desired_num_licenses: Edit::Set(5), ..Default::default() };
        manager.update_plan(&admin(), ChangeReason::Other, plan, changes).unwrap();
    }),
    ("`plan`, `plans`", |manager, _, plan| {
        manager.plan(plan).unwrap();
        let filter = PlanFilter { active_only: true, ..PlanFilter::new(CustomerScope::All) };
        manager.plans(&filter, everything).unwrap();
    }),
    ("`licenses`, `handed_out_licenses`", |manager, _, plan| {
        manager.licenses(plan, &LicenseFilter::default(), &[], everything).unwrap();
        manager.handed_out_licenses(plan, None, 10).unwrap();
    }),
    ("`assign`", |manager, _, plan| {
        manager.assign(&admin(), plan, &learners(["cat@example.com"]), &AssignmentMail::default()).unwrap();
    }),
    ("`remind`", |manager, _, plan| {
        let everybody = LicenseSelection::Matching(LicenseFilter::default());
        manager.remind(&admin(), plan, &everybody, &ReminderMail::default()).unwrap();
    }),
    ("`activate`", |manager, world, plan| {
        let key = world.license_of(plan, "bob@example.com").activation_key().unwrap();
        manager.activate(&Actor::user("bob"), key, &person("bob@example.com", 8)).unwrap();
    }),
    ("`auto_apply`", |manager, world, plan| {
        let applies = |plan: &mut SubscriptionPlan| plan.should_auto_apply_licenses = Some(true);
        world.rewrite_plan(plan, applies);
        manager.auto_apply(&Actor::user("cat"), world.agreement, &person("cat@example.com", 9)).unwrap();
    }),
    ("`own_licenses_of_plan`", |manager, _, plan| {
        manager.own_licenses_of_plan(plan, &person("amy@example.com", 7)).unwrap();
    }),
    ("`learner_licenses`", |manager, _, _| {
        let wanted =
            LearnerLicenseFilter { include_revoked: true, active_plans_only: false, current_plans_only: false };
        manager.learner_licenses(&Actor::user("amy"), customer(), &person("new@example.com", 7), wanted).unwrap();
    }),
    ("`subsidizing_licenses`", |manager, _, _| {
        manager.subsidizing_licenses(customer(), &person("amy@example.com", 7)).unwrap();
    }),
    ("`revoke`", |manager, world, plan| {
        let capped = |plan: &mut SubscriptionPlan| {
            (plan.is_revocation_cap_enabled, plan.revoke_max_percentage) = (true, 100);
        };
        world.rewrite_plan(plan, capped);
        manager.revoke(&admin(), plan, &LicenseSelection::Emails(vec![email("amy@example.com")])).unwrap();
    }),
    ("`revoke_all`", |manager, world, plan| {
        manager.revoke_all(&admin(), plan).unwrap();
        let few = Settings { batch_size: batches_of(1), ..Settings::default() };
        world.assign(plan, &learners(["cat@example.com", "dan@example.com"])).unwrap();
        manager.clone().with_settings(few).revoke_all(&admin(), plan).unwrap();
    }),
    ("`edit_license`", |manager, world, plan| {
        let edit = LicenseEdit { user_email: Some(email("bert@example.com")), ..Default::default() };
        manager.edit_license(&admin(), world.license_of(plan, "bob@example.com").id, edit).unwrap();
    }),
    ("`licenses_of_email`", |manager, _, _| {
        manager.licenses_of_email(&email("amy@example.com"), None).unwrap();
    }),
    ("`search_licenses`", |manager, _, _| {
        let filter = LicenseFilter { email_words: vec!["amy".to_owned()], ..Default::default() };
        let search = LicenseSearch { scope: CustomerScope::All, customer: None, plan: None, filter };
        manager.search_licenses(&search, &[], everything).unwrap();
    }),
    ("`retire`, `retire_address`", |manager, _, _| {
        manager.retire(&Actor::user("worker"), LmsUserId(7), "amy").unwrap();
        manager.retire_address(&Actor::user("worker"), &email("bob@example.com")).unwrap();
    }),
    ("`freeze`, `provision_plan`, `delete_revoked`", |manager, world, plan| {
        world.rewrite_plan(plan, |plan| plan.can_freeze_unused_licenses = true);
        manager.provision_plan(&admin(), plan).unwrap();
        manager.delete_revoked(&admin(), plan).unwrap();
        manager.freeze(&admin(), plan).unwrap();
    }),
    ("`claim_job`, `run_job`", |manager, world, plan| {
        let few = Settings { batch_size: batches_of(1), ..Settings::default() };
        world.manager.clone().with_settings(few).revoke_all(&admin(), plan).unwrap();
        assert!(manager.run_next_job().unwrap());
    }),
    ("`request_jobs`, `retry_jobs`, `cancel_jobs`", |manager, _, plan| {
        assert_eq!(manager.request_jobs(&admin(), JobKind::RevokeAll, &[plan]), Ok(vec![plan]));
        assert_eq!(manager.retry_jobs(&admin(), JobKind::RevokeAll, &[plan]), Ok(1));
        assert_eq!(manager.cancel_jobs(&admin(), JobKind::RevokeAll, &[plan]), Ok(1));
    }),
    ("`create_renewal`, `renewal`, `delete_renewal`", |manager, world, _| {
        let terms = world.terms(world.plan(1), 1);
        let RenewalOutcome::Written(details) = manager.create_renewal(&admin(), &terms).unwrap() else {
            panic!("nothing stands in the way")
        };
        manager.renewal(details.renewal.id).unwrap();
        manager.delete_renewal(&admin(), details.renewal.id).unwrap();
    }),
    ("`process_renewal`", |manager, world, _| {
        let other = world.plan(1);
        world.activate(other, "eve@example.com", 11);
        let renewal = world.schedule(&world.terms(other, 1));
        manager.process_renewal(&admin(), renewal, RenewedBy::Manual).unwrap();
    }),
    ("`create_transfer_job`, `process_transfer_job`", |manager, world, plan| {
        let order = TransferOrder {
            agreement: world.agreement,
            old_plan: plan,
            new_plan: world.plan(0),
            notes: None,
            is_dry_run: false,
            licenses: TransferredLicenses::All,
        };
        let job = manager.create_transfer_job(&admin(), &order).unwrap();
        manager.process_transfer_job(&admin(), job.id, None).unwrap();
    }),
    ("`history`", |manager, world, plan| {
        let license = EntityRef::License(world.license_of(plan, "amy@example.com").id);
        manager.history(license, everything).unwrap();
    }),
    ("`revert`", |manager, world, plan| {
        let as_of = world.manager.now();
        world.clock.advance(Duration::days(1));
        world.revoke(plan, &["bob@example.com"]).unwrap();
        manager.revert(&admin(), &RevertRequest::new(plan, as_of)).unwrap();
    }),
    ("`products`, `plan_types`", |manager, _, _| {
        manager.products().unwrap();
        manager.plan_types().unwrap();
    }),
    ("`request_enrollment`, `enrollment_job`", |manager, _, plan| {
        let enrollment = BulkEnrollment {
            learners: Enrollees::Emails(vec![email("amy@example.com")]),
            plan: Some(plan),
            course_run_keys: vec!["course".to_owned()],
            notify: false,
        };
        let id = manager.request_enrollment(customer(), None, enrollment).unwrap();
        manager.enrollment_job(customer(), id).unwrap();
    }),
    ("`utilization_period`, `seat_days`, `idle_seats`", |manager, _, plan| {
        let period: Option<Period> = manager.utilization_period(plan, None, None).unwrap().1;
        manager.seat_days(plan, period.unwrap()).unwrap();
        manager.idle_seats(plan, 10).unwrap();
    }),
    ("`outbox`, `backlog`, `retry_messages`, `discard_messages`", |manager, _, _| {
        let waiting = manager.outbox(&OutboxFilter::default(), 10).unwrap();
        let one = OutboxSelection::Messages(vec![waiting[0].id]);
        manager.backlog(10).unwrap();
        assert_eq!(manager.retry_messages(&admin(), &one), Ok(1));
        assert_eq!(manager.discard_messages(&admin(), &one), Ok(1));
    }),
    ("`Deliveries`", |manager, world, plan| {
        let secret = WebhookSecret::of_key(&[7; 32]);
        let url = "https://hooks.example.com/".to_owned();
        world.manager.create_webhook(&admin(), url, secret, WebhookChanges::default()).unwrap();
        world.rewrite_plan(plan, |plan| plan.should_auto_apply_licenses = Some(true));
        world.manager.auto_apply(&Actor::user("eve"), world.agreement, &person("eve@example.com", 9)).unwrap();
        world.revoke(plan, &["amy@example.com"]).unwrap();
        // No license is left, so a mail to admins is due.
        world.manager.auto_apply(&Actor::user("cat"), world.agreement, &person("cat@example.com", 10)).unwrap();
        let enrollment = BulkEnrollment {
            learners: Enrollees::Holders,
            plan: Some(plan),
            course_run_keys: vec!["course".to_owned()],
            notify: false,
        };
        world.manager.request_enrollment(customer(), Some(LmsUserId(1)), enrollment).unwrap();
        let deliveries = Town::deliveries_of(manager);
        // Messages have up to two steps.
        for kind in [QueueKind::Messages, QueueKind::Webhooks, QueueKind::Messages, QueueKind::Messages] {
            for queue in deliveries.due(kind).unwrap() {
                let batch = deliveries.claim(queue).unwrap();
                let outcome = now(deliveries.deliver(&batch));
                deliveries.settle(&batch, &outcome).unwrap();
            }
        }
    }),
    ("`create_webhook`, `webhooks`, `delete_webhook`", |manager, _, _| {
        let secret = WebhookSecret::of_key(&[7; 32]);
        let url = "https://hooks.example.com/".to_owned();
        let webhook = manager.create_webhook(&admin(), url, secret, WebhookChanges::default()).unwrap();
        manager.webhooks(everything).unwrap();
        manager.delete_webhook(&admin(), webhook.id).unwrap();
    }),
    ("`begin_once`", |manager, _, _| {
        let key = IdempotencyKey { username: "amy".to_owned(), key: "k".to_owned(), operation: "POST /a/".to_owned() };
        manager.begin_once(&key, [1; 32]).unwrap();
    }),
    ("`set_timetable`, `due_runs`, `claim_run`, `finish_run`", |manager, world, _| {
        let operation = RecurringOperation::RetireOldLicenses;
        let timetable = Timetable::from([(operation, "0 2 * * *".parse().unwrap())]);
        manager.set_timetable(&timetable).unwrap();
        world.clock.advance(Duration::days(2));
        assert_eq!(manager.due_runs(), Ok(vec![operation]));
        let run = manager.claim_run(operation).unwrap().unwrap();
        manager.finish_run(&run, &OperationSummary::ended_unexpectedly(operation)).unwrap();
    }),
    ("`process_renewals`", |manager, world, _| {
        let other = world.plan(2);
        world.schedule(&world.terms(other, 2));
        let summary = now(manager.process_renewals(Duration::days(200), false, &Unsupervised));
        assert!(summary.is_complete(), "{summary:?}");
    }),
    ("`expire_subscriptions`", |manager, world, _| {
        world.clock.advance(Duration::days(365) + Duration::hours(1));
        let summary = now(manager.expire_subscriptions(&Expiration::before(world.manager.now()), &Unsupervised));
        assert!(summary.is_complete(), "{summary:?}");
    }),
    ("`retire_old_licenses`", |manager, world, _| {
        world.clock.advance(Duration::days(800));
        let summary = manager.retire_old_licenses(false, &Unsupervised);
        assert!(summary.is_complete(), "{summary:?}");
    }),
    ("`clean_old_history`", |manager, _, _| {
        let summary = manager.clean_old_history(Duration::days(30), false, &Unsupervised);
        assert!(summary.is_complete(), "{summary:?}");
    }),
];

fn names(repositories: impl IntoIterator<Item = &'static str>) -> String {
    repositories.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_page_says_which_use_case_reaches_which_repositories() {
    let lines = USE_CASES.iter().map(|(use_case, story)| {
        let always = reached(false, story);
        let renewed = reached(true, story);
        format!(
            "| {use_case} | {} | {} |\n",
            names(always.iter().copied()),
            names(renewed.difference(&always).copied())
        )
    });
    let table: String = lines.collect();
    let page = include_str!("../../OWN_STORE.md");
    assert!(page.contains(&table), "OWN_STORE.md must contain this table:\n{table}");
}

#[test]
fn the_page_names_the_methods_of_the_example() {
    let store = include_str!("../../examples/own_store/store.rs");
    let repositories = [
        ("agreements", "AgreementRepository"),
        ("plans", "PlanRepository"),
        ("licenses", "LicenseRepository"),
        ("renewals", "RenewalRepository"),
        ("outbox", "OutboxRepository"),
    ];
    let (mut table, mut number) = (String::new(), 0);
    for (accessor, repository) in repositories {
        let (_, rest) = store.split_once(&format!("impl {repository} for Unit<'_> {{")).unwrap();
        let (body, _) = rest.split_once("\n}\n").unwrap();
        let methods: Vec<_> =
            body.lines().filter_map(|line| Some(line.strip_prefix("    fn ")?.split_once('(')?.0)).collect();
        number += methods.len();
        table += &format!("| `{accessor}` | {} |\n", names(methods));
    }
    let page = include_str!("../../OWN_STORE.md");
    assert!(page.contains(&table), "OWN_STORE.md must contain this table:\n{table}");
    assert!(page.contains(&format!("It implements {number} methods of\n{} repositories", repositories.len())));
}

#[test]
fn what_a_store_lacks_is_named() {
    struct Nothing;

    impl UnitOfWork for Nothing {}

    impl Store for Nothing {
        fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error> {
            work(&mut Self)
        }

        fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error> {
            work(&mut Self)
        }

        fn ping(&self) -> Result<(), Error> {
            Ok(())
        }
    }

    let manager = World::new().manager.over(Arc::new(Nothing));
    let plan = PlanId(uuid::Uuid::nil());
    let assigned = manager.assign(&admin(), plan, &learners(["amy@example.com"]), &AssignmentMail::default());
    assert_eq!(assigned, Err(Error::NotProvided("licenses.live_emails")));
    assert_eq!(
        assigned.unwrap_err().to_string(),
        "This program does not provide licenses.live_emails, which is needed here."
    );
    let summary = manager.clean_old_history(Duration::days(30), false, &Unsupervised);
    assert_eq!(summary.errors.len(), 1, "an operation reports it: {summary:?}");
}
