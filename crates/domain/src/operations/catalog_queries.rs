//! `validate-num-catalog-queries`: checks that plans use the standard catalog queries.

use std::collections::{BTreeMap, BTreeSet};

use super::run::{OperationSummary, Run, Supervisor};
use crate::error::Error;
use crate::model::ids::CatalogId;
use crate::ports::{CATALOGS_PER_CALL, StoreExt};
use crate::use_cases::manager::LicenseManager;

impl LicenseManager {
    /// Compares the number of catalog queries with the number of plan types, of plans that have not expired and are not
    /// for internal use: each plan type has one standard query. The settings can exempt catalogs. It never changes
    /// anything.
    ///
    /// The summary lists the catalogs of the excess queries, those with the fewest catalogs. It counts `catalogs`,
    /// `queries` and `plan_types`. Each excess query is a failure.
    pub async fn validate_num_catalog_queries(&self, dry_run: bool, supervisor: &dyn Supervisor) -> OperationSummary {
        let counts = ["catalogs", "queries", "plan_types"];
        let mut run = Run::new(self, supervisor, "validate-num-catalog-queries", dry_run, &counts);
        let outcome = self.compare_catalog_queries(&mut run).await;
        run.end(outcome)
    }

    async fn compare_catalog_queries(&self, run: &mut Run<'_>) -> Result<(), Error> {
        let allowed = &self.settings.operations.catalog_allow_list;
        let started = run.started;
        let in_use = move |manager: &Self| manager.store.read(|unit| unit.due_work().catalogs_in_use(started));
        let mut in_use = self.blocking(in_use).await?;
        in_use.retain(|(catalog, _)| !allowed.contains(catalog));
        let catalogs: BTreeSet<CatalogId> = in_use.iter().map(|&(catalog, _)| catalog).collect();
        let plan_types: BTreeSet<_> = in_use.iter().map(|&(_, plan_type)| plan_type).collect();
        let catalogs: Vec<CatalogId> = catalogs.into_iter().collect();
        run.supervisor.found(catalogs.len() as u64);
        run.summary.count("catalogs", catalogs.len());
        run.summary.count("plan_types", plan_types.len());

        let mut queries: BTreeMap<String, Vec<CatalogId>> = BTreeMap::new();
        for chunk in catalogs.chunks(CATALOGS_PER_CALL) {
            if run.stops() {
                return Ok(());
            }
            for (query, mut of_query) in self.catalog.distinct_queries(chunk).await? {
                queries.entry(query).or_default().append(&mut of_query);
            }
            run.supervisor.advanced(chunk.len() as u64);
        }
        run.summary.count("queries", queries.len());

        let mut queries: Vec<(String, Vec<CatalogId>)> = queries.into_iter().collect();
        queries.sort_by_key(|(query, of_query)| (std::cmp::Reverse(of_query.len()), query.clone()));
        for (query, of_query) in queries.into_iter().skip(plan_types.len()) {
            let names: Vec<String> = of_query.iter().map(ToString::to_string).collect();
            let message = format!(
                "There are more queries than plan types ({}). The catalogs {} use this query.",
                plan_types.len(),
                names.join(", ")
            );
            run.summary.fail(format!("catalog query {query}"), message);
            run.summary.uuids.extend(of_query.iter().map(|catalog| catalog.0));
        }
        Ok(())
    }
}
