//! Subsidies: the license that pays for a learner's course.

use super::learners::{LearnerLicense, LearnerLicenseFilter};
use super::manager::LicenseManager;
use crate::error::{Entity, Error};
use crate::model::ids::CustomerId;
use crate::model::license::LicenseStatus;
use crate::ports::Person;

impl LicenseManager {
    /// The person's activated licenses in active and current plans of the customer, latest expiration first. They are
    /// found by LMS user id; by email address only if the license has no LMS user id.
    ///
    /// # Errors
    /// [`Entity::Agreement`] not found if the customer has none.
    pub fn subsidizing_licenses(&self, customer: CustomerId, person: &Person) -> Result<Vec<LearnerLicense>, Error> {
        let usable = LearnerLicenseFilter { include_revoked: false, active_plans_only: true, current_plans_only: true };
        let view = self.read_learner_licenses(customer, person, usable)?;
        if view.agreement.is_none() {
            return Err(Error::NotFound(Entity::Agreement));
        }
        let mut licenses = view.licenses;
        licenses.retain(|found| {
            let holder = found.license.lms_user_id();
            found.license.status() == LicenseStatus::Activated && (holder.is_none() || holder == person.lms_user_id)
        });
        Ok(licenses)
    }

    /// The first license whose catalog contains the course. Asks the catalog service once for each catalog, until one
    /// contains it.
    ///
    /// # Errors
    /// [`Error::Upstream`] without a usable answer.
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
