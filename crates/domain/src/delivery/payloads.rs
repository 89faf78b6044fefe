//! The payloads of messages, read back: those that `outbox.rs` writes from what it borrows, in a form that owns it.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::model::email::Email;
use crate::model::ids::{ActivationKey, LmsUserId};
use crate::outbox::Message;
pub(super) use crate::outbox::{PromisedEnrollment, RevokedEnrollments};

/// What is wrong with a payload that cannot be read. The cause is not told: it may quote an address.
pub(super) const UNREADABLE: &str = "its payload cannot be read";

pub(super) fn read<T: DeserializeOwned>(message: &Message) -> Option<T> {
    serde_json::from_str(&message.payload).ok()
}

/// Of an assignment and of a reminder.
#[derive(Deserialize)]
pub(super) struct Invitation {
    pub(super) email: Email,
    pub(super) activation_key: ActivationKey,
    pub(super) greeting: String,
    pub(super) closing: String,
}

/// Of an activation and of an automatic one.
#[derive(Deserialize)]
pub(super) struct Welcome {
    pub(super) email: Email,
    pub(super) lms_user_id: Option<LmsUserId>,
}

#[derive(Deserialize)]
pub(super) struct RevocationCapReached {
    pub(super) plan_title: String,
    pub(super) num_revocations_applied: i32,
    pub(super) enterprise_customer_name: String,
    pub(super) date: String,
}

#[derive(Deserialize)]
pub(super) struct LicenseEvent {
    pub(super) event: String,
    pub(super) properties: Map<String, Value>,
}

impl LicenseEvent {
    pub(super) fn email(&self) -> Option<Email> {
        let address = self.properties.get("assigned_email")?.as_str()?;
        (!address.is_empty()).then(|| Email::from_storage(address.to_owned()))
    }

    pub(super) fn lms_user_id(&self) -> Option<LmsUserId> {
        self.properties.get("assigned_lms_user_id")?.as_i64().map(LmsUserId)
    }
}
