//! Lists that can be long are read from indexes, whatever they are filtered by.

use std::sync::{Arc, Mutex};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use license_manager_adapters::sqlite::SqliteStore;
use license_manager_domain::console::{
    ConsoleStore, EnrollmentFilters, MarkFilters, MessageFilters, SentFilters, Slice, UserFilters,
};
use license_manager_domain::model::{NotificationKind, StaffActionKind};
use license_manager_domain::ports::{LimitOffset, RoleAssignmentFilter, StaffActionFilter, Store, StoreExt};
use license_manager_domain::{LicenseId, PlanId, WebhookId};
use uuid::Uuid;

use crate::support::PostgresDatabase;

/// The first page of a list.
const PAGE: Slice = Slice::new(0, 50);
const PART: LimitOffset = LimitOffset { offset: 0, limit: 50 };

/// A store of either database.
trait Lists: ConsoleStore + Store {}

impl<S: ConsoleStore + Store> Lists for S {}

/// A list with a filter: how it is read, the types of its parameters in Postgres, the table that is not to be scanned to
/// find rows, and the indexes that are used.
struct Case {
    read: fn(&dyn Lists),
    types: &'static str,
    table: &'static str,
    indexes: &'static [&'static str],
}

fn users(store: &dyn Lists, filters: UserFilters) {
    store.user_rows(&filters, PAGE).unwrap();
}

fn sent(store: &dyn Lists, filters: SentFilters) {
    store.sent_rows(&filters, PAGE).unwrap();
}

fn marks(store: &dyn Lists, filters: MarkFilters) {
    store.mark_rows(&filters, PAGE).unwrap();
}

fn messages(store: &dyn Lists, filters: MessageFilters) {
    store.message_rows(&filters, PAGE).unwrap();
}

fn enrollments(store: &dyn Lists, filters: EnrollmentFilters) {
    store.enrollment_rows(&filters, PAGE).unwrap();
}

fn actions(store: &dyn Lists, filter: &StaffActionFilter) {
    store.read(|unit| unit.staff_actions().list(filter, PART)).unwrap();
}

const CASES: &[Case] = &[
    Case {
        read: |store| users(store, UserFilters { name: Some("amy".to_owned()), ..Default::default() }),
        types: "text, text",
        table: "users",
        indexes: &["users_by_name", "users_by_email"],
    },
    Case {
        read: |store| users(store, UserFilters { is_staff: Some(true), ..Default::default() }),
        types: "text, text",
        table: "users",
        indexes: &["users_staff"],
    },
    Case {
        read: |store| users(store, UserFilters { is_superuser: Some(true), ..Default::default() }),
        types: "text, text",
        table: "users",
        indexes: &["users_superusers"],
    },
    Case {
        read: |store| drop(store.source_rows(Some("006000000000000001"), None, PAGE).unwrap()),
        types: "text, text",
        table: "license_source",
        indexes: &["license_source_in_order"],
    },
    Case {
        read: |store| drop(store.source_rows(None, Some("amy@example.com"), PAGE).unwrap()),
        types: "text, text",
        table: "license_source",
        indexes: &["license_by_email"],
    },
    Case {
        read: |store| {
            let kind = Some(NotificationKind::NoAllocationsRemaining);
            sent(store, SentFilters { kind, ..Default::default() });
        },
        types: "uuid, text, text",
        table: "notification",
        indexes: &["notification_by_kind"],
    },
    Case {
        read: |store| {
            let filters = SentFilters { kind: Some(NotificationKind::NoAllocationsRemaining), ..Default::default() };
            store.sent_rows(&filters, Slice { is_reversed: true, ..PAGE }).unwrap();
        },
        types: "uuid, text, text",
        table: "notification",
        indexes: &["notification_by_kind"],
    },
    Case {
        read: |store| sent(store, SentFilters { plan: Some(PlanId(Uuid::nil())), ..Default::default() }),
        types: "uuid, text, text",
        table: "notification",
        indexes: &["notification_once"],
    },
    Case {
        read: |store| marks(store, MarkFilters { event_name: Some("told".to_owned()), ..Default::default() }),
        types: "uuid, text, uuid",
        table: "license_event",
        indexes: &["license_event_by_name"],
    },
    Case {
        read: |store| marks(store, MarkFilters { license: Some(LicenseId(Uuid::nil())), ..Default::default() }),
        types: "uuid, text, uuid",
        table: "license_event",
        indexes: &["license_event_once"],
    },
    Case {
        read: |store| {
            let topic = Some("reminder".to_owned());
            messages(store, MessageFilters { dead_lettered: Some(true), topic, ..Default::default() });
        },
        types: "text, text, text",
        table: "outbox",
        indexes: &["outbox_parked_by_topic"],
    },
    Case {
        read: |store| drop(store.delivery_rows(WebhookId(Uuid::nil()), None, PAGE).unwrap()),
        types: "uuid",
        table: "webhook_delivery",
        indexes: &["webhook_delivery_listed"],
    },
    Case {
        read: |store| enrollments(store, EnrollmentFilters { is_unfinished: Some(true), ..Default::default() }),
        types: "uuid, text, text",
        table: "bulk_enrollment_job",
        indexes: &["bulk_enrollment_job_unfinished"],
    },
    Case {
        read: |store| actions(store, &StaffActionFilter { by: Some("amy".to_owned()), kind: None }),
        types: "text[], text, bigint, bigint",
        table: "staff_action",
        indexes: &["staff_action_by_user"],
    },
    Case {
        read: |store| actions(store, &StaffActionFilter { by: None, kind: Some(StaffActionKind::RunRequested) }),
        types: "text[], text, bigint, bigint",
        table: "staff_action",
        indexes: &["staff_action_by_kind"],
    },
    Case {
        read: |store| {
            let role = Some("license_manager_viewer".to_owned());
            let filter = RoleAssignmentFilter { username: None, role, customer: None };
            store.read(|unit| unit.role_assignments().list(&filter, PART)).unwrap();
        },
        types: "text, bigint, bigint",
        table: "role_assignment",
        indexes: &["role_assignment_by_role"],
    },
];

