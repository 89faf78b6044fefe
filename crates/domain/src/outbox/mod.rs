//! What the service owes the outside: events, mails and calls, written in the transaction that causes them.
//!
//! A message is delivered after the commit, at least once; its id stays the same over every attempt. What each action owes
//! is listed in [`crate::rules`], "What each action owes".

mod event_name;
mod payload;
mod topic;

use chrono::{DateTime, SecondsFormat, Utc};

pub use self::event_name::EventName;
pub use self::payload::{
    Empty, EnrollmentReference, EnrollmentResults, EventProperties, Invitation, LicenseEvent, Payload,
    RevocationCapReached, RevokedEnrollments, Welcome,
};
pub use self::topic::Topic;
use crate::model::agreement::CustomerAgreement;
use crate::model::enrollment::EnrollmentJob;
use crate::model::ids::{CustomerId, LicenseId, MessageId, PlanId};
use crate::model::license::License;
use crate::model::license_columns::LicenseColumns;
use crate::model::plan::SubscriptionPlan;
use crate::ports::Person;
use crate::queue::Step;

/// One delivery that is owed.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// The license it is about: its messages are delivered in order.
    pub license: Option<LicenseId>,
    /// The plan it is about, where it is about one.
    pub plan: Option<PlanId>,
    /// The customer it is about.
    pub customer: CustomerId,
    /// What to deliver; it decides the topic and the steps.
    pub payload: Payload,
    /// When it was written.
    pub created: DateTime<Utc>,
}

/// Where a renewed license comes from.
#[derive(Debug, Clone, Copy)]
struct Origin {
    /// The license it carries on.
    license: LicenseId,
    /// Whether the renewal was processed by a schedule.
    automatic: bool,
}

impl Message {
    /// A message that is not about a license.
    pub(crate) fn of_enrollment(id: MessageId, job: &EnrollmentJob, payload: Payload, now: DateTime<Utc>) -> Self {
        Self { id, license: None, plan: job.enrollment.plan, customer: job.customer, payload, created: now }
    }

    /// Has a bulk enrollment carried out.
    pub(crate) fn bulk_enrollment(id: MessageId, job: &EnrollmentJob) -> Self {
        let payload = Payload::BulkEnrollment(EnrollmentReference { job_uuid: job.id });
        Self::of_enrollment(id, job, payload, job.created)
    }

    /// Has the results of a bulk enrollment put into their file.
    pub(crate) fn enrollment_results_file(id: MessageId, job: &EnrollmentJob, now: DateTime<Utc>) -> Self {
        let payload = Payload::EnrollmentResultsFile(EnrollmentReference { job_uuid: job.id });
        Self::of_enrollment(id, job, payload, now)
    }

    /// Has whoever asked for a bulk enrollment told its results.
    pub(crate) fn enrollment_results(
        id: MessageId,
        customer: CustomerId,
        results: EnrollmentResults,
        now: DateTime<Utc>,
    ) -> Self {
        let payload = Payload::EnrollmentResultsMail(results);
        Self { id, license: None, plan: None, customer, payload, created: now }
    }
}

/// A message that somebody delivers now, or an event for a webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedMessage {
    /// The message.
    pub message: Message,
    /// The steps that are left; the first is to be taken now.
    pub steps: &'static [Step],
    /// How often this step has failed.
    pub attempts: i16,
    /// Since when it has been tried: when it was written, or when it was last replayed.
    pub due_since: DateTime<Utc>,
    /// What wrote it, where that was traced; see [`crate::ports::OutboxRepository::add`].
    pub trace_parent: Option<String>,
}

impl ClaimedMessage {
    /// What is to be done now.
    pub fn step(&self) -> Step {
        self.steps.first().copied().unwrap_or(Step::Unknown)
    }
}

/// The plans among the claimed messages whose other messages of [`Topic::MERGED`] ask for the same: storage removes those that nobody
/// has claimed and that are not dead-lettered.
pub fn merged_plans<'a>(claimed: impl IntoIterator<Item = &'a ClaimedMessage>) -> Vec<PlanId> {
    let merged = claimed.into_iter().filter(|claimed| claimed.message.payload.topic() == Topic::MERGED);
    merged.filter_map(|claimed| claimed.message.plan).collect()
}

