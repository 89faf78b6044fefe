//! The lists of operators.

use chrono::Duration;
use license_manager_domain::console::{
    EnrollmentFilters, JobFilters, MessageFilters, Slice, TransferFilters, WebhookFilters,
};
use license_manager_domain::model::{BulkEnrollment, Enrollees, JobKind, TransferOrder, TransferredLicenses};
use license_manager_domain::outbox::{EventName, OutboxSelection};
use license_manager_domain::ports::{CustomerScope, LimitOffset, OutboxFilter, StoreExt, WebhookDeliveryFilter};
use license_manager_domain::queue::{Claim, Lease, Queue, Settlement};
use license_manager_domain::use_cases::WebhookChanges;
use license_manager_domain::webhooks::{OffReason, WebhookSecret, WebhookState};
use license_manager_domain::{Actor, CustomerId, Edit, Email, Error, LicenseCounts, LicenseId, Settings, WebhookId};
use uuid::Uuid;

use crate::{NOW, Scene};

/// More rows than any list here has.
const ALL: Slice = Slice::new(0, 100);

on_both_databases! {
    messages_are_filtered_and_counted_by_topic
    jobs_show_how_far_they_are
    bulk_enrollments_are_listed_latest_first
    webhooks_are_filtered_by_customer_and_state
    deliveries_of_all_states_come_latest_first
    transfers_are_filtered_with_their_plans
    scarce_plans_come_scarcest_first
}

fn licenses(scene: &Scene, email: &str) -> Vec<LicenseId> {
    let emails: Vec<Email> = vec![email.parse().unwrap()];
    let found = scene.console.licenses_of_person(&CustomerScope::All, &emails, None, 100).unwrap();
    found.into_iter().map(|license| license.id).collect()
}

fn messages_are_filtered_and_counted_by_topic(scene: &Scene) {
    let plan = scene.plan(scene.agreement(1, "Acme"), "Languages", 3, 30);
    scene.assign(plan, &["amy@example.com", "bob@example.com"]);
    let all = MessageFilters::default();
    let listed = |filters: &MessageFilters| {
        let page = scene.console.message_rows(filters, ALL).unwrap();
        assert_eq!(page.total, page.rows.len() as i64);
        page.rows
    };
    let stored = scene.manager.outbox(&OutboxFilter::default(), 100).unwrap();
    assert_eq!(listed(&all), stored, "in the order of addition");
    let topics = scene.console.message_topics(&all).unwrap();
    assert_eq!(topics, [("assignment".to_owned(), 2), ("license_event".to_owned(), 2)]);
    let of_topic = MessageFilters { topic: Some("assignment".to_owned()), ..all.clone() };
    assert_eq!(listed(&of_topic).len(), 2);
    let in_queue = MessageFilters { queue: Some("addresses".to_owned()), ..all.clone() };
    assert!(listed(&in_queue).iter().all(|message| message.topic == "license_event"));
    assert_eq!(listed(&in_queue).len(), 2);
    assert_eq!(listed(&MessageFilters { dead_lettered: Some(true), ..all.clone() }), []);
    assert_eq!(listed(&MessageFilters { dead_lettered: Some(false), ..all.clone() }).len(), 4);
    let one = MessageFilters { ids: Some(vec![stored[1].id]), ..all.clone() };
    assert_eq!(listed(&one), [stored[1].clone()]);
    assert_eq!(listed(&MessageFilters { ids: Some(Vec::new()), ..all.clone() }), []);
    let second = scene.console.message_rows(&all, Slice::new(1, 1)).unwrap();
    assert_eq!((second.total, second.rows), (4, vec![stored[1].clone()]));
    let reversed = scene.console.message_rows(&all, Slice { is_reversed: true, ..Slice::new(0, 2) }).unwrap();
    assert_eq!(reversed.rows, [stored[3].clone(), stored[2].clone()], "from the end");
    let dropped = OutboxSelection::Messages(vec![stored[0].id, stored[1].id]);
    assert_eq!(scene.manager.discard_messages(&Actor::user("amy"), &dropped), Ok(2));
    assert_eq!(listed(&all).len(), 2);
}

