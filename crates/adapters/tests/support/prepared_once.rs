//! Each connection prepares a statement once, on the paths of requests and of the worker.
//!
//! What is left out is prepared anew each time: the license lists and the console's lists, whose text depends on their
//! filters, what operators choose, and what Postgres plans for its values.

use std::cell::RefCell;
use std::collections::BTreeSet;

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use license_manager_contract::fixtures::*;
use license_manager_domain::history::EntityRef;
use license_manager_domain::model::{
    AnswerQuota, Claimed, FirstRequest, FollowingPlan, IdempotencyKey, JobKind, StoredAnswer, StoredBody,
    TransferOrder, TransferredLicenses,
};
use license_manager_domain::outbox::{Message, Payload, Topic};
use license_manager_domain::ports::{Purge, Retiree, Store, StoreExt, Task, TaskClaim, UnitOfWork, Unlinking};
use license_manager_domain::queue::{Claim, Lease, Queue, QueueKind, Settlement, Step};
use license_manager_domain::{
    Error, LicenseId, LicenseStatus, LicenseTypesToCopy, LmsUserId, MessageId, SubscriptionPlan,
};
use uuid::Uuid;

/// What a thread ran, and what its connections began to keep prepared.
#[derive(Default)]
struct Noted {
    ran: BTreeSet<String>,
    kept: BTreeSet<String>,
}

thread_local! {
    static NOTED: RefCell<Noted> =
        const { RefCell::new(Noted { ran: BTreeSet::new(), kept: BTreeSet::new() }) };
}

fn note(event: InstrumentationEvent<'_>) {
    NOTED.with_borrow_mut(|noted| match event {
        InstrumentationEvent::StartQuery { query, .. } => {
            let text = query.to_string();
            let sql = text.split(" -- binds: ").next().unwrap_or_default();
            // The rest controls transactions.
            if ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|start| sql.trim_start().starts_with(start))
            {
                noted.ran.insert(sql.to_owned());
            }
        }
        InstrumentationEvent::CacheQuery { sql, .. } => {
            noted.kept.insert(sql.to_owned());
        }
        _ => {}
    });
}

fn notes() -> Option<Box<dyn Instrumentation>> {
    Some(Box::new(note))
}

/// Notes what is prepared on connections that are opened from now on.
pub fn watch() {
    set_default_instrumentation(notes).unwrap();
}

/// Checks what a store prepares that was opened after [`watch`] and has one connection for each purpose.
pub fn assert_prepared_once(store: &dyn Store) {
    with_plans(store);
    let mut kept = NOTED.take().kept;
    work(store, 1);
    let first = NOTED.take();
    assert!(first.ran.len() > 60, "the work runs these alone: {:#?}", first.ran);
    kept.extend(first.kept);
    let anew: Vec<&String> = first.ran.difference(&kept).collect();
    assert!(anew.is_empty(), "these are not kept: {anew:#?}");
    for round in 2..=3 {
        work(store, round);
    }
    let later = NOTED.take();
    assert!(later.kept.is_empty(), "these are prepared again: {:#?}", later.kept);
}

/// The same work about other licenses in each round.
pub fn work(store: &dyn Store, round: u128) {
    let seats = Seats::new(round);
    let licenses = [
        activated(seats.amy, 1, &seats.address("amy"), seats.user),
        assigned(seats.bob, 1, &seats.address("bob")),
        revoked(seats.cleo, 1, &seats.address("cleo"), seats.user + 1),
        unassigned(seats.free, 1),
    ];
    put(store, &licenses);
    store.write(|unit| messages(unit, &seats)).unwrap();
    store.write(jobs_and_tasks).unwrap();
    store.write(|unit| plans(unit, round)).unwrap();
    store.write(|unit| renewals(unit, &seats)).unwrap();
    store.write(|unit| requests(unit, round)).unwrap();
    store.write(|unit| recurring(unit, &seats)).unwrap();
    store.read(|unit| histories(unit, &seats)).unwrap();
    store.write(|unit| transfer(unit, &seats)).unwrap();
    store.write(|unit| deletion(unit, &seats)).unwrap();
    store.write(|unit| retirement(unit, &seats)).unwrap();
}

/// The licenses of a round.
struct Seats {
    round: u128,
    amy: u128,
    bob: u128,
    cleo: u128,
    free: u128,
    /// The LMS user id of Amy.
    user: i64,
}

impl Seats {
    fn new(round: u128) -> Self {
        let first = round * 100;
        Self {
            round,
            amy: first,
            bob: first + 1,
            cleo: first + 2,
            free: first + 3,
            user: i64::try_from(first).unwrap(),
        }
    }

    fn address(&self, name: &str) -> String {
        format!("{name}{}@example.com", self.round)
    }
}

