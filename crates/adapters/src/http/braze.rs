//! Braze, which sends mail and collects the events of people without an account.
//!
//! Braze knows people with an LMS account by the account's id, and others by an alias: their email address under the
//! label [`ALIAS_LABEL`]. Braze has no idempotency key (its `send_id` only groups statistics), so a mail that is
//! retried can arrive twice. When Braze reports errors in a call, it does not say for which recipients, and it may have
//! sent the others. Then each recipient is sent the mail in a call of their own; those that succeed are remembered and
//! not sent again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::SecondsFormat;
use license_manager_domain::ports::{CampaignMail, Clock, Mail, MailKind, TrackedEvent, Undelivered, UnsentMail};
use license_manager_domain::{Email, LmsUserId, MessageId};
use moka::future::Cache;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::client::Client;
use super::service::{Call, Credential, Failure, Service};

/// The label of email aliases. All services of the platform use it.
const ALIAS_LABEL: &str = "Enterprise";
/// The labels of aliases that are merged into an account's profile: HubSpot's and [`ALIAS_LABEL`].
const IDENTIFIED_LABELS: [&str; 2] = ["hubspot", ALIAS_LABEL];

/// The properties of an event that are noted in the profile of the person.
const PROFILE_ATTRIBUTES: [&str; 4] =
    ["enterprise_customer_uuid", "enterprise_customer_slug", "license_uuid", "license_activation_key"];

/// The most aliases per call that Braze accepts to export, create or identify.
const ALIASES_PER_CALL: usize = 50;
/// The most recipients per call.
const RECIPIENTS_PER_CALL: usize = 50;
/// The most attributes, and the most events, per call.
const TRACKED_PER_CALL: usize = 75;

/// How many mails sent one by one are remembered, and for how long.
const REMEMBERED_MAILS: u64 = 100_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(60 * 60);

const EXPORT: &str = "/users/export/ids";
const NEW_ALIAS: &str = "/users/alias/new";
const TRACK: &str = "/users/track";
const IDENTIFY: &str = "/users/identify";
const SEND: &str = "/campaigns/trigger/send";

/// How to reach Braze.
#[derive(Clone)]
pub struct BrazeOptions {
    /// The base URL of the REST API, without a trailing slash.
    pub url: String,
    /// The REST API key.
    pub api_key: String,
    /// The app that events belong to.
    pub app_id: String,
    /// The campaign id of each kind of mail.
    pub campaigns: BTreeMap<MailKind, String>,
}

impl std::fmt::Debug for BrazeOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrazeOptions")
            .field("url", &self.url)
            .field("campaigns", &self.campaigns)
            .finish_non_exhaustive()
    }
}

/// A client of Braze's REST API.
pub struct Braze {
    service: Service,
    clock: Arc<dyn Clock>,
    app_id: String,
    campaigns: BTreeMap<MailKind, String>,
    /// Kinds without a campaign that were already logged.
    logged: Mutex<BTreeSet<MailKind>>,
    /// Mails that were sent one by one.
    sent: Cache<(MessageId, Email), ()>,
}

impl std::fmt::Debug for Braze {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Braze").field(&self.service).finish()
    }
}

/// Braze's answer. `errors` are about parts of the call; the rest was done.
#[derive(Deserialize)]
struct Accepted {
    message: Option<String>,
    #[serde(default)]
    errors: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct Exported {
    users: Vec<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    #[serde(default)]
    user_aliases: Vec<Alias>,
    #[serde(default)]
    email: Option<String>,
}

#[derive(Deserialize)]
struct Alias {
    alias_name: String,
    alias_label: String,
}

impl Braze {
    /// A client with these options. The clock turns `Retry-After` into a time.
    pub fn new(options: BrazeOptions, client: Client, clock: Arc<dyn Clock>) -> Self {
        let BrazeOptions { url, api_key, app_id, campaigns } = options;
        let service = Service::new("braze", url, client, Credential::Bearer(api_key));
        let sent = Cache::builder().max_capacity(REMEMBERED_MAILS).time_to_live(REMEMBERED_FOR).build();
        Self { service, clock, app_id, campaigns, logged: Mutex::default(), sent }
    }

    /// Whether Braze answers a read that finds nobody.
    ///
    /// # Errors
    /// What happened, as a text that follows the service's name.
    pub async fn ask_for_nobody(&self) -> Result<(), String> {
        let nobody = json!({ "alias_name": "nobody@license-manager.invalid", "alias_label": ALIAS_LABEL });
        let call = json!({ "user_aliases": [nobody], "fields_to_export": ["external_id"] });
        let answer: Result<Exported, Failure> = self.service.json(Call::post(EXPORT, &call)).await;
        answer.map(drop).map_err(|failure| failure.problem)
    }