/// A message that waits, as an operator sees it: nothing here names a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingMessage {
    /// Its id.
    pub id: MessageId,
    /// Its kind, by its name.
    pub topic: String,
    /// Where it waits, by its name.
    pub queue: String,
    /// The license it is about.
    pub license: Option<LicenseId>,
    /// The plan it is about.
    pub plan: Option<PlanId>,
    /// The customer it is about.
    pub customer: CustomerId,
    /// When it was written.
    pub created: DateTime<Utc>,
    /// How often its step has failed.
    pub attempts: i16,
    /// When it is due, or when its lease ends.
    pub not_before: DateTime<Utc>,
    /// The last problem.
    pub last_error: Option<String>,
    /// When it was dead-lettered.
    pub dead_lettered_at: Option<DateTime<Utc>>,
}

/// Which messages an operator means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxSelection {
    /// These, dead-lettered or not.
    Messages(Vec<MessageId>),
    /// The dead-lettered ones; only of this kind, by its name, where one is named.
    DeadLettered(Option<String>),
}

/// What an admin says to the learners of an assignment, beside the mail's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentMail {
    /// Whether to mail at all; learners are linked to the customer in any case.
    pub notify: bool,
    /// Words before the mail's own.
    pub greeting: String,
    /// Words after the mail's own.
    pub closing: String,
}

impl Default for AssignmentMail {
    fn default() -> Self {
        Self { notify: true, greeting: String::new(), closing: String::new() }
    }
}

/// What an admin says to the learners of a reminder, beside the mail's own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReminderMail {
    /// Words before the mail's own.
    pub greeting: String,
    /// Words after the mail's own.
    pub closing: String,
}

/// Writes the messages of one transaction about licenses of one plan.
pub(crate) struct OutboxBuilder<'a> {
    agreement: &'a CustomerAgreement,
    plan: &'a SubscriptionPlan,
    ids: &'a dyn crate::ports::IdSource,
    now: DateTime<Utc>,
    messages: Vec<Message>,
}

impl<'a> OutboxBuilder<'a> {
    pub(crate) fn new(
        agreement: &'a CustomerAgreement,
        plan: &'a SubscriptionPlan,
        ids: &'a dyn crate::ports::IdSource,
        now: DateTime<Utc>,
    ) -> Self {
        Self { agreement, plan, ids, now, messages: Vec::new() }
    }

    /// The messages, for [`crate::ports::OutboxRepository::add`].
    pub(crate) fn into_messages(self) -> Vec<Message> {
        self.messages
    }

    /// What an assigned license owes.
    pub(crate) fn assigned(&mut self, license: &License, mail: &AssignmentMail) {
        self.event(EventName::Assigned, license);
        let columns = license.columns();
        if let (Some(email), Some(activation_key)) = (&columns.user_email, columns.activation_key) {
            let invitation = Invitation {
                email: email.clone(),
                activation_key,
                mail: Some(mail.notify && !self.agreement.disable_onboarding_notifications),
                greeting: mail.greeting.clone(),
                closing: mail.closing.clone(),
            };
            self.push(Some(license.id), Payload::Assignment(invitation));
        }
    }

    /// What a license owes whose learner is to be reminded.
    pub(crate) fn reminded(&mut self, license: &License, mail: &ReminderMail) {
        let columns = license.columns();
        if let (Some(email), Some(activation_key)) = (&columns.user_email, columns.activation_key) {
            let invitation = Invitation {
                email: email.clone(),
                activation_key,
                mail: None,
                greeting: mail.greeting.clone(),
                closing: mail.closing.clone(),
            };
            self.push(Some(license.id), Payload::Reminder(invitation));
        }
    }

    /// What a license owes that a learner got by logging in.
    pub(crate) fn auto_applied(&mut self, license: &License) {
        self.event(EventName::Activated, license);
        let columns = license.columns();
        if let Some(email) = columns.user_email {
            let welcome = Welcome { email, lms_user_id: columns.lms_user_id, mail: None };
            self.push(Some(license.id), Payload::AutoApplied(welcome));
        }
        self.push(None, Payload::UtilizationThresholds(Empty {}));
    }

    /// What is owed where a learner came for a license and none was left.
    pub(crate) fn not_assigned(&mut self, person: &Person) {
        let nobody_s = LicenseColumns {
            user_email: Some(person.email.clone()),
            lms_user_id: person.lms_user_id,
            ..LicenseColumns::default()
        };
        self.event_of(EventName::NotAssigned, None, &nobody_s, None);
    }

