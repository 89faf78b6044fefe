//! Webhooks: registration of endpoints, and their deliveries.

use chrono::{DateTime, Utc};

use super::manager::LicenseManager;
use super::page::Page;
use super::staff_actions::Done;
#[cfg(feature = "url")]
use crate::error::FieldErrors;
use crate::error::{Entity, Error};
use crate::history::Actor;
use crate::model::edit::Edit;
use crate::model::ids::{CustomerId, MessageId, WebhookId};
use crate::model::staff_action::StaffActionKind;
use crate::outbox::EventName;
use crate::ports::{LimitOffset, StoreExt, UnitOfWork, WebhookDeliveryFilter, WebhookReplay};
use crate::webhooks::{
    DELIVERED_KEPT, OffReason, WAITING_COUNTED, Webhook, WebhookBacklog, WebhookDelivery, WebhookOverview,
    WebhookSecret, WebhookState,
};

/// The most deliveries removed in one transaction.
const REMOVED_AT_ONCE: i64 = 1_000;

/// Changes of a webhook. `None` and [`Edit::Keep`] keep a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // each is the field of the same name in Webhook
pub struct WebhookChanges {
    pub url: Option<String>,
    pub secret: Option<WebhookSecret>,
    pub event_types: Option<Vec<EventName>>,
    pub customer: Edit<CustomerId>,
    pub is_active: Option<bool>,
}

impl WebhookChanges {
    fn apply(self, mut webhook: Webhook, now: DateTime<Utc>) -> Webhook {
        if let Some(secret) = self.secret {
            webhook = webhook.with_secret(secret, now);
        }
        if let Some(is_active) = self.is_active {
            webhook = webhook.switched((!is_active).then_some(OffReason::Requested), now);
        }
        set_fields! { webhook, self: url, event_types, customer }
        webhook.event_types.sort_unstable();
        webhook.event_types.dedup();
        webhook
    }
}

fn overviews(unit: &mut dyn UnitOfWork, webhooks: Vec<Webhook>) -> Result<Vec<WebhookOverview>, Error> {
    let ids: Vec<WebhookId> = webhooks.iter().map(|webhook| webhook.id).collect();
    let waiting = unit.webhook_deliveries().waiting(&ids, WAITING_COUNTED)?;
    let overview = |webhook: Webhook| {
        let waiting = waiting.get(&webhook.id).copied().unwrap_or_default();
        WebhookOverview { webhook, waiting }
    };
    Ok(webhooks.into_iter().map(overview).collect())
}

fn find(unit: &mut dyn UnitOfWork, id: WebhookId) -> Result<Webhook, Error> {
    unit.webhooks().find(id)?.ok_or(Error::NotFound(Entity::Webhook))
}

impl LicenseManager {
    /// The webhooks. `limit_offset` chooses the page from the number of matches.
    pub fn webhooks<E: From<Error>>(
        &self,
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
    ) -> Result<Page<WebhookOverview>, E> {
        let list = |unit: &mut dyn UnitOfWork, part| {
            let webhooks = unit.webhooks().list(part)?;
            overviews(unit, webhooks)
        };
        self.page(|unit| unit.webhooks().count(), limit_offset, list)
    }

    /// One webhook.
    ///
    /// # Errors
    /// [`Entity::Webhook`] not found.
    pub fn webhook(&self, id: WebhookId) -> Result<WebhookOverview, Error> {
        self.store.read(|unit| {
            let webhook = find(unit, id)?;
            overviews(unit, vec![webhook])?.pop().ok_or(Error::NotFound(Entity::Webhook))
        })
    }

    /// Registers an endpoint. It is active unless the changes say otherwise. `secret` is used if the changes have none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an address that a webhook cannot have.
    pub fn create_webhook(
        &self,
        actor: &Actor,
        url: String,
        secret: WebhookSecret,
        changes: WebhookChanges,
    ) -> Result<Webhook, Error> {
        let now = self.now();
        let blank = Webhook {
            id: WebhookId(self.ids.next()),
            url,
            secret: changes.secret.clone().unwrap_or(secret),
            previous_secret: None,
            event_types: Vec::new(),
            customer: None,
            is_active: true,
            switched_at: None,
            off_reason: None,
            dropped: 0,
            created_by: actor.username.clone(),
            created: now,
            modified: now,
        };
        let webhook = changes.apply(blank, now);
        self.check_webhook_url(&webhook.url)?;
        self.store.write(|unit| {
            unit.webhooks().add(&webhook)?;
            self.record(unit, actor, StaffActionKind::WebhookAdded, Done::to(webhook.id))
        })?;
        Ok(webhook)
    }

    /// Changes a webhook. Waiting deliveries use the new address and the new secret. For [`crate::webhooks::SECRETS_OVERLAP`], they use
    /// the previous secret too.
    ///
    /// # Errors
    /// [`Entity::Webhook`] not found; [`Error::Invalid`] for an address that a webhook cannot have.
    pub fn update_webhook(&self, actor: &Actor, id: WebhookId, changes: &WebhookChanges) -> Result<Webhook, Error> {
        if let Some(url) = &changes.url {
            self.check_webhook_url(url)?;
        }
        self.store.write(|unit| {
            let before = unit.webhooks().lock(id)?.ok_or(Error::NotFound(Entity::Webhook))?;
            let now = self.now();
            let webhook = Webhook { modified: now, ..changes.clone().apply(before, now) };
            unit.webhooks().save(&webhook)?;
            self.record(unit, actor, StaffActionKind::WebhookChanged, Done::to(id))?;
            Ok(webhook)
        })
    }

