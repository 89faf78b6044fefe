//! Decides at delivery what is still owed: what a message promises can be out of date when its turn comes.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::context::DeliveryContext;
use super::plan_use::PlanUse;
use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::{CustomerId, LicenseId, LmsUserId, MessageId};
use crate::model::license::{License, LicenseState};
use crate::model::plan::PlanDetails;
use crate::outbox::{ClaimedMessage, EventProperties, Invitation, Message, Payload, RevokedEnrollments, Welcome};
use crate::ports::UnitOfWork;
use crate::queue::Step;

/// The present state, which decides what of the claimed messages is still owed.
pub(super) struct Owed<'a> {
    context: &'a DeliveryContext,
    /// The licenses of the messages.
    licenses: HashMap<LicenseId, (License, PlanDetails)>,
    /// The activated licenses of those whose enrollments are to be ended.
    activated: Vec<(License, PlanDetails)>,
    now: DateTime<Utc>,
}

impl<'a> Owed<'a> {
    pub(super) fn read(
        unit: &mut dyn UnitOfWork,
        context: &'a DeliveryContext,
        messages: &[ClaimedMessage],
        now: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let ids: BTreeSet<LicenseId> = messages.iter().filter_map(of_license).collect();
        let licenses = match ids.is_empty() {
            true => Vec::new(),
            false => unit.lookups().find_by_ids(&ids.into_iter().collect::<Vec<_>>())?,
        };
        let licenses = licenses.into_iter().map(|(license, plan)| (license.id, (license, plan))).collect();
        let activated = activated(unit, messages, &licenses)?;
        Ok(Self { context, licenses, activated, now })
    }

    /// The claimed messages that nobody is owed any more. They count as done.
    pub(super) fn outdated(&self, messages: &[ClaimedMessage]) -> HashSet<MessageId> {
        let outdated = messages.iter().filter(|claimed| !self.is_owed(claimed.step(), &claimed.message));
        outdated.map(|claimed| claimed.message.id).collect()
    }

    fn is_owed(&self, step: Step, message: &Message) -> bool {
        let license = message.license.and_then(|id| self.licenses.get(&id));
        let plan_use = message.plan.and_then(|id| self.context.uses.get(&id));
        match (step, &message.payload) {
            (Step::Link, Payload::Assignment(invitation)) => {
                license.is_some_and(|(license, _)| is_invited_to(license, invitation))
            }
            (Step::Mail, Payload::Assignment(_) | Payload::Activation(_))
                if self.disables_onboarding(message.customer) =>
            {
                false
            }
            (Step::Mail, Payload::Assignment(invitation) | Payload::Reminder(invitation)) => {
                license.is_some_and(|(license, details)| {
                    // The key of an expired plan activates a license of the following plan, or nothing.
                    let leads_somewhere = self.now <= details.plan.expiration_date || license.renewed_to.is_some();
                    matches!(license.state, LicenseState::Assigned(_))
                        && is_invited_to(license, invitation)
                        && leads_somewhere
                })
            }
            (Step::Mail, Payload::Activation(welcome) | Payload::AutoApplied(welcome)) => {
                license.is_some_and(|(license, _)| has_activated(license, welcome))
            }
            (Step::EndEnrollments, Payload::EndEnrollments(ended)) => !self.has_access(message, ended),
            (Step::Mail, Payload::RevocationCapMail(_)) => plan_use
                .is_some_and(|PlanUse { details, counts, .. }| details.plan.revocations_remaining(counts) == Some(0)),
            (Step::Thresholds, Payload::UtilizationThresholds(_)) => {
                plan_use.is_some_and(|own| is_in_use(own, self.now))
            }
            (Step::Thresholds, Payload::InitialUtilization(_)) => plan_use.is_some_and(|own| {
                is_in_use(own, self.now) && own.details.plan.should_auto_apply_licenses == Some(true)
            }),
            _ => true,
        }
    }

