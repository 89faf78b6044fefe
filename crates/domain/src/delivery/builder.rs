//! Builds calls to upstreams from claimed messages.

use std::collections::{BTreeMap, HashMap};

use super::deliveries::{Batch, Deliveries, Outcome};
use super::outbound::{CallPayload, OutboundCall, end_of_pause};
use super::results::{Completion, StepResult, unreadable};
use crate::model::email::Email;
use crate::model::ids::{CustomerId, LmsUserId};
use crate::outbox::{ClaimedMessage, Payload, RevokedEnrollments};
use crate::ports::{CustomItem, Mail, MailKind, PendingLearner, TrackedEvent};
use crate::queue::{Queue, Step};

/// The items to send, grouped by call; each with the index of its message in the batch.
#[derive(Default)]
pub(super) struct CallBuilder {
    learners: BTreeMap<CustomerId, Vec<(usize, PendingLearner)>>,
    ended_enrollments: Vec<(usize, CustomerId, LmsUserId)>,
    identities: Vec<(usize, (Email, LmsUserId))>,
    mails: BTreeMap<MailKind, Vec<(usize, Mail)>>,
    events: Vec<(usize, TrackedEvent)>,
    custom: Vec<(usize, CustomItem)>,
}

fn call<T>(items: Vec<(usize, T)>, payload: impl FnOnce(Vec<T>) -> CallPayload) -> Option<OutboundCall> {
    if items.is_empty() {
        return None;
    }
    let (places, items) = items.into_iter().unzip();
    Some(OutboundCall { payload: payload(items), places })
}

impl CallBuilder {
    pub(super) fn add_mail(&mut self, place: usize, mail: Mail) {
        self.mails.entry(mail.kind).or_default().push((place, mail));
    }

    /// Adds the item of a message. If there is nothing to send, returns the result of the step.
    fn add(&mut self, place: usize, claimed: &ClaimedMessage) -> Result<(), StepResult> {
        let message = &claimed.message;
        match (claimed.step(), &message.payload) {
            (Step::Link, Payload::Assignment(invitation)) => {
                let learner = PendingLearner { customer: message.customer, email: invitation.email.clone() };
                self.learners.entry(message.customer).or_default().push((place, learner));
            }
            (Step::EndEnrollments, Payload::EndEnrollments(RevokedEnrollments { lms_user_id, .. })) => {
                if !lms_user_id.is_known() {
                    return Err(StepResult::Done(Completion::Nothing));
                }
                self.ended_enrollments.push((place, message.customer, *lms_user_id));
            }
            (Step::Identify, Payload::Activation(welcome) | Payload::AutoApplied(welcome)) => {
                // Without an account, there is nothing to merge.
                let account =
                    welcome.lms_user_id.filter(LmsUserId::is_known).ok_or(StepResult::Done(Completion::Nothing))?;
                self.identities.push((place, (welcome.email.clone(), account)));
            }
            (Step::Track | Step::TrackAddress, Payload::LicenseEvent(event)) => {
                let tracked = TrackedEvent {
                    id: message.id,
                    lms_user_id: event.properties.lms_user_id(),
                    email: event.properties.email(),
                    name: event.event.to_string(),
                    properties: event.tracked_properties(),
                    at: message.created,
                };
                self.events.push((place, tracked));
            }
            (Step::Custom, Payload::Custom(custom)) => {
                let item = CustomItem {
                    id: message.id,
                    customer: message.customer,
                    license: message.license,
                    message: custom.clone(),
                    at: message.created,
                };
                self.custom.push((place, item));
            }
            // Another version may know the topic, so the step is retried.
            (Step::Unknown, _) => {
                return Err(StepResult::Failed("this version does not know what its topic asks for".into()));
            }
            _ => return Err(unreadable()),
        }
        Ok(())
    }

    fn into_calls(self) -> Vec<OutboundCall> {
        let learners = self.learners.into_values().filter_map(|learners| call(learners, CallPayload::Learners));
        let ended = self.ended_enrollments.into_iter().map(|(place, customer, learner)| OutboundCall {
            payload: CallPayload::EndedEnrollments(customer, learner),
            places: vec![place],
        });
        let identities = call(self.identities, CallPayload::Identities);
        let mails =
            self.mails.into_iter().filter_map(|(kind, mails)| call(mails, |mails| CallPayload::Mails(kind, mails)));
        let events = call(self.events, CallPayload::Events);
        let custom = call(self.custom, CallPayload::Custom);
        learners.chain(ended).chain(identities).chain(mails).chain(events).chain(custom).collect()
    }
}

impl Deliveries {
    /// Delivers a batch without storage. Every message gets a result.
    pub async fn deliver(&self, batch: &Batch) -> Outcome {
        if let Queue::Webhook(_) = batch.queue() {
            return self.post(batch).await;
        }
        let outdated = &batch.context.outdated;
        if !outdated.is_empty() {
            let (queue, number) = (batch.queue().as_str(), outdated.len());
            tracing::info!(queue, number, "messages are out of date and count as done");
        }
        let mut results: Vec<Option<StepResult>> = vec![None; batch.messages.len()];
        let (mut builder, mut notified) = (CallBuilder::default(), HashMap::new());
        for (place, claimed) in batch.messages.iter().enumerate() {
            let (context, message) = (&batch.context, &claimed.message);
            results[place] = match claimed.step() {
                _ if outdated.contains(&message.id) => Some(StepResult::Done(Completion::Outdated)),
                Step::Mail => match self.compose_mail(context, message).await {
                    Ok(mail) => {
                        builder.add_mail(place, mail);
                        None
                    }
                    Err(result) => Some(result),
                },
                Step::Thresholds => {
                    let (result, told) = self.notify_thresholds(context, message).await;
                    notified.insert(message.id, told);
                    Some(result)
                }
                Step::File => Some(self.put_file(context, message).await),
                Step::Enroll => Some(self.enroll(context, message).await),
                _ => builder.add(place, claimed).err(),
            };
        }
        let now = self.manager.now();
        let postponed = results.iter_mut().flatten().filter_map(|result| match result {
            StepResult::Postponed(until, _) => {
                *until = end_of_pause(*until, now);
                Some(*until)
            }
            _ => None,
        });
        let mut pause_until = postponed.max();
        for call in builder.into_calls() {
            match pause_until {
                // The other calls of this queue go to the same upstream.
                Some(until) => {
                    call.places.iter().for_each(|&place| results[place] = Some(StepResult::Postponed(until, None)));
                }
                None => pause_until = call.send(&self.manager, &mut results).await,
            }
        }
        let undecided = || StepResult::Failed("it has no result".into());
        let results = results.into_iter().map(|result| result.unwrap_or_else(undecided)).collect();
        Outcome { notified, pause_until, ..Outcome::of(results) }
    }
}
