//! The topics of messages.

/// What a message asks for. Each topic shows an example of its [`Payload`](super::Payload) as JSON: every message of
/// the topic has these keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Tells event tracking and webhooks about a license. A value that is absent is an empty text, an unknown name of
    /// the customer is null; times have whole seconds. Only the event `renewed` has `is_auto_renewed`.
    ///
    /// ```json
    /// {
    ///   "event": "edx.server.license-manager.license-lifecycle.renewed",
    ///   "properties": {
    ///     "license_uuid": "b5f7a1c2-0f5e-4f0a-9a53-1f1f6a1d2c3b",
    ///     "license_activation_key": "0d9c6f0e-5b3f-4d8e-8f39-3f3b6c1a9e77",
    ///     "previous_license_uuid": "6e0d8a4b-7c19-4f62-8a0e-2d5c9b7f1a30",
    ///     "assigned_date": "2030-01-31T12:00:00Z",
    ///     "activation_date": "2030-01-31T12:00:00Z",
    ///     "assigned_lms_user_id": 7,
    ///     "assigned_email": "amy@example.com",
    ///     "expiration_processed": false,
    ///     "auto_applied": false,
    ///     "enterprise_customer_uuid": "3c1b2a09-8f7e-4d6c-9b5a-4f3e2d1c0b9a",
    ///     "customer_agreement_uuid": "9a8b7c6d-5e4f-4a3b-8c2d-1e0f9a8b7c6d",
    ///     "enterprise_customer_slug": "acme",
    ///     "enterprise_customer_name": "Acme",
    ///     "is_auto_renewed": false
    ///   }
    /// }
    /// ```
    LicenseEvent,
    /// Links the learner to the customer, and sends a mail if `mail` says so.
    ///
    /// ```json
    /// {
    ///   "email": "amy@example.com",
    ///   "activation_key": "0d9c6f0e-5b3f-4d8e-8f39-3f3b6c1a9e77",
    ///   "mail": true,
    ///   "greeting": "",
    ///   "closing": ""
    /// }
    /// ```
    Assignment,
    /// Asks the learner again to activate. Delivery sets the last remind date of the license once the mail is sent.
    ///
    /// ```json
    /// {
    ///   "email": "amy@example.com",
    ///   "activation_key": "0d9c6f0e-5b3f-4d8e-8f39-3f3b6c1a9e77",
    ///   "greeting": "",
    ///   "closing": ""
    /// }
    /// ```
    Reminder,
    /// Merges the learner's profile with the account, and sends a mail if `mail` says so. The LMS user id may be null.
    ///
    /// ```json
    /// {"email": "amy@example.com", "lms_user_id": 7, "mail": true}
    /// ```
    Activation,
    /// As [`Topic::Activation`], with the mail for a learner who did not ask for a license. Delivery chooses one of two
    /// mails by the customer's portal.
    ///
    /// ```json
    /// {"email": "amy@example.com", "lms_user_id": 7}
    /// ```
    AutoApplied,
    /// Tells admins if the utilization of a plan has passed a threshold. Delivery decides that.
    ///
    /// ```json
    /// {}
    /// ```
    UtilizationThresholds,
    /// Tells admins the utilization of a plan a week after it began to auto-apply licenses. Added once for each plan;
    /// delivery reads the numbers.
    ///
    /// ```json
    /// {}
    /// ```
    InitialUtilization,
    /// Ends the learner's licensed enrollments, unless another license gives access to the catalog. Older messages have no
    /// `catalog`.
    ///
    /// ```json
    /// {"lms_user_id": 7, "catalog": "00000000-0000-0000-0000-000000000002"}
    /// ```
    EndEnrollments,
    /// Tells customer success that a revocation cap is used up. An unknown name of the customer is an empty text.
    ///
    /// ```json
    /// {"plan_title": "Engineering", "num_revocations_applied": 2, "enterprise_customer_name": "Acme", "date": "2030-01-31T12:00:00Z"}
    /// ```
    RevocationCapMail,
    /// Enrolls learners in courses, as the job says.
    ///
    /// ```json
    /// {"job_uuid": "5d4c3b2a-1f0e-4d9c-8b7a-6f5e4d3c2b1a"}
    /// ```
    BulkEnrollment,
    /// Tells the requester of a bulk enrollment its results, as numbers of enrollments.
    ///
    /// ```json
    /// {"job_uuid": "5d4c3b2a-1f0e-4d9c-8b7a-6f5e4d3c2b1a", "lms_user_id": 7, "successes": 2, "pending": 1, "failures": 0}
    /// ```
    EnrollmentResultsMail,
    /// Writes the results of a bulk enrollment to their file, and replaces what is there.
    ///
    /// ```json
    /// {"job_uuid": "5d4c3b2a-1f0e-4d9c-8b7a-6f5e4d3c2b1a"}
    /// ```
    EnrollmentResultsFile,
    /// A message of the program that embeds the license manager; see [`CustomMessage`](super::CustomMessage).
    ///
    /// ```json
    /// {"name": "invoice", "body": {"number": 7}}
    /// ```
    Custom,
    /// A topic that this version does not know: another version wrote the message.
    Unknown,
}

