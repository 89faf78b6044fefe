//! What messages carry: one type for each topic, which is written and read.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Topic;
use crate::model::email::Email;
use crate::model::ids::{ActivationKey, AgreementId, CustomerId, EnrollmentJobId, LicenseId, LmsUserId};
use crate::queue::Step;

/// What a message carries, by its topic. [`Topic`] shows each as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Payload {
    /// Of [`Topic::LicenseEvent`].
    LicenseEvent(Box<LicenseEvent>),
    /// Of [`Topic::Assignment`].
    Assignment(Invitation),
    /// Of [`Topic::Reminder`].
    Reminder(Invitation),
    /// Of [`Topic::Activation`].
    Activation(Welcome),
    /// Of [`Topic::AutoApplied`].
    AutoApplied(Welcome),
    /// Of [`Topic::UtilizationThresholds`].
    UtilizationThresholds(Empty),
    /// Of [`Topic::InitialUtilization`].
    InitialUtilization(Empty),
    /// Of [`Topic::EndEnrollments`].
    EndEnrollments(RevokedEnrollments),
    /// Of [`Topic::RevocationCapMail`].
    RevocationCapMail(RevocationCapReached),
    /// Of [`Topic::BulkEnrollment`].
    BulkEnrollment(EnrollmentReference),
    /// Of [`Topic::EnrollmentResultsMail`].
    EnrollmentResultsMail(EnrollmentResults),
    /// Of [`Topic::EnrollmentResultsFile`].
    EnrollmentResultsFile(EnrollmentReference),
    /// A text that this version cannot read as a payload of the topic.
    #[serde(skip)]
    Unreadable {
        /// The topic.
        topic: Topic,
        /// The text.
        text: String,
    },
}

impl Payload {
    /// Reads a stored payload.
    pub fn read(topic: Topic, text: String) -> Self {
        fn parsed<T: DeserializeOwned>(text: &str, payload: fn(T) -> Payload) -> Option<Payload> {
            serde_json::from_str(text).ok().map(payload)
        }
        let read = match topic {
            Topic::LicenseEvent => parsed(&text, Self::LicenseEvent),
            Topic::Assignment => parsed(&text, Self::Assignment),
            Topic::Reminder => parsed(&text, Self::Reminder),
            Topic::Activation => parsed(&text, Self::Activation),
            Topic::AutoApplied => parsed(&text, Self::AutoApplied),
            Topic::UtilizationThresholds => parsed(&text, Self::UtilizationThresholds),
            Topic::InitialUtilization => parsed(&text, Self::InitialUtilization),
            Topic::EndEnrollments => parsed(&text, Self::EndEnrollments),
            Topic::RevocationCapMail => parsed(&text, Self::RevocationCapMail),
            Topic::BulkEnrollment => parsed(&text, Self::BulkEnrollment),
            Topic::EnrollmentResultsMail => parsed(&text, Self::EnrollmentResultsMail),
            Topic::EnrollmentResultsFile => parsed(&text, Self::EnrollmentResultsFile),
            Topic::Unknown => None,
        };
        read.unwrap_or(Self::Unreadable { topic, text })
    }

    /// The payload as it is stored: JSON, or the text that could not be read.
    pub fn to_text(&self) -> String {
        match self {
            Self::Unreadable { text, .. } => text.clone(),
            // Structs of texts and numbers always have a JSON form.
            payload => serde_json::to_string(payload).unwrap_or_default(),
        }
    }

    /// The kind of message.
    pub fn topic(&self) -> Topic {
        match self {
            Self::LicenseEvent(_) => Topic::LicenseEvent,
            Self::Assignment(_) => Topic::Assignment,
            Self::Reminder(_) => Topic::Reminder,
            Self::Activation(_) => Topic::Activation,
            Self::AutoApplied(_) => Topic::AutoApplied,
            Self::UtilizationThresholds(_) => Topic::UtilizationThresholds,
            Self::InitialUtilization(_) => Topic::InitialUtilization,
            Self::EndEnrollments(_) => Topic::EndEnrollments,
            Self::RevocationCapMail(_) => Topic::RevocationCapMail,
            Self::BulkEnrollment(_) => Topic::BulkEnrollment,
            Self::EnrollmentResultsMail(_) => Topic::EnrollmentResultsMail,
            Self::EnrollmentResultsFile(_) => Topic::EnrollmentResultsFile,
            Self::Unreadable { topic, .. } => *topic,
        }
    }