/// The queries that a store runs.
type Told = Arc<Mutex<Vec<String>>>;

fn queries(told: &Told, work: impl FnOnce()) -> Vec<String> {
    told.lock().unwrap().clear();
    work();
    let mut queries = std::mem::take(&mut *told.lock().unwrap());
    queries.retain(|statement| statement.starts_with("SELECT") || statement.starts_with("WITH"));
    assert!(!queries.is_empty());
    queries
}

#[test]
fn lists_are_read_from_indexes_in_sqlite() {
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }

    let folder = tempfile::tempdir().unwrap();
    let (told, path) = (Told::default(), folder.path().join("test.db"));
    let noted = told.clone();
    let options = license_manager_adapters::sqlite::SqliteOptions {
        on_statement: Some(Arc::new(move |statement| noted.lock().unwrap().push(statement.to_owned()))),
        ..crate::sqlite_options(folder.path())
    };
    let store = SqliteStore::open(&options).unwrap();
    store.migrate().unwrap();
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    for Case { read, table, indexes, .. } in CASES {
        let mut steps: Vec<String> = Vec::new();
        for query in queries(&told, || read(&store)) {
            let found: Vec<Step> = sql_query(format!("EXPLAIN QUERY PLAN {query}")).load(&mut connection).unwrap();
            steps.extend(found.into_iter().map(|step| step.detail));
        }
        for index in *indexes {
            // SQLite names the indexes of unique rules itself.
            let name =
                if index.ends_with("_once") { format!("sqlite_autoindex_{table}_") } else { (*index).to_owned() };
            assert!(steps.iter().any(|step| step.contains(&name)), "{index}: {steps:#?}");
        }
        let scans = |step: &String| step.starts_with(&format!("SCAN {table}")) && !step.contains("INDEX");
        assert!(!steps.iter().any(scans), "{table}: {steps:#?}");
    }
}

#[test]
fn lists_are_read_from_indexes_in_postgres() {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
        text: String,
    }

    let (database, told) = (PostgresDatabase::create(), Told::default());
    let noted = told.clone();
    let store = database.observed_store(move |statement| noted.lock().unwrap().push(statement.to_owned()));
    let mut connection = database.connection();
    // The tables are empty: a table that has no index for it is scanned all the same.
    for setting in ["SET enable_seqscan = off", "SET plan_cache_mode = force_generic_plan"] {
        sql_query(setting).execute(&mut connection).unwrap();
    }
    for Case { read, types, table, indexes } in CASES {
        let nulls = vec!["NULL"; types.split(',').count()].join(", ");
        let mut plan = String::new();
        for query in queries(&told, || read(&store)) {
            sql_query(format!("PREPARE observed ({types}) AS {query}")).execute(&mut connection).unwrap();
            let explain = format!("EXPLAIN (COSTS OFF) EXECUTE observed ({nulls})");
            let lines: Vec<Line> = sql_query(explain).load(&mut connection).unwrap();
            plan.extend(lines.into_iter().map(|line| line.text + "\n"));
            sql_query("DEALLOCATE observed").execute(&mut connection).unwrap();
        }
        for index in *indexes {
            assert!(plan.contains(index), "{index}: {plan}");
        }
        assert!(!plan.contains(&format!("Seq Scan on {table}")), "{table}: {plan}");
    }
}
