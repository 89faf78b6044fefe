//! Segment, which collects the events of people with an account.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use license_manager_domain::LmsUserId;
use license_manager_domain::ports::{Clock, TrackedEvent, Undelivered};
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::service::{Call, Credential, Failure, Service};

const BATCH: &str = "/v1/batch";

/// The library that events name. Warehouses keep it in a column, by which existing queries may choose events, so it is
/// the one that the platform's services have always named.
const LIBRARY: (&str, &str) = ("analytics-python", "1.4.post1");

/// A client of Segment's HTTP tracking API. Segment drops duplicates by the message's id.
#[derive(Clone)]
pub struct Segment {
    service: Service,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Segment").field(&self.service).finish()
    }
}

#[derive(Deserialize)]
struct Accepted {
    success: bool,
}

impl Segment {
    /// Segment at `base`, a URL without a trailing slash, for the source with this write key.
    pub fn new(base: impl Into<String>, write_key: String, client: Client, clock: Arc<dyn Clock>) -> Self {
        Self { service: Service::new("segment", base.into(), client, Credential::User(write_key)), clock }
    }

    /// Sends events in one call, each with the account it is about.
    pub(super) async fn track(&self, events: &[(LmsUserId, &TrackedEvent)]) -> Result<(), Undelivered> {
        let batch: Vec<_> = events
            .iter()
            .map(|(person, event)| {
                json!({
                    "type": "track",
                    "anonymousId": null,
                    "context": { "library": { "name": LIBRARY.0, "version": LIBRARY.1 } },
                    "integrations": {},
                    "messageId": event.id,
                    "userId": person.to_string(),
                    "event": event.name,
                    "properties": event.properties,
                    "timestamp": moment(event.at),
                })
            })
            .collect();
        let outcome = match self
            .service
            .json(Call::post(BATCH, &json!({ "batch": batch, "sentAt": moment(self.clock.now()) })))
            .await
        {
            Ok(Accepted { success: true }) => Ok(()),
            Ok(Accepted { success: false }) => {
                Err(self.service.logged(BATCH, Failure::unusable("answered that it failed")))
            }
            Err(failure) => Err(failure),
        };
        outcome.map_err(|failure| failure.undelivered(self.clock.now()))
    }
}

/// A time in the form of the platform's other events: `2030-01-31T12:00:00.000000+00:00`.
fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, false)
}