    /// The steps that the message takes, in their order. Storage keeps how many of them are left: a step that a kind of message gains
    /// must come before the ones it has, and messages that wait already do not take it.
    pub fn steps(&self) -> &'static [Step] {
        let wants_mail = match self {
            Self::Assignment(Invitation { mail, .. })
            | Self::Activation(Welcome { mail, .. })
            | Self::AutoApplied(Welcome { mail, .. }) => *mail != Some(false),
            _ => true,
        };
        match self.topic() {
            Topic::LicenseEvent if self.is_about_address() => &[Step::TrackAddress],
            Topic::LicenseEvent => &[Step::Track],
            Topic::Assignment if wants_mail => &[Step::Link, Step::Mail],
            Topic::Assignment => &[Step::Link],
            Topic::Activation | Topic::AutoApplied if wants_mail => &[Step::Identify, Step::Mail],
            Topic::Activation | Topic::AutoApplied => &[Step::Identify],
            Topic::Reminder | Topic::RevocationCapMail | Topic::EnrollmentResultsMail => &[Step::Mail],
            Topic::UtilizationThresholds | Topic::InitialUtilization => &[Step::Thresholds],
            Topic::EndEnrollments => &[Step::EndEnrollments],
            Topic::BulkEnrollment => &[Step::Enroll],
            Topic::EnrollmentResultsFile => &[Step::File],
            Topic::Unknown => &[Step::Unknown],
        }
    }

    /// The customer of an event. Other payloads do not name theirs.
    pub fn customer(&self) -> Option<CustomerId> {
        match self {
            Self::LicenseEvent(event) => Some(event.properties.enterprise_customer_uuid),
            _ => None,
        }
    }

    /// The full name of the event that it tells of.
    pub fn event(&self) -> Option<&str> {
        match self {
            Self::LicenseEvent(event) => Some(&event.event),
            _ => None,
        }
    }

    /// Whether it is an event about somebody whose account is not known.
    fn is_about_address(&self) -> bool {
        matches!(self, Self::LicenseEvent(event) if event.properties.assigned_lms_user_id.is_none())
    }
}

/// Something that happened to a license.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LicenseEvent {
    /// The full name of the event.
    pub event: Cow<'static, str>,
    /// What is told of it.
    pub properties: EventProperties,
}

/// What an event tells of a license. What is absent is an empty text; moments are texts in whole seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // RULES.md lists them
pub struct EventProperties {
    #[serde(with = "or_empty")]
    pub license_uuid: Option<LicenseId>,
    #[serde(with = "or_empty")]
    pub license_activation_key: Option<ActivationKey>,
    #[serde(with = "or_empty")]
    pub previous_license_uuid: Option<LicenseId>,
    pub assigned_date: String,
    pub activation_date: String,
    #[serde(with = "or_empty")]
    pub assigned_lms_user_id: Option<LmsUserId>,
    pub assigned_email: String,
    pub expiration_processed: bool,
    #[serde(with = "or_empty")]
    pub auto_applied: Option<bool>,
    pub enterprise_customer_uuid: CustomerId,
    pub customer_agreement_uuid: AgreementId,
    pub enterprise_customer_slug: String,
    pub enterprise_customer_name: String,
    /// Only of renewed licenses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_auto_renewed: Option<bool>,
}

impl EventProperties {
    /// Whom the event concerns.
    pub(crate) fn email(&self) -> Option<Email> {
        (!self.assigned_email.is_empty()).then(|| Email::from_storage(self.assigned_email.clone()))
    }

    /// The properties by name.
    pub(crate) fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        }
    }
}

/// A license that waits to be activated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invitation {
    /// The learner.
    pub email: Email,
    /// What activates the license.
    pub activation_key: ActivationKey,
    /// Whether the learner is mailed; they are where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<bool>,
    /// Words before the mail's own.
    pub greeting: String,
    /// Words after the mail's own.
    pub closing: String,
}

/// A license that is in use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// The learner.
    pub email: Email,
    /// Their account, where it is known.
    pub lms_user_id: Option<LmsUserId>,
    /// Whether the learner is mailed; they are where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<bool>,
}

/// Nothing: everything is read from the plan at delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// Enrollments that a license paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedEnrollments {
    /// The learner.
    pub lms_user_id: LmsUserId,
}

/// A plan whose revocation cap is used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationCapReached {
    /// The plan's title.
    pub plan_title: String,
    /// How many licenses were revoked.
    pub num_revocations_applied: i32,
    /// The customer's name, or an empty text.
    pub enterprise_customer_name: String,
    /// When the cap was used up, in whole seconds.
    pub date: String,
}

/// A bulk enrollment; what is to be done is in the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollmentReference {
    /// The job.
    pub job_uuid: EnrollmentJobId,
}

/// The results of a bulk enrollment, in numbers of enrollments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollmentResults {
    /// The job.
    pub job_uuid: EnrollmentJobId,
    /// Who asked for it.
    pub lms_user_id: LmsUserId,
    /// Enrollments that succeeded.
    pub successes: i64,
    /// Enrollments that happen once the learner has an account.
    pub pending: i64,
    /// Enrollments that failed.
    pub failures: i64,
}

/// Values of which an empty text says that there is none.
mod or_empty {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str(""),
        }
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OrEmpty<T> {
            Value(T),
            Text(String),
        }

        match OrEmpty::deserialize(deserializer)? {
            OrEmpty::Value(value) => Ok(Some(value)),
            OrEmpty::Text(text) if text.is_empty() => Ok(None),
            OrEmpty::Text(_) => Err(D::Error::custom("neither a value nor an empty text")),
        }
    }
}
