//! Writes the results of deliveries.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::deliveries::{Batch, Deliveries, Outcome};
use super::results::{Completion, Problem, StepResult};
use super::webhooks::GONE;
use crate::error::Error;
use crate::history::Actor;
use crate::model::email::Email;
use crate::model::enrollment::EnrollmentJob;
use crate::model::ids::{LicenseId, MessageId};
use crate::model::license::License;
use crate::model::staff_records::Notification;
use crate::outbox::{ClaimedMessage, Message, Payload};
use crate::ports::{StoreExt, UnitOfWork};
use crate::queue::{Queue, Settlement};
use crate::saturating_time;
use crate::webhooks::{OffReason, Webhook};

impl Deliveries {
    /// Writes the results of a batch in one transaction. Completed messages are removed; others wait for their next
    /// step or a retry, or are dead-lettered. Messages that the lease does not hold any more stay as they are.
    pub fn settle(&self, batch: &Batch, outcome: &Outcome) -> Result<(), Error> {
        self.manager.store.write(|unit| {
            let now = self.manager.now();
            // Licenses and webhooks are always locked before messages, against deadlocks.
            let reminded = reminded_licenses(unit, batch, outcome, now)?;
            let job = self.lock_enrollment(unit, outcome)?;
            self.write_webhook(unit, batch, outcome)?;
            let held: HashSet<Uuid> = unit.queue().held(batch.lease, &batch.ids())?.into_iter().collect();
            let ours = batch.messages.iter().zip(&outcome.results);
            let ours: Vec<_> = ours.filter(|(claimed, _)| held.contains(&claimed.message.id.0)).collect();

            let change = Actor::service().change(now);
            let reminded: Vec<License> =
                ours.iter().filter_map(|(claimed, _)| reminded.get(&claimed.message.id).cloned()).collect();
            if !reminded.is_empty() {
                unit.licenses().save(&reminded, &change)?;
            }
            let notified = ours.iter().filter_map(|(claimed, _)| outcome.notified.get(&claimed.message.id));
            let notified: Vec<Notification> = notified.flatten().cloned().collect();
            if !notified.is_empty() {
                unit.notifications().save(&notified, &change)?;
            }
            let mut added: Vec<Message> = Vec::new();
            let mut settlements = Vec::new();
            for &(claimed, result) in &ours {
                let continues = match &job {
                    Some(job) => self.write_enrollment(unit, job, result, &mut added, now)?,
                    None => false,
                };
                let result = if continues { &StepResult::Continues } else { result };
                settlements.push(self.settlement(batch, claimed, result, now));
            }
            unit.queue().settle(batch.lease, &settlements)?;
            unit.outbox().add(&added)
        })
    }