fn messages(unit: &mut dyn UnitOfWork, seats: &Seats) -> Result<(), Error> {
    let message = |license: u128| Message {
        id: MessageId(Uuid::from_u128(license)),
        license: Some(license_id(license)),
        plan: Some(plan_id(1)),
        customer: customer(1),
        payload: Payload::read(Topic::Assignment, "{}".to_owned()),
        created: day(1),
    };
    unit.outbox().add(&[message(seats.amy), message(seats.bob)])?;
    assert_eq!(unit.queue().due(QueueKind::Messages, day(2))?, [Queue::Lms]);
    let lease = Lease { id: Uuid::from_u128(seats.round), queue: Queue::Lms };
    let claim = Claim { lease, now: day(2), until: day(3), limit: 10 };
    let claimed: Vec<Uuid> = unit.queue().claim(&claim)?.iter().map(|claimed| claimed.message.id.0).collect();
    assert_eq!(claimed.len(), 2);
    assert_eq!(unit.queue().prolong(lease, &claimed, day(4))?, 2);
    assert_eq!(unit.queue().held(lease, &claimed)?.len(), 2);
    let again = Settlement { steps: &[Step::Link, Step::Mail], attempts: 1, ..Settlement::due(claimed[1], day(300)) };
    unit.queue().settle(lease, &[Settlement::completed(claimed[0], day(2)), again])?;
    unit.outbox().backlog(day(2), 10)?;
    Ok(())
}

fn jobs_and_tasks(unit: &mut dyn UnitOfWork) -> Result<(), Error> {
    unit.jobs().add_to_plans(&[plan_id(2)], JobKind::Provision, &change(1))?;
    let lease = Lease { id: Uuid::from_u128(1), queue: Queue::PlanJobs(JobKind::Provision) };
    let claim = Claim { lease, now: day(2), until: day(3), limit: 1 };
    let claimed = unit.queue().claim_job(&claim)?.expect("the job is due");
    assert_eq!(unit.queue().prolong(lease, &[claimed.plan.0], day(4))?, 1);
    unit.queue().settle(lease, &[Settlement::completed(claimed.plan.0, day(2))])?;

    let task = Task { operation: "expire-subscriptions", key: Uuid::from_u128(2) };
    let lease = Lease { id: Uuid::from_u128(1), queue: task.queue() };
    assert_eq!(unit.queue().claim_task(task, &Claim { lease, ..claim })?, TaskClaim::Taken(None));
    unit.queue().settle(lease, &[Settlement::completed(task.key, day(2))])
}

fn plans(unit: &mut dyn UnitOfWork, round: u128) -> Result<(), Error> {
    let added = plan(10 + round, 1);
    unit.plans().add(&added, &change(5))?;
    unit.plans().save(&SubscriptionPlan { is_active: false, ..added.clone() }, &change(6))?;
    unit.plans().auto_apply_only(agreement_id(1), Some(added.id), &change(6))?;
    assert!(!unit.plans().was_handed_out(added.id)?);
    unit.plans().delete(added.id, &change(7))?;
    unit.agreements().save(&agreement(1), &change(6))
}

fn renewals(unit: &mut dyn UnitOfWork, seats: &Seats) -> Result<(), Error> {
    let id = unit.renewals().add(&terms(1), &change(5))?;
    let found = unit.renewals().find(id)?.expect("it was added");
    unit.renewals().save(&found.renewal, &change(6))?;
    let following = FollowingPlan {
        id: plan_id(2),
        start_date: day(365),
        license_types_to_copy: LicenseTypesToCopy::AssignedAndActivated,
    };
    unit.renewals().waiting_for(plan_id(1), &following, 10)?;
    assert_eq!(unit.renewals().waiting_among(plan_id(1), &following, &[license_id(seats.amy)])?.len(), 1);
    unit.renewals().differing_from(plan_id(1), &following)?;
    unit.renewals().not_carried_over(&[id], day(5))?;
    unit.renewals().delete(id, &change(7))
}

fn requests(unit: &mut dyn UnitOfWork, round: u128) -> Result<(), Error> {
    let key = IdempotencyKey { username: "amy".to_owned(), key: round.to_string(), operation: "POST /".to_owned() };
    let owner = Uuid::from_u128(round);
    let request =
        FirstRequest { fingerprint: [0; 32], owner, created: day(5), lease_until: day(6), reserved: 10, answer: None };
    let quota = AnswerQuota { answer: 1_000, user: 1_000_000, total: 1_000_000 };
    assert_eq!(unit.idempotency().claim(&key, &request, day(4), &quota)?, Claimed::First);
    assert!(unit.idempotency().renew(&key, owner, day(7))?);
    let body = Some(StoredBody::Plain(b"{}".to_vec()));
    assert!(unit.idempotency().complete(&key, owner, &StoredAnswer { status: 200, content_type: None, body })?);
    unit.idempotency().release(&key, owner)?;
    unit.idempotency().remove_expired(day(5), 10)?;
    unit.users().remember("amy", Some("amy@example.com"), false, day(5))
}

