//! The sections on mail, the worker and webhooks.

use license_manager_domain::Email;

use super::read::{optional_email, whole_number};
use super::section::section;

section! {
    /// `[mail]`: recipients other than learners and admins.
    struct MailConfig;

    /// The address notified when a plan's revocation cap is used up; `None`: nobody.
    #[serde(deserialize_with = "optional_email")]
    customer_success_email: Option<Email>;
}

section! {
    /// `[worker]`: the delivery of messages. `license-manager worker` delivers whatever `enabled` says.
    struct WorkerConfig;

    /// Whether the server also delivers messages.
    enabled: bool = true;
    /// Batches delivered at the same time per queue, from 1 to 64.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 64>")]
    concurrency: usize = 2;
    /// Seconds before the first retry, from 0 to an hour. Each further pause doubles, up to ten times the first. After
    /// five attempts a message is dead-lettered.
    #[serde(deserialize_with = "whole_number::<_, _, 0, 3_600>")]
    retry_base_seconds: u32 = 60;
    /// Seconds until another worker may take over a worker's messages, from 1 to an hour. A running worker renews its
    /// lease.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 3_600>")]
    lease_seconds: u32 = 120;
}

section! {
    /// `[webhooks]`: the endpoints that provisioning admins register.
    struct WebhooksConfig;

    /// Whether endpoints may have private addresses and use http. Then whoever registers endpoints can reach other
    /// services that trust this one.
    allow_private_addresses: bool;
    /// Days for which events are kept for an endpoint that is off, from 1 to a year.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 365>")]
    retention_days: u32 = 30;
}