    /// What the profiles of those who are invited or reminded learn of their licenses, by message.
    pub(super) fn described(
        &self,
        messages: &[ClaimedMessage],
        outdated: &HashSet<MessageId>,
    ) -> HashMap<MessageId, EventProperties> {
        let invited = messages.iter().filter(|claimed| claimed.step() == Step::Mail);
        let invited = invited.map(|claimed| &claimed.message).filter(|message| !outdated.contains(&message.id));
        let described = |message: &Message| {
            let (Payload::Assignment(_) | Payload::Reminder(_)) = message.payload else { return None };
            let (license, details) = self.licenses.get(&message.license?)?;
            let agreement = self.context.agreements.get(&message.customer)?;
            Some((message.id, EventProperties::of_license(license, &details.plan, agreement)))
        };
        invited.filter_map(described).collect()
    }

    fn disables_onboarding(&self, customer: CustomerId) -> bool {
        self.context.agreements.get(&customer).is_some_and(|agreement| agreement.disable_onboarding_notifications)
    }

    /// Whether the learner has the access that the revoked license gave: they hold it again, or hold another activated
    /// license of the customer whose plan has the same catalog and is active and current. The LMS ends all licensed
    /// enrollments of the learner with the customer, whichever license paid for them.
    fn has_access(&self, message: &Message, ended: &RevokedEnrollments) -> bool {
        let revoked = message.license.and_then(|id| self.licenses.get(&id));
        let gives_the_same = |details: &PlanDetails| match revoked {
            Some((_, of_revoked)) => details.plan.catalog == of_revoked.plan.catalog,
            None => {
                ended.catalog.map_or(Some(details.plan.id) == message.plan, |catalog| details.plan.catalog == catalog)
            }
        };
        let address = revoked.and_then(|(license, _)| license.holder_email());
        self.activated.iter().any(|(license, details)| {
            let is_theirs = match license.lms_user_id() {
                Some(id) => id == ended.lms_user_id,
                None => address.is_some_and(|address| license.has_address(address)),
            };
            let is_usable = details.plan.is_active && details.plan.is_current(self.now) && gives_the_same(details);
            is_theirs && details.customer == message.customer && (is_usable || Some(license.id) == message.license)
        })
    }
}

/// The activated licenses of the learners whose enrollments are to be ended, with the customers of these.
fn activated(
    unit: &mut dyn UnitOfWork,
    messages: &[ClaimedMessage],
    licenses: &HashMap<LicenseId, (License, PlanDetails)>,
) -> Result<Vec<(License, PlanDetails)>, Error> {
    let (mut customers, mut accounts, mut emails) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for ClaimedMessage { message, .. } in messages {
        let Payload::EndEnrollments(RevokedEnrollments { lms_user_id, .. }) = message.payload else { continue };
        customers.insert(message.customer);
        accounts.insert(lms_user_id);
        let revoked = message.license.and_then(|id| licenses.get(&id));
        emails
            .extend(revoked.and_then(|(license, _)| license.holder_email()).into_iter().flat_map(Email::stored_forms));
    }
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    let customers: Vec<CustomerId> = customers.into_iter().collect();
    let (accounts, emails): (Vec<LmsUserId>, Vec<Email>) =
        (accounts.into_iter().collect(), emails.into_iter().collect());
    unit.lookups().find_activated(&customers, &accounts, &emails)
}

/// The license that decides whether the step is owed.
fn of_license(claimed: &ClaimedMessage) -> Option<LicenseId> {
    match (claimed.step(), &claimed.message.payload) {
        (Step::Link | Step::EndEnrollments, _) => claimed.message.license,
        (
            Step::Mail,
            Payload::Assignment(_) | Payload::Reminder(_) | Payload::Activation(_) | Payload::AutoApplied(_),
        ) => claimed.message.license,
        _ => None,
    }
}

fn is_in_use(plan_use: &PlanUse, now: DateTime<Utc>) -> bool {
    let plan = &plan_use.details.plan;
    plan.is_active && plan.is_current(now)
}

/// Whether the license is live, and is the very one that the learner was invited to: a license that is assigned again
/// has a new key.
fn is_invited_to(license: &License, invitation: &Invitation) -> bool {
    license
        .seat()
        .is_some_and(|seat| seat.email == invitation.email && seat.activation_key == invitation.activation_key)
}

/// Whether the license is activated by this person.
fn has_activated(license: &License, welcome: &Welcome) -> bool {
    let LicenseState::Activated { seat, .. } = &license.state else { return false };
    seat.email == welcome.email || (seat.lms_user_id.is_some() && seat.lms_user_id == welcome.lms_user_id)
}
