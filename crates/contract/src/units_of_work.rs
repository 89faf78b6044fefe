//! Transactions: all or nothing; read units cannot write.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use license_manager_domain::model::{
    Job, JobKind, Notification, NotificationKind, TransferredLicenses, seeded_products,
};
use license_manager_domain::outbox::{Message, Payload, Topic};
use license_manager_domain::ports::{
    LicenseEventFilter, LicenseFilter, NotificationFilter, Person, Retiree, RoleAssignment, StoreExt, Task, UnitOfWork,
};
use license_manager_domain::queue::{Claim, Lease, Queue, Settlement};
use license_manager_domain::{
    Entity, Error, LicenseStatus, LicenseTransferJob, LmsUserId, MessageId, RenewalId, RoleAssignmentId,
    SubscriptionPlanRenewal, TransferJobId,
};
use uuid::Uuid;

use super::fixtures::*;
use super::transfers::order;
use super::{Database, enrollment_jobs};

/// The number of agreements that these obligations add.
fn agreements(db: &dyn Database) -> usize {
    let is_there =
        |&number: &u128| db.store().read(|unit| unit.agreements().find(agreement_id(number))).unwrap().is_some();
    [1, 2, 9].iter().filter(|number| is_there(number)).count()
}

/// What a use case reports as done is stored.
pub fn work_that_returns_ok_is_committed(db: &dyn Database) {
    let returned = db.store().write(|unit| {
        unit.agreements().add(&agreement(1), &change(0))?;
        Ok("done")
    });
    assert_eq!(returned, Ok("done"));
    assert_eq!(agreements(db), 1);
}

/// A use case that fails has changed nothing: neither rows nor their history.
pub fn work_that_returns_an_error_leaves_nothing_behind(db: &dyn Database) {
    let returned: Result<(), Error> = db.store().write(|unit| {
        unit.agreements().add(&agreement(1), &change(0))?;
        Err(Error::NotFound(Entity::Plan))
    });
    assert_eq!(returned, Err(Error::NotFound(Entity::Plan)), "the work's own error comes back");
    assert_eq!(agreements(db), 0);
    assert_eq!(db.history("customer_agreement", &agreement_id(1).to_string()), []);
}

/// A fault in one request neither writes half of it nor takes a connection away from the others.
pub fn work_that_panics_leaves_nothing_behind_and_the_store_usable(db: &dyn Database) {
    let store = db.store();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        store.write(|unit| -> Result<(), Error> {
            unit.agreements().add(&agreement(1), &change(0))?;
            resume_unwind(Box::new("the work panics"))
        })
    }));
    assert!(outcome.is_err(), "the panic goes on to the caller");
    assert_eq!(agreements(db), 0);
    store.write(|unit| unit.agreements().add(&agreement(1), &change(0))).unwrap();
    assert_eq!(agreements(db), 1);
}

/// A use case can build on what it has just written.
pub fn a_transaction_sees_its_own_writes(db: &dyn Database) {
    let seen = db.store().write(|unit| {
        unit.agreements().add(&agreement(1), &change(0))?;
        unit.agreements().find(agreement_id(1))
    });
    assert_eq!(seen, Ok(Some(agreement(1))));
}

