//! Operations run by themselves. Every story begins at midnight.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use license_manager_domain::model::{RenewalTerms, StaffActionKind};
use license_manager_domain::operations::{
    OperationFailure, OperationSchedule, OperationSummary, RecurringOperation, RunOutcome, RunSummary, ScheduledRun,
    Timetable,
};
use license_manager_domain::ports::{StaffActionFilter, Undelivered};
use license_manager_domain::*;

use super::world::*;
use crate::support::*;

use RecurringOperation::{ExpireSubscriptions, ProcessRenewals, RetireOldLicenses};

const AT_TWO: &str = "0 2 * * *";

fn timetable(entries: &[(RecurringOperation, &str)]) -> Timetable {
    entries.iter().map(|&(operation, expression)| (operation, expression.parse().unwrap())).collect()
}

/// Starts a server with this timetable.
fn start(world: &World, entries: &[(RecurringOperation, &str)]) {
    world.manager.set_timetable(&timetable(entries)).unwrap();
}

/// Takes the run that has been due longest, of an operation that the caller is not busy with.
fn take_due(manager: &LicenseManager, busy: &[RecurringOperation]) -> Option<ScheduledRun> {
    let mut due = manager.due_runs().unwrap().into_iter().filter(|operation| !busy.contains(operation));
    due.find_map(|operation| manager.claim_run(operation).unwrap())
}

fn take(world: &World) -> Option<ScheduledRun> {
    take_due(&world.manager, &[])
}

#[track_caller]
fn due(world: &World) -> ScheduledRun {
    take(world).expect("an operation is due")
}

/// Does everything that is due, and returns what that was.
fn work_off(world: &World, manager: &LicenseManager) -> Vec<RecurringOperation> {
    let next = || {
        let run = take_due(manager, &[])?;
        let summary = now(manager.execute_run(&run, Arc::new(Watch::patient(world))));
        assert!(manager.finish_run(&run, &summary).unwrap());
        Some(run.operation)
    };
    std::iter::from_fn(next).collect()
}

fn schedule(world: &World, operation: RecurringOperation) -> OperationSchedule {
    let all = world.manager.schedule().unwrap();
    assert_eq!(all.iter().map(|schedule| schedule.operation).collect::<Vec<_>>(), RecurringOperation::ALL);
    all.into_iter().find(|schedule| schedule.operation == operation).unwrap()
}

fn next_run(world: &World, operation: RecurringOperation) -> Option<DateTime<Utc>> {
    schedule(world, operation).next_run
}

fn hours(number: i64) -> Duration {
    Duration::hours(number)
}

/// What a run that did nothing tells.
fn nothing_done(world: &World) -> OperationSummary {
    now(world.manager.process_renewals(hours(1), true, &Watch::patient(world)))
}

#[test]
fn an_operation_runs_at_its_moment_and_once() {
    let world = World::new();
    start(&world, &[(ProcessRenewals, AT_TWO)]);
    assert_eq!(take(&world), None, "at first nothing was missed");
    assert_eq!(next_run(&world, ProcessRenewals), Some(beginning() + hours(2)));
    world.clock.advance(hours(2) - Duration::microseconds(1));
    assert_eq!(take(&world), None);
    world.clock.advance(Duration::microseconds(1));
    assert_eq!(work_off(&world, &world.manager), [ProcessRenewals]);
    assert_eq!(next_run(&world, ProcessRenewals), Some(beginning() + hours(26)));
    assert_eq!(take(&world), None);
    world.clock.advance(hours(24));
    assert_eq!(work_off(&world, &world.manager), [ProcessRenewals]);
    assert_eq!(schedule(&world, RetireOldLicenses), OperationSchedule::new(RetireOldLicenses), "the others do not");
}

#[test]
fn a_due_renewal_is_processed_and_the_run_is_told_of() {
    let world = World::new();
    let plan = world.plan(3);
    world.assign(plan, &crowd(2)).unwrap();
    world.schedule(&RenewalTerms { effective_date: beginning() + hours(8), ..world.terms(plan, 3) });
    start(&world, &[(ProcessRenewals, AT_TWO)]);
    world.clock.advance(hours(2));
    let run = due(&world);
    assert_eq!(schedule(&world, ProcessRenewals).running_since, Some(run.started));
    let summary = now(world.manager.execute_run(&run, Arc::new(Watch::patient(&world))));
    world.clock.advance(Duration::minutes(1));
    assert!(world.manager.finish_run(&run, &summary).unwrap());
    let kept = schedule(&world, ProcessRenewals);
    assert_eq!((kept.running_since, kept.last_complete), (None, Some(run.started)));
    let last = kept.last_run.unwrap();
    assert_eq!((last.started, last.finished), (run.started, run.started + Duration::minutes(1)));
    assert_eq!((last.outcome, last.summary.failure_count), (RunOutcome::Complete, 0));
    assert_eq!((last.summary.counts["renewals"], last.summary.counts["licenses"]), (1, 2));
}

