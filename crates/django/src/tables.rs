//! Which table of the service becomes which of ours. The order is that of reading.

use crate::DjangoError;
use crate::layout::Layout;
use crate::mapping::{self, Mapped};
use crate::values::Cells;

/// Maps a row.
type Map = fn(&Cells<'_>, &mut Mapped) -> Result<(), DjangoError>;

/// A table of the service.
pub(crate) struct Table {
    /// Its name, without `subscriptions_` or the name with which its history begins.
    pub name: &'static str,
    /// The table of ours.
    pub target: &'static str,
    /// The history of ours; `None` for a table without one.
    pub history: Option<&'static str>,
    /// Its columns: the key first.
    columns: &'static [&'static str],
    /// Columns of other tables, with the expression that reads them.
    joined: &'static [(&'static str, &'static str)],
    /// The joins that they need.
    joins: &'static str,
    pub map: Map,
}

impl Table {
    const fn of(name: &'static str, target: &'static str, columns: &'static [&'static str], map: Map) -> Self {
        Self { name, target, history: None, columns, joined: &[], joins: "", map }
    }

    const fn with_history(mut self, history: &'static str) -> Self {
        self.history = Some(history);
        self
    }

    const fn joined(mut self, joined: &'static [(&'static str, &'static str)], joins: &'static str) -> Self {
        self.joined = joined;
        self.joins = joins;
        self
    }

    /// The tables that are read for it: its own, and its history.
    pub(crate) fn readings(&self, layout: &Layout) -> Vec<Reading<'_>> {
        let own = Reading { table: self, source: self.source(), is_history: false };
        let history = self.history.map(|_| Reading { table: self, source: self.source_of_history(), is_history: true });
        std::iter::once(own).chain(history).filter(|reading| layout.has(&reading.source)).collect()
    }

    fn source(&self) -> String {
        match self.name {
            "core_user" | "api_bulkenrollmentjob" => self.name.to_owned(),
            name => format!("subscriptions_{name}"),
        }
    }

    fn source_of_history(&self) -> String {
        format!("subscriptions_historical{}", self.name)
    }
}

/// One table that is read.
pub(crate) struct Reading<'t> {
    pub table: &'t Table,
    pub source: String,
    pub is_history: bool,
}

/// The columns that a history adds.
const OF_HISTORY: [&str; 4] = ["history_id", "history_date", "history_type", "history_change_reason"];

impl Reading<'_> {
    /// The table of ours.
    pub(crate) fn target(&self) -> &'static str {
        self.table.history.filter(|_| self.is_history).unwrap_or(self.table.target)
    }

    /// The column by which pages are read: the first.
    fn key(&self) -> &'static str {
        if self.is_history { OF_HISTORY[0] } else { self.table.columns[0] }
    }

    /// The names of the values of a row, in their order.
    pub(crate) fn columns(&self) -> Vec<&'static str> {
        let history: &[&str] = if self.is_history { &OF_HISTORY } else { &[] };
        let user = self.is_history.then_some("history_user");
        let joined = self.table.joined.iter().map(|(name, _)| *name);
        history.iter().copied().chain(self.table.columns.iter().copied()).chain(joined).chain(user).collect()
    }

    /// The expressions of the values of a row, in the order of [`Self::columns`]. A column that the layout lacks is NULL.
    fn expressions(&self, layout: &Layout) -> Vec<String> {
        let joined = |name: &str| self.table.joined.iter().find(|(joined, _)| *joined == name);
        let expression = |name: &'static str| match joined(name) {
            _ if name == "history_user" => "history_user.username".to_owned(),
            Some((_, expression)) => (*expression).to_owned(),
            None if layout.has_column(&self.source, name) => format!("own.`{name}`"),
            None => "NULL".to_owned(),
        };
        self.columns().into_iter().map(expression).collect()
    }

    /// Its columns that the layout lacks, with the table.
    fn missing(&self, layout: &Layout) -> Vec<String> {
        let history: &[&str] = if self.is_history { &OF_HISTORY } else { &[] };
        let all = history.iter().chain(self.table.columns);
        let missing = all.filter(|name| !layout.has_column(&self.source, name));
        missing.map(|name| format!("{}.{name}", self.source)).collect()
    }

    /// The tables that a statement reads.
    fn from(&self) -> String {
        let user = match self.is_history {
            true => "LEFT JOIN core_user AS history_user ON history_user.id = own.history_user_id",
            false => "",
        };
        format!("FROM `{}` AS own {} {user}", self.source, self.table.joins)
    }

    /// The statement that reads the page after a key.
    pub(crate) fn page(&self, layout: &Layout, after: Option<&str>, size: usize) -> String {
        let (values, from, key) = (self.expressions(layout).join(", "), self.from(), self.key());
        // A key is a number or a UUID, so it needs no escape.
        let later = after.map(|key_of_last| format!("WHERE own.`{key}` > '{key_of_last}'")).unwrap_or_default();
        format!("SELECT {values} {from} {later} ORDER BY own.`{key}` LIMIT {size}")
    }

    /// The statement that adds up the rows of each range of keys: the range's number, the number of rows, and a checksum.
    /// A range has [`RANGE`] numbers, or the UUIDs that begin with the same two digits.
    pub(crate) fn checksums(&self, layout: &Layout) -> String {
        // QUOTE tells NULL from a text, and one value from the next.
        let values: Vec<String> = self.expressions(layout).iter().map(|value| format!("QUOTE({value})")).collect();
        let (values, from, key) = (values.join(", "), self.from(), self.key());
        let range = match key {
            "uuid" => format!("CONV(LEFT(own.`{key}`, 2), 16, 10)"),
            _ => format!("own.`{key}` DIV {RANGE}"),
        };
        // Rows have keys, so no two of them are equal and cancel each other out.
        format!(
            "SELECT CAST({range} AS UNSIGNED) AS range_number, COUNT(*),
                    BIT_XOR(CAST(CONV(LEFT(MD5(CONCAT({values})), 16), 16, 10) AS UNSIGNED))
             {from} GROUP BY range_number ORDER BY range_number"
        )
    }
}

