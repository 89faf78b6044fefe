//! Pages of licenses, read from index ranges. See `docs/adr/0018-pages-of-licenses.md`.

use diesel::RunQueryDsl;
use license_manager_domain::ports::{
    LicenseField, LicenseFilter, LicenseOrder, LicensePosition, LicenseSearch, LimitOffset,
};
use license_manager_domain::{Error, License, LicenseCounts, LicenseId, LicenseStatus, PlanId};
use uuid::Uuid;

use super::license_filters::{Bind, Composed, Dialect, Plans, Statement};
use super::license_ranges::{Arm, Range, Share, Test, Value};
use super::licenses::{CountsRow, LicenseRow};
use super::shared::{IdRow, NumberRow, for_both_databases};

/// Licenses in an order.
struct Asked<'a> {
    plans: &'a Plans,
    filter: &'a LicenseFilter,
    order: &'a [LicenseOrder],
}

/// The licenses of a list that are read: those after `offset`, at most `limit`, in the order or its reverse.
struct Part<'a> {
    asked: &'a Asked<'a>,
    arms: Vec<Arm>,
    reversed: bool,
    offset: i64,
    limit: i64,
}

/// How many licenses a page may skip and show for what ties to be left unsorted. To find where it ends, the index is read
/// three times up to there: beyond, sorting is cheaper where few tie, and a page is far into a long list.
const NEAR: i64 = 10_000;

/// The states that match, if the kept counts have their numbers: nothing decides but the state and a missing address.
fn counted(filter: &LicenseFilter) -> Option<Vec<LicenseStatus>> {
    let shown = LicenseFilter { hide_retired: false, ..filter.clone() };
    let statuses = shown.only_statuses()?;
    Some(LicenseStatus::ALL.into_iter().filter(|status| statuses.contains(status)).collect())
}

/// Reads licenses that match filters.
pub(crate) trait LicensePages: Composed {
    /// Runs a statement that selects licenses.
    fn licenses_of(&mut self, statement: Statement) -> Result<Vec<License>, Error>;

    /// Runs a statement that selects a `uuid`.
    fn ids_of(&mut self, statement: Statement) -> Result<Vec<Uuid>, Error>;

    /// Runs a statement that selects a `number`.
    fn number_of(&mut self, statement: Statement) -> Result<i64, Error>;

    /// Runs a statement that selects a [`CountsRow`].
    fn counts_of(&mut self, statement: Statement) -> Result<LicenseCounts, Error>;