#[test]
fn what_was_missed_is_caught_up_once() {
    let world = World::new();
    let both = [(ProcessRenewals, "0 * * * *"), (RetireOldLicenses, AT_TWO)];
    start(&world, &both);
    world.clock.advance(days(5) + hours(3) + Duration::minutes(10));
    start(&world, &both);
    assert_eq!(work_off(&world, &world.manager), [ProcessRenewals, RetireOldLicenses], "the one due first comes first");
    assert_eq!(next_run(&world, ProcessRenewals), Some(beginning() + days(5) + hours(4)));
    assert_eq!(next_run(&world, RetireOldLicenses), Some(beginning() + days(6) + hours(2)));
}

#[test]
fn another_expression_is_followed_and_what_is_due_stays_due() {
    let world = World::new();
    start(&world, &[(ProcessRenewals, AT_TWO)]);
    world.clock.advance(hours(1));
    let changed = world.manager.set_timetable(&timetable(&[(ProcessRenewals, "30 0,4 * * *")])).unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(
        next_run(&world, ProcessRenewals),
        Some(beginning() + Duration::minutes(270)),
        "not at half past twelve"
    );
    let again = world.manager.set_timetable(&timetable(&[(ProcessRenewals, "30 0,4 * * *")])).unwrap();
    assert_eq!(again, []);

    world.clock.advance(hours(5));
    start(&world, &[(ProcessRenewals, AT_TWO)]);
    assert_eq!(work_off(&world, &world.manager), [ProcessRenewals], "it was missed");
    assert_eq!(next_run(&world, ProcessRenewals), Some(beginning() + hours(26)));
}

#[test]
fn what_is_off_does_not_run_and_missed_nothing_when_it_is_on_again() {
    let world = World::new();
    start(&world, &[(ProcessRenewals, AT_TWO)]);
    world.clock.advance(hours(3));
    start(&world, &[]);
    assert_eq!((take(&world), next_run(&world, ProcessRenewals)), (None, None));
    world.clock.advance(days(10));
    start(&world, &[(ProcessRenewals, AT_TWO)]);
    assert_eq!((take(&world), next_run(&world, ProcessRenewals)), (None, Some(beginning() + days(10) + hours(26))));
}

#[test]
fn one_machine_runs_an_operation_at_a_time() {
    let world = World::new();
    start(&world, &[(ProcessRenewals, "* * * * *"), (RetireOldLicenses, AT_TWO)]);
    world.clock.advance(hours(2));
    let (renewals, retirement) = (due(&world), due(&world));
    assert_eq!(
        (renewals.operation, retirement.operation),
        (ProcessRenewals, RetireOldLicenses),
        "two at once, each one"
    );
    assert_eq!(take(&world), None);
    world.clock.advance(Duration::minutes(2));
    assert!(world.manager.prolong_run(&renewals).unwrap());
    assert_eq!(take(&world), None, "it is due again, and still under way");
    assert!(world.manager.finish_run(&renewals, &nothing_done(&world)).unwrap());
    assert_eq!(take_due(&world.manager, &[ProcessRenewals]), None, "who is busy with it does not ask");
    assert_eq!(due(&world).operation, ProcessRenewals);
}

#[test]
fn a_run_whose_machine_died_is_taken_over() {
    let world = World::new();
    start(&world, &[(ProcessRenewals, AT_TWO)]);
    world.clock.advance(hours(2));
    let dead = due(&world);
    world.clock.advance(Duration::minutes(2));
    assert!(world.manager.prolong_run(&dead).unwrap());
    world.clock.advance(Duration::minutes(3) - Duration::microseconds(1));
    assert_eq!(take(&world), None, "its lease has not passed");
    world.clock.advance(Duration::microseconds(1));
    let taken_over = due(&world);
    assert_eq!(taken_over.operation, ProcessRenewals);
    assert!(!world.manager.prolong_run(&dead).unwrap());
    assert!(!world.manager.finish_run(&dead, &nothing_done(&world)).unwrap(), "it is another's now");
    assert_eq!(schedule(&world, ProcessRenewals).last_run, None);
    assert!(world.manager.finish_run(&taken_over, &nothing_done(&world)).unwrap());
    assert_eq!((take(&world), next_run(&world, ProcessRenewals)), (None, Some(beginning() + hours(26))));
}

