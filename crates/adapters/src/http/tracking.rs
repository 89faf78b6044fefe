//! Decides which service receives an event.

use std::sync::Arc;

use async_trait::async_trait;
use license_manager_domain::ports::{EventTracking, TrackedEvent, Undelivered};
use serde_json::Value;

use super::braze::Braze;
use super::segment::Segment;
/// Sends the events of people with an LMS account to Segment and those of others to Braze. Events without a configured
/// service are logged.
#[derive(Debug, Clone, Default)]
pub struct Tracking {
    segment: Option<Segment>,
    braze: Option<Arc<Braze>>,
}

impl Tracking {
    /// Uses the services that are configured.
    pub fn new(segment: Option<Segment>, braze: Option<Arc<Braze>>) -> Self {
        Self { segment, braze }
    }
}

#[async_trait]
impl EventTracking for Tracking {
    async fn track(&self, events: &[TrackedEvent]) -> Result<(), Undelivered> {
        let (mut of_accounts, mut of_addresses) = (Vec::new(), Vec::new());
        for event in events {
            match (event.lms_user_id, &event.email) {
                (Some(person), _) if self.segment.is_some() => of_accounts.push((person, event)),
                (None, Some(person)) if self.braze.is_some() => of_addresses.push((person, event)),
                _ => write_to_log(event),
            }
        }
        if let Some(segment) = self.segment.as_ref().filter(|_| !of_accounts.is_empty()) {
            segment.track(&of_accounts).await?;
        }
        if let Some(braze) = self.braze.as_ref().filter(|_| !of_addresses.is_empty()) {
            braze.track(&of_addresses).await?;
        }
        Ok(())
    }
}

/// Logs an event, without the person and without secrets that open their license.
fn write_to_log(event: &TrackedEvent) {
    let text = |name: &str| event.properties.get(name).and_then(Value::as_str).unwrap_or_default();
    tracing::info!(
        event = event.name,
        license = text("license_uuid"),
        customer = text("enterprise_customer_uuid"),
        at = %event.at,
        "an event was not sent: no service for it is configured"
    );
}
