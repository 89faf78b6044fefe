//! The schedule of recurring operations.

use license_manager_domain::Error;
use license_manager_domain::operations::{
    FinishedRun, OperationFailure, OperationSchedule, RecurringOperation, RunOutcome, RunSummary,
};
use license_manager_domain::ports::{Store, StoreExt};

use super::Database;
use super::fixtures::*;

const RENEWALS: RecurringOperation = RecurringOperation::ProcessRenewals;

fn full(operation: RecurringOperation, outcome: RunOutcome) -> OperationSchedule {
    let failure = OperationFailure { about: "plan \"1\"".to_owned(), message: "Ünlikely.".to_owned() };
    let counts = [("renewals".to_owned(), 3), ("licenses".to_owned(), 4_000_000_000)].into_iter().collect();
    OperationSchedule {
        operation,
        expression: Some("0 */6 * * *".to_owned()),
        next_run: Some(day(9)),
        requested: Some(day(7)),
        running_since: Some(day(8)),
        last_run: Some(FinishedRun {
            started: day(5),
            finished: day(6),
            outcome,
            summary: RunSummary { counts, failure_count: 21, failures: vec![failure] },
        }),
        last_complete: Some(day(4)),
        scheduled_since: Some(day(2)),
    }
}

fn list(store: &dyn Store) -> Vec<OperationSchedule> {
    store.read(|unit| unit.schedule().list()).unwrap()
}

fn write(store: &dyn Store, schedule: &OperationSchedule) {
    store
        .write(|unit| {
            unit.schedule().lock_or_add(schedule.operation)?;
            unit.schedule().save(schedule)
        })
        .unwrap();
}

/// No run is forgotten or repeated after a restart.
pub fn an_operation_s_schedule_comes_back_as_it_was_written(db: &dyn Database) {
    let store = db.store();
    assert_eq!(list(&*store), []);
    let new = store.write(|unit| unit.schedule().lock_or_add(RENEWALS)).unwrap();
    assert_eq!((&new, list(&*store)), (&OperationSchedule::new(RENEWALS), vec![new.clone()]));
    for outcome in RunOutcome::ALL {
        let written = full(RENEWALS, outcome);
        write(&*store, &written);
        assert_eq!(store.write(|unit| unit.schedule().lock_or_add(RENEWALS)).unwrap(), written);
        assert_eq!(list(&*store), [written]);
    }
    write(&*store, &new);
    assert_eq!(list(&*store), [new], "all of it can be emptied");
}

/// The schedule is read as a whole.
pub fn scheduled_operations_are_listed_in_their_order(db: &dyn Database) {
    let store = db.store();
    for operation in RecurringOperation::ALL.into_iter().rev() {
        write(&*store, &full(operation, RunOutcome::Complete));
    }
    let listed: Vec<RecurringOperation> = list(&*store).into_iter().map(|schedule| schedule.operation).collect();
    assert_eq!(listed, RecurringOperation::ALL);
}

/// Of servers that find an operation due, one runs it.
pub fn an_operation_is_locked_before_it_is_written(db: &dyn Database) {
    let store = db.store();
    let written = store.write(|unit| unit.schedule().save(&OperationSchedule::new(RENEWALS)));
    assert!(matches!(written, Err(Error::Internal(_))), "{written:?}");
    assert_eq!(list(&*store), []);
}

/// No server overwrites what another has just scheduled.
pub fn a_locked_operation_is_changed_by_one_after_another(db: &dyn Database) {
    let store = db.store();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..5 {
                    store
                        .write(|unit| {
                            let mut schedule = unit.schedule().lock_or_add(RENEWALS)?;
                            let before = schedule.next_run.unwrap_or(day(0));
                            schedule.next_run = Some(before + chrono::Duration::days(1));
                            unit.schedule().save(&schedule)
                        })
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(list(&*store)[0].next_run, Some(day(30)), "none overwrote another");
}

/// Looking at the schedule changes nothing.
pub fn a_unit_that_reads_schedules_nothing(db: &dyn Database) {
    let store = db.store();
    write(&*store, &OperationSchedule::new(RENEWALS));
    let refused = |outcome: Result<(), Error>| assert!(matches!(outcome, Err(Error::Internal(_))), "{outcome:?}");
    refused(store.read(|unit| unit.schedule().lock_or_add(RENEWALS).map(drop)));
    refused(store.read(|unit| unit.schedule().save(&full(RENEWALS, RunOutcome::Complete))));
    assert_eq!(list(&*store), [OperationSchedule::new(RENEWALS)]);
}