#[test]
fn a_run_that_broke_off_does_not_go_on_when_it_is_off() {
    let world = World::new();
    start(&world, &[(ProcessRenewals, AT_TWO)]);
    world.clock.advance(hours(2));
    due(&world);
    start(&world, &[]);
    world.clock.advance(hours(1));
    assert_eq!((take(&world), schedule(&world, ProcessRenewals).running_since), (None, None));
}

#[test]
fn an_interrupted_run_goes_on_at_once_elsewhere() {
    let world = World::new();
    for seats in [3, 4] {
        let plan = world.plan(seats);
        world.schedule(&RenewalTerms { effective_date: beginning() + hours(8), ..world.terms(plan, seats) });
    }
    start(&world, &[(ProcessRenewals, AT_TWO)]);
    world.clock.advance(hours(2));
    let run = due(&world);
    let summary = now(world.manager.execute_run(&run, Arc::new(Watch::for_looks(&world, 1))));
    assert!(summary.interrupted && world.manager.finish_run(&run, &summary).unwrap());
    let kept = schedule(&world, ProcessRenewals);
    assert_eq!((kept.last_run.unwrap().outcome, kept.last_complete), (RunOutcome::Interrupted, None));
    assert_eq!(work_off(&world, &world.manager), [ProcessRenewals]);
    let last = schedule(&world, ProcessRenewals).last_run.unwrap();
    assert_eq!((last.outcome, last.summary.counts["renewals"]), (RunOutcome::Complete, 1), "the other one");
    assert_eq!((take(&world), next_run(&world, ProcessRenewals)), (None, Some(beginning() + hours(26))));
}

#[test]
fn a_run_that_failed_says_why_and_waits_for_its_next_moment() {
    let world = World::new();
    start(&world, &[(ProcessRenewals, AT_TWO)]);
    world.clock.advance(hours(2));
    let run = due(&world);
    let mut summary = nothing_done(&world);
    for number in 0..50 {
        let about = format!("renewal {number}");
        summary.errors.push(OperationFailure { about, message: "There are too few licenses.".to_owned() });
    }
    assert!(world.manager.finish_run(&run, &summary).unwrap());
    let kept = schedule(&world, ProcessRenewals);
    let last = kept.last_run.unwrap();
    assert_eq!((last.outcome, kept.last_complete), (RunOutcome::Failed, None));
    assert_eq!((last.summary.failure_count, last.summary.failures.len()), (50, RunSummary::SHOWN_FAILURES));
    assert_eq!(last.summary.failures, summary.errors[..RunSummary::SHOWN_FAILURES]);
    assert_eq!((take(&world), kept.next_run), (None, Some(beginning() + hours(26))));

    world.clock.advance(hours(24));
    let run = due(&world);
    world.manager.finish_run(&run, &OperationSummary::ended_unexpectedly(ProcessRenewals)).unwrap();
    assert_eq!(schedule(&world, ProcessRenewals).last_run.unwrap().summary.failure_count, 1);
}

#[test]
fn plans_whose_end_failed_or_was_missed_are_looked_after_by_the_next_run() {
    let (world, lms, manager) = world_with_lms();
    let ends_in = |seats: i32, hours_left: i64| {
        let plan = world.plan(seats);
        world.assign(plan, &crowd(1)).unwrap();
        world.rewrite_plan(plan, |plan| plan.expiration_date = beginning() + hours(hours_left));
        plan
    };
    let [first, second] = [ends_in(3, 12), ends_in(4, 60)];
    let processed = || [first, second].map(|plan| world.details(plan).expiration_processed);
    start(&world, &[(ExpireSubscriptions, AT_TWO)]);
    world.clock.advance(hours(2));
    assert_eq!(work_off(&world, &manager), [ExpireSubscriptions]);
    assert_eq!(schedule(&world, ExpireSubscriptions).last_complete, Some(beginning() + hours(2)));

    lms.fail(|_| Some(Undelivered::Unavailable("is away".to_owned())));
    world.clock.advance(hours(24));
    assert_eq!((work_off(&world, &manager), processed()), (vec![ExpireSubscriptions], [false, false]));
    assert_eq!(schedule(&world, ExpireSubscriptions).last_run.unwrap().outcome, RunOutcome::Failed);
    lms.recover();
    // The server is away for days.
    world.clock.advance(days(4));
    assert_eq!((work_off(&world, &manager), processed()), (vec![ExpireSubscriptions], [true, true]));
    assert_eq!(schedule(&world, ExpireSubscriptions).last_complete, Some(beginning() + hours(122)));
}

