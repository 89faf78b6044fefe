//! The sections about how what is owed to the outside is delivered.

use license_manager_domain::Email;
use serde::{Deserialize, Serialize};

use super::read::{optional_email, whole_number};

/// `[mail]`: who is mailed that is no learner and no admin.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// The address that is told when a plan's revocation cap is used up; `None`: nobody is.
    #[serde(deserialize_with = "optional_email")]
    pub customer_success_email: Option<Email>,
}

/// `[worker]`: how what is owed to the outside is delivered. `license-manager worker` does it alone, whatever `enabled` says.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// Whether the server delivers beside answering requests.
    pub enabled: bool,
    /// Batches delivered at once to each kind of upstream, from 1 to 64.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 64>")]
    pub concurrency: usize,
    /// Seconds until what failed is tried again, from 0 to an hour. Each further pause is twice the one before, up to ten times
    /// the first; after five tries a message is parked.
    #[serde(deserialize_with = "whole_number::<_, _, 0, 3_600>")]
    pub retry_base_seconds: u32,
    /// Seconds after which messages of a worker that died are delivered by another one, from 1 to an hour. A worker that lives
    /// prolongs its claim.
    #[serde(deserialize_with = "whole_number::<_, _, 1, 3_600>")]
    pub lease_seconds: u32,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self { enabled: true, concurrency: 2, retry_base_seconds: 60, lease_seconds: 120 }
    }
}

/// `[webhooks]`: endpoints that events are told to; provisioning admins register them.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhooksConfig {
    /// Whether endpoints may be inside this machine or its networks, and be reached by http. Whoever registers endpoints could
    /// then have this service talk to others that trust it.
    pub allow_private_addresses: bool,
}