    /// Removes a webhook and its deliveries.
    ///
    /// # Errors
    /// [`Entity::Webhook`] not found.
    pub fn delete_webhook(&self, actor: &Actor, id: WebhookId) -> Result<(), Error> {
        self.store.write(|unit| match unit.webhooks().remove(id)? {
            true => self.record(unit, actor, StaffActionKind::WebhookRemoved, Done::to(id)),
            false => Err(Error::NotFound(Entity::Webhook)),
        })
    }

    /// The deliveries to an endpoint, of one state or of all. `limit_offset` chooses the page from the number of
    /// matches.
    pub fn webhook_deliveries<E: From<Error>>(
        &self,
        webhook: WebhookId,
        state: Option<WebhookState>,
        limit_offset: impl Fn(i64) -> Result<LimitOffset, E>,
    ) -> Result<Page<WebhookDelivery>, E> {
        let filter = WebhookDeliveryFilter { webhook, state, id: None };
        let count = |unit: &mut dyn UnitOfWork| {
            find(unit, webhook)?;
            unit.webhook_deliveries().count(&filter)
        };
        self.page(count, limit_offset, |unit, part| unit.webhook_deliveries().list(&filter, part))
    }

    /// Replays a delivery of any state and returns it. A delivery in progress stays as it is.
    ///
    /// # Errors
    /// [`Entity::Webhook`] or [`Entity::WebhookDelivery`] not found.
    pub fn replay_webhook_delivery(
        &self,
        actor: &Actor,
        webhook: WebhookId,
        id: MessageId,
    ) -> Result<WebhookDelivery, Error> {
        let only = LimitOffset { offset: 0, limit: 1 };
        self.store.write(|unit| {
            find(unit, webhook)?;
            let replay = WebhookReplay { webhook, ids: Some(vec![id]), state: None, since: None };
            let number = unit.webhook_deliveries().replay(&replay, self.now())?;
            self.record_of_replay(unit, actor, webhook, number)?;
            let filter = WebhookDeliveryFilter { webhook, state: None, id: Some(id) };
            unit.webhook_deliveries().list(&filter, only)?.pop().ok_or(Error::NotFound(Entity::WebhookDelivery))
        })
    }

    /// Replays deliveries and returns their number. Deliveries in progress stay as they are.
    ///
    /// # Errors
    /// [`Entity::Webhook`] not found.
    pub fn replay_webhook_deliveries(&self, actor: &Actor, replay: &WebhookReplay) -> Result<usize, Error> {
        self.store.write(|unit| {
            find(unit, replay.webhook)?;
            let number = unit.webhook_deliveries().replay(replay, self.now())?;
            self.record_of_replay(unit, actor, replay.webhook, number)?;
            Ok(number)
        })
    }

    fn record_of_replay(
        &self,
        unit: &mut dyn UnitOfWork,
        actor: &Actor,
        webhook: WebhookId,
        number: usize,
    ) -> Result<(), Error> {
        match number {
            0 => Ok(()),
            _ => self.record(unit, actor, StaffActionKind::DeliveriesReplayed, Done { number, ..Done::to(webhook) }),
        }
    }

    /// The waiting deliveries of all endpoints. Counts at most `limit` waiting and `limit` dead-lettered ones.
    pub fn webhook_backlog(&self, limit: i64) -> Result<WebhookBacklog, Error> {
        self.store.read(|unit| unit.webhook_deliveries().backlog(self.now(), limit))
    }

    /// Removes deliveries that were completed over a week ago, and returns their number.
    pub fn remove_old_webhook_deliveries(&self) -> Result<usize, Error> {
        let made = self.now() - DELIVERED_KEPT;
        self.remove_in_batches(REMOVED_AT_ONCE, |unit| unit.webhook_deliveries().remove_old(made, REMOVED_AT_ONCE))
    }

    /// Drops deliveries that waited longer than [`crate::Settings::webhook_retention`] for webhooks that are off, and
    /// returns their number.
    pub fn drop_kept_webhook_deliveries(&self) -> Result<usize, Error> {
        let now = self.now();
        let due = now - self.settings.webhook_retention;
        let drop = |unit: &mut dyn UnitOfWork| unit.webhook_deliveries().drop_kept(due, now, REMOVED_AT_ONCE);
        let number = self.remove_in_batches(REMOVED_AT_ONCE, drop)?;
        if number > 0 {
            tracing::warn!(number, "events for webhooks that have been off for too long were dropped");
        }
        Ok(number)
    }

    #[cfg(not(feature = "url"))]
    fn check_webhook_url(&self, _: &str) -> Result<(), Error> {
        Err(Error::NotProvided("the feature url"))
    }

    #[cfg(feature = "url")]
    fn check_webhook_url(&self, url: &str) -> Result<(), Error> {
        match crate::webhooks::check_url(url, self.settings.allow_private_webhooks) {
            Ok(_) => Ok(()),
            Err(problem) => Err(Error::Invalid(FieldErrors::one("url", problem.to_string()))),
        }
    }
}
