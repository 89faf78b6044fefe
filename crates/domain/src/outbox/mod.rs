//! What the service owes the outside: events, mails and calls, written in the transaction that causes them.
//!
//! A message is delivered after the commit, at least once; its id stays the same over every attempt. What each action owes
//! is listed in [`crate::rules`], "What each action owes".

mod event_name;
mod topic;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

pub use self::event_name::EventName;
pub use self::topic::Topic;
use crate::model::agreement::CustomerAgreement;
use crate::model::email::Email;
use crate::model::enrollment::EnrollmentJob;
use crate::model::ids::{CustomerId, EnrollmentJobId, LicenseId, LmsUserId, MessageId, PlanId};
use crate::model::license::{License, LicenseColumns};
use crate::model::plan::SubscriptionPlan;
use crate::ports::Person;

/// One delivery that is owed.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// What kind of delivery.
    pub topic: Topic,
    /// The license it is about: its messages are delivered in order.
    pub license: Option<LicenseId>,
    /// The plan it is about, where it is about one.
    pub plan: Option<PlanId>,
    /// The customer it is about.
    pub customer: CustomerId,
    /// What to deliver, as JSON; its form is fixed by the topic, which shows it.
    pub payload: String,
    /// When it was promised.
    pub created: DateTime<Utc>,
}

/// The payload of [`Topic::LicenseEvent`]: absent values are empty strings, dates have whole seconds.
#[derive(Debug, Serialize)]
struct LicenseEvent<'a> {
    event: &'static str,
    properties: EventProperties<'a>,
}

#[derive(Debug, Serialize)]
struct EventProperties<'a> {
    license_uuid: String,
    license_activation_key: String,
    previous_license_uuid: String,
    assigned_date: String,
    activation_date: String,
    assigned_lms_user_id: serde_json::Value,
    assigned_email: &'a str,
    expiration_processed: bool,
    auto_applied: serde_json::Value,
    enterprise_customer_uuid: CustomerId,
    customer_agreement_uuid: crate::model::ids::AgreementId,
    enterprise_customer_slug: &'a str,
    enterprise_customer_name: &'a str,
    /// Of renewed licenses alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_auto_renewed: Option<bool>,
}

/// Where a renewed license comes from.
#[derive(Debug, Clone, Copy)]
struct Origin {
    /// The license it carries on.
    license: LicenseId,
    /// Whether nobody's hand was in it.
    automatic: bool,
}

/// The payload of [`Topic::Assignment`].
#[derive(Debug, Serialize)]
struct Assignment<'a> {
    email: &'a Email,
    activation_key: crate::model::ids::ActivationKey,
    mail: bool,
    greeting: &'a str,
    closing: &'a str,
}

/// The payload of [`Topic::Reminder`].
#[derive(Debug, Serialize)]
struct Reminder<'a> {
    email: &'a Email,
    activation_key: crate::model::ids::ActivationKey,
    greeting: &'a str,
    closing: &'a str,
}

/// The payload of [`Topic::Activation`].
#[derive(Debug, Serialize)]
struct Activation<'a> {
    email: &'a Email,
    lms_user_id: Option<LmsUserId>,
    mail: bool,
}

/// The payload of [`Topic::AutoApplied`].
#[derive(Debug, Serialize)]
struct AutoApplied<'a> {
    email: &'a Email,
    lms_user_id: Option<LmsUserId>,
}

/// The payload of [`Topic::UtilizationThresholds`]: everything is read from the plan at delivery.
#[derive(Debug, Serialize)]
struct UtilizationThresholds {}

/// The payload of [`Topic::EndEnrollments`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RevokedEnrollments {
    pub(crate) lms_user_id: LmsUserId,
}

/// The payload of [`Topic::RevocationCapMail`].
#[derive(Debug, Serialize)]
struct RevocationCapReached<'a> {
    plan_title: &'a str,
    num_revocations_applied: i32,
    enterprise_customer_name: &'a str,
    date: String,
}

/// The payload of [`Topic::BulkEnrollment`]: what is to be done stands in the job.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PromisedEnrollment {
    pub(crate) job_uuid: EnrollmentJobId,
}

impl Message {
    /// The promise to carry a bulk enrollment out.
    pub(crate) fn bulk_enrollment(id: MessageId, job: &EnrollmentJob) -> Self {
        Self {
            id,
            topic: Topic::BulkEnrollment,
            license: None,
            plan: job.enrollment.plan,
            customer: job.customer,
            payload: to_json(&PromisedEnrollment { job_uuid: job.id }),
            created: job.created,
        }
    }

    /// The promise to put the results of a bulk enrollment into their file.
    pub(crate) fn enrollment_results_file(id: MessageId, job: &EnrollmentJob, now: DateTime<Utc>) -> Self {
        Self { topic: Topic::EnrollmentResultsFile, created: now, ..Self::bulk_enrollment(id, job) }
    }
}

/// What came of a bulk enrollment, in numbers of enrollments: the payload of [`Topic::EnrollmentResultsMail`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EnrollmentResults {
    pub(crate) job_uuid: EnrollmentJobId,
    pub(crate) lms_user_id: LmsUserId,
    pub(crate) successes: i64,
    pub(crate) pending: i64,
    pub(crate) failures: i64,
}

