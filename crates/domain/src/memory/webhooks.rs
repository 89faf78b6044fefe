use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::queue::QueuedWork;
use super::{MemoryUnit, part, replace, size};
use crate::error::Error;
use crate::model::ids::{MessageId, WebhookId};
use crate::outbox::Payload;
use crate::ports::{LimitOffset, WebhookDeliveryFilter, WebhookDeliveryRepository, WebhookReplay, WebhookRepository};
use crate::queue::{Backlog, Queue};
use crate::webhooks::{Webhook, WebhookBacklog, WebhookDelivery, WebhookState};

impl QueuedWork {
    fn state(&self) -> WebhookState {
        match (self.completed_at, self.dead_lettered_at) {
            (Some(_), _) => WebhookState::Delivered,
            (None, Some(_)) => WebhookState::DeadLettered,
            (None, None) => WebhookState::Waiting,
        }
    }

    fn waits_for(&self, webhook: WebhookId) -> bool {
        self.queue == Queue::Webhook(webhook) && self.is_waiting()
    }

    fn matches(&self, filter: &WebhookDeliveryFilter) -> bool {
        self.queue == Queue::Webhook(filter.webhook)
            && filter.state.is_none_or(|state| state == self.state())
            && filter.id.is_none_or(|id| id.0 == self.id)
    }

    fn delivery(&self) -> Option<WebhookDelivery> {
        let message = self.message()?;
        let Payload::LicenseEvent(event) = &message.payload else { return None };
        Some(WebhookDelivery {
            id: MessageId(self.id),
            event_type: event.event.to_string(),
            state: self.state(),
            attempts: self.attempts,
            not_before: self.not_before,
            last_status: self.last_status,
            last_error: self.last_error.clone(),
            created: message.created,
            delivered_at: self.completed_at,
        })
    }
}

impl WebhookRepository for MemoryUnit<'_> {
    fn add(&mut self, webhook: &Webhook) -> Result<(), Error> {
        self.written()?.webhooks.insert(webhook.id, (webhook.clone(), None));
        Ok(())
    }

    fn save(&mut self, webhook: &Webhook) -> Result<(), Error> {
        replace(&mut self.written()?.webhooks, &webhook.id, &(webhook.clone(), None), "webhook")
    }

    fn find(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        Ok(self.tables.webhooks.get(&id).map(|(webhook, _)| webhook.clone()))
    }

    fn lock(&mut self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        Ok(self.written()?.webhooks.get(&id).map(|(webhook, _)| webhook.clone()))
    }

    fn pause_until(&mut self, id: WebhookId, until: DateTime<Utc>) -> Result<(), Error> {
        if let Some((_, pause_until)) = self.written()?.webhooks.get_mut(&id) {
            *pause_until = Some(until);
        }
        Ok(())
    }

    fn list(&mut self, limits: LimitOffset) -> Result<Vec<Webhook>, Error> {
        let mut webhooks: Vec<Webhook> = self.tables.webhooks.values().map(|(webhook, _)| webhook.clone()).collect();
        webhooks.sort_by_key(|webhook| (webhook.created, webhook.id));
        Ok(part(webhooks, limits))
    }

    fn count(&mut self) -> Result<i64, Error> {
        Ok(self.tables.webhooks.len() as i64)
    }

    fn remove(&mut self, id: WebhookId) -> Result<bool, Error> {
        let tables = self.written()?;
        tables.queue.retain(|work| work.queue != Queue::Webhook(id));
        Ok(tables.webhooks.remove(&id).is_some())
    }
}

impl WebhookDeliveryRepository for MemoryUnit<'_> {
    fn backlog(&mut self, now: DateTime<Utc>, limit: i64) -> Result<WebhookBacklog, Error> {
        let webhooks = self.tables.webhooks.values().map(|(webhook, _)| webhook);
        let (active, off): (Vec<&Webhook>, Vec<&Webhook>) = webhooks.partition(|webhook| webhook.is_active);
        let backlog = |webhooks: &[&Webhook]| {
            let queues: Vec<Queue> = webhooks.iter().map(|webhook| Queue::Webhook(webhook.id)).collect();
            self.tables.backlog(&queues, now, limit)
        };
        let (of_active, of_off) = (backlog(&active), backlog(&off));
        let dead_lettered = (of_active.dead_lettered + of_off.dead_lettered).min(limit);
        Ok(WebhookBacklog {
            deliveries: Backlog { dead_lettered, ..of_active },
            kept: of_off.waiting,
            off: off.len() as i64,
            dropped: active.iter().chain(&off).map(|webhook| webhook.dropped).sum(),
        })
    }

    fn waiting(&mut self, webhooks: &[WebhookId], limit: i64) -> Result<HashMap<WebhookId, i64>, Error> {
        let waiting = |id: WebhookId| self.tables.queue.iter().filter(move |work| work.waits_for(id)).take(size(limit));
        Ok(webhooks.iter().map(|&id| (id, waiting(id).count() as i64)).collect())
    }

    fn drop_kept(&mut self, due: DateTime<Utc>, now: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        let tables = self.written()?;
        let (before, mut left) = (tables.queue.len(), size(limit));
        for (webhook, _) in tables.webhooks.values_mut().filter(|(webhook, _)| !webhook.is_active) {
            tables.queue.retain(|work| {
                let is_old = work.not_before <= due && !work.is_claimed(now);
                let goes = left > 0 && work.waits_for(webhook.id) && is_old;
                left -= usize::from(goes);
                webhook.dropped += i64::from(goes);
                !goes
            });
        }
        Ok(before - tables.queue.len())
    }

    fn list(&mut self, filter: &WebhookDeliveryFilter, limits: LimitOffset) -> Result<Vec<WebhookDelivery>, Error> {
        let found = self.tables.queue.iter().rev().filter(|work| work.matches(filter));
        Ok(part(found.filter_map(QueuedWork::delivery).collect(), limits))
    }

    fn count(&mut self, filter: &WebhookDeliveryFilter) -> Result<i64, Error> {
        Ok(self.tables.queue.iter().filter(|work| work.matches(filter)).count() as i64)
    }

    fn replay(&mut self, replay: &WebhookReplay, now: DateTime<Utc>) -> Result<usize, Error> {
        let filter = WebhookDeliveryFilter { webhook: replay.webhook, state: replay.state, id: None };
        let is_meant = |work: &QueuedWork| {
            let id = work.message().map(|message| message.id);
            replay.ids.as_ref().is_none_or(|ids| id.is_some_and(|id| ids.contains(&id)))
        };
        let is_recent = |work: &QueuedWork| {
            replay.since.is_none_or(|since| work.message().is_some_and(|message| message.created >= since))
        };
        let queue = self.written()?.queue.iter_mut();
        let selected =
            queue.filter(|work| work.matches(&filter) && is_meant(work) && is_recent(work) && !work.is_claimed(now));
        Ok(selected.map(|work| work.revive(now)).count())
    }

    fn remove_old(&mut self, delivered: DateTime<Utc>, limit: i64) -> Result<usize, Error> {
        let tables = self.written()?;
        let known = tables.webhook_queues();
        let mut left = size(limit);
        let before = tables.queue.len();
        tables.queue.retain(|work| {
            let is_delivery = matches!(work.queue, Queue::Webhook(_));
            let old = work.completed_at.is_some_and(|at| at <= delivered) || !known.contains(&work.queue);
            let goes = is_delivery && old && left > 0;
            left -= usize::from(goes);
            !goes
        });
        Ok(before - tables.queue.len())
    }
}
