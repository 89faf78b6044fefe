//! The payloads of messages.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::event_name::EventName;
use super::topic::Topic;
use crate::model::email::Email;
use crate::model::ids::{
    ActivationKey, AgreementId, CatalogId, CustomerId, EnrollmentJobId, LicenseId, LmsUserId, MailWordsId,
};
use crate::queue::Step;

/// Defines [`Payload`] and the names of [`Topic`] from the payload type and the stored name of each topic.
macro_rules! payloads {
    ($($topic:ident($payload:ty) => $name:literal),+ $(,)?) => {
        /// The payload of a message, by its topic. [`Topic`] shows each as JSON.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Payload {
            $(#[doc = concat!("Of [`Topic::", stringify!($topic), "`].")] $topic($payload),)+
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
                let read = match topic {
                    $(Topic::$topic => serde_json::from_str(&text).ok().map(Self::$topic),)+
                    Topic::Unknown => None,
                };
                read.unwrap_or(Self::Unreadable { topic, text })
            }

            /// The topic.
            pub fn topic(&self) -> Topic {
                match self {
                    $(Self::$topic(_) => Topic::$topic,)+
                    Self::Unreadable { topic, .. } => *topic,
                }
            }
        }

        impl Topic {
            /// All topics but [`Topic::Unknown`].
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$topic),+];

            /// Its name in storage and metrics.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$topic => $name,)+
                    Self::Unknown => "unknown",
                }
            }
        }
    };
}

payloads! {
    LicenseEvent(Box<LicenseEvent>) => "license_event",
    Assignment(Invitation) => "assignment",
    Reminder(Invitation) => "reminder",
    Activation(Welcome) => "activation",
    AutoApplied(Welcome) => "auto_applied",
    UtilizationThresholds(Empty) => "utilization_thresholds",
    InitialUtilization(Empty) => "initial_utilization",
    EndEnrollments(RevokedEnrollments) => "end_enrollments",
    RevocationCapMail(RevocationCapReached) => "revocation_cap_mail",
    BulkEnrollment(EnrollmentReference) => "bulk_enrollment",
    EnrollmentResultsMail(EnrollmentResults) => "enrollment_results_mail",
    EnrollmentResultsFile(EnrollmentReference) => "enrollment_results_file",
    Custom(CustomMessage) => "custom",
}

impl Payload {
    /// The payload as it is stored, without [`Payload::words`]: JSON, or the text that could not be read.
    pub fn to_text(&self) -> String {
        match self {
            Self::Unreadable { text, .. } => text.clone(),
            // Structs of texts and numbers always have a JSON form.
            payload => serde_json::to_string(payload).unwrap_or_default(),
        }
    }

    /// The steps of the message, in order. Storage keeps only how many are left. A new step of a topic must therefore
    /// come before its other steps, and messages that wait already skip it.
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
            Topic::Custom => &[Step::Custom],
            Topic::Unknown => &[Step::Unknown],
        }
    }

    /// The words that storage keeps apart from the payload.
    pub fn words(&self) -> Option<&Arc<MailWords>> {
        match self {
            Self::Assignment(invitation) | Self::Reminder(invitation) => {
                invitation.words.as_ref().filter(|words| !words.id.0.is_nil())
            }
            _ => None,
        }
    }

    /// The same payload with its words, which storage has kept apart.
    pub fn with_words(mut self, words: Arc<MailWords>) -> Self {
        if let Self::Assignment(invitation) | Self::Reminder(invitation) = &mut self {
            invitation.words = Some(words);
        }
        self
    }

    /// The customer of an event. Other payloads do not name theirs.
    pub fn customer(&self) -> Option<CustomerId> {
        match self {
            Self::LicenseEvent(event) => Some(event.properties.enterprise_customer_uuid),
            _ => None,
        }
    }

    /// The full name of the event. Other payloads have none.
    pub fn event(&self) -> Option<&str> {
        match self {
            Self::LicenseEvent(event) => Some(&event.event),
            _ => None,
        }
    }

    /// Whether both are events that name one person, by email address or by LMS user id.
    #[cfg(feature = "memory")]
    pub(crate) fn names_person_of(&self, other: &Self) -> bool {
        let (Self::LicenseEvent(own), Self::LicenseEvent(other)) = (self, other) else { return false };
        let (own, other) = (&own.properties, &other.properties);
        let same_email = !own.assigned_email.is_empty() && own.assigned_email == other.assigned_email;
        let same_account = own.assigned_lms_user_id.is_some() && own.assigned_lms_user_id == other.assigned_lms_user_id;
        same_email || same_account
    }

    /// Whether it is an event of a learner whose account is unknown.
    fn is_about_address(&self) -> bool {
        matches!(self, Self::LicenseEvent(event) if event.properties.lms_user_id().is_none())
    }
}

/// An event of a license.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LicenseEvent {
    /// The full name of the event.
    pub event: Cow<'static, str>,
    /// The properties of the event.
    pub properties: EventProperties,
}

/// The properties of an event. A value that is absent is an empty text, a name that is unknown is null; times are texts
/// in whole seconds.
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
    #[serde(deserialize_with = "false_if_empty")]
    pub auto_applied: bool,
    pub enterprise_customer_uuid: CustomerId,
    pub customer_agreement_uuid: AgreementId,
    pub enterprise_customer_slug: Option<String>,
    pub enterprise_customer_name: Option<String>,
    /// Only of renewed licenses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_auto_renewed: Option<bool>,
}