    /// What an activated license owes.
    pub(crate) fn activated(&mut self, license: &License) {
        self.event(EventName::Activated, license);
        let columns = license.columns();
        if let Some(email) = columns.user_email {
            let mail = Some(!self.agreement.disable_onboarding_notifications);
            let welcome = Welcome { email, lms_user_id: columns.lms_user_id, mail };
            self.push(Some(license.id), Payload::Activation(welcome));
        }
    }

    /// What a revoked license owes. Only a license that was in use can have paid for enrollments.
    pub(crate) fn revoked(&mut self, license: &License) {
        self.event(EventName::Revoked, license);
        let columns = license.columns();
        if let (Some(_), Some(lms_user_id)) = (columns.activation_date, columns.lms_user_id) {
            self.push(Some(license.id), Payload::EndEnrollments(RevokedEnrollments { lms_user_id }));
        }
    }

    /// What a revoked license owes that is deleted: nothing where its person was retired.
    pub(crate) fn deleted(&mut self, license: &License) {
        if license.columns().user_email.is_some() {
            self.event(EventName::Deleted, license);
        }
    }

    /// What a license owes that carries on a license of the plan before.
    pub(crate) fn renewed(&mut self, license: &License, previous: LicenseId, automatic: bool) {
        let origin = Origin { license: previous, automatic };
        self.event_of(EventName::Renewed, Some(license), &license.columns(), Some(origin));
    }

    /// What a license owes whose plan has ended.
    pub(crate) fn expired(&mut self, license: &License) {
        self.event(EventName::Expired, license);
    }

    /// What a license owes that was activated 180 days ago.
    pub(crate) fn activated_180_days_ago(&mut self, license: &License) {
        self.event(EventName::Activated180DaysAgo, license);
    }

    /// What a plan owes a week after it began to hand out licenses by itself.
    pub(crate) fn initial_utilization(&mut self) {
        self.push(None, Payload::InitialUtilization(Empty {}));
    }

    /// What a plan owes whose revocation cap is used up.
    pub(crate) fn revocation_cap_reached(&mut self) {
        let payload = RevocationCapReached {
            plan_title: self.plan.title.clone(),
            num_revocations_applied: self.plan.num_revocations_applied,
            enterprise_customer_name: self.agreement.customer_name.clone().unwrap_or_default(),
            date: whole_seconds(Some(self.now)),
        };
        self.push(None, Payload::RevocationCapMail(payload));
    }

    fn event(&mut self, name: EventName, license: &License) {
        self.event_of(name, Some(license), &license.columns(), None);
    }

    fn event_of(
        &mut self,
        name: EventName,
        license: Option<&License>,
        columns: &LicenseColumns,
        origin: Option<Origin>,
    ) {
        let event = LicenseEvent {
            event: name.as_str().into(),
            properties: EventProperties {
                license_uuid: license.map(|license| license.id),
                license_activation_key: columns.activation_key,
                previous_license_uuid: origin.map(|origin| origin.license),
                assigned_date: whole_seconds(columns.assigned_date),
                activation_date: whole_seconds(columns.activation_date),
                assigned_lms_user_id: columns.lms_user_id,
                assigned_email: columns.user_email.as_ref().map(|email| email.as_str().to_owned()).unwrap_or_default(),
                expiration_processed: self.plan.expiration_processed,
                auto_applied: license.and_then(|license| license.auto_applied),
                enterprise_customer_uuid: self.agreement.customer,
                customer_agreement_uuid: self.agreement.id,
                enterprise_customer_slug: self.agreement.customer_slug.clone().unwrap_or_default(),
                enterprise_customer_name: self.agreement.customer_name.clone().unwrap_or_default(),
                is_auto_renewed: origin.map(|origin| origin.automatic),
            },
        };
        self.push(license.map(|license| license.id), Payload::LicenseEvent(Box::new(event)));
    }

    fn push(&mut self, license: Option<LicenseId>, payload: Payload) {
        self.messages.push(Message {
            id: MessageId(self.ids.next()),
            license,
            plan: Some(self.plan.id),
            customer: self.agreement.customer,
            payload,
            created: self.now,
        });
    }
}

fn whole_seconds(moment: Option<DateTime<Utc>>) -> String {
    moment.map(|moment| moment.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default()
}
