//! Identifiers as types of their own, so that a plan's id can never stand where a license's is meant.

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
    /// An enterprise customer, as the LMS knows it.
    CustomerId
);
uuid_id!(
    /// A catalog of courses, as the catalog service knows it.
    CatalogId
);
uuid_id!(
    /// The secret part of an activation link. Whoever holds it, and the email it was sent to, may activate the license.
    ActivationKey
);
uuid_id!(
    /// A message of the outbox. Stable over every attempt to deliver it, so that a receiver can refuse duplicates.
    MessageId
);

uuid_id!(
    /// A bulk enrollment.
    EnrollmentJobId
);

uuid_id!(
    /// An endpoint that events are told to.
    WebhookId
);

integer_id!(
    /// A person in the LMS.
    LmsUserId,
    i64
);
integer_id!(
    /// A product: what is sold.
    ProductId,
    i32
);
integer_id!(
    /// A plan type: what kind of sale a product is.
    PlanTypeId,
    i32
);
integer_id!(
    /// A role that the database gives a user.
    RoleAssignmentId,
    i64
);
integer_id!(
    /// A renewal of a subscription plan.
    RenewalId,
    i64
);
integer_id!(
    /// A job that moves licenses from one plan to another.
    TransferJobId,
    i64
);