impl Topic {
    /// All messages of this topic about one plan ask for the same: one of them is delivered, and the others are
    /// removed.
    pub const MERGED: Self = Self::UtilizationThresholds;

    /// The topic with this name, or [`Topic::Unknown`].
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|topic| topic.as_str() == name).unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Duration};
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;
    use crate::model::{Enrollees, EnrollmentJob, EnrollmentNumbers, EnrollmentStage};
    use crate::outbox::{
        AssignmentMail, CustomMessage, EnrollmentResults, Message, OutboxBuilder, Payload, ReminderMail,
    };
    use crate::ports::SequentialIds;
    use crate::{
        ActivationKey, AgreementId, BulkEnrollment, CatalogId, CustomerAgreement, CustomerId, EnrollmentJobId, License,
        LicenseId, LmsUserId, MessageId, PlanId, SubscriptionPlan,
    };

    /// The example above the variant of this name.
    fn documented(topic: Topic) -> Value {
        let source = include_str!("topic.rs");
        let docs = source.split_once(&format!("    {topic:?},\n")).expect("the variant stands in this file").0;
        let example = docs.rsplit("```json\n").next().unwrap().split("```").next().unwrap();
        let example: String = example.lines().map(|line| line.trim().trim_start_matches("///")).collect();
        serde_json::from_str(&example).unwrap_or_else(|error| panic!("{topic:?}: {error} in {example}"))
    }

    /// The keys of an object, each with the kind of its value.
    fn form(value: &Value) -> Value {
        match value {
            Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), form(value))).collect(),
            Value::String(_) => "a text".into(),
            Value::Number(_) => "a number".into(),
            Value::Bool(_) => "a boolean".into(),
            other => other.clone(),
        }
    }

    fn plan() -> SubscriptionPlan {
        let now = DateTime::UNIX_EPOCH;
        let (id, agreement) = (PlanId(Uuid::from_u128(1)), AgreementId(Uuid::from_u128(3)));
        let catalog = CatalogId(Uuid::from_u128(2));
        SubscriptionPlan {
            is_active: true,
            is_revocation_cap_enabled: true,
            num_revocations_applied: 2,
            ..SubscriptionPlan::new(id, agreement, catalog, "Engineering", now..now + Duration::days(365), now)
        }
    }

    /// A message of every kind.
    fn messages() -> Vec<Message> {
        let (now, ids, plan) = (DateTime::UNIX_EPOCH, SequentialIds::default(), plan());
        let mut agreement = CustomerAgreement::new(plan.agreement, CustomerId(Uuid::from_u128(4)), now);
        agreement.customer_slug = Some("acme".to_owned());
        agreement.customer_name = Some("Acme".to_owned());
        let license = License::unassigned(LicenseId(Uuid::from_u128(5)), plan.id, now);
        let (email, key) = ("amy@example.com".parse().unwrap(), ActivationKey(Uuid::from_u128(6)));
        let assigned = license.assign(email, key, now).unwrap();
        let activated = assigned.clone().activate(Some(LmsUserId(7)), now).unwrap();
        let mut outbox = OutboxBuilder::new(&agreement, &plan, &ids, now);
        outbox.assigned(&assigned, &AssignmentMail::default());
        outbox.reminded(&assigned, &ReminderMail::default());
        outbox.activated(&activated);
        outbox.auto_applied(&activated);
        outbox.initial_utilization();
        outbox.revoked(&activated.clone().revoke(now).unwrap());
        outbox.revocation_cap_reached();
        outbox.renewed(&License { renewed_from: Some(assigned.id), ..activated }, false);
        let mut messages = outbox.messages;

        let job = EnrollmentJob {
            id: EnrollmentJobId(Uuid::from_u128(8)),
            customer: agreement.customer,
            lms_user_id: Some(LmsUserId(7)),
            enrollment: BulkEnrollment {
                learners: Enrollees::Holders,
                plan: Some(plan.id),
                course_run_keys: vec!["course-v1:edX+Demo+T1".to_owned()],
                notify: true,
            },
            stage: EnrollmentStage::Done,
            numbers: EnrollmentNumbers::default(),
            file: None,
            created: now,
            modified: now,
        };
        let results =
            EnrollmentResults { job_uuid: job.id, lms_user_id: LmsUserId(7), successes: 2, pending: 1, failures: 0 };
        let id = MessageId(Uuid::from_u128(9));
        messages.push(Message::bulk_enrollment(id, &job));
        messages.push(Message::enrollment_results_file(id, &job, now));
        messages.push(Message::enrollment_results(id, job.customer, results, now));
        let custom = CustomMessage { name: "invoice".to_owned(), body: serde_json::json!({ "number": 7 }) };
        messages.push(Message { payload: Payload::Custom(custom), ..Message::bulk_enrollment(id, &job) });
        messages
    }

    #[test]
    fn messages_have_the_form_that_their_topic_shows() {
        let messages = messages();
        for topic in Topic::ALL {
            // Of license events the last one has every key.
            let message =
                messages.iter().rev().find(|message| message.payload.topic() == topic).expect("one of every kind");
            let payload: Value = serde_json::from_str(&message.payload.to_text()).unwrap();
            assert_eq!(
                Payload::read(topic, message.payload.to_text()),
                message.payload,
                "{topic:?} is read as it was written"
            );
            assert_eq!(form(&payload), form(&documented(topic)), "{topic:?}");
        }
    }

    #[test]
    fn payloads_that_wait_already_can_be_read() {
        for topic in Topic::ALL {
            let payload = Payload::read(topic, documented(topic).to_string());
            assert_eq!(payload.topic(), topic);
            assert!(!matches!(payload, Payload::Unreadable { .. }), "{topic:?}");
        }
        let quiet = r#"{"email":"amy@example.com","lms_user_id":null,"mail":false}"#;
        assert_eq!(Payload::read(Topic::AutoApplied, quiet.to_owned()).steps().len(), 1);
        let earlier = r#"{"email":"amy@example.com","activation_key":"0d9c6f0e-5b3f-4d8e-8f39-3f3b6c1a9e77","greeting":"Hello","closing":""}"#;
        let Payload::Reminder(invitation) = Payload::read(Topic::Reminder, earlier.to_owned()) else {
            panic!("an invitation without properties is read")
        };
        assert_eq!((invitation.greeting(), &invitation.properties), ("Hello", &None));
        let mut event = documented(Topic::LicenseEvent);
        event["properties"]["auto_applied"] = "".into();
        event["properties"]["enterprise_customer_name"] = "".into();
        let Payload::LicenseEvent(event) = Payload::read(Topic::LicenseEvent, event.to_string()) else {
            panic!("an event with empty texts is read")
        };
        assert!(!event.properties.auto_applied);
        let nobody_s = r#"{"email":"no address"}"#;
        let unreadable = Payload::read(Topic::Assignment, nobody_s.to_owned());
        assert_eq!((unreadable.to_text().as_str(), unreadable.steps().len()), (nobody_s, 2));
    }
}