impl Message {
    /// The promise to tell whoever asked for a bulk enrollment what came of it.
    pub(crate) fn enrollment_results(
        id: MessageId,
        customer: CustomerId,
        results: &EnrollmentResults,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            topic: Topic::EnrollmentResultsMail,
            license: None,
            plan: None,
            customer,
            payload: to_json(results),
            created: now,
        }
    }
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
pub(crate) struct Promises<'a> {
    agreement: &'a CustomerAgreement,
    plan: &'a SubscriptionPlan,
    ids: &'a dyn crate::ports::IdSource,
    now: DateTime<Utc>,
    messages: Vec<Message>,
}

impl<'a> Promises<'a> {
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
            let payload = Assignment {
                email,
                activation_key,
                mail: mail.notify && !self.agreement.disable_onboarding_notifications,
                greeting: &mail.greeting,
                closing: &mail.closing,
            };
            self.push(Topic::Assignment, Some(license.id), &payload);
        }
    }

    /// What a license owes whose learner is to be reminded.
    pub(crate) fn reminded(&mut self, license: &License, mail: &ReminderMail) {
        let columns = license.columns();
        if let (Some(email), Some(activation_key)) = (&columns.user_email, columns.activation_key) {
            let payload = Reminder { email, activation_key, greeting: &mail.greeting, closing: &mail.closing };
            self.push(Topic::Reminder, Some(license.id), &payload);
        }
    }

    /// What a license owes that a learner got by logging in.
    pub(crate) fn auto_applied(&mut self, license: &License) {
        self.event(EventName::Activated, license);
        let columns = license.columns();
        if let Some(email) = &columns.user_email {
            let payload = AutoApplied { email, lms_user_id: columns.lms_user_id };
            self.push(Topic::AutoApplied, Some(license.id), &payload);
        }
        self.push(Topic::UtilizationThresholds, None, &UtilizationThresholds {});
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
        if let Some(email) = &columns.user_email {
            let mail = !self.agreement.disable_onboarding_notifications;
            self.push(
                Topic::Activation,
                Some(license.id),
                &Activation { email, lms_user_id: columns.lms_user_id, mail },
            );
        }
    }

    /// What a revoked license owes. Only a license that was in use can have paid for enrollments.
    pub(crate) fn revoked(&mut self, license: &License) {
        self.event(EventName::Revoked, license);
        let columns = license.columns();
        if let (Some(_), Some(lms_user_id)) = (columns.activation_date, columns.lms_user_id) {
            self.push(Topic::EndEnrollments, Some(license.id), &RevokedEnrollments { lms_user_id });
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
        self.push(Topic::InitialUtilization, None, &UtilizationThresholds {});
    }

    /// What a plan owes whose revocation cap is used up.
    pub(crate) fn revocation_cap_reached(&mut self) {
        let payload = RevocationCapReached {
            plan_title: &self.plan.title,
            num_revocations_applied: self.plan.num_revocations_applied,
            enterprise_customer_name: self.agreement.customer_name.as_deref().unwrap_or_default(),
            date: whole_seconds(Some(self.now)),
        };
        self.push(Topic::RevocationCapMail, None, &payload);
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
        let auto_applied = license.and_then(|license| license.auto_applied);
        let payload = LicenseEvent {
            event: name.as_str(),
            properties: EventProperties {
                license_uuid: license.map(|license| license.id.to_string()).unwrap_or_default(),
                license_activation_key: columns.activation_key.map(|key| key.to_string()).unwrap_or_default(),
                previous_license_uuid: origin.map(|origin| origin.license.to_string()).unwrap_or_default(),
                assigned_date: whole_seconds(columns.assigned_date),
                activation_date: whole_seconds(columns.activation_date),
                assigned_lms_user_id: columns.lms_user_id.map_or_else(|| "".into(), |id| id.0.into()),
                assigned_email: columns.user_email.as_ref().map_or("", Email::as_str),
                expiration_processed: self.plan.expiration_processed,
                auto_applied: auto_applied.map_or_else(|| "".into(), Into::into),
                enterprise_customer_uuid: self.agreement.customer,
                customer_agreement_uuid: self.agreement.id,
                enterprise_customer_slug: self.agreement.customer_slug.as_deref().unwrap_or_default(),
                enterprise_customer_name: self.agreement.customer_name.as_deref().unwrap_or_default(),
                is_auto_renewed: origin.map(|origin| origin.automatic),
            },
        };
        self.push(Topic::LicenseEvent, license.map(|license| license.id), &payload);
    }

    fn push(&mut self, topic: Topic, license: Option<LicenseId>, payload: &impl Serialize) {
        self.messages.push(Message {
            id: MessageId(self.ids.next()),
            topic,
            license,
            plan: Some(self.plan.id),
            customer: self.agreement.customer,
            payload: to_json(payload),
            created: self.now,
        });
    }
}

/// Maps with string keys and plain values always have a JSON form.
fn to_json(payload: &impl Serialize) -> String {
    let mut json = serde_json::to_string(payload).unwrap_or_default();
    // Thousands of messages wait in memory for their transaction to be written.
    json.shrink_to_fit();
    json
}

fn whole_seconds(moment: Option<DateTime<Utc>>) -> String {
    moment.map(|moment| moment.to_rfc3339_opts(SecondsFormat::Secs, true)).unwrap_or_default()
}
