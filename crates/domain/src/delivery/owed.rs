//! Decides at delivery what is still owed: what a message promises can be out of date when its turn comes.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::plan_use::PlanUse;
use crate::error::Error;
use crate::model::ids::{LicenseId, MessageId, PlanId};
use crate::model::license::{License, LicenseState};
use crate::model::plan::PlanDetails;
use crate::outbox::{ClaimedMessage, Invitation, Message, Payload, Welcome};
use crate::ports::UnitOfWork;
use crate::queue::Step;

/// The claimed messages that nobody is owed any more. They count as done.
pub(super) fn outdated(
    unit: &mut dyn UnitOfWork,
    messages: &[ClaimedMessage],
    uses: &HashMap<PlanId, PlanUse>,
    now: DateTime<Utc>,
) -> Result<HashSet<MessageId>, Error> {
    let mut ids: Vec<LicenseId> = messages.iter().filter_map(of_license).collect();
    ids.sort_unstable();
    ids.dedup();
    let licenses = if ids.is_empty() { Vec::new() } else { unit.lookups().find_by_ids(&ids)? };
    let licenses: HashMap<LicenseId, (License, PlanDetails)> =
        licenses.into_iter().map(|(license, plan)| (license.id, (license, plan))).collect();
    let is_outdated = |claimed: &&ClaimedMessage| {
        let ClaimedMessage { message, .. } = claimed;
        let license = message.license.and_then(|id| licenses.get(&id));
        let plan_use = message.plan.and_then(|id| uses.get(&id));
        !is_owed(claimed.step(), message, license, plan_use, now)
    };
    Ok(messages.iter().filter(is_outdated).map(|claimed| claimed.message.id).collect())
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

fn is_owed(
    step: Step,
    message: &Message,
    license: Option<&(License, PlanDetails)>,
    plan_use: Option<&PlanUse>,
    now: DateTime<Utc>,
) -> bool {
    match (step, &message.payload) {
        (Step::Link, Payload::Assignment(invitation)) => {
            license.is_some_and(|(license, _)| is_invited_to(license, invitation))
        }
        (Step::Mail, Payload::Assignment(invitation) | Payload::Reminder(invitation)) => {
            license.is_some_and(|(license, details)| {
                // The key of an expired plan activates a license of the following plan, or nothing.
                let leads_somewhere = now <= details.plan.expiration_date || license.renewed_to.is_some();
                matches!(license.state, LicenseState::Assigned(_))
                    && is_invited_to(license, invitation)
                    && leads_somewhere
            })
        }
        (Step::Mail, Payload::Activation(welcome) | Payload::AutoApplied(welcome)) => {
            license.is_some_and(|(license, _)| has_activated(license, welcome))
        }
        // The enrollments stay if the revocation was undone.
        (Step::EndEnrollments, Payload::EndEnrollments(ended)) => !license.is_some_and(|(license, _)| {
            matches!(license.state, LicenseState::Activated { .. }) && license.lms_user_id() == Some(ended.lms_user_id)
        }),
        (Step::Mail, Payload::RevocationCapMail(_)) => plan_use
            .is_some_and(|PlanUse { details, counts, .. }| details.plan.revocations_remaining(counts) == Some(0)),
        (Step::Thresholds, Payload::UtilizationThresholds(_)) => plan_use.is_some_and(|own| is_in_use(own, now)),
        (Step::Thresholds, Payload::InitialUtilization(_)) => {
            plan_use.is_some_and(|own| is_in_use(own, now) && own.details.plan.should_auto_apply_licenses == Some(true))
        }
        _ => true,
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