fn jobs_show_how_far_they_are(scene: &Scene) {
    let small = Settings { inline_limit: 1, ..scene.manager.settings().clone() };
    let agreement = scene.agreement(1, "Acme");
    let manager = scene.manager.clone().with_settings(small);
    let plan = crate::plan_of(&manager, agreement, "Large", 5, 30);
    let listed = |filters: &JobFilters| {
        let page = scene.console.job_rows(filters, NOW, ALL).unwrap();
        assert_eq!(page.total, page.rows.len() as i64);
        page.rows
    };
    let all = JobFilters::default();
    let jobs = listed(&all);
    let [job] = &jobs[..] else { panic!("one job waits: {jobs:?}") };
    assert_eq!((job.plan, job.plan_title.as_str(), job.kind), (plan, "Large", Some(JobKind::Provision)));
    assert_eq!((job.desired, job.counts, job.is_claimed, job.attempts), (Some(5), LicenseCounts::default(), false, 0));
    assert_eq!(job.requested_by.as_deref(), Some("amy"));
    let claimed = manager.claim_job(manager.due_jobs().unwrap()[0]).unwrap().expect("it is due");
    assert!(listed(&all)[0].is_claimed);
    manager.postpone_job(&claimed, &Error::Unavailable).unwrap();
    let failed = &listed(&JobFilters { has_failed: Some(true), ..all.clone() })[0];
    assert_eq!((failed.attempts, failed.last_error.clone()), (1, Some(Error::Unavailable.to_string())));
    assert!(!failed.is_claimed && failed.not_before > NOW);
    for (filters, number) in [
        (JobFilters { has_failed: Some(false), ..all.clone() }, 0),
        (JobFilters { title: Some("LAR".to_owned()), ..all.clone() }, 1),
        (JobFilters { title: Some("small".to_owned()), ..all.clone() }, 0),
        (JobFilters { kind: Some(JobKind::Provision), ..all.clone() }, 1),
        (JobFilters { kind: Some(JobKind::Freeze), ..all.clone() }, 0),
        (JobFilters { plans: Some(vec![plan]), ..all.clone() }, 1),
        (JobFilters { plans: Some(Vec::new()), ..all.clone() }, 0),
    ] {
        assert_eq!(listed(&filters).len(), number, "{filters:?}");
    }
    manager.retry_jobs(&Actor::user("zoe"), JobKind::Provision, &[plan]).unwrap();
    let claimed = manager.claim_job(manager.due_jobs().unwrap()[0]).unwrap().expect("it is due");
    manager.run_job(&claimed).unwrap();
    assert_eq!(listed(&all), []);
}

fn bulk_enrollments_are_listed_latest_first(scene: &Scene) {
    scene.agreement(1, "Acme");
    scene.agreement(2, "Books");
    let ask = |customer: u128| {
        let enrollment = BulkEnrollment {
            learners: Enrollees::Emails(vec!["amy@example.com".parse().unwrap()]),
            plan: None,
            course_run_keys: vec!["course-v1:edX+Demo+T1".to_owned()],
            notify: true,
        };
        scene.manager.request_enrollment(CustomerId(Uuid::from_u128(customer)), None, enrollment).unwrap()
    };
    let (first, second) = (ask(1), ask(2));
    let listed = |filters: EnrollmentFilters| {
        let page = scene.console.enrollment_rows(&filters, ALL).unwrap();
        assert_eq!(page.total, page.rows.len() as i64);
        page.rows
    };
    let all = EnrollmentFilters::default();
    let mut ids: Vec<_> = listed(all.clone()).into_iter().map(|row| row.id).collect();
    ids.sort_unstable();
    let mut expected = vec![first, second];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    let row = listed(EnrollmentFilters { customer: Some("ACM".to_owned()), ..all.clone() }).remove(0);
    assert_eq!((row.id, row.customer_name.as_deref(), row.stage.as_str()), (first, Some("Acme"), "enrolling"));
    assert_eq!(row.enrollment.course_run_keys.len(), 1);
    assert_eq!(listed(EnrollmentFilters { is_unfinished: Some(true), ..all.clone() }).len(), 2);
    assert_eq!(listed(EnrollmentFilters { is_unfinished: Some(false), ..all.clone() }), []);

    // What is still to be delivered for it.
    let waiting = row.waiting.expect("a message carries it out");
    assert_eq!((waiting.attempts, waiting.given_up, waiting.last_error), (0, None, None));
    let drop = OutboxSelection::Messages(vec![waiting.message]);
    assert_eq!(scene.manager.discard_messages(&Actor::user("zoe"), &drop), Ok(1));
    let by_id = |id| listed(EnrollmentFilters { id: Some(id), ..all.clone() }).remove(0);
    assert_eq!(by_id(first).waiting, None);
    assert_ne!(by_id(second).waiting.map(|waiting| waiting.message), Some(waiting.message));
}