/// A use case that is declared to read cannot change anything by mistake.
pub fn a_unit_that_reads_refuses_every_write(db: &dyn Database) {
    type Write = fn(&mut dyn UnitOfWork) -> Result<(), Error>;
    let writes: &[(&str, Write)] = &[
        ("products.seed", |unit| unit.products().seed(&seeded_products(), &change(9))),
        ("products.add", |unit| unit.products().add(&seeded_products()[2], &change(9)).map(drop)),
        ("products.save", |unit| unit.products().save(&seeded_products()[2], &change(9))),
        ("products.add_plan_type", |unit| unit.products().add_plan_type(&seeded_products()[0].plan_type).map(drop)),
        ("products.save_plan_type", |unit| unit.products().save_plan_type(&seeded_products()[0].plan_type)),
        ("role_assignments.add", |unit| {
            let role = RoleAssignment { role: "enterprise_subscriptions_admin".to_owned(), customer: None };
            unit.role_assignments().add("amy", &role, day(9)).map(drop)
        }),
        ("role_assignments.remove", |unit| unit.role_assignments().remove(RoleAssignmentId(1)).map(drop)),
        ("notifications.save", |unit| {
            let kind = NotificationKind::PeriodicInformational;
            let sent =
                Notification { customer: customer(1), customer_user: 1, plan: plan_id(1), kind, last_sent: day(9) };
            unit.notifications().save(&[sent], &change(9))
        }),
        ("license_events.add", |unit| unit.license_events().add(&[license_id(1)], "done", day(9))),
        ("notifications.delete", |unit| {
            unit.notifications().delete(&NotificationFilter::default(), &change(9)).map(drop)
        }),
        ("license_events.delete", |unit| {
            unit.license_events().delete(&LicenseEventFilter::default(), &change(9)).map(drop)
        }),
        ("agreements.delete", |unit| unit.agreements().delete(agreement_id(1), &change(9))),
        ("plans.delete", |unit| unit.plans().delete(plan_id(1), &change(9))),
        ("transfers.delete", |unit| unit.transfers().delete(TransferJobId(1), &change(9))),
        ("licenses.remove_sources", |unit| unit.licenses().remove_sources(&[license_id(1)], &change(9))),
        ("operations.unmark_plans", |unit| unit.operations().unmark_plans(&[plan_id(1)], "mailed")),
        ("agreements.add", |unit| unit.agreements().add(&agreement(9), &change(9))),
        ("agreements.save", |unit| unit.agreements().save(&agreement(1), &change(9))),
        ("agreements.rename", |unit| {
            unit.agreements().rename(&[(agreement_id(1), "slug".to_owned(), "Name".to_owned())], &change(9))
        }),
        ("plans.add", |unit| unit.plans().add(&plan(9, 1), &change(9))),
        ("plans.save", |unit| unit.plans().save(&plan(1, 1), &change(9))),
        ("licenses.add_unassigned", |unit| unit.licenses().add_unassigned(plan_id(1), &[license_id(9)], &change(9))),
        ("licenses.save", |unit| unit.licenses().save(&[assigned(1, 1, "amy@example.com")], &change(9))),
        ("licenses.set_sources", |unit| {
            unit.licenses().set_sources(&[(license_id(1), "006000000000000001".to_owned())], &change(9))
        }),
        ("licenses.delete", |unit| unit.licenses().delete(plan_id(1), LicenseStatus::Unassigned, &change(9)).map(drop)),
        ("plans.auto_apply_only", |unit| unit.plans().auto_apply_only(agreement_id(1), None, &change(9))),
        ("enrollment_jobs.add", |unit| unit.enrollment_jobs().add(&enrollment_jobs::job(1))),
        ("enrollment_jobs.save", |unit| unit.enrollment_jobs().save(&[(enrollment_jobs::job(1), None)])),
        ("enrollment_jobs.advance", |unit| unit.enrollment_jobs().advance(&enrollment_jobs::job(1), "")),
        ("users.remember", |unit| unit.users().remember("amy", None, false, day(9))),
        ("users.set_superuser", |unit| unit.users().set_superuser("amy", true, day(9))),
        ("outbox.add", |unit| {
            unit.outbox().add(&[Message {
                id: MessageId(Uuid::from_u128(1)),
                license: None,
                plan: Some(plan_id(1)),
                customer: customer(1),
                payload: Payload::read(Topic::LicenseEvent, "{}".to_owned()),
                created: day(9),
            }])
        }),
        ("jobs.add", |unit| unit.jobs().add(&Job::new(plan_id(1), JobKind::Provision, day(9)))),
        ("jobs.add_to_plans", |unit| unit.jobs().add_to_plans(&[plan_id(1)], JobKind::Freeze, &change(9))),
        ("staff_actions.remove_old", |unit| unit.staff_actions().remove_old(day(9), 1).map(drop)),
        ("jobs.hurry", |unit| unit.jobs().hurry(&[plan_id(1)], JobKind::Freeze, day(9)).map(drop)),
        ("jobs.remove", |unit| unit.jobs().remove(&[plan_id(1)], JobKind::Freeze).map(drop)),
        ("retirement.erase_history", |unit| unit.retirement().erase_history(&[license_id(1)], &retiree(), &[])),
        ("retirement.erase_sources", |unit| unit.retirement().erase_sources(&[license_id(1)])),
        ("retirement.erase_messages", |unit| unit.retirement().erase_messages(&[license_id(1)], &[])),
        ("retirement.erase_user", |unit| unit.retirement().erase_user("amy").map(drop)),
        ("queue.settle", |unit| unit.queue().settle(LEASE, &[Settlement::completed(plan_id(1).0, day(9))])),
        ("queue.prolong", |unit| unit.queue().prolong(LEASE, &[plan_id(1).0], day(9)).map(drop)),
        ("queue.held", |unit| unit.queue().held(LEASE, &[plan_id(1).0]).map(drop)),
        ("queue.claim", |unit| unit.queue().claim(&claim(Queue::Mail)).map(drop)),
        ("queue.claim_job", |unit| unit.queue().claim_job(&claim(LEASE.queue)).map(drop)),
        ("queue.claim_task", |unit| {
            let task = Task { operation: "expire-subscriptions", key: Uuid::from_u128(1) };
            unit.queue().claim_task(task, &claim(task.queue())).map(drop)
        }),
        ("licenses.add", |unit| unit.licenses().add(&[assigned(9, 1, "amy@example.com")], &change(9))),
        ("renewals.add", |unit| unit.renewals().add(&terms(1), &change(9)).map(drop)),
        ("renewals.save", |unit| {
            let terms = terms(1);
            let (created, modified) = (day(1), day(9));
            let (id, processed, processed_datetime) = (RenewalId(1), false, None);
            let renewal = SubscriptionPlanRenewal { id, terms, processed, processed_datetime, created, modified };
            unit.renewals().save(&renewal, &change(9))
        }),
        ("renewals.delete", |unit| unit.renewals().delete(RenewalId(1), &change(9))),
        ("renewals.lock", |unit| unit.renewals().lock(RenewalId(1)).map(drop)),
        ("transfers.add", |unit| unit.transfers().add(&order(TransferredLicenses::All), &change(9)).map(drop)),
        ("transfers.save", |unit| {
            let (order, runs, completed_at) = (order(TransferredLicenses::All), Vec::new(), None);
            let (id, created, modified) = (TransferJobId(1), day(1), day(9));
            let job = LicenseTransferJob { id, order, runs, completed_at, created, modified };
            unit.transfers().save(&job, &change(9))
        }),
        ("transfers.lock", |unit| unit.transfers().lock(TransferJobId(1)).map(drop)),
        ("transfers.move_licenses", |unit| unit.transfers().move_licenses(&[license_id(1)], plan_id(2), &change(9))),
        ("plans.lock", |unit| unit.plans().lock(plan_id(1)).map(drop)),
    ];
    let store = db.store();
    with_plans(&*store);
    put_unassigned(&*store, 1, 1..2);
    for (name, write) in writes {
        assert!(store.read(|unit| write(unit)).is_err(), "{name} worked in a unit that reads");
    }
    assert_eq!(agreements(db), 2);
    assert_eq!(all(&*store, 1), [unassigned(1, 1)]);
    assert_eq!(db.history("license", &license_id(1).to_string()).len(), 1);
    assert_eq!(db.outbox(), []);
    let amy = store.read(|unit| unit.users().find("amy"));
    assert!(matches!(amy, Ok(None) | Err(Error::NotProvided(_))), "{amy:?}");
    let job = store.write(|unit| unit.queue().claim_job(&claim(LEASE.queue)));
    assert!(matches!(job, Ok(None) | Err(Error::NotProvided(_))), "{job:?}");
}