/// The most rows of a range of numbers.
const RANGE: u32 = 50_000;

/// Tables that are read besides those of [`TABLES`]: names that these refer to, and what staff may do in Django.
const BESIDES: [&str; 6] = [
    "subscriptions_subscriptionlicensesourcetype",
    "subscriptions_subscriptionsfeaturerole",
    "auth_group",
    "auth_permission",
    "core_user_groups",
    "core_user_user_permissions",
];

/// The newest layout that is known, as the highest migration of the app `subscriptions`. It has all columns.
const NEWEST: u32 = 78;

/// Tables that a layout may lack, because a later migration of the app `subscriptions` adds them: with its number.
const ADDED: [(&str, u32); 3] = [
    ("subscriptions_licenseevent", 68),
    ("subscriptions_customsubscriptionexpirationmessaging", 74),
    ("subscriptions_historicalcustomsubscriptionexpirationmessaging", 74),
];

/// Fails unless all tables and columns of the layout are seen. Without this, an import would leave out what its user may
/// not read, and the next one would delete it.
pub(crate) fn refuse_missing(layout: &Layout) -> Result<(), DjangoError> {
    let is_later = |name: &str| ADDED.iter().any(|(added, by)| *added == name && layout.migration < *by);
    let names = |table: &Table| [Some(table.source()), table.history.map(|_| table.source_of_history())];
    let needed = TABLES.iter().flat_map(names).flatten().chain(BESIDES.map(str::to_owned));
    let missing: Vec<String> = needed.filter(|name| !layout.has(name) && !is_later(name)).collect();
    refuse("tables", &missing)?;
    if layout.migration < NEWEST {
        return Ok(());
    }
    let readings = TABLES.iter().flat_map(|table| table.readings(layout));
    let columns: Vec<String> = readings.flat_map(|reading| reading.missing(layout)).collect();
    refuse("columns", &columns)
}

fn refuse(what: &str, missing: &[String]) -> Result<(), DjangoError> {
    match missing.is_empty() {
        true => Ok(()),
        false => Err(DjangoError::Layout(format!(
            "the user may not read these {what}, or they are not there: {}. Grant the user SELECT on the whole database",
            missing.join(", ")
        ))),
    }
}

/// Every table that goes over.
pub(crate) const TABLES: &[Table] = &[
    Table::of("plantype", "plan_type", mapping::PLAN_TYPE, mapping::plan_type),
    Table::of("product", "product", mapping::PRODUCT, mapping::product).with_history("product_history"),
    Table::of("customeragreement", "customer_agreement", mapping::AGREEMENT, mapping::agreement)
        .with_history("customer_agreement_history"),
    Table::of("customsubscriptionexpirationmessaging", "expiration_message", mapping::MESSAGE, mapping::message)
        .with_history("expiration_message_history"),
    Table::of("subscriptionplan", "subscription_plan", mapping::PLAN, mapping::plan)
        .with_history("subscription_plan_history"),
    Table::of("license", "license", mapping::LICENSE, mapping::license).with_history("license_history"),
    Table::of("subscriptionlicensesource", "license_source", mapping::SOURCE, mapping::license_source)
        .joined(
            &[("source_type", "kind.slug")],
            "LEFT JOIN subscriptions_subscriptionlicensesourcetype AS kind ON kind.id = own.source_type_id",
        )
        .with_history("license_source_history"),
    Table::of("licenseevent", "license_event", mapping::EVENT, mapping::event),
    Table::of("subscriptionplanrenewal", "subscription_plan_renewal", mapping::RENEWAL, mapping::renewal)
        .with_history("subscription_plan_renewal_history"),
    Table::of("licensetransferjob", "license_transfer_job", mapping::TRANSFER, mapping::transfer)
        .with_history("license_transfer_job_history"),
    Table::of("notification", "notification", mapping::NOTIFICATION, mapping::notification)
        .with_history("notification_history"),
    Table::of("core_user", "users", mapping::USER, mapping::user),
    Table::of("subscriptionsroleassignment", "role_assignment", mapping::ROLE, mapping::role_assignment).joined(
        &[("role", "role.name"), ("username", "person.username"), ("is_active", "person.is_active")],
        "LEFT JOIN subscriptions_subscriptionsfeaturerole AS role ON role.id = own.role_id \
         LEFT JOIN core_user AS person ON person.id = own.user_id",
    ),
    Table::of("api_bulkenrollmentjob", "bulk_enrollment_job", mapping::ENROLLMENT, mapping::enrollment),
];
