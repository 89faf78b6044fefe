//! What came of deliveries is written down.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::deliveries::{Batch, Deliveries, Effect, Outcome, Verdict};
use super::files::ForgottenMeanwhile;
use super::payloads::{self, Invitation};
use crate::delivery::{Lane, Parcel, RetryPolicy, Standing};
use crate::error::Error;
use crate::history::Actor;
use crate::model::email::Email;
use crate::model::ids::{LicenseId, MessageId};
use crate::model::license::License;
use crate::model::staff_records::Notification;
use crate::outbox::{Message, Topic};
use crate::ports::{StoreExt, UnitOfWork};
use crate::saturating_time;

impl Deliveries {
    /// Writes what came of a batch, in one transaction: messages that are done are gone, with what is to be noted of them; others
    /// go on to their next step, wait for another try, or are parked. Messages that this batch does not hold any more, because its
    /// claim has ended, stay as they are. Returns the lanes in which something is due now because of it.
    pub fn settle(&self, batch: &Batch, outcome: &Outcome) -> Result<BTreeSet<Lane>, Error> {
        self.manager.store.write(|unit| {
            let now = self.manager.now();
            // Licenses are locked before messages, as everywhere.
            let reminded = reminded_licenses(unit, batch, outcome, now)?;
            let job = self.lock_enrollment(unit, outcome)?;
            let held: HashSet<MessageId> = unit.outbox().held(batch.claim, &batch.ids())?.into_iter().collect();
            let ours = batch.parcels.iter().zip(&outcome.verdicts);
            let ours: Vec<_> = ours.filter(|(parcel, _)| held.contains(&parcel.message.id)).collect();

            let change = Actor::service().change(now);
            let reminded: Vec<License> =
                ours.iter().filter_map(|(parcel, _)| reminded.get(&parcel.message.id).cloned()).collect();
            if !reminded.is_empty() {
                unit.licenses().save(&reminded, &change)?;
            }
            let told: Vec<Notification> =
                ours.iter().flat_map(|(_, verdict)| notifications(verdict)).cloned().collect();
            if !told.is_empty() {
                unit.notifications().save(&told, &change)?;
            }
            let mut promised: Vec<Message> = Vec::new();
            let mut done = Vec::new();
            let mut standing = Vec::new();
            for &(parcel, verdict) in &ours {
                let instead = match (verdict, &job) {
                    (Verdict::Done(Effect::Enrolled(report)), Some(job)) => {
                        match self.advance_enrollment(job, report, now) {
                            Ok(advance) => {
                                unit.enrollment_jobs().advance(&advance.job, &advance.lines)?;
                                promised.extend(advance.promised);
                                report.until.map(|_| Verdict::Continues)
                            }
                            Err(ForgottenMeanwhile) => Some(Verdict::Continues),
                        }
                    }
                    (Verdict::Done(Effect::Filed(filed)), Some(job)) => match self.finish_file(job, filed, now) {
                        Ok(Some((job, mail))) => {
                            unit.enrollment_jobs().advance(&job, "")?;
                            promised.extend(mail);
                            None
                        }
                        Ok(None) => None,
                        Err(ForgottenMeanwhile) => Some(Verdict::Continues),
                    },
                    _ => None,
                };
                match self.standing(parcel, instead.as_ref().unwrap_or(verdict), now) {
                    Some(stand) => standing.push(stand),
                    None => done.push(parcel.message.id),
                }
            }
            unit.outbox().settle(batch.claim, &done, &standing)?;
            unit.outbox().add(&promised)?;
            let going_on = standing.iter().filter(|stand| stand.parked_at.is_none() && stand.not_before <= now);
            let promised = promised.iter().map(Message::lanes);
            let lanes = going_on.map(|stand| stand.lanes.clone()).chain(promised);
            Ok(lanes.filter_map(|lanes| lanes.current()).collect())
        })
    }

    /// How a message goes on; `None` where it is done.
    fn standing(&self, parcel: &Parcel, verdict: &Verdict, now: DateTime<Utc>) -> Option<Standing> {
        let id = parcel.message.id;
        let failed = parcel.attempts.saturating_add(1);
        let stays = Standing {
            id,
            lanes: parcel.lanes.clone(),
            attempts: parcel.attempts,
            not_before: now,
            last_error: None,
            parked_at: None,
        };
        let parked = |problem: &str| {
            let topic = parcel.message.topic.as_str();
            tracing::error!(message = %id, topic, problem, "a message is parked: nobody tries to deliver it any more");
            Standing { attempts: failed, last_error: Some(problem.to_owned()), parked_at: Some(now), ..stays.clone() }
        };
        match verdict {
            Verdict::Done(_) => {
                let lanes = parcel.lanes.next();
                (!lanes.is_empty()).then_some(Standing { lanes, attempts: 0, ..stays })
            }
            Verdict::Continues => Some(Standing { attempts: 0, ..stays }),
            Verdict::Postponed(until) => Some(Standing { not_before: *until, ..stays }),
            Verdict::Refused(problem) => Some(parked(problem)),
            Verdict::Failed(problem) if failed >= RetryPolicy::TRIES => Some(parked(problem)),
            Verdict::Failed(problem) => Some(Standing {
                attempts: failed,
                not_before: saturating_time::after(now, self.settings.retries.pause(id, failed)),
                last_error: Some(problem.clone()),
                ..stays
            }),
        }
    }
}

fn notifications(verdict: &Verdict) -> &[Notification] {
    match verdict {
        Verdict::Done(Effect::Told(notifications)) => notifications,
        _ => &[],
    }
}

/// The licenses whose learners were reminded, as they become, by the message that did it. One that is in other hands by now, or in
/// use, stays as it is.
fn reminded_licenses(
    unit: &mut dyn UnitOfWork,
    batch: &Batch,
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> Result<HashMap<MessageId, License>, Error> {
    let reminders: HashMap<LicenseId, (MessageId, Email)> = batch
        .parcels
        .iter()
        .zip(&outcome.verdicts)
        .filter(|(parcel, verdict)| parcel.message.topic == Topic::Reminder && matches!(verdict, Verdict::Done(_)))
        .filter_map(|(Parcel { message, .. }, _)| {
            let Invitation { email, .. } = payloads::read(message)?;
            Some((message.license?, (message.id, email)))
        })
        .collect();
    if reminders.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<LicenseId> = reminders.keys().copied().collect();
    let licenses = unit.licenses().of_ids(&ids)?;
    Ok(licenses
        .into_iter()
        .filter_map(|license| {
            let (message, email) = reminders.get(&license.id)?;
            Some((*message, license.reminded(email, now)?))
        })
        .collect())
}
