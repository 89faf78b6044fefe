use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::repositories::part;
use super::{MemoryUnit, Tables};
use crate::error::Error;
use crate::model::ids::{LicenseId, WebhookId};
use crate::outbox::{Message, Topic};
use crate::ports::{LimitOffset, WebhookDeliveryFilter, WebhookDeliveryRepository, WebhookReplay, WebhookRepository};
use crate::webhooks::{
    Webhook, WebhookBacklog, WebhookClaim, WebhookDelivery, WebhookParcel, WebhookStanding, WebhookState,
};

/// One event for one endpoint.
#[derive(Debug, Clone)]
pub(super) struct Told {
    webhook: WebhookId,
    event_type: String,
    pub(super) license: Option<LicenseId>,
    pub(super) parcel: WebhookParcel,
    state: WebhookState,
    not_before: DateTime<Utc>,
    claimed_by: Option<Uuid>,
    last_status: Option<i16>,
    last_error: Option<String>,
    delivered_at: Option<DateTime<Utc>>,
}

impl Told {
    fn is_held(&self, claim: Uuid, webhook: WebhookId) -> bool {
        self.claimed_by == Some(claim) && self.webhook == webhook
    }

    fn is_claimed(&self, now: DateTime<Utc>) -> bool {
        self.claimed_by.is_some() && self.not_before > now
    }

    fn matches(&self, filter: &WebhookDeliveryFilter) -> bool {
        self.webhook == filter.webhook
            && filter.state.is_none_or(|state| state == self.state)
            && filter.id.is_none_or(|id| id == self.parcel.id)
    }

    fn shown(&self) -> WebhookDelivery {
        WebhookDelivery {
            id: self.parcel.id,
            event_type: self.event_type.clone(),
            state: self.state,
            attempts: self.parcel.attempts,
            not_before: self.not_before,
            last_status: self.last_status,
            last_error: self.last_error.clone(),
            created: self.parcel.created,
            delivered_at: self.delivered_at,
        }
    }
}

impl Tables {
    /// Promises events to the endpoints that want them.
    pub(super) fn tell_webhooks(&mut self, messages: &[Message]) -> Result<(), Error> {
        if self.webhooks.is_empty() {
            return Ok(());
        }
        for message in messages.iter().filter(|message| message.topic == Topic::LicenseEvent) {
            let payload: Value = serde_json::from_str(&message.payload).map_err(Error::internal)?;
            let Some(event_type) = payload["event"].as_str() else { continue };
            for (webhook, _) in self.webhooks.values().filter(|(own, _)| own.wants(event_type, message.customer)) {
                self.webhook_deliveries.push(Told {
                    webhook: webhook.id,
                    event_type: event_type.to_owned(),
                    license: message.license,
                    parcel: WebhookParcel {
                        id: message.id,
                        payload: message.payload.clone(),
                        attempts: 0,
                        due_since: message.created,
                        created: message.created,
                        trace_parent: None,
                    },
                    state: WebhookState::Waiting,
                    not_before: message.created,
                    claimed_by: None,
                    last_status: None,
                    last_error: None,
                    delivered_at: None,
                });
            }
        }
        Ok(())
    }

    /// The places of the deliveries that may be claimed, the one due longest first.
    fn claimable(&self, webhook: WebhookId, now: DateTime<Utc>) -> Vec<usize> {
        let asked =
            |(own, rest): &(Webhook, Option<DateTime<Utc>>)| own.is_active && rest.is_none_or(|rest| rest <= now);
        if !self.webhooks.get(&webhook).is_some_and(asked) {
            return Vec::new();
        }
        let all = &self.webhook_deliveries;
        let waits = |told: &Told| told.webhook == webhook && told.state == WebhookState::Waiting;
        let in_turn = |place: usize| {
            let license = all[place].license;
            license.is_none() || !all[..place].iter().any(|earlier| waits(earlier) && earlier.license == license)
        };
        let mut places: Vec<usize> = (0..all.len())
            .filter(|&place| waits(&all[place]) && all[place].not_before <= now && in_turn(place))
            .collect();
        places.sort_by_key(|&place| (all[place].not_before, place));
        places
    }
}

impl WebhookRepository for MemoryUnit<'_> {
    fn add(&mut self, webhook: &Webhook) -> Result<(), Error> {
        self.written()?.webhooks.insert(webhook.id, (webhook.clone(), None));
        Ok(())
    }

    fn save(&mut self, webhook: &Webhook) -> Result<(), Error> {
        let known = self.written()?.webhooks.get_mut(&webhook.id);
        *known.ok_or_else(|| Error::internal("there is no such webhook"))? = (webhook.clone(), None);
        Ok(())
    }

    fn find(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        Ok(self.tables.webhooks.get(&id).map(|(webhook, _)| webhook.clone()))
    }

    fn lock(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        Ok(self.written()?.webhooks.get(&id).map(|(webhook, _)| webhook.clone()))
    }

    fn list(&mut self, limit_offset: LimitOffset) -> Result<Vec<Webhook>, Error> {
        let mut webhooks: Vec<Webhook> = self.tables.webhooks.values().map(|(webhook, _)| webhook.clone()).collect();
        webhooks.sort_by_key(|webhook| (webhook.created, webhook.id));
        Ok(part(webhooks, limit_offset))
    }

    fn count(&mut self) -> Result<i64, Error> {
        Ok(self.tables.webhooks.len() as i64)
    }

    fn remove(&mut self, id: WebhookId) -> Result<bool, Error> {
        let tables = self.written()?;
        tables.webhook_deliveries.retain(|told| told.webhook != id);
        Ok(tables.webhooks.remove(&id).is_some())
    }
}