fn webhooks_are_filtered_by_customer_and_state(scene: &Scene) {
    let plan = scene.plan(scene.agreement(1, "Acme"), "Languages", 3, 30);
    scene.agreement(2, "Books");
    let actor = Actor::user("amy");
    let add = |path: &str, changes: WebhookChanges| {
        let url = format!("https://hooks.example.com/{path}");
        scene.manager.create_webhook(&actor, url, WebhookSecret::of_key(&[7; 32]), changes).unwrap().id
    };
    let of = |customer: u128| Edit::Set(CustomerId(Uuid::from_u128(customer)));
    let everybodys = add("all", WebhookChanges::default());
    let event_types = Some(vec![EventName::Revoked, EventName::Assigned]);
    let acmes = add("acme", WebhookChanges { customer: of(1), event_types, ..WebhookChanges::default() });
    let off = add("off", WebhookChanges { customer: of(2), is_active: Some(false), ..WebhookChanges::default() });
    let unknown = add("unknown", WebhookChanges { customer: of(3), ..WebhookChanges::default() });
    scene.assign(plan, &["amy@example.com", "bob@example.com"]);
    let listed = |customer: Option<&str>, is_active| {
        let filters = WebhookFilters { customer: customer.map(str::to_owned), is_active };
        let page = scene.console.webhook_rows(&filters, ALL).unwrap();
        assert_eq!(page.total, page.rows.len() as i64);
        page.rows
    };
    let ids = |customer: Option<&str>, is_active| {
        let mut ids: Vec<WebhookId> = listed(customer, is_active).into_iter().map(|row| row.id).collect();
        ids.sort_unstable();
        ids
    };
    let sorted = |mut ids: Vec<WebhookId>| {
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(None, None), sorted(vec![everybodys, acmes, off, unknown]));
    assert_eq!(ids(None, Some(true)), sorted(vec![everybodys, acmes, unknown]));
    assert_eq!(ids(None, Some(false)), [off]);
    assert_eq!(ids(Some("ACM"), None), [acmes]);
    assert_eq!(ids(Some("book"), None), [off]);
    assert_eq!(ids(Some("book"), Some(true)), []);
    assert_eq!(ids(Some("%"), None), []);

    let row = listed(Some("acme"), None).remove(0);
    assert_eq!(row.event_types, scene.manager.webhook(acmes).unwrap().webhook.event_types);
    assert_eq!((row.url.as_str(), row.customer_name.as_deref()), ("https://hooks.example.com/acme", Some("Acme")));
    assert_eq!((row.is_active, row.off_reason, row.dropped, row.created), (true, None, 0, NOW));
    let row = listed(None, Some(false)).remove(0);
    assert_eq!((row.off_reason, row.waiting), (Some(OffReason::Requested), 0));
    for row in listed(None, None) {
        assert_eq!(row.waiting, scene.manager.webhook(row.id).unwrap().waiting, "{}", row.url);
    }
    assert_eq!(listed(Some("acme"), None)[0].waiting, 2, "one for each license");

    // All were added at the same moment: ids decide.
    let part = |slice| {
        let page = scene.console.webhook_rows(&WebhookFilters::default(), slice).unwrap();
        (page.total, page.rows.into_iter().map(|row| row.id).collect::<Vec<_>>())
    };
    let all = sorted(vec![everybodys, acmes, off, unknown]);
    assert_eq!(part(Slice::new(1, 2)), (4, all[1..3].to_vec()));
    assert_eq!(part(Slice { is_reversed: true, ..Slice::new(0, 1) }), (4, all[3..].to_vec()));
}

fn deliveries_of_all_states_come_latest_first(scene: &Scene) {
    let (actor, secret) = (Actor::user("amy"), WebhookSecret::of_key(&[7; 32]));
    let url = "https://hooks.example.com/".to_owned();
    let webhook = scene.manager.create_webhook(&actor, url, secret, WebhookChanges::default()).unwrap().id;
    let plan = scene.plan(scene.agreement(1, "Acme"), "Languages", 3, 30);
    scene.assign(plan, &["amy@example.com", "bob@example.com", "cleo@example.com"]);
    // One was accepted, one was given up, and one waits.
    let store = scene.manager.store();
    let lease = Lease { id: Uuid::from_u128(1), queue: Queue::Webhook(webhook) };
    let claim = Claim { lease, now: NOW, until: NOW + Duration::hours(1), limit: 2 };
    let claimed = store.write(|unit| unit.queue().claim(&claim)).unwrap();
    let ends = |place: usize| Settlement {
        completed_at: (place == 0).then_some(NOW),
        dead_lettered_at: (place == 1).then_some(NOW),
        ..Settlement::due(claimed[place].message.id.0, NOW)
    };
    store.write(|unit| unit.queue().settle(lease, &[ends(0), ends(1)])).unwrap();
    let states = [None, Some(WebhookState::Waiting), Some(WebhookState::Delivered), Some(WebhookState::DeadLettered)];
    let numbers = states.map(|state| {
        let filter = WebhookDeliveryFilter { webhook, state, id: None };
        let mut expected =
            store.read(|unit| unit.webhook_deliveries().list(&filter, LimitOffset { offset: 0, limit: 100 })).unwrap();
        let listed = scene.console.delivery_rows(webhook, state, ALL).unwrap();
        assert_eq!((listed.total, &listed.rows), (expected.len() as i64, &expected), "{state:?}");
        expected.reverse();
        let reversed = scene.console.delivery_rows(webhook, state, Slice { is_reversed: true, ..ALL }).unwrap();
        assert_eq!(reversed.rows, expected, "{state:?}, from the end");
        expected.len()
    });
    assert_eq!(numbers, [3, 1, 1, 1]);
    let all = scene.console.delivery_rows(webhook, None, ALL).unwrap().rows;
    let second = scene.console.delivery_rows(webhook, None, Slice::new(1, 1)).unwrap();
    assert_eq!((second.total, second.rows), (3, vec![all[1].clone()]));
    let elsewhere = scene.console.delivery_rows(WebhookId(Uuid::from_u128(9)), None, ALL).unwrap();
    assert_eq!((elsewhere.total, elsewhere.rows), (0, Vec::new()));
}

