//! How Postgres reads pages of licenses, and searches.

use std::sync::{Mutex, mpsc};

use diesel::prelude::*;
use diesel::sql_types::Text;
use license_manager_adapters::postgres::PostgresStore;
use license_manager_domain::ports::{
    CustomerScope, LicenseField, LicenseFilter, LicenseOrder, LicensePosition, LicenseSearch, LimitOffset, StoreExt,
};
use license_manager_domain::{LicenseId, LicenseStatus};
use uuid::Uuid;

use crate::support::PostgresDatabase;
use crate::{CUSTOMER, PLAN, change, email, hand_out, now, provision};

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    text: String,
}

/// A plan of 6,000 licenses, of which 2,000 are unassigned, 2,000 assigned, 1,900 activated and 100 revoked. Each was
/// reminded, and activated, at another moment.
struct Observed {
    database: PostgresDatabase,
    store: PostgresStore,
    told: mpsc::Receiver<String>,
}

impl Observed {
    fn new() -> Self {
        Self::with_moments(1)
    }

    /// As [`Self::new`], with so many seconds between the moments.
    fn with_moments(seconds: i64) -> Self {
        let database = PostgresDatabase::create();
        let (statements, told) = mpsc::channel();
        let statements = Mutex::new(statements);
        let store = database.observed_store(move |statement| {
            let _ = statements.lock().unwrap().send(statement.to_owned());
        });
        provision(&store, 6_000);
        store
            .write(|unit| {
                let licenses = hand_out(unit, 0..4_000)?;
                let changed = licenses.into_iter().enumerate().map(|(number, license)| {
                    let at = now() + chrono::Duration::seconds(seconds * number as i64);
                    let reminded = license.reminded(&email(number), at).expect("it is assigned to this learner");
                    match number {
                        0..100 => reminded.activate(None, at).and_then(|activated| activated.revoke(at)),
                        100..2_000 => reminded.activate(None, at),
                        _ => Ok(reminded),
                    }
                });
                unit.licenses().save(&changed.collect::<Result<Vec<_>, _>>()?, &change())
            })
            .unwrap();
        // Index-only scans need to know which rows everybody sees.
        database.execute("VACUUM ANALYZE license");
        Self { database, store, told }
    }

    /// How Postgres runs the last statement of the work, whose parameters are the plan, the limit and the offset, and
    /// others that are given.
    fn query_plan(&self, others: &[(&str, &str)], work: impl Fn(&PostgresStore)) -> String {
        self.told.try_iter().for_each(drop);
        work(&self.store);
        let mut statement = self.told.try_iter().filter(|text| text.starts_with("SELECT")).last().expect("it reads");
        // From the last on, so that $1 is not taken for the beginning of $10.
        for number in (1..=statement.matches('$').count()).rev() {
            let place = format!("${number}");
            let before =
                statement[..statement.find(&place).expect("each parameter stands there")].trim_end().to_owned();
            let value = others.iter().find(|(end, _)| before.ends_with(end)).map_or_else(
                || match before.rsplit(' ').next() {
                    Some("LIMIT") => "10".to_owned(),
                    Some("OFFSET") => "0".to_owned(),
                    _ => format!("'{PLAN}'"),
                },
                |(_, value)| (*value).to_owned(),
            );
            statement = statement.replacen(&place, &value, 1);
        }
        let explain = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {statement}");
        let lines: Vec<Line> = diesel::sql_query(explain).load(&mut self.database.connection()).unwrap();
        lines.into_iter().map(|line| line.text + "\n").collect()
    }
}

fn search(filter: LicenseFilter, of_plan: bool) -> LicenseSearch {
    LicenseSearch { scope: CustomerScope::All, customer: None, plan: of_plan.then_some(PLAN), filter }
}

fn orders() -> Vec<Vec<LicenseOrder>> {
    use LicenseField::{ActivationDate, LastRemindDate, Status, UserEmail};

    let keys = [false, true].map(|descending| {
        let key = move |field| LicenseOrder { field, descending };
        [
            vec![key(Status)],
            vec![key(UserEmail)],
            vec![key(ActivationDate)],
            vec![key(LastRemindDate)],
            vec![key(Status), key(UserEmail)],
            vec![key(Status), key(ActivationDate)],
            vec![key(ActivationDate), key(UserEmail)],
            vec![key(ActivationDate), key(LastRemindDate)],
            vec![key(LastRemindDate), key(UserEmail)],
            vec![key(LastRemindDate), key(ActivationDate)],
            vec![key(UserEmail), key(ActivationDate)],
            vec![key(UserEmail), key(LastRemindDate)],
        ]
    });
    keys.into_iter().flatten().collect()
}

/// The largest of the numbers after the label in a query plan.
fn most(plan: &str, label: &str) -> Option<u32> {
    let numbers = plan.split(label).skip(1).filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    numbers.map(|number| number.parse().unwrap()).max()
}

/// No table is scanned. Nothing is read in vain but the one live license of an address, which may have another state. No
/// step reads all of a state: 100 are in the smallest one.
fn assert_ranges(plan: &str, order: &[LicenseOrder], of_plan: bool) {
    let in_vain = most(plan, "Rows Removed by Filter: ").unwrap_or(0);
    let read = most(plan, "actual rows=").expect("the plan tells what was read");
    let scans = plan.contains("Seq Scan on license");
    let ranges = plan.contains("Index") && !scans && in_vain <= 1 && read < 100;
    assert!(ranges, "{order:?}, of a plan: {of_plan}\n{plan}");
}