    /// Sends events of people without an account, each with the person's email address. Notes in the profile what the
    /// person's last event says.
    pub(super) async fn track(&self, events: &[(&Email, &TrackedEvent)]) -> Result<(), Undelivered> {
        self.prepare_aliases(events.iter().map(|(person, _)| *person)).await?;
        for events in events.chunks(TRACKED_PER_CALL) {
            let attributes: BTreeMap<&Email, Value> =
                events.iter().map(|(person, event)| (*person, profile(person, event))).collect();
            let attributes: Vec<Value> = attributes.into_values().collect();
            let events: Vec<_> = events
                .iter()
                .map(|(person, event)| {
                    json!({
                        "user_alias": alias(person),
                        "_update_existing_only": false,
                        "app_id": self.app_id,
                        "name": event.name,
                        "time": event.at.to_rfc3339_opts(SecondsFormat::Secs, true),
                        "properties": event.properties,
                    })
                })
                .collect();
            self.post(TRACK, &json!({ "attributes": attributes, "events": events })).await?;
        }
        Ok(())
    }

    /// Makes sure that everybody has an alias and that Braze knows their email address.
    async fn prepare_aliases(&self, people: impl Iterator<Item = &Email>) -> Result<(), Undelivered> {
        let people: Vec<&Email> = people.collect::<BTreeSet<_>>().into_iter().collect();
        let (mut without_alias, mut without_address) = (Vec::new(), Vec::new());
        for people in people.chunks(ALIASES_PER_CALL) {
            let known = self.known_aliases(people).await?;
            for &person in people {
                match known.get(person.as_str()) {
                    Some(true) => {}
                    Some(false) => without_address.push(person),
                    None => {
                        without_alias.push(person);
                        without_address.push(person);
                    }
                }
            }
        }
        for people in without_alias.chunks(ALIASES_PER_CALL) {
            let aliases: Vec<_> = people.iter().map(|person| alias(person)).collect();
            self.post(NEW_ALIAS, &json!({ "user_aliases": aliases })).await?;
        }
        for people in without_address.chunks(TRACKED_PER_CALL) {
            let attributes: Vec<_> = people
                .iter()
                .map(|person| json!({ "user_alias": alias(person), "_update_existing_only": false, "email": person }))
                .collect();
            self.post(TRACK, &json!({ "attributes": attributes })).await?;
        }
        Ok(())
    }

    /// Which of these people have an alias, each with whether Braze knows their email address.
    async fn known_aliases(&self, people: &[&Email]) -> Result<HashMap<String, bool>, Undelivered> {
        let aliases: Vec<_> = people.iter().map(|person| alias(person)).collect();
        let body = json!({ "user_aliases": aliases, "fields_to_export": ["external_id", "user_aliases", "email"] });
        let call = Call::post(EXPORT, &body);
        let exported: Exported = self.service.json(call).await.map_err(|failure| self.undelivered(failure))?;
        let mut known = HashMap::new();
        for profile in exported.users {
            let has_address = profile.email.is_some_and(|email| !email.is_empty());
            let ours = profile.user_aliases.into_iter().filter(|alias| alias.alias_label == ALIAS_LABEL);
            known.extend(ours.map(|alias| (alias.alias_name, has_address)));
        }
        Ok(known)
    }

    /// Posts a call and returns the number of errors Braze reported. Only the number is logged: the errors may name
    /// people.
    async fn post(&self, path: &'static str, body: &Value) -> Result<usize, Undelivered> {
        let accepted: Accepted =
            self.service.json(Call::post(path, body)).await.map_err(|failure| self.undelivered(failure))?;
        if !matches!(accepted.message.as_deref(), None | Some("success" | "queued")) {
            let failure = Failure::unusable("answered neither success nor failure");
            return Err(self.undelivered(self.service.logged(path, failure)));
        }
        let errors = accepted.errors.len();
        if errors > 0 {
            tracing::warn!(path, errors, "Braze accepted a call and reported errors in it");
        }
        Ok(errors)
    }

    fn undelivered(&self, failure: Failure) -> Undelivered {
        failure.undelivered(self.clock.now())
    }

    /// Sends a campaign to people. Returns `true` if Braze reported no error.
    async fn trigger(&self, campaign: &str, mails: &[&Mail]) -> Result<bool, Undelivered> {
        if mails.is_empty() {
            return Ok(true);
        }
        let recipients: Vec<_> = mails.iter().map(|mail| recipient(mail)).collect();
        let body = json!({
            "campaign_id": campaign,
            "broadcast": false,
            "trigger_properties": {},
            "recipients": recipients,
        });
        Ok(self.post(SEND, &body).await? == 0)
    }