fn transfers_are_filtered_with_their_plans(scene: &Scene) {
    let agreement = scene.agreement(1, "Acme");
    let (old, new) = (scene.plan(agreement, "Old", 2, 30), scene.plan(agreement, "New", 1, 300));
    scene.assign(old, &["amy@example.com"]);
    let order = |licenses| TransferOrder {
        agreement,
        old_plan: old,
        new_plan: new,
        notes: Some("asked for".to_owned()),
        is_dry_run: true,
        licenses,
    };
    let moved = licenses(scene, "amy@example.com");
    let actor = Actor::user("amy");
    let named = scene.manager.create_transfer_job(&actor, &order(TransferredLicenses::Named(moved.clone()))).unwrap();
    let all = scene.manager.create_transfer_job(&actor, &order(TransferredLicenses::All)).unwrap();
    scene.manager.process_transfer_job(&actor, named.id, Some(false)).unwrap();
    let listed = |filters: TransferFilters| {
        let page = scene.console.transfer_rows(&filters, ALL).unwrap();
        assert_eq!(page.total, page.rows.len() as i64);
        page.rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(TransferFilters::default()), [all.id, named.id]);
    assert_eq!(listed(TransferFilters { is_completed: Some(true), ..Default::default() }), [named.id]);
    assert_eq!(listed(TransferFilters { plan: Some(new), ..Default::default() }).len(), 2);
    assert_eq!(listed(TransferFilters { agreement: Some(agreement), ..Default::default() }).len(), 2);
    for (text, number) in [("ACM", 2), ("old", 2), ("ew", 2), ("books", 0), ("%", 0)] {
        let filters = TransferFilters { text: Some(text.to_owned()), ..Default::default() };
        assert_eq!(listed(filters).len(), number, "{text}");
    }
    let elsewhere = scene.agreement(2, "Books");
    assert_eq!(listed(TransferFilters { agreement: Some(elsewhere), ..Default::default() }), []);
    let row = &scene.console.transfer_rows(&TransferFilters::default(), ALL).unwrap().rows[1];
    assert_eq!((row.old_title.as_str(), row.new_title.as_str(), row.transfer_all), ("Old", "New", false));
    assert_eq!((row.customer_name.as_deref(), row.completed_at), (Some("Acme"), Some(NOW)));
    let rows = scene.console.license_rows(&moved, 10).unwrap();
    assert_eq!((rows.len(), rows[0].plan), (1, new), "it moved");
    assert_eq!(scene.console.license_rows(&moved, 0).unwrap(), []);
}

fn scarce_plans_come_scarcest_first(scene: &Scene) {
    let agreement = scene.agreement(1, "Acme");
    let (used, full, ended) = (
        scene.plan(agreement, "Used", 11, 30),
        scene.plan(agreement, "Full", 1, 30),
        scene.plan(agreement, "Ended", 1, -5),
    );
    scene.plan(agreement, "Fresh", 10, 30);
    let people: Vec<String> = (0..10).map(|number| format!("p{number}@example.com")).collect();
    scene.assign(used, &people.iter().map(String::as_str).collect::<Vec<_>>());
    scene.assign(full, &["amy@example.com"]);
    let scarce = |scope: &CustomerScope, limit| {
        let rows = scene.console.scarce_plans(scope, NOW, limit).unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(scarce(&CustomerScope::All, 10), [full, used]);
    assert_eq!(scarce(&CustomerScope::All, 1), [full]);
    assert!(!scarce(&CustomerScope::All, 10).contains(&ended));
    assert_eq!(scarce(&CustomerScope::Only(Vec::new()), 10), []);
}
