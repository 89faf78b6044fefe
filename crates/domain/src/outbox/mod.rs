//! The outbox: events, mails and calls to upstreams, written in the transaction that causes them.
//!
//! A message is delivered after the commit, at least once, with the same id on every attempt. [`crate::rules`], "Outbox
//! messages by action", lists the messages of each action.

mod event_name;
mod payload;
mod properties;
mod topic;

use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use self::event_name::EventName;
pub use self::payload::{
    CustomMessage, Empty, EnrollmentReference, EnrollmentResults, EventProperties, Invitation, LicenseEvent, MailWords,
    Payload, RevocationCapReached, RevokedEnrollments, Welcome,
};
use self::properties::whole_seconds;
pub use self::topic::Topic;
use crate::error::Error;
use crate::model::agreement::CustomerAgreement;
use crate::model::enrollment::EnrollmentJob;
use crate::model::ids::{CustomerId, LicenseId, MailWordsId, MessageId, PlanId};
use crate::model::license::{License, Seat};
use crate::model::plan::SubscriptionPlan;
use crate::ports::{Person, UnitOfWork};
use crate::queue::Step;

/// A message of the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The license it is about. The messages of one license are delivered in order.
    pub license: Option<LicenseId>,
    /// The plan it is about.
    pub plan: Option<PlanId>,
    /// The customer it is about.
    pub customer: CustomerId,
    /// What to deliver. It determines the topic and the steps.
    pub payload: Payload,
    /// When it was written.
    pub created: DateTime<Utc>,
}

impl Message {
    /// A message about no license and no plan.
    pub fn new(id: MessageId, customer: CustomerId, payload: Payload, created: DateTime<Utc>) -> Self {
        Self { id, license: None, plan: None, customer, payload, created }
    }

    fn of_enrollment(id: MessageId, job: &EnrollmentJob, payload: Payload, now: DateTime<Utc>) -> Self {
        Self { plan: job.enrollment.plan, ..Self::new(id, job.customer, payload, now) }
    }

    /// Asks to carry out a bulk enrollment.
    pub(crate) fn bulk_enrollment(id: MessageId, job: &EnrollmentJob) -> Self {
        let payload = Payload::BulkEnrollment(EnrollmentReference { job_uuid: job.id });
        Self::of_enrollment(id, job, payload, job.created)
    }

    /// Asks to write the results of a bulk enrollment to their file.
    pub(crate) fn enrollment_results_file(id: MessageId, job: &EnrollmentJob, now: DateTime<Utc>) -> Self {
        let payload = Payload::EnrollmentResultsFile(EnrollmentReference { job_uuid: job.id });
        Self::of_enrollment(id, job, payload, now)
    }

    /// Asks to mail the results of a bulk enrollment to its requester.
    pub(crate) fn enrollment_results(
        id: MessageId,
        customer: CustomerId,
        results: EnrollmentResults,
        now: DateTime<Utc>,
    ) -> Self {
        Self::new(id, customer, Payload::EnrollmentResultsMail(results), now)
    }
}

/// A message, or an event for a webhook, that a lease holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedMessage {
    /// The message.
    pub message: Message,
    /// The steps that are left. The first one is due.
    pub steps: &'static [Step],
    /// The failed attempts of this step.
    pub attempts: i16,
    /// When it was written or last replayed.
    pub due_since: DateTime<Utc>,
    /// The trace that wrote it; see [`crate::ports::OutboxRepository::add`].
    pub trace_parent: Option<String>,
}

impl ClaimedMessage {
    /// A message that has not failed, without a trace.
    pub fn new(message: Message, steps: &'static [Step], due_since: DateTime<Utc>) -> Self {
        Self { message, steps, attempts: 0, due_since, trace_parent: None }
    }

    /// The step that is due.
    pub fn step(&self) -> Step {
        self.steps.first().copied().unwrap_or(Step::Unknown)
    }
}

/// The plans of the claimed messages of [`Topic::MERGED`]. Storage removes the other messages of this topic about these
/// plans, unless they are claimed or dead-lettered.
pub fn merged_plans<'a>(claimed: impl IntoIterator<Item = &'a ClaimedMessage>) -> Vec<PlanId> {
    let merged = claimed.into_iter().filter(|claimed| claimed.message.payload.topic() == Topic::MERGED);
    merged.filter_map(|claimed| claimed.message.plan).collect()
}

/// A waiting message, for operators. It names no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingMessage {
    /// Its id.
    pub id: MessageId,
    /// The name of its topic.
    pub topic: String,
    /// The name of its queue.
    pub queue: String,
    /// The license it is about.
    pub license: Option<LicenseId>,
    /// The plan it is about.
    pub plan: Option<PlanId>,
    /// The customer it is about.
    pub customer: CustomerId,
    /// When it was written.
    pub created: DateTime<Utc>,
    /// The failed attempts of its step.
    pub attempts: i16,
    /// When it is due, or when its lease ends.
    pub not_before: DateTime<Utc>,
    /// The last problem.
    pub last_error: Option<String>,
    /// When it was dead-lettered.
    pub dead_lettered_at: Option<DateTime<Utc>>,
}