    /// The plans to search.
    fn plans_of(&mut self, search: &LicenseSearch) -> Result<Plans, Error> {
        let Some(customers) = search.customers() else {
            return Ok(search.plan.map_or(Plans::All, Plans::one));
        };
        let mut statement = Statement::new(Self::DIALECT);
        statement.sql(
            "SELECT plan.uuid FROM subscription_plan AS plan
             JOIN customer_agreement AS agreement ON agreement.uuid = plan.customer_agreement_uuid
             WHERE agreement.enterprise_customer_uuid IN (",
        );
        statement.members(customers.iter().map(|customer| customer.0).collect()).sql(")");
        if let Some(plan) = search.plan {
            statement.sql(" AND plan.uuid = ").bind(Bind::Id(plan.0));
        }
        self.ids_of(statement).map(Plans::These)
    }

    /// The numbers of licenses that match, by state.
    fn matching_counts(&mut self, plans: &Plans, filter: &LicenseFilter) -> Result<LicenseCounts, Error> {
        if let Some(counts) = self.kept_counts(plans, filter)? {
            return Ok(counts);
        }
        let number = |status: LicenseStatus| format!("count(*) FILTER (WHERE status = '{0}') AS {0}", status.as_str());
        let numbers = LicenseStatus::ALL.map(number).join(", ");
        let mut statement = Statement::new(Self::DIALECT);
        statement.sql("SELECT ").sql(&numbers).of_matching(plans, filter);
        self.counts_of(statement)
    }

    /// The numbers of licenses that match, by state, if they are kept: no license need be looked at for them, but
    /// revoked ones without an address where those are hidden.
    fn kept_counts(&mut self, plans: &Plans, filter: &LicenseFilter) -> Result<Option<LicenseCounts>, Error> {
        let Some(statuses) = counted(filter) else { return Ok(None) };
        let number = |status: LicenseStatus| format!("coalesce(sum({0}), 0) AS {0}", status.as_str());
        let numbers = LicenseStatus::ALL.map(number).join(", ");
        let mut statement = Statement::new(Self::DIALECT);
        statement.sql("SELECT ").sql(&numbers).sql(" FROM seat_change WHERE ").of_plans(plans);
        let mut counts = self.counts_of(statement)?.only(&statuses);
        if filter.hide_retired && statuses.contains(&LicenseStatus::Revoked) {
            let mut statement = Statement::new(Self::DIALECT);
            statement.sql("SELECT count(*) AS number FROM license WHERE ").of_plans(plans);
            statement.sql(" AND status = 'revoked' AND status <> 'unassigned' AND user_email IS NULL");
            counts.revoked -= self.number_of(statement)?;
        }
        Ok(Some(counts))
    }

    /// A page of the licenses that match.
    fn page(
        &mut self,
        plans: &Plans,
        filter: &LicenseFilter,
        order: &[LicenseOrder],
        page: LimitOffset,
    ) -> Result<Vec<License>, Error> {
        let asked = Asked { plans, filter, order };
        match self.kept_counts(plans, filter)? {
            Some(counts) => match Part::of_page(&asked, counts, page) {
                Some(part) => self.licenses_of(part.statement(Self::DIALECT)),
                None => Ok(Vec::new()),
            },
            None => self.licenses_of(asked.sorted(Self::DIALECT, "license.*", None, page)),
        }
    }

    /// The ids of the first licenses that match.
    fn first_ids(
        &mut self,
        plans: &Plans,
        filter: &LicenseFilter,
        order: &[LicenseOrder],
        limit: i64,
    ) -> Result<Vec<Uuid>, Error> {
        let asked = Asked { plans, filter, order };
        self.ids_of(asked.sorted(Self::DIALECT, "uuid", None, LimitOffset { offset: 0, limit }))
    }

    /// Licenses of the plan that match and are in one of the states, sorted by id, after the given id. Postgres locks
    /// them; on SQLite only one unit of work writes.
    fn lock_matching(
        &mut self,
        plan: PlanId,
        filter: &LicenseFilter,
        statuses: &[LicenseStatus],
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        let mut statement = Statement::new(Self::DIALECT);
        statement.sql("SELECT license.*").of_matching(&Plans::one(plan), filter);
        statement.and_in_state(statuses).and_after(after);
        statement.sql(" ORDER BY uuid LIMIT ").bind(Bind::Number(limit.max(0)));
        if Self::DIALECT == Dialect::Postgres {
            statement.sql(" FOR NO KEY UPDATE");
        }
        self.licenses_of(statement)
    }

    /// The next licenses that match, after a position or the first ones.
    fn page_after(
        &mut self,
        plans: &Plans,
        filter: &LicenseFilter,
        order: &[LicenseOrder],
        after: Option<&LicensePosition>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        let asked = Asked { plans, filter, order };
        let wanted = |status: &LicenseStatus| filter.statuses.as_ref().is_none_or(|named| named.contains(status));
        let statuses: Vec<LicenseStatus> = LicenseStatus::ALL.into_iter().filter(wanted).collect();
        let ranges = match after {
            Some(at) => Range::following(&statuses, order, at),
            None => vec![Range::of(statuses)],
        };
        let arms: Vec<Arm> = ranges.iter().flat_map(|range| range.arms(order, filter.hide_retired)).collect();
        if arms.is_empty() || limit <= 0 {
            return Ok(Vec::new());
        }
        let statement = if filter.email_words.is_empty() {
            Part { asked: &asked, arms, reversed: false, offset: 0, limit }.statement(Self::DIALECT)
        } else {
            // No index has both the words and the order, and each arm would search.
            asked.sorted(Self::DIALECT, "license.*", Some(&arms), LimitOffset { offset: 0, limit })
        };
        self.licenses_of(statement)
    }
}

for_both_databases! {
    // The trait is our own, and its defaults are meant to be used.
    #[allow(clippy::missing_trait_methods)]
    impl LicensePages for Unit {
        fn licenses_of(&mut self, statement: Statement) -> Result<Vec<License>, Error> {
            self.list::<LicenseRow, _>(Self::bound(statement))
        }

        fn ids_of(&mut self, statement: Statement) -> Result<Vec<Uuid>, Error> {
            let rows = self.read(|connection| Self::bound(statement).load::<IdRow>(connection))?;
            Ok(rows.into_iter().map(|row| row.uuid).collect())
        }

        fn number_of(&mut self, statement: Statement) -> Result<i64, Error> {
            self.read(|connection| Self::bound(statement).get_result::<NumberRow>(connection)).map(|row| row.number)
        }

        fn counts_of(&mut self, statement: Statement) -> Result<LicenseCounts, Error> {
            self.read(|connection| Self::bound(statement).get_result::<CountsRow>(connection)).map(LicenseCounts::from)
        }
    }
}

impl Asked<'_> {
    /// The statement that finds all licenses that match, or those of the arms, and sorts them.
    fn sorted(&self, dialect: Dialect, columns: &str, arms: Option<&[Arm]>, page: LimitOffset) -> Statement {
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
fn missing(field: LicenseField) -> &'static str {
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

impl<'a> Part<'a> {
    /// The part that is a page, given the numbers of the matches; `None` if nothing is there.
    fn of_page(asked: &'a Asked<'a>, counts: LicenseCounts, page: LimitOffset) -> Option<Self> {
        let number = |status: LicenseStatus| counts.only(&[status]).all();
        let mut statuses: Vec<LicenseStatus> =
            LicenseStatus::ALL.into_iter().filter(|&status| number(status) > 0).collect();
        let (mut offset, mut total) = (page.offset.max(0), counts.all());
        let limit = page.limit.min(total.saturating_sub(offset));
        if limit <= 0 {
            return None;
        }
        if let Some(&LicenseOrder { field: LicenseField::Status, descending }) = asked.order.first() {
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
        let arms = Range::of(statuses).arms(asked.order, asked.filter.hide_retired);
        Some(Self { asked, arms, reversed: from_end < offset, offset: offset.min(from_end), limit })
    }

    /// The statement that selects the part, in the order.
    fn statement(&self, dialect: Dialect) -> Statement {
        let Asked { plans, order, .. } = self.asked;
        let mut statement = Statement::new(dialect);
        if let Plans::These(several) = plans
            && plans.are_several()
        {
            statement.sql("WITH lead (plan) AS (").members(several.clone()).sql(") ");
        }
        statement.sql("SELECT license.* FROM (");
        match self.arms.as_slice() {
            [arm] if !plans.are_several() && self.turned(arm).is_none() => {
                let page = LimitOffset { offset: self.offset, limit: self.limit };
                self.arm(&mut statement, arm, &[], page, Share::All);
            }
            arms => {
                let reach = LimitOffset { offset: 0, limit: self.offset.saturating_add(self.limit) };
                let shares = arms.iter().flat_map(|arm| match self.turned(arm) {
                    None => vec![(arm, Share::All)],
                    Some(field) => vec![(arm, Share::Before(field)), (arm, Share::At(field))],
                });
                statement.sql("SELECT uuid FROM (");
                for (number, (arm, share)) in shares.enumerate() {
                    statement.sql(if number == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
                    self.arm(&mut statement, arm, order, reach, share);
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

    /// The field in which the arm's licenses tie, if they are to be read in two shares.
    fn turned(&self, arm: &Arm) -> Option<LicenseField> {
        arm.turned().filter(|_| self.offset.saturating_add(self.limit) <= NEAR)
    }

    /// Selects the ids of a share of an arm, and the columns to sort by; up to the limit, of each plan if there are several.
    fn arm(&self, statement: &mut Statement, arm: &Arm, sorted_by: &[LicenseOrder], page: LimitOffset, share: Share) {
        let plans = self.asked.plans;
        // A missing value is not read, so that the index is enough.
        let columns = sorted_by.iter().map(|key| match arm.lacks(key.field) {
            true => format!(", {} AS {}", missing(key.field), column(key.field)),
            false => format!(", {}", column(key.field)),
        });
        let columns: String = columns.collect();
        match (plans.are_several(), statement.dialect) {
            (true, Dialect::Postgres) => {
                statement.sql("SELECT of_plan.* FROM lead CROSS JOIN LATERAL (");
                self.share(statement, arm, &columns, page, share);
                statement.sql(") AS of_plan");
            }
            (true, Dialect::Sqlite) => {
                // With statistics from when there were few licenses, SQLite would read all of them for each plan.
                statement.sql("SELECT uuid").sql(&columns).sql(" FROM lead CROSS JOIN license ");
                statement.sql("INDEXED BY sqlite_autoindex_license_1 WHERE uuid IN (");
                self.share(statement, arm, "", page, share);
                statement.sql(")");
            }
            (false, _) => self.share(statement, arm, &columns, page, share),
        }
    }

    /// Selects the ids of a share of an arm, and some columns, up to the limit.
    fn share(&self, statement: &mut Statement, arm: &Arm, columns: &str, page: LimitOffset, share: Share) {
        match share {
            Share::All => self.all(statement, arm, columns),
            Share::At(field) => {
                self.all(statement, arm, columns);
                statement.sql(" AND ").sql(column(field)).sql(" = ");
                self.boundary(statement, arm, field, page.limit);
            }
            Share::Before(field) => {
                let (selected, read) = match columns {
                    "" => ("uuid", format!(", {}", column(field))),
                    // The field is among those to sort by.
                    columns => ("beginning.*", columns.to_owned()),
                };
                // In the condition, it would be looked for again for each license of a plan among several.
                statement.sql("SELECT ").sql(selected).sql(" FROM ");
                self.boundary(statement, arm, field, page.limit);
                statement.sql(" AS last CROSS JOIN (");
                self.beginning(statement, arm, &read, field, page.limit);
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
    fn boundary(&self, statement: &mut Statement, arm: &Arm, field: LicenseField, limit: i64) {
        let last = if self.falls(arm) { "min" } else { "max" };
        statement.sql(&format!("(SELECT {last}({}) AS boundary FROM (", column(field)));
        self.beginning(statement, arm, &format!(", {}", column(field)), field, limit);
        statement.sql(") AS beginning)");
    }

    /// The first licenses of an arm in the order that the index on the field has: if the values fall, the ids fall too.
    fn beginning(&self, statement: &mut Statement, arm: &Arm, columns: &str, field: LicenseField, limit: i64) {
        self.all(statement, arm, columns);
        let rising = [LicenseOrder { field, descending: false }];
        statement.sql(" ORDER BY ").sql(&terms(None, &rising, self.falls(arm), "license."));
        statement.sql(" LIMIT ").bind(Bind::Number(limit));
    }

    /// Whether the first field's values fall as the arm is read.
    fn falls(&self, arm: &Arm) -> bool {
        arm.order.first().is_some_and(|key| key.descending != self.reversed)
    }

    /// Selects the ids of an arm's licenses, and some columns.
    fn all(&self, statement: &mut Statement, arm: &Arm, columns: &str) {
        let plans = self.asked.plans;
        statement.sql("SELECT uuid").sql(columns);
        self.source(statement, arm);
        // Without statistics, SQLite would rather find a state by an index and sort than follow the index on addresses, and
        // the other way round. Where the index is named, it has to find it.
        let unindexed = match (statement.dialect, plans) {
            (Dialect::Sqlite, Plans::All) if arm.lacking().is_some() => None,
            (Dialect::Sqlite, Plans::All) if arm.follows_addresses() => Some(LicenseField::Status),
            (Dialect::Sqlite, Plans::All) => Some(LicenseField::UserEmail),
            _ => None,
        };
        conditions(statement, arm, unindexed);
        if statement.dialect == Dialect::Sqlite && matches!(plans, Plans::All) {
            // The indexes across plans have this condition, so that SQLite takes none of them for a plan.
            statement.sql(" AND status <> ''");
        }
        statement.and_of_time(self.asked.filter);
    }

    /// The table that an arm reads, with the beginning of the condition: the licenses of the plans.
    fn source(&self, statement: &mut Statement, arm: &Arm) {
        match (arm.lacking(), statement.dialect) {
            (Some(lacking), Dialect::Sqlite) => {
                // Without statistics, SQLite cannot know that few lack the field.
                let index = lacking.index(matches!(self.asked.plans, Plans::All));
                statement.sql(" FROM license INDEXED BY ").sql(index).sql(" WHERE ");
                self.of_plans(statement);
            }
            (Some(lacking), Dialect::Postgres) if !lacking.is_indexed() => {
                // Postgres takes fields for independent of each other and of the state. It would expect many that lack the
                // field, and look for them in the order of the next one. OFFSET keeps that order out of the inner query.
                statement.sql(" FROM (SELECT * FROM license WHERE ");
                self.of_plans(statement);
                conditions(statement, &arm.all_that_lack(lacking.field), None);
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
        if self.asked.plans.are_several() {
            statement.sql("subscription_plan_uuid = lead.plan");
        } else {
            statement.of_plans(self.asked.plans);
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