#[test]
fn pages_in_every_order_are_read_from_indexes() {
    let observed = Observed::new();
    for order in orders() {
        for (of_plan, hide_retired) in [(true, false), (false, false), (true, true)] {
            let search = search(LicenseFilter { hide_retired, ..LicenseFilter::default() }, of_plan);
            let plan = observed.query_plan(&[], |store| {
                let limit_offset = LimitOffset { offset: 20, limit: 10 };
                let page = store.read(|unit| unit.lookups().list(&search, &order, limit_offset)).unwrap();
                assert_eq!(page.len(), 10);
            });
            assert_ranges(&plan, &order, of_plan);
        }
    }
}

#[test]
fn licenses_of_one_moment_are_not_sorted() {
    let observed = Observed::with_moments(0);
    for field in [LicenseField::ActivationDate, LicenseField::LastRemindDate] {
        for (descending, of_plan) in [(false, true), (false, false), (true, true), (true, false)] {
            let order = [LicenseOrder { field, descending }];
            // The first page, and the last one, which is read from the end.
            for offset in [0, 5_990] {
                let plan = observed.query_plan(&[], |store| {
                    let search = search(LicenseFilter::default(), of_plan);
                    let limit_offset = LimitOffset { offset, limit: 10 };
                    let page = store.read(|unit| unit.lookups().list(&search, &order, limit_offset)).unwrap();
                    assert_eq!(page.len(), 10);
                });
                let read = most(&plan, "actual rows=").expect("the plan tells what was read");
                assert!(read < 100 && !plan.contains("Seq Scan on license"), "{order:?}, of a plan: {of_plan}\n{plan}");
            }
        }
    }
}

#[test]
fn a_page_after_a_place_is_read_from_indexes() {
    let observed = Observed::new();
    let place = LicensePosition {
        id: LicenseId(Uuid::from_u128(1_003_000)),
        status: LicenseStatus::Assigned,
        user_email: Some(email(3_000)),
        activation_date: None,
        last_remind_date: None,
    };
    let given = [
        ("user_email =", "'learner3000@example.com'"),
        ("user_email >", "'learner3000@example.com'"),
        ("user_email <", "'learner3000@example.com'"),
        ("uuid >", "'00000000-0000-0000-0000-0000000f4df8'"),
    ];
    for order in orders() {
        for of_plan in [true, false] {
            let search = search(LicenseFilter::default(), of_plan);
            let plan = observed.query_plan(&given, |store| {
                let page = store.read(|unit| unit.lookups().list_after(&search, &order, Some(&place), 10)).unwrap();
                assert!(!page.is_empty() || order[0].descending, "{order:?}");
            });
            assert_ranges(&plan, &order, of_plan);
        }
    }
}

#[test]
fn a_search_reads_what_its_index_finds() {
    let observed = Observed::new();
    let filter = LicenseFilter { email_words: vec!["learner123".to_owned()], ..LicenseFilter::default() };
    for of_plan in [true, false] {
        let search = search(filter.clone(), of_plan);
        let plan = observed.query_plan(&[("LIKE", "'%learner123%'")], |store| {
            assert_eq!(store.read(|unit| unit.lookups().first_ids(&search, &[], 100)).unwrap().len(), 11);
        });
        assert!(plan.contains("Bitmap Index Scan on license_search"), "{plan}");
    }
}

/// Postgres is told to expect few licenses of a plan whose number it does not know.
#[test]
fn a_search_in_several_plans_reads_what_its_index_finds() {
    let observed = Observed::new();
    let other = Uuid::from_u128(77);
    observed.database.execute(&format!(
        "INSERT INTO subscription_plan
         SELECT (jsonb_populate_record(plan, '{{\"uuid\": \"{other}\", \"title\": \"Other\"}}')).* FROM subscription_plan AS plan"
    ));
    let filter = LicenseFilter { email_words: vec!["learner123".to_owned()], ..LicenseFilter::default() };
    let search = LicenseSearch { customer: Some(CUSTOMER), ..search(filter, false) };
    let plans = format!("'{{{PLAN}, {other}}}'");
    let plan = observed.query_plan(&[("ANY (", &plans), ("LIKE", "'%learner123%'")], |store| {
        assert_eq!(store.read(|unit| unit.lookups().first_ids(&search, &[], 100)).unwrap().len(), 11);
    });
    assert!(plan.contains("Bitmap Index Scan on license_search"), "{plan}");
}

#[test]
fn without_the_extension_a_search_finds_the_same() {
    let observed = Observed::new();
    let filter = LicenseFilter { email_words: vec!["learner123".to_owned()], ..LicenseFilter::default() };
    let found =
        || observed.store.read(|unit| unit.lookups().first_ids(&search(filter.clone(), true), &[], 100)).unwrap();
    let with_index = found();
    observed.database.execute("DROP EXTENSION pg_trgm CASCADE");
    assert_eq!((found(), with_index.len()), (with_index, 11));
}
