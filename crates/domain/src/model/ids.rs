//! Ids as distinct types, so that a plan's id cannot be used as a license's.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    };
}

macro_rules! integer_id {
    ($(#[$doc:meta])* $name:ident, $integer:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $integer);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id!(
    /// A license: one seat of a plan.
    LicenseId
);
uuid_id!(
    /// A subscription plan.
    PlanId
);
uuid_id!(
    /// A customer agreement.
    AgreementId
);
uuid_id!(
    /// An enterprise customer of the LMS.
    CustomerId
);
uuid_id!(
    /// A catalog of the catalog service.
    CatalogId
);
uuid_id!(
    /// The secret in an activation link. It and the email address of the license allow activating the license.
    ActivationKey
);
uuid_id!(
    /// A message of the outbox. The id is the same for every attempt to deliver the message, so that receivers can drop
    /// duplicates.
    MessageId
);

uuid_id!(
    /// The greeting and closing of an admin in mails.
    MailWordsId
);

uuid_id!(
    /// A bulk enrollment.
    EnrollmentJobId
);

uuid_id!(
    /// A webhook endpoint.
    WebhookId
);

integer_id!(
    /// A person in the LMS.
    LmsUserId,
    i64
);
impl LmsUserId {
    /// The id, unless it is below 1: such an id belongs to no person.
    pub fn known(id: i64) -> Option<Self> {
        Some(Self(id)).filter(Self::is_known)
    }

    /// Whether it belongs to a person. The database may have old ids that do not.
    pub fn is_known(&self) -> bool {
        self.0 > 0
    }
}

integer_id!(
    /// A product.
    ProductId,
    i32
);
integer_id!(
    /// A plan type.
    PlanTypeId,
    i32
);
integer_id!(
    /// A user's role in the database.
    RoleAssignmentId,
    i64
);
integer_id!(
    /// A sent notification.
    NotificationId,
    i64
);
integer_id!(
    /// A license event.
    LicenseEventId,
    i64
);
integer_id!(
    /// A renewal of a subscription plan.
    RenewalId,
    i64
);
integer_id!(
    /// A license transfer job.
    TransferJobId,
    i64
);