/// The messages that an operator selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxSelection {
    /// These, dead-lettered or not.
    Messages(Vec<MessageId>),
    /// The dead-lettered ones, of the topic with this name or of all topics.
    DeadLettered(Option<String>),
}

/// The mail of an assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentMail {
    /// Whether to send it. Learners are linked to the customer in any case.
    pub notify: bool,
    /// The text before the mail's own text.
    pub greeting: String,
    /// The text after the mail's own text.
    pub closing: String,
}

impl Default for AssignmentMail {
    fn default() -> Self {
        Self { notify: true, greeting: String::new(), closing: String::new() }
    }
}

/// The mail of a reminder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReminderMail {
    /// The text before the mail's own text.
    pub greeting: String,
    /// The text after the mail's own text.
    pub closing: String,
}

/// The most licenses that a large request writes at once.
pub(crate) const SLICE: usize = 2_000;

/// The most messages that are written at once. Their payloads are the largest parameters of any statement: a client of a
/// database may hold several copies of them, and libpq never gives back what a connection needed for its largest
/// statement.
const MESSAGES_AT_ONCE: usize = 2_000;

/// Writes messages, in slices.
pub(crate) fn write_messages(unit: &mut dyn UnitOfWork, messages: &[Message]) -> Result<(), Error> {
    let (first, rest) = messages.split_at(messages.len().min(MESSAGES_AT_ONCE));
    unit.outbox().add(first)?;
    rest.chunks(MESSAGES_AT_ONCE).try_for_each(|slice| unit.outbox().add(slice))
}

/// Collects the messages of one transaction about one plan.
pub(crate) struct OutboxBuilder<'a> {
    agreement: &'a CustomerAgreement,
    plan: &'a SubscriptionPlan,
    ids: &'a dyn crate::ports::IdSource,
    now: DateTime<Utc>,
    messages: Vec<Message>,
    /// The words of the messages so far.
    words: Option<Arc<MailWords>>,
}

impl<'a> OutboxBuilder<'a> {
    pub(crate) fn new(
        agreement: &'a CustomerAgreement,
        plan: &'a SubscriptionPlan,
        ids: &'a dyn crate::ports::IdSource,
        now: DateTime<Utc>,
    ) -> Self {
        Self { agreement, plan, ids, now, messages: Vec::new(), words: None }
    }

    /// Writes the messages, and returns their number.
    pub(crate) fn write(self, unit: &mut dyn UnitOfWork) -> Result<usize, Error> {
        write_messages(unit, &self.messages)?;
        Ok(self.messages.len())
    }

    /// The messages, to be written together with those of other plans.
    pub(crate) fn unwritten(self) -> Vec<Message> {
        self.messages
    }

    /// Writes the messages since the last call, and returns their number. Those that follow share their words.
    pub(crate) fn write_part(&mut self, unit: &mut dyn UnitOfWork) -> Result<usize, Error> {
        let messages = std::mem::take(&mut self.messages);
        write_messages(unit, &messages)?;
        Ok(messages.len())
    }

    /// Adds the messages of each license, and writes them in slices, which bounds their memory. Returns their number.
    pub(crate) fn write_for_each(
        &mut self,
        unit: &mut dyn UnitOfWork,
        licenses: &[License],
        add: impl Fn(&mut Self, &License),
    ) -> Result<usize, Error> {
        let mut written = 0;
        for license in licenses {
            add(self, license);
            if self.messages.len() >= MESSAGES_AT_ONCE {
                written += self.write_part(unit)?;
            }
        }
        if !self.messages.is_empty() {
            written += self.write_part(unit)?;
        }
        Ok(written)
    }

    /// Adds the messages of an assigned license.
    pub(crate) fn assigned(&mut self, license: &License, mail: &AssignmentMail) {
        self.event(EventName::Assigned, license);
        let is_mailed = mail.notify && !self.agreement.disable_onboarding_notifications;
        let words = if is_mailed { self.words(&mail.greeting, &mail.closing) } else { None };
        if let Some(invitation) = self.invitation(license, Some(is_mailed), words) {
            self.push(Some(license.id), Payload::Assignment(invitation));
        }
    }

    /// Adds the reminder of an assigned license.
    pub(crate) fn reminded(&mut self, license: &License, mail: &ReminderMail) {
        let words = self.words(&mail.greeting, &mail.closing);
        if let Some(invitation) = self.invitation(license, None, words) {
            self.push(Some(license.id), Payload::Reminder(invitation));
        }
    }

    /// Adds the messages of an auto-applied license.
    pub(crate) fn auto_applied(&mut self, license: &License) {
        self.event(EventName::Activated, license);
        if let Some(welcome) = welcome(license, None) {
            self.push(Some(license.id), Payload::AutoApplied(welcome));
        }
        self.push(None, Payload::UtilizationThresholds(Empty {}));
    }