impl WebhookDeliveryRepository for MemoryUnit<'_> {
    fn due(&mut self, now: DateTime<Utc>) -> Result<Vec<WebhookId>, Error> {
        let tables = &self.tables;
        let first = |webhook: WebhookId| {
            let place = *tables.claimable(webhook, now).first()?;
            Some((tables.webhook_deliveries[place].not_before, webhook))
        };
        let mut due: Vec<_> = tables.webhooks.keys().filter_map(|&webhook| first(webhook)).collect();
        due.sort_unstable();
        Ok(due.into_iter().map(|(_, webhook)| webhook).collect())
    }

    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<WebhookBacklog, Error> {
        let tables = &self.tables;
        let number = |state: WebhookState| {
            let all = tables.webhook_deliveries.iter().filter(|told| told.state == state);
            (all.count() as i64).min(limit)
        };
        let due = tables.webhooks.keys().filter_map(|&webhook| tables.claimable(webhook, now).first().copied());
        Ok(WebhookBacklog {
            waiting: number(WebhookState::Waiting),
            parked: number(WebhookState::Parked),
            due_since: due.map(|place| tables.webhook_deliveries[place].not_before).min(),
        })
    }

    fn claim(&mut self, claim: &WebhookClaim) -> Result<Vec<WebhookParcel>, Error> {
        let tables = self.written()?;
        let places = tables.claimable(claim.webhook, claim.now).into_iter().take(claim.limit);
        let claimed = places.map(|place| {
            let told = &mut tables.webhook_deliveries[place];
            told.claimed_by = Some(claim.id);
            told.not_before = claim.until;
            told.parcel.clone()
        });
        Ok(claimed.collect())
    }

    fn extend(&mut self, claim: Uuid, webhook: WebhookId, until: DateTime<Utc>) -> Result<(), Error> {
        let all = self.written()?.webhook_deliveries.iter_mut();
        all.filter(|told| told.is_held(claim, webhook)).for_each(|told| told.not_before = until);
        Ok(())
    }

    fn settle(
        &mut self,
        claim: Uuid,
        webhook: WebhookId,
        standing: &[WebhookStanding],
        rest_until: Option<DateTime<Utc>>,
    ) -> Result<(), Error> {
        let tables = self.written()?;
        if let (Some(until), Some((_, rest))) = (rest_until, tables.webhooks.get_mut(&webhook)) {
            *rest = Some(until);
        }
        for told in tables.webhook_deliveries.iter_mut().filter(|told| told.is_held(claim, webhook)) {
            let Some(stand) = standing.iter().find(|stand| stand.id == told.parcel.id) else { continue };
            told.state = stand.state;
            told.parcel.attempts = stand.attempts;
            told.not_before = stand.not_before;
            told.last_status = stand.last_status;
            told.last_error.clone_from(&stand.last_error);
            told.delivered_at = stand.delivered_at;
            told.claimed_by = None;
        }
        Ok(())
    }

    fn list(
        &mut self,
        filter: &WebhookDeliveryFilter,
        limit_offset: LimitOffset,
    ) -> Result<Vec<WebhookDelivery>, Error> {
        let mut found: Vec<_> =
            self.tables.webhook_deliveries.iter().enumerate().filter(|(_, told)| told.matches(filter)).collect();
        found.sort_by_key(|(place, _)| Reverse(*place));
        Ok(part(found.into_iter().map(|(_, told)| told.shown()).collect(), limit_offset))
    }

    fn count(&mut self, filter: &WebhookDeliveryFilter) -> Result<i64, Error> {
        Ok(self.tables.webhook_deliveries.iter().filter(|told| told.matches(filter)).count() as i64)
    }

    fn replay(&mut self, replay: &WebhookReplay, now: DateTime<Utc>) -> Result<usize, Error> {
        let filter = WebhookDeliveryFilter { webhook: replay.webhook, state: replay.state, id: replay.id };
        let meant = |told: &&mut Told| {
            told.matches(&filter)
                && replay.since.is_none_or(|since| told.parcel.created >= since)
                && !told.is_claimed(now)
        };
        let mut number = 0;
        for told in self.written()?.webhook_deliveries.iter_mut().filter(meant) {
            told.state = WebhookState::Waiting;
            told.parcel.attempts = 0;
            told.parcel.due_since = now;
            told.not_before = now;
            told.claimed_by = None;
            told.delivered_at = None;
            number += 1;
        }
        Ok(number)
    }

    fn remove_old(&mut self, delivered: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        let Tables { webhooks, webhook_deliveries: all, .. } = self.written()?;
        let mut left = usize::try_from(limit).unwrap_or(0);
        let before = all.len();
        all.retain(|told| {
            let old = told.delivered_at.is_some_and(|at| at <= delivered) || !webhooks.contains_key(&told.webhook);
            let goes = old && left > 0;
            left -= usize::from(goes);
            !goes
        });
        Ok(before - all.len())
    }
}
