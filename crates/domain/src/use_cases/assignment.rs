//! Assignment: an admin assigns licenses of a plan to learners.

use std::collections::{BTreeMap, HashSet};

use super::manager::{LicenseManager, find_agreement, find_plan, ids, save_licenses};
use crate::error::{Error, FieldErrors, Refusal};
use crate::history::Actor;
use crate::model::email::Email;
use crate::model::ids::{ActivationKey, LicenseId, PlanId};
use crate::model::license::License;
use crate::model::plan::is_salesforce_id;
use crate::outbox::{AssignmentMail, OutboxBuilder};
use crate::ports::{StoreExt, UnitOfWork};

/// The learners of an assignment, without duplicates, each with a Salesforce opportunity if known.
///
/// ```
/// use license_manager_domain::{Assignees, Email};
///
/// let emails = ["amy@example.com", "bob@example.com", "Amy@Example.com"];
/// let learners = emails.into_iter().map(str::parse::<Email>).collect::<Result<Assignees, _>>()?;
/// assert_eq!(learners.len(), 2);
/// # Ok::<(), license_manager_domain::InvalidEmail>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignees(BTreeMap<Email, Option<String>>);

impl Assignees {
    /// The number of learners.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Email, Option<String>)> for Assignees {
    /// Of duplicate addresses, the first one counts.
    fn from_iter<T: IntoIterator<Item = (Email, Option<String>)>>(learners: T) -> Self {
        let mut assignees = BTreeMap::new();
        for (email, source) in learners {
            assignees.entry(email).or_insert(source);
        }
        Self(assignees)
    }
}

impl FromIterator<Email> for Assignees {
    /// Learners without a Salesforce opportunity.
    fn from_iter<T: IntoIterator<Item = Email>>(learners: T) -> Self {
        learners.into_iter().map(|email| (email, None)).collect()
    }
}

/// The result of an assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assignments {
    /// The learners and their new licenses.
    pub assigned: Vec<(Email, LicenseId)>,
    /// The number of learners who held a live license of the plan already.
    pub already_associated: usize,
    /// The number of new licenses that are not carried over to the plan that follows, because it has too few.
    pub not_carried_over: usize,
}

impl LicenseManager {
    /// Assigns a license of the plan to each learner without a live one; all or nothing.
    ///
    /// Many assignments may run at the same time: no license is assigned twice, and a learner who is named by two
    /// assignments gets one license.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an invalid Salesforce opportunity; [`crate::Entity::Plan`] not found;
    /// [`Refusal::NotEnoughLicenses`].
    pub fn assign(
        &self,
        actor: &Actor,
        plan: PlanId,
        learners: &Assignees,
        mail: &AssignmentMail,
    ) -> Result<Assignments, Error> {
        let is_wrong = |source: &String| !is_salesforce_id(source);
        if learners.0.values().flatten().any(is_wrong) {
            let message = "A Salesforce id has 18 letters and digits.";
            return Err(Error::Invalid(FieldErrors::one("user_sfids", message)));
        }
        self.store.write(|unit| {
            let now = self.now();
            let (newcomers, free) = claim(unit, plan, learners)?;
            let already_associated = learners.len() - newcomers.len();
            // Read after the licenses are locked; see `follow`.
            let details = find_plan(unit, plan)?;
            let plan = &details.plan;
            if newcomers.is_empty() {
                return Ok(Assignments { assigned: Vec::new(), already_associated, not_carried_over: 0 });
            }
            let agreement = find_agreement(unit, plan.agreement)?;
            if free.len() < newcomers.len() {
                return Err(Refusal::NotEnoughLicenses { requested: newcomers.len(), available: free.len() }.into());
            }
            let licenses = free
                .into_iter()
                .zip(&newcomers)
                .map(|(license, &email)| license.assign(email.clone(), ActivationKey(self.ids.next()), now))
                .collect::<Result<Vec<License>, _>>()?;

            let change = actor.change(now);
            save_licenses(unit, &licenses, &change)?;
            let sources: Vec<(LicenseId, String)> = licenses
                .iter()
                .zip(&newcomers)
                .filter_map(|(license, email)| Some((license.id, learners.0.get(email)?.clone()?)))
                .collect();
            if !sources.is_empty() {
                unit.licenses().set_sources(&sources, &change)?;
            }
            // Messages need most of the memory of a large request, so they are created last, and in slices.
            let mut outbox = OutboxBuilder::new(&agreement, plan, self.ids.as_ref(), now);
            outbox.write_for_each(unit, &licenses, |outbox, license| outbox.assigned(license, mail))?;
            let not_carried_over = self.follow(unit, &details, &ids(&licenses), &change)?.not_carried_over;
            let assigned = newcomers.into_iter().cloned().zip(licenses.iter().map(|license| license.id)).collect();
            Ok(Assignments { assigned, already_associated, not_carried_over })
        })
    }
}

/// The learners without a live license of the plan, and an unassigned license for each of them, if there are enough.
fn claim<'a>(
    unit: &mut dyn UnitOfWork,
    plan: PlanId,
    learners: &'a Assignees,
) -> Result<(Vec<&'a Email>, Vec<License>), Error> {
    let everyone: Vec<Email> = learners.0.keys().cloned().collect();
    let (holders, free) = unit.licenses().claim_for(plan, &everyone)?;
    let holders: HashSet<Email> = holders.into_iter().collect();
    Ok((learners.0.keys().filter(|email| !email.is_among(&holders)).collect(), free))
}
