//! Pages of licenses, read from index ranges. See `docs/adr/0018-pages-of-licenses.md`. The statements are in
//! [`super::license_page_query`].

use diesel::RunQueryDsl;
use license_manager_domain::ports::{LicenseFilter, LicenseOrder, LicensePosition, LicenseSearch, LimitOffset};
use license_manager_domain::{Error, License, LicenseCounts, LicenseId, LicenseStatus, PlanId};
use uuid::Uuid;

use super::license_filters::{Bind, Composed, Dialect, Plans, Statement};
use super::license_page_query::{LicenseList, PageQuery};
use super::license_ranges::{Arm, Range};
use super::licenses::{CountsRow, LicenseRow};
use super::prefetched::Prefetched;
use super::shared::{IdRow, NumberRow, for_both_databases};

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

    /// What the last statement has read in addition.
    fn prefetched(&mut self) -> &mut Prefetched;

    /// The plans to search.
    fn plans_of(&mut self, search: &LicenseSearch) -> Result<Plans, Error> {
        if let Some(plans) = self.prefetched().take_plans(search) {
            return Ok(plans);
        }
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
        if let Some(counts) = self.prefetched().take_counts(plans, filter) {
            return Ok(Some(counts));
        }
        let number = |status: LicenseStatus| format!("coalesce(sum({0}), 0) AS {0}", status.as_str());
        let numbers = LicenseStatus::ALL.map(number).join(", ");
        let mut statement = Statement::new(Self::DIALECT);
        statement.sql("SELECT ").sql(&numbers).of_seat_counts(plans);
        let mut counts = self.counts_of(statement)?.only(&statuses);
        if filter.hide_retired && statuses.contains(&LicenseStatus::Revoked) {
            let mut statement = Statement::new(Self::DIALECT);
            statement.sql("SELECT count(*) AS number FROM license WHERE ").of_plans(plans);
            statement.sql(" AND status = 'revoked' AND status <> 'unassigned' AND user_email IS NULL");
            counts.revoked -= self.number_of(statement)?;
        }
        self.prefetched().keep_counts(plans, filter, counts);
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
        let list = LicenseList { plans, filter, order };
        match self.kept_counts(plans, filter)? {
            Some(counts) => match PageQuery::of_page(&list, counts, page) {
                Some(query) => self.licenses_of(query.statement(Self::DIALECT)),
                None => Ok(Vec::new()),
            },
            None => self.licenses_of(list.sorted(Self::DIALECT, "license.*", None, page)),
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
        let list = LicenseList { plans, filter, order };
        self.ids_of(list.sorted(Self::DIALECT, "uuid", None, LimitOffset { offset: 0, limit }))
    }

    /// Live licenses of the plan that match, sorted by id, after the given id. Postgres locks them; on SQLite only one unit
    /// of work writes.
    fn lock_matching(
        &mut self,
        plan: PlanId,
        filter: &LicenseFilter,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        let mut statement = Statement::new(Self::DIALECT);
        statement.sql("SELECT license.*").of_matching(&Plans::one(plan), filter);
        // The last condition is that of the indexes in the order of the ids. SQLite uses them for these words only, and
        // would otherwise sort all that match for each batch.
        statement.and_in_state(&LicenseStatus::LIVE).sql(" AND status <> 'unassigned'").and_after(after);
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
        let list = LicenseList { plans, filter, order };
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
            PageQuery::first(&list, arms, limit).statement(Self::DIALECT)
        } else {
            // No index has both the words and the order, and each arm would search.
            list.sorted(Self::DIALECT, "license.*", Some(&arms), LimitOffset { offset: 0, limit })
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

        fn prefetched(&mut self) -> &mut Prefetched {
            &mut self.prefetched
        }
    }
}