    /// The campaign of a kind of mail. A missing one is logged once.
    fn campaign(&self, kind: MailKind) -> Option<&str> {
        let campaign = self.campaigns.get(&kind);
        if campaign.is_none() && self.logged.lock().unwrap_or_else(PoisonError::into_inner).insert(kind) {
            let setting = format!("braze.campaigns.{}", kind.as_str());
            tracing::warn!(setting, "no campaign is configured for this kind of mail; such mails are not sent");
        }
        campaign.map(String::as_str)
    }
}

#[async_trait]
impl CampaignMail for Braze {
    async fn send(&self, kind: MailKind, mails: &[Mail]) -> Result<Vec<UnsentMail>, Undelivered> {
        let Some(campaign) = self.campaign(kind) else { return Ok(Vec::new()) };
        let by_alias = mails.iter().filter(|mail| mail.lms_user_id.is_none());
        self.prepare_aliases(by_alias.map(|mail| &mail.to)).await?;
        let mut unsent = Vec::new();
        for (number, batch) in batches(mails).into_iter().enumerate() {
            let batch: Vec<_> = batch.into_iter().filter(|(_, mail)| !self.sent.contains_key(&key(mail))).collect();
            let together: Vec<&Mail> = batch.iter().map(|(_, mail)| *mail).collect();
            let problem = match self.trigger(campaign, &together).await {
                Ok(true) => continue,
                Ok(false) => found_errors(),
                // Nothing was sent yet: the caller finds the cause.
                Err(problem) if number == 0 => return Err(problem),
                Err(problem) => problem,
            };
            let each = matches!(problem, Undelivered::Refused(_)) && batch.len() > 1;
            for (place, mail) in batch {
                let sent = if each { self.trigger(campaign, &[mail]).await } else { Err(problem.clone()) };
                match sent {
                    Ok(true) => self.sent.insert(key(mail), ()).await,
                    Ok(false) => unsent.push(UnsentMail { place, problem: found_errors() }),
                    Err(problem) => unsent.push(UnsentMail { place, problem }),
                }
            }
        }
        Ok(unsent)
    }

    async fn identify(&self, people: &[(Email, LmsUserId)]) -> Result<(), Undelivered> {
        for people in people.chunks(ALIASES_PER_CALL / IDENTIFIED_LABELS.len()) {
            let aliases: Vec<_> = people
                .iter()
                .flat_map(|(email, account)| {
                    IDENTIFIED_LABELS.map(
                        |label| json!({ "external_id": account.to_string(), "user_alias": labelled(email, label) }),
                    )
                })
                .collect();
            self.post(IDENTIFY, &json!({ "aliases_to_identify": aliases, "merge_behavior": "merge" })).await?;
        }
        Ok(())
    }
}

fn found_errors() -> Undelivered {
    Undelivered::Refused("found errors in recipients or properties".to_owned())
}

fn key(mail: &Mail) -> (MessageId, Email) {
    (mail.id, mail.to.clone())
}

fn alias(person: &Email) -> Value {
    labelled(person, ALIAS_LABEL)
}

fn labelled(person: &Email, label: &str) -> Value {
    json!({ "alias_name": person, "alias_label": label })
}

/// The attributes of a person's profile after an event. What the event does not know stays as it is.
fn profile(person: &Email, event: &TrackedEvent) -> Value {
    let mut attributes = json!({
        "user_alias": alias(person),
        "_update_existing_only": false,
        "email": person,
        "is_enterprise_learner": true,
    });
    for name in PROFILE_ATTRIBUTES {
        if let Some(known) =
            event.properties.get(name).filter(|value| value.as_str().is_some_and(|text| !text.is_empty()))
        {
            attributes[name] = known.clone();
        }
    }
    attributes
}

fn recipient(mail: &Mail) -> Value {
    let mut attributes = mail.attributes.clone();
    attributes.insert("email".to_owned(), mail.to.as_str().into());
    let mut recipient = json!({ "trigger_properties": mail.properties, "attributes": attributes });
    match mail.lms_user_id {
        Some(account) => {
            recipient["external_user_id"] = account.to_string().into();
            // Without this, people whom Braze does not know yet get nothing.
            recipient["send_to_existing_only"] = false.into();
        }
        None => recipient["user_alias"] = alias(&mail.to),
    }
    recipient
}

/// Splits mails into calls, each mail with its place. No call holds two mails to one person: Braze would send only the
/// last.
fn batches(mails: &[Mail]) -> Vec<Vec<(usize, &Mail)>> {
    let same_person = |one: &Mail, other: &Mail| {
        one.to == other.to || (one.lms_user_id.is_some() && one.lms_user_id == other.lms_user_id)
    };
    let mut batches: Vec<Vec<(usize, &Mail)>> = Vec::new();
    for (place, mail) in mails.iter().enumerate() {
        let free = |batch: &&mut Vec<(usize, &Mail)>| {
            batch.len() < RECIPIENTS_PER_CALL && !batch.iter().any(|(_, other)| same_person(mail, other))
        };
        match batches.iter_mut().find(free) {
            Some(batch) => batch.push((place, mail)),
            None => batches.push(vec![(place, mail)]),
        }
    }
    batches
}