const LEASE: Lease = Lease { id: Uuid::from_u128(1), queue: Queue::PlanJobs(JobKind::Provision) };

fn claim(queue: Queue) -> Claim {
    Claim { lease: Lease { queue, ..LEASE }, now: day(1000), until: day(1001), limit: 1 }
}

fn retiree() -> Retiree {
    Retiree {
        lms_user_id: Some(LmsUserId(7)),
        emails: vec![email("amy@example.com")],
        username: Some("amy".to_owned()),
    }
}

/// A reader never waits for writers, and never makes them wait.
pub fn a_unit_that_reads_refuses_locks(db: &dyn Database) {
    type Lock = fn(&mut dyn UnitOfWork) -> Result<usize, Error>;
    let locks: &[(&str, Lock)] = &[
        ("lock_all_by_person", |unit| {
            let person = Person { email: Some(email("amy@example.com")), lms_user_id: None };
            unit.licenses().lock_all_by_person(&person).map(|licenses| licenses.len())
        }),
        ("lock_person", |unit| unit.licenses().lock_person(LmsUserId(7)).map(|()| 1)),
        ("lock_live_by_emails", |unit| {
            let emails = [email("amy@example.com")];
            unit.licenses().lock_live_by_emails(plan_id(1), &emails).map(|licenses| licenses.len())
        }),
        ("lock_live", |unit| {
            let filter = LicenseFilter::default();
            unit.licenses().lock_live(plan_id(1), &filter, 1).map(|licenses| licenses.len())
        }),
        ("lock_with_status_after", |unit| {
            let revoked = LicenseStatus::Revoked;
            unit.licenses().lock_with_status_after(plan_id(1), revoked, None, 1).map(|licenses| licenses.len())
        }),
        ("lock_licenses", |unit| unit.retirement().lock_licenses(&retiree()).map(|licenses| licenses.len())),
        ("lock_by_customers", |unit| {
            unit.agreements().lock_by_customers(&[customer(1)]).map(|agreements| agreements.len())
        }),
        ("lock_all", |unit| unit.plans().lock_all(&[plan_id(1)]).map(|plans| plans.len())),
        ("claim_unassigned", |unit| unit.licenses().claim_unassigned(plan_id(1), 1).map(|licenses| licenses.len())),
    ];
    let store = db.store();
    with_plans(&*store);
    put(&*store, &[assigned(1, 1, "amy@example.com"), unassigned(2, 1), revoked(3, 1, "zoe@example.com", 99)]);
    for (name, lock) in locks {
        assert!(store.read(|unit| lock(unit)).is_err(), "{name} worked in a unit that reads");
        match store.write(|unit| lock(unit)) {
            Err(Error::NotProvided(_)) => {}
            locked => assert_eq!(locked, Ok(1), "{name} works in a unit that writes"),
        }
    }
}

/// Health checks tell the truth.
pub fn a_store_that_works_answers_a_ping(db: &dyn Database) {
    assert_eq!(db.store().ping(), Ok(()));
}
