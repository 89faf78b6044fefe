//! The statements that read a part of a list of licenses.

use license_manager_domain::ports::{LicenseField, LicenseFilter, LicenseOrder, LimitOffset};
use license_manager_domain::{LicenseCounts, LicenseStatus};

use super::license_filters::{Bind, Dialect, Plans, Statement};
use super::license_ranges::{Arm, ArmPart, Range, Test, Value};

/// A list of licenses: those of the plans that match, in an order.
pub(crate) struct LicenseList<'a> {
    pub plans: &'a Plans,
    pub filter: &'a LicenseFilter,
    pub order: &'a [LicenseOrder],
}

/// The query for a part of a list: the licenses of the arms after `offset`, at most `limit`. Where it is `reversed`, the
/// offset and the limit count from the end.
pub(crate) struct PageQuery<'a> {
    list: &'a LicenseList<'a>,
    arms: Vec<Arm>,
    reversed: bool,
    offset: i64,
    limit: i64,
}

/// Up to this end of a page, licenses that tie are read in their order instead of being sorted. For that, the index is
/// read three times up to the end of the page. If the page ends later and few tie, sorting is cheaper.
const UNSORTED_TIES_LIMIT: i64 = 10_000;

impl LicenseList<'_> {
    /// The statement that finds all licenses that match, or those of the arms, and sorts them.
    pub fn sorted(&self, dialect: Dialect, columns: &str, arms: Option<&[Arm]>, page: LimitOffset) -> Statement {
        let mut statement = Statement::new(dialect);
        statement.sql("SELECT ").sql(columns).of_matching(self.plans, self.filter);
        if let Some(arms) = arms {
            statement.sql(" AND (");
            for (number, arm) in arms.iter().enumerate() {
                statement.sql(if number == 0 { "(1 = 1" } else { " OR (1 = 1" });
                conditions(&mut statement, arm, None);
                statement.sql(")");
            }
            statement.sql(")");
        }
        statement.sql(" ORDER BY ").sql(&terms(None, self.order, false, ""));
        statement.sql(" LIMIT ").bind(Bind::Number(page.limit.max(0)));
        statement.sql(" OFFSET ").bind(Bind::Number(page.offset.max(0)));
        statement
    }
}

fn column(field: LicenseField) -> &'static str {
    match field {
        LicenseField::Status => "status",
        LicenseField::UserEmail => "user_email",
        LicenseField::ActivationDate => "activation_date",
        LicenseField::LastRemindDate => "last_remind_date",
    }
}

/// NULL in the type of a column.
fn null_of(field: LicenseField) -> &'static str {
    match field {
        LicenseField::Status | LicenseField::UserEmail => "CAST(NULL AS text)",
        LicenseField::ActivationDate | LicenseField::LastRemindDate => "CAST(NULL AS timestamptz)",
    }
}

/// The terms of ORDER BY. NULL comes first ascending, last descending.
fn terms(leading: Option<LicenseField>, order: &[LicenseOrder], reversed: bool, table: &str) -> String {
    let term = |column: &str, descending: bool, nullable: bool| {
        let direction = match (descending, nullable) {
            (false, true) => " NULLS FIRST",
            (true, true) => " DESC NULLS LAST",
            (false, false) => "",
            (true, false) => " DESC",
        };
        format!("{table}{column}{direction}")
    };
    let leading = leading.map(|field| term(column(field), reversed, true));
    let keys =
        order.iter().map(|key| term(column(key.field), key.descending != reversed, key.field != LicenseField::Status));
    let terms: Vec<String> = leading.into_iter().chain(keys).chain([term("uuid", reversed, false)]).collect();
    terms.join(", ")
}

impl<'a> PageQuery<'a> {
    /// The query for the first licenses of the arms, in the order.
    pub fn first(list: &'a LicenseList<'a>, arms: Vec<Arm>, limit: i64) -> Self {
        Self { list, arms, reversed: false, offset: 0, limit }
    }

