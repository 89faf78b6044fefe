//! The sections on mail, the worker and webhooks.

use license_manager_domain::Email;
use serde::{Deserialize, Serialize};

use super::read::{optional_email, whole_number};

/// `[mail]`: recipients other than learners and admins.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// The address notified when a plan's revocation cap is used up; `None`: nobody.
    #[serde(deserialize_with = "optional_email")]
    pub customer_success_email: Option<Email>,
}

/// `[worker]`: the delivery of messages. `license-manager worker` delivers whatever `enabled` says.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// Whether the server also delivers messages.
    pub enabled: bool,
    /// Batches delivered at the same time per queue, from 1 to 64.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 64>")]
    pub concurrency: usize,
    /// Seconds before the first retry, from 0 to an hour. Each further pause doubles, up to ten times the first. After
    /// five attempts a message is dead-lettered.
    #[serde(deserialize_with = "whole_number::<_, _, 0, 3_600>")]
    pub retry_base_seconds: u32,
    /// Seconds until another worker may take over a worker's messages, from 1 to an hour. A running worker renews its
    /// lease.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 3_600>")]
    pub lease_seconds: u32,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self { enabled: true, concurrency: 2, retry_base_seconds: 60, lease_seconds: 120 }
    }
}

/// `[webhooks]`: the endpoints that provisioning admins register.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhooksConfig {
    /// Whether endpoints may have private addresses and use http. Then whoever registers endpoints can reach other
    /// services that trust this one.
    pub allow_private_addresses: bool,
}
