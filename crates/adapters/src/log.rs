//! What would have gone out, written to the log where no service is configured for it. Who it concerns is left out.

use license_manager_domain::ports::TrackedEvent;
use serde_json::Value;

/// Writes that something happened to a license.
pub(crate) fn event(event: &TrackedEvent) {
    let text = |name: &str| event.properties.get(name).and_then(Value::as_str).unwrap_or_default();
    tracing::info!(
        event = event.name,
        license = text("license_uuid"),
        customer = text("enterprise_customer_uuid"),
        at = %event.at,
        "event: no service is configured that collects it"
    );
}