fn recurring(unit: &mut dyn UnitOfWork, seats: &Seats) -> Result<(), Error> {
    let licenses = [license_id(seats.amy)];
    unit.due_work().plan_ends(&[plan_id(1)])?;
    unit.due_work().expired_plans(day(1), day(2), false)?;
    assert!(!unit.due_work().live_licenses_after(plan_id(1), true, None, 10)?.is_empty());
    let unlinking = Unlinking { customer: customer(1), now: day(5), event_name: "unlinked" };
    unit.due_work().licenses_to_unlink(plan_id(1), unlinking, None, 10)?;
    unit.due_work().auto_applied_since_turned_on(&[plan_id(1)])?;
    unit.operations().mark_plans(&[plan_id(1)], "marked", day(5))?;
    unit.operations().unmark_plans(&[plan_id(1)], "marked")?;
    assert_eq!(unit.operations().mark_licenses(&licenses, "marked", day(5))?, licenses);
    unit.license_events().add(&licenses, "told", day(5))?;
    unit.utilization().idle(plan_id(1), 10)?;
    unit.utilization().fold(None, 10)?;
    for purge in [Purge::PlanExpired, Purge::Revoked, Purge::NeverActivated] {
        assert_eq!(unit.purge().lock_due(purge, day(5), 10)?, []);
    }
    assert_eq!(unit.purge().lock_deleted(day(5), None, 10)?, []);
    unit.purge().addresses_in_use(&[email(&seats.address("amy"))])?;
    Ok(())
}

fn histories(unit: &mut dyn UnitOfWork, seats: &Seats) -> Result<(), Error> {
    let of = EntityRef::License(license_id(seats.amy));
    assert_eq!(unit.history().versions(of, ALL)?.len() as i64, unit.history().count(of)?);
    assert!(unit.history().as_of(of, day(10))?.is_some());
    unit.history().complete_since()?;
    unit.history().licenses_written_after(plan_id(1), day(1))?;
    Ok(())
}

fn transfer(unit: &mut dyn UnitOfWork, seats: &Seats) -> Result<(), Error> {
    let named = TransferredLicenses::Named(vec![license_id(seats.bob)]);
    let order = TransferOrder::new(agreement_id(1), plan_id(1), plan_id(2), named);
    let id = unit.transfers().add(&order, &change(5))?;
    let job = unit.transfers().lock(id)?.expect("it was added");
    let moving = unit.transfers().lock_licenses(plan_id(1), &job.order.licenses)?;
    assert_eq!(moving, [license_id(seats.bob)]);
    assert_eq!(unit.transfers().held_twice(&moving, plan_id(2))?, []);
    unit.transfers().move_licenses(&moving, plan_id(2), &change(5))?;
    unit.transfers().save(&job, &change(6))?;
    let addresses = ["bob", "zoe"].map(|name| email(&seats.address(name)));
    assert_eq!(unit.licenses().lock_live_by_emails(plan_id(2), &addresses)?.len(), 1);
    Ok(())
}

fn deletion(unit: &mut dyn UnitOfWork, seats: &Seats) -> Result<(), Error> {
    unit.licenses().unlink(&[license_id(seats.cleo)], &change(8))?;
    assert_eq!(unit.licenses().delete(plan_id(1), LicenseStatus::Revoked, &change(8))?, 1);
    unit.licenses().delete_revoked(&[], &change(8))?;
    unit.licenses().delete_unassigned(&[license_id(seats.free)], &change(8))
}

fn retirement(unit: &mut dyn UnitOfWork, seats: &Seats) -> Result<(), Error> {
    let person = Retiree {
        lms_user_id: Some(LmsUserId(seats.user)),
        emails: vec![email(&seats.address("amy"))],
        username: Some("amy".to_owned()),
    };
    let licenses: Vec<LicenseId> = unit.retirement().lock_licenses(&person)?.iter().map(|license| license.id).collect();
    assert_eq!(licenses, [license_id(seats.amy)]);
    assert_eq!(unit.retirement().deleted_licenses(&person)?, []);
    unit.retirement().erase_sources(&licenses)?;
    unit.retirement().erase_messages(&licenses, &person.emails)?;
    unit.retirement().erase_history(&licenses, &person, &person.emails)?;
    unit.retirement().erase_requester(LmsUserId(seats.user))?;
    assert!(unit.enrollment_jobs().lock_naming(&person.emails)?.is_empty());
    assert!(unit.retirement().erase_user("amy")?);
    Ok(())
}
