//! Subsidies: whether a learner's license pays for a course.

use super::learners::{LearnerLicense, LearnerLicenses};
use super::manager::LicenseManager;
use crate::error::{Entity, Error};
use crate::model::ids::CustomerId;
use crate::model::license::LicenseStatus;
use crate::ports::Person;

impl LicenseManager {
    /// The person's licenses of the customer that could pay for a course: activated, of active and current plans, the plan
    /// that expires last first.
    ///
    /// # Errors
    /// [`Entity::Agreement`] not found where the customer has none.
    pub fn subsidizing_licenses(&self, customer: CustomerId, person: &Person) -> Result<Vec<LearnerLicense>, Error> {
        let usable = LearnerLicenses { include_revoked: false, active_plans_only: true, current_plans_only: true };
        let view = self.read_learner_licenses(customer, person, usable)?;
        if view.agreement.is_none() {
            return Err(Error::NotFound(Entity::Agreement));
        }
        let mut licenses = view.licenses;
        licenses.retain(|found| found.license.status() == LicenseStatus::Activated);
        Ok(licenses)
    }

    /// The first of the licenses whose plan's catalog holds the course. Asks the catalog service, once for each catalog, and
    /// no further than to the first that does.
    ///
    /// # Errors
    /// [`Error::Upstream`] where the catalog service does not say.
    pub async fn first_covering(
        &self,
        licenses: Vec<LearnerLicense>,
        course_key: &str,
    ) -> Result<Option<LearnerLicense>, Error> {
        let course_keys = [course_key.to_owned()];
        let mut lacking = Vec::new();
        for found in licenses {
            let catalog = found.plan.plan.catalog;
            if lacking.contains(&catalog) {
                continue;
            }
            if self.catalog.contains(catalog, &course_keys).await? {
                return Ok(Some(found));
            }
            lacking.push(catalog);
        }
        Ok(None)
    }
}