impl EventProperties {
    /// The email address of the learner.
    pub(crate) fn email(&self) -> Option<Email> {
        (!self.assigned_email.is_empty()).then(|| Email::from_storage(self.assigned_email.clone()))
    }

    /// The LMS user id of the learner.
    pub(crate) fn lms_user_id(&self) -> Option<LmsUserId> {
        self.assigned_lms_user_id.filter(LmsUserId::is_known)
    }

    /// The properties by name.
    pub(crate) fn to_map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        }
    }
}

impl LicenseEvent {
    /// The properties for event tracking. An event of a long activated license has the learner's address alone.
    pub(crate) fn tracked_properties(&self) -> Map<String, Value> {
        if self.event == EventName::Activated180DaysAgo.as_str() {
            return Map::from_iter([("user_email".to_owned(), self.properties.assigned_email.clone().into())]);
        }
        self.properties.to_map()
    }
}

/// The words of an admin, in all mails of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailWords {
    /// Their id; nil for words that an earlier version stored within the payload.
    pub id: MailWordsId,
    /// The text before the mail's own text.
    pub greeting: String,
    /// The text after the mail's own text.
    pub closing: String,
}

/// A learner who is asked to activate a license.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredInvitation", into = "StoredInvitation")]
pub struct Invitation {
    /// The learner.
    pub email: Email,
    /// The secret in the activation link.
    pub activation_key: ActivationKey,
    /// Whether a mail is sent. `None` means yes.
    pub mail: Option<bool>,
    /// The words of the admin, if any. Messages of one request share them, and storage keeps them apart from the
    /// payload.
    pub words: Option<Arc<MailWords>>,
    /// The license as an event describes it, for the learner's profile. Only some earlier versions wrote it: delivery
    /// reads it from the license.
    pub properties: Option<Box<EventProperties>>,
}

/// An invitation as it is stored. Words are within it only if an earlier version wrote it. Without words both texts are
/// empty; they are absent if the words are stored apart, so that an earlier version does not send a mail without them.
#[derive(Serialize, Deserialize)]
struct StoredInvitation {
    email: Email,
    activation_key: ActivationKey,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mail: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    greeting: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closing: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    properties: Option<Box<EventProperties>>,
}

impl From<StoredInvitation> for Invitation {
    fn from(stored: StoredInvitation) -> Self {
        let StoredInvitation { email, activation_key, mail, greeting, closing, properties } = stored;
        let (greeting, closing) = (greeting.unwrap_or_default(), closing.unwrap_or_default());
        let has_words = !greeting.is_empty() || !closing.is_empty();
        let words = has_words.then(|| Arc::new(MailWords { id: MailWordsId(Uuid::nil()), greeting, closing }));
        Self { email, activation_key, mail, words, properties }
    }
}

impl From<Invitation> for StoredInvitation {
    fn from(invitation: Invitation) -> Self {
        let Invitation { email, activation_key, mail, words, properties } = invitation;
        let text = |of: fn(&MailWords) -> &String| match &words {
            None => Some(String::new()),
            Some(words) => words.id.0.is_nil().then(|| of(words).clone()),
        };
        let (greeting, closing) = (text(|words| &words.greeting), text(|words| &words.closing));
        Self { email, activation_key, mail, greeting, closing, properties }
    }
}

impl Invitation {
    /// The text before the mail's own text.
    pub(crate) fn greeting(&self) -> &str {
        self.words.as_ref().map_or("", |words| &words.greeting)
    }

    /// The text after the mail's own text.
    pub(crate) fn closing(&self) -> &str {
        self.words.as_ref().map_or("", |words| &words.closing)
    }
}

/// A learner who activated a license.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// The learner.
    pub email: Email,
    /// The learner's account, if known.
    pub lms_user_id: Option<LmsUserId>,
    /// Whether a mail is sent. `None` means yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<bool>,
}

/// No content: delivery reads everything from the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// A learner whose licensed enrollments end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedEnrollments {
    /// The learner.
    pub lms_user_id: LmsUserId,
    /// The catalog that the license gave access to, in case the license is deleted. Older messages lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<CatalogId>,
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

/// A bulk enrollment, described by its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollmentReference {
    /// The job.
    pub job_uuid: EnrollmentJobId,
}

/// The results of a bulk enrollment, as numbers of enrollments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollmentResults {
    /// The job.
    pub job_uuid: EnrollmentJobId,
    /// The requester.
    pub lms_user_id: LmsUserId,
    /// Enrollments that succeeded.
    pub successes: i64,
    /// Enrollments that wait until the learner has an account.
    pub pending: i64,
    /// Enrollments that failed.
    pub failures: i64,
}

/// Reads a boolean for which earlier versions wrote an empty text if it was unknown.
fn false_if_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    or_empty::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Optional values that are written as an empty text if they are absent.
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

/// A message that the embedding program adds to the outbox, by [`crate::LicenseManager::add_message`], and delivers by its
/// own [`crate::ports::CustomDelivery`]. It is stored, leased, retried and dead-lettered like every other message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomMessage {
    /// What it is: a name that the program chooses.
    pub name: String,
    /// What the program needs to deliver it.
    pub body: Value,
}