    /// Writes the progress of a bulk enrollment. Returns whether its step continues: there is another part, or it must
    /// be carried out again because a person was retired meanwhile.
    fn write_enrollment(
        &self,
        unit: &mut dyn UnitOfWork,
        job: &EnrollmentJob,
        result: &StepResult,
        added: &mut Vec<Message>,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        match result {
            StepResult::Done(Completion::Enrolled(report)) => {
                let Ok(advance) = self.advance_enrollment(job, report, now) else { return Ok(true) };
                unit.enrollment_jobs().advance(&advance.job, &advance.lines)?;
                added.extend(advance.added);
                Ok(report.until.is_some())
            }
            StepResult::Done(Completion::FileWritten(filed)) => {
                let Ok(finished) = self.finish_file(job, filed, now) else { return Ok(true) };
                if let Some((job, mail)) = finished {
                    unit.enrollment_jobs().advance(&job, "")?;
                    added.extend(mail);
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Switches off a webhook that answered 410, and stores a requested pause.
    fn write_webhook(&self, unit: &mut dyn UnitOfWork, batch: &Batch, outcome: &Outcome) -> Result<(), Error> {
        let Queue::Webhook(id) = batch.queue() else { return Ok(()) };
        let is_gone = |result: &StepResult| matches!(result, StepResult::Postponed(_, Some(problem)) if problem.status == Some(GONE));
        if outcome.results.iter().any(is_gone)
            && let Some(webhook) = unit.webhooks().lock(id)?
        {
            tracing::warn!(webhook = %id, "a webhook answered 410 Gone and is switched off; its events are kept");
            let now = self.manager.now();
            unit.webhooks().save(&Webhook { modified: now, ..webhook.switched(Some(OffReason::Gone), now) })?;
        }
        match outcome.webhook_pause_until {
            Some(until) => unit.webhooks().pause_until(id, until),
            None => Ok(()),
        }
    }

    /// The settlement of a message after its step.
    fn settlement(
        &self,
        batch: &Batch,
        claimed: &ClaimedMessage,
        result: &StepResult,
        now: DateTime<Utc>,
    ) -> Settlement {
        let (id, queue) = (claimed.message.id.0, batch.queue());
        let failures = claimed.attempts.saturating_add(1);
        let stays = Settlement { steps: claimed.steps, attempts: claimed.attempts, ..Settlement::due(id, now) };
        let with = |problem: &Problem, settlement: Settlement| Settlement {
            status: problem.status.and_then(storable),
            error: Some(problem.text.clone()),
            ..settlement
        };
        let dead_lettered = |problem: &Problem| {
            let topic = claimed.message.payload.topic().as_str();
            tracing::error!(
                message = %id, queue = queue.as_str(), topic, problem = problem.text, "a message is dead-lettered"
            );
            with(problem, Settlement { attempts: failures, dead_lettered_at: Some(now), ..stays.clone() })
        };
        match result {
            StepResult::Done(Completion::Outdated) => Settlement { completed_at: Some(now), ..stays },
            StepResult::Done(completion) => match claimed.steps {
                [] | [_] => {
                    let status = match completion {
                        Completion::Posted(status) => storable(*status),
                        _ => None,
                    };
                    Settlement { status, completed_at: Some(now), ..stays }
                }
                [_, next @ ..] => Settlement { steps: next, attempts: 0, ..stays },
            },
            StepResult::Continues => Settlement { attempts: 0, ..stays },
            StepResult::Postponed(until, problem) => {
                let postponed = Settlement { due: *until, ..stays };
                problem.as_ref().map_or(postponed.clone(), |problem| with(problem, postponed))
            }
            StepResult::Untried(problem) => {
                let pause = self.settings.retries(queue).pause(id, failures);
                with(problem, Settlement { due: saturating_time::after(now, pause), ..stays })
            }
            StepResult::Refused(problem) => dead_lettered(problem),
            StepResult::Failed(problem) => {
                match self.settings.retries(queue).next(id, failures, batch.due_since(claimed), now) {
                    Some(due) => with(problem, Settlement { attempts: failures, due, ..stays }),
                    None => dead_lettered(problem),
                }
            }
        }
    }
}

fn storable(status: u16) -> Option<i16> {
    i16::try_from(status).ok()
}

/// The licenses after their reminders, by message. A license that was activated or has another holder stays as it is.
fn reminded_licenses(
    unit: &mut dyn UnitOfWork,
    batch: &Batch,
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> Result<HashMap<MessageId, License>, Error> {
    let reminders: HashMap<LicenseId, (MessageId, &Email)> = batch
        .messages
        .iter()
        .zip(&outcome.results)
        .filter(|(_, result)| matches!(result, StepResult::Done(Completion::Nothing)))
        .filter_map(|(ClaimedMessage { message, .. }, _)| match &message.payload {
            Payload::Reminder(invitation) => Some((message.license?, (message.id, &invitation.email))),
            _ => None,
        })
        .collect();
    if reminders.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<LicenseId> = reminders.keys().copied().collect();
    let licenses = unit.licenses().find_by_ids(&ids)?;
    Ok(licenses
        .into_iter()
        .filter_map(|license| {
            let (message, email) = reminders.get(&license.id)?;
            Some((*message, license.reminded(email, now)?))
        })
        .collect())
}