    /// The query for a page, given the numbers of the matches; `None` if nothing is there.
    pub fn of_page(list: &'a LicenseList<'a>, counts: LicenseCounts, page: LimitOffset) -> Option<Self> {
        let number = |status: LicenseStatus| counts.only(&[status]).all();
        let mut statuses: Vec<LicenseStatus> =
            LicenseStatus::ALL.into_iter().filter(|&status| number(status) > 0).collect();
        let (mut offset, mut total) = (page.offset.max(0), counts.all());
        let limit = page.limit.min(total.saturating_sub(offset));
        if limit <= 0 {
            return None;
        }
        if let Some(&LicenseOrder { field: LicenseField::Status, descending }) = list.order.first() {
            statuses.sort_unstable();
            if descending {
                statuses.reverse();
            }
            // The states before the page, and those after it, need not be read.
            while let Some(first) = statuses.first().copied().filter(|&first| number(first) <= offset) {
                offset -= number(first);
                total -= number(first);
                statuses.remove(0);
            }
            while let Some(last) = statuses.last().copied().filter(|&last| total - number(last) >= offset + limit) {
                total -= number(last);
                statuses.pop();
            }
        }
        // What is nearer to the end is read from the end.
        let from_end = total - offset - limit;
        let arms = Range::of(statuses).arms(list.order, list.filter.hide_retired);
        Some(Self { list, arms, reversed: from_end < offset, offset: offset.min(from_end), limit })
    }