#[test]
fn plans_that_ended_before_the_first_complete_run_are_not_forgotten() {
    for first_run_fails in [false, true] {
        let (world, lms, manager) = world_with_lms();
        let plan = world.plan(2);
        world.assign(plan, &crowd(1)).unwrap();
        world.rewrite_plan(plan, |plan| plan.expiration_date = beginning() + hours(1));
        start(&world, &[(ExpireSubscriptions, AT_TWO)]);
        if first_run_fails {
            lms.fail(|_| Some(Undelivered::Unavailable("is away".to_owned())));
            world.clock.advance(hours(2));
            assert_eq!(work_off(&world, &manager), [ExpireSubscriptions]);
            lms.recover();
        }
        // The server is away for days, from its first moment or its second one on.
        world.clock.advance(days(4));
        assert_eq!(work_off(&world, &manager), [ExpireSubscriptions]);
        assert!(world.details(plan).expiration_processed, "the first run failed: {first_run_fails}");
    }
}

#[test]
fn every_operation_runs_by_its_name() {
    let (world, _, manager) = world_with_lms();
    let all: Vec<_> = RecurringOperation::ALL.iter().map(|&operation| (operation, AT_TWO)).collect();
    start(&world, &all);
    world.clock.advance(hours(2));
    for operation in RecurringOperation::ALL {
        let run = take_due(&manager, &[]).expect("one of many due at once");
        assert_eq!(run.operation, operation);
        let summary = now(manager.execute_run(&run, Arc::new(Watch::patient(&world))));
        assert_eq!((summary.operation, summary.dry_run), (operation.as_str(), false));
        assert_eq!(RecurringOperation::from_name(summary.operation), Some(operation));
        manager.finish_run(&run, &summary).unwrap();
    }
    assert_eq!(take(&world), None);
}

#[test]
fn somebody_asks_for_a_run_now() {
    let world = World::new();
    start(&world, &[(ProcessRenewals, AT_TWO)]);
    assert_eq!(world.manager.request_run(&admin(), ProcessRenewals), Ok(true));
    assert_eq!(world.manager.request_run(&admin(), ProcessRenewals), Ok(false), "it was asked for");
    assert_eq!(work_off(&world, &world.manager), [ProcessRenewals]);
    assert_eq!(schedule(&world, ProcessRenewals).requested, None);
    assert_eq!(next_run(&world, ProcessRenewals), Some(beginning() + hours(2)), "its next time stays");
    // One that is not scheduled runs once, also if the schedule is stored again meanwhile.
    assert_eq!(world.manager.request_run(&admin(), RetireOldLicenses), Ok(true));
    start(&world, &[(ProcessRenewals, AT_TWO)]);
    assert_eq!(work_off(&world, &world.manager), [RetireOldLicenses]);
    assert_eq!(take(&world), None);
    let all = StaffActionFilter::default();
    let actions = world.manager.staff_actions::<Error>(&all, |_| Ok(ALL)).unwrap().items;
    let told: Vec<_> = actions.iter().map(|action| (action.kind, action.subject.as_deref())).collect();
    let asked = StaffActionKind::RunRequested;
    assert_eq!(told.len(), 2);
    assert!(told.contains(&(asked, Some("retire-old-licenses"))) && told.contains(&(asked, Some("process-renewals"))));
}

#[test]
fn a_request_outlives_the_server_that_began_it() {
    let world = World::new();
    world.manager.request_run(&admin(), RetireOldLicenses).unwrap();
    let run = due(&world);
    assert_eq!(take(&world), None, "somebody has it");
    world.clock.advance(hours(1));
    let again = due(&world);
    assert!(!world.manager.finish_run(&run, &nothing_done(&world)).unwrap(), "the first one lost it");
    // What was interrupted goes on.
    let interrupted = OperationSummary { interrupted: true, ..nothing_done(&world) };
    assert!(world.manager.finish_run(&again, &interrupted).unwrap());
    let third = due(&world);
    assert!(world.manager.finish_run(&third, &nothing_done(&world)).unwrap());
    assert_eq!(take(&world), None);
}