    /// Adds the event of a learner who got no license because none was left.
    pub(crate) fn not_assigned(&mut self, person: &Person) {
        let properties = EventProperties {
            assigned_lms_user_id: person.lms_user_id,
            assigned_email: person.email.clone().map(String::from).unwrap_or_default(),
            ..self.properties()
        };
        self.push_event(EventName::NotAssigned, None, properties);
    }

    /// Adds the messages of an activated license.
    pub(crate) fn activated(&mut self, license: &License) {
        self.event(EventName::Activated, license);
        if let Some(welcome) = welcome(license, Some(!self.agreement.disable_onboarding_notifications)) {
            self.push(Some(license.id), Payload::Activation(welcome));
        }
    }

    /// Adds the messages of a revoked license. Only an activated license can have paid for enrollments.
    pub(crate) fn revoked(&mut self, license: &License) {
        self.event(EventName::Revoked, license);
        if let (Some(_), Some(lms_user_id)) = (license.activation_date(), license.lms_user_id()) {
            let catalog = Some(self.plan.catalog);
            self.push(Some(license.id), Payload::EndEnrollments(RevokedEnrollments { lms_user_id, catalog }));
        }
    }

    /// Adds the event of a license that is revoked because its plan ended long ago. It names the holder by LMS user id
    /// alone, so there is none if that is unknown.
    pub(crate) fn revoked_by_plan_end(&mut self, license: &License) {
        if license.lms_user_id().is_some() {
            let properties = EventProperties { assigned_email: String::new(), ..self.properties_of(license) };
            self.push_event(EventName::Revoked, Some(license.id), properties);
        }
    }

    /// Adds the event of a revoked license that is deleted, unless its holder was retired.
    pub(crate) fn deleted(&mut self, license: &License) {
        if license.holder_email().is_some() {
            self.event(EventName::Deleted, license);
        }
    }

    /// Adds the event of a license that continues one of the prior plan. `automatic` if the schedule renewed it.
    pub(crate) fn renewed(&mut self, license: &License, automatic: bool) {
        let properties = EventProperties { is_auto_renewed: Some(automatic), ..self.properties_of(license) };
        self.push_event(EventName::Renewed, Some(license.id), properties);
    }

    /// Adds an event of a license.
    pub(crate) fn event(&mut self, name: EventName, license: &License) {
        let properties = self.properties_of(license);
        self.push_event(name, Some(license.id), properties);
    }

    /// Adds the mail about the utilization of a plan that began to auto-apply licenses a week ago.
    pub(crate) fn initial_utilization(&mut self) {
        self.push(None, Payload::InitialUtilization(Empty {}));
    }

    /// Adds the mail about a revocation cap that is used up.
    pub(crate) fn revocation_cap_reached(&mut self) {
        let payload = RevocationCapReached {
            plan_title: self.plan.title.clone(),
            num_revocations_applied: self.plan.num_revocations_applied,
            enterprise_customer_name: self.agreement.customer_name.clone().unwrap_or_default(),
            date: whole_seconds(Some(self.now)),
        };
        self.push(None, Payload::RevocationCapMail(payload));
    }

    /// The words of a mail; the same as before if the texts are the same.
    fn words(&mut self, greeting: &str, closing: &str) -> Option<Arc<MailWords>> {
        if greeting.is_empty() && closing.is_empty() {
            return None;
        }
        let known = self.words.take().filter(|words| words.greeting == greeting && words.closing == closing);
        self.words = known.or_else(|| {
            let id = MailWordsId(self.ids.next());
            Some(Arc::new(MailWords { id, greeting: greeting.to_owned(), closing: closing.to_owned() }))
        });
        self.words.clone()
    }

    fn properties_of(&self, license: &License) -> EventProperties {
        EventProperties::of_license(license, self.plan, self.agreement)
    }

    /// The properties of the plan and its customer.
    fn properties(&self) -> EventProperties {
        EventProperties::of_plan(self.plan, self.agreement)
    }

    /// `None` unless the license is live.
    fn invitation(&self, license: &License, mail: Option<bool>, words: Option<Arc<MailWords>>) -> Option<Invitation> {
        let Seat { email, activation_key, .. } = license.seat()?.clone();
        Some(Invitation { email, activation_key, mail, words, properties: None })
    }

    fn push_event(&mut self, name: EventName, license: Option<LicenseId>, properties: EventProperties) {
        let event = LicenseEvent { event: name.as_str().into(), properties };
        self.push(license, Payload::LicenseEvent(Box::new(event)));
    }

    fn push(&mut self, license: Option<LicenseId>, payload: Payload) {
        let id = MessageId(self.ids.next());
        let message = Message::new(id, self.agreement.customer, payload, self.now);
        self.messages.push(Message { license, plan: Some(self.plan.id), ..message });
    }
}

fn welcome(license: &License, mail: Option<bool>) -> Option<Welcome> {
    Some(Welcome { email: license.holder_email()?.clone(), lms_user_id: license.lms_user_id(), mail })
}