    /// The statement that selects the licenses, in the order of the list.
    pub fn statement(&self, dialect: Dialect) -> Statement {
        let LicenseList { plans, order, .. } = self.list;
        let mut statement = Statement::new(dialect);
        if let Plans::These(several) = plans
            && plans.are_several()
        {
            statement.sql("WITH lead (plan) AS (").members(several.clone()).sql(") ");
        }
        statement.sql("SELECT license.* FROM (");
        match self.arms.as_slice() {
            [arm] if !plans.are_several() && self.reversed_ties(arm).is_none() => {
                let page = LimitOffset { offset: self.offset, limit: self.limit };
                self.select_arm(&mut statement, arm, &[], page, ArmPart::Whole);
            }
            arms => {
                let reach = LimitOffset { offset: 0, limit: self.offset.saturating_add(self.limit) };
                let parts = arms.iter().flat_map(|arm| match self.reversed_ties(arm) {
                    None => vec![(arm, ArmPart::Whole)],
                    Some(field) => vec![(arm, ArmPart::BeforeLastTie(field)), (arm, ArmPart::LastTie(field))],
                });
                statement.sql("SELECT uuid FROM (");
                for (number, (arm, part)) in parts.enumerate() {
                    statement.sql(if number == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
                    self.select_arm(&mut statement, arm, order, reach, part);
                    statement.sql(") AS arm");
                }
                statement.sql(") AS arms ORDER BY ").sql(&terms(None, order, self.reversed, ""));
                statement.sql(" LIMIT ").bind(Bind::Number(self.limit));
                statement.sql(" OFFSET ").bind(Bind::Number(self.offset));
            }
        }
        // SQLite reads the tables of a cross join in this order.
        statement.sql(") AS page CROSS JOIN license WHERE license.uuid = page.uuid ORDER BY ");
        statement.sql(&terms(None, order, false, "license."));
        statement
    }

    /// The field in which the arm's licenses tie, if they are to be read in two parts.
    fn reversed_ties(&self, arm: &Arm) -> Option<LicenseField> {
        arm.field_with_reversed_ties().filter(|_| self.offset.saturating_add(self.limit) <= UNSORTED_TIES_LIMIT)
    }

    /// Selects the ids of a part of an arm, and the columns to sort by; up to the limit, of each plan if there are several.
    fn select_arm(
        &self,
        statement: &mut Statement,
        arm: &Arm,
        sorted_by: &[LicenseOrder],
        page: LimitOffset,
        part: ArmPart,
    ) {
        let plans = self.list.plans;
        // A missing value is not read, so that the index is enough.
        let columns = sorted_by.iter().map(|key| match arm.lacks(key.field) {
            true => format!(", {} AS {}", null_of(key.field), column(key.field)),
            false => format!(", {}", column(key.field)),
        });
        let columns: String = columns.collect();
        match (plans.are_several(), statement.dialect) {
            (true, Dialect::Postgres) => {
                statement.sql("SELECT of_plan.* FROM lead CROSS JOIN LATERAL (");
                self.select_part(statement, arm, &columns, page, part);
                statement.sql(") AS of_plan");
            }
            (true, Dialect::Sqlite) => {
                // With statistics from when there were few licenses, SQLite would read all of them for each plan.
                statement.sql("SELECT uuid").sql(&columns).sql(" FROM lead CROSS JOIN license ");
                statement.sql("INDEXED BY sqlite_autoindex_license_1 WHERE uuid IN (");
                self.select_part(statement, arm, "", page, part);
                statement.sql(")");
            }
            (false, _) => self.select_part(statement, arm, &columns, page, part),
        }
    }

    /// Selects the ids of a part of an arm, and some columns, up to the limit.
    fn select_part(&self, statement: &mut Statement, arm: &Arm, columns: &str, page: LimitOffset, part: ArmPart) {
        match part {
            ArmPart::Whole => self.select_all(statement, arm, columns),
            ArmPart::LastTie(field) => {
                self.select_all(statement, arm, columns);
                statement.sql(" AND ").sql(column(field)).sql(" = ");
                self.select_boundary(statement, arm, field, page.limit);
            }
            ArmPart::BeforeLastTie(field) => {
                let (selected, read) = match columns {
                    "" => ("uuid", format!(", {}", column(field))),
                    // The field is among those to sort by.
                    columns => ("beginning.*", columns.to_owned()),
                };
                // In the condition, it would be looked for again for each license of a plan among several.
                statement.sql("SELECT ").sql(selected).sql(" FROM ");
                self.select_boundary(statement, arm, field, page.limit);
                statement.sql(" AS last CROSS JOIN (");
                self.select_beginning(statement, arm, &read, field, page.limit);
                statement.sql(") AS beginning WHERE ").sql(column(field)).sql(" <> boundary");
                return;
            }
        }
        // A name alone would be that of the column that is selected.
        statement.sql(" ORDER BY ").sql(&terms(arm.leading(), &arm.order, self.reversed, "license."));
        statement.sql(" LIMIT ").bind(Bind::Number(page.limit));
        if page.offset > 0 {
            statement.sql(" OFFSET ").bind(Bind::Number(page.offset));
        }
    }

    /// Selects the last value of the field up to the limit, as `boundary`.
    fn select_boundary(&self, statement: &mut Statement, arm: &Arm, field: LicenseField, limit: i64) {
        let last = if self.reads_descending(arm) { "min" } else { "max" };
        statement.sql(&format!("(SELECT {last}({}) AS boundary FROM (", column(field)));
        self.select_beginning(statement, arm, &format!(", {}", column(field)), field, limit);
        statement.sql(") AS beginning)");
    }

    /// Selects the first licenses of an arm in the order that the index on the field has: if the values fall, the ids fall
    /// too.
    fn select_beginning(&self, statement: &mut Statement, arm: &Arm, columns: &str, field: LicenseField, limit: i64) {
        self.select_all(statement, arm, columns);
        let rising = [LicenseOrder { field, descending: false }];
        statement.sql(" ORDER BY ").sql(&terms(None, &rising, self.reads_descending(arm), "license."));
        statement.sql(" LIMIT ").bind(Bind::Number(limit));
    }

    /// Whether the values of the first field fall as the arm is read.
    fn reads_descending(&self, arm: &Arm) -> bool {
        arm.order.first().is_some_and(|key| key.descending != self.reversed)
    }

    /// Selects the ids of an arm's licenses, and some columns.
    fn select_all(&self, statement: &mut Statement, arm: &Arm, columns: &str) {
        let plans = self.list.plans;
        statement.sql("SELECT uuid").sql(columns);
        self.add_table(statement, arm);
        // Without statistics, SQLite would rather find a state by an index and sort than follow the index on addresses, and
        // the other way round. Where the index is named, it has to find it.
        let unindexed = match (statement.dialect, plans) {
            (Dialect::Sqlite, Plans::All) if arm.missing_values().is_some() => None,
            (Dialect::Sqlite, Plans::All) if arm.follows_addresses() => Some(LicenseField::Status),
            (Dialect::Sqlite, Plans::All) => Some(LicenseField::UserEmail),
            _ => None,
        };
        conditions(statement, arm, unindexed);
        if statement.dialect == Dialect::Sqlite && matches!(plans, Plans::All) {
            // The indexes across plans have this condition, so that SQLite takes none of them for a plan.
            statement.sql(" AND status <> ''");
        }
        statement.and_of_time(self.list.filter);
    }

    /// Adds the table that an arm reads, with the beginning of the condition: the licenses of the plans.
    fn add_table(&self, statement: &mut Statement, arm: &Arm) {
        match (arm.missing_values(), statement.dialect) {
            (Some(missing), Dialect::Sqlite) => {
                // Without statistics, SQLite cannot know that few lack the field.
                let index = missing.index(matches!(self.list.plans, Plans::All));
                statement.sql(" FROM license INDEXED BY ").sql(index).sql(" WHERE ");
                self.of_plans(statement);
            }
            (Some(missing), Dialect::Postgres) if !missing.is_indexed() => {
                // Postgres takes fields for independent of each other and of the state. It would expect many that lack the
                // field, and look for them in the order of the next one. OFFSET keeps that order out of the inner query.
                statement.sql(" FROM (SELECT * FROM license WHERE ");
                self.of_plans(statement);
                conditions(statement, &arm.all_without(missing.field), None);
                statement.sql(" OFFSET 0) AS license WHERE 1 = 1");
            }
            _ => {
                statement.sql(" FROM license WHERE ");
                self.of_plans(statement);
            }
        }
    }

    /// The condition that a license is of the plans, or of the one that leads if there are several.
    fn of_plans(&self, statement: &mut Statement) {
        if self.list.plans.are_several() {
            statement.sql("subscription_plan_uuid = lead.plan");
        } else {
            statement.of_plans(self.list.plans);
        }
    }
}

/// The conditions of an arm. The states are literals: a partial index is used only if the statement has its condition.
/// SQLite looks for no index by the state, or by the presence of a value, in the field `unindexed`.
fn conditions(statement: &mut Statement, arm: &Arm, unindexed: Option<LicenseField>) {
    let sign = |field: LicenseField| if unindexed == Some(field) { "+" } else { "" };
    statement.sql(&format!(" AND {}status = '{}'", sign(LicenseField::Status), arm.status.as_str()));
    if arm.status != LicenseStatus::Unassigned {
        statement.sql(" AND status <> 'unassigned'");
    }
    if matches!(arm.status, LicenseStatus::Activated | LicenseStatus::Revoked) {
        statement.sql(" AND status <> 'assigned'");
    }
    for (field, test) in &arm.tests {
        if arm.never_has(*field) {
            continue;
        }
        let sign = if *test == Test::Present { sign(*field) } else { "" };
        statement.sql(" AND ").sql(sign).sql(column(*field));
        let (operator, value) = match test {
            Test::Absent => (" IS NULL", None),
            Test::Present => (" IS NOT NULL", None),
            Test::Equal(value) => (" = ", Some(value)),
            Test::Above(value) => (" > ", Some(value)),
            Test::Below(value) => (" < ", Some(value)),
        };
        statement.sql(operator);
        match value {
            Some(Value::Text(text)) => statement.bind(Bind::Text(text.clone())),
            Some(Value::Moment(moment)) => statement.bind(Bind::Moment(*moment)),
            None => statement,
        };
    }
    statement.and_after(arm.after);
}
