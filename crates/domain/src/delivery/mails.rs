//! What mails say, by kind: docs/RULES.md, "Mails".

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::composition::read;
use super::deliveries::{Deliveries, Effect, Verdict};
use super::facts::{Facts, PlanUse};
use super::payloads::{Invitation, RevocationCapReached, Welcome};
use super::shipments::{Goods, Shipment};
use crate::model::email::Email;
use crate::model::ids::{ActivationKey, MessageId};
use crate::model::plan::LicenseCounts;
use crate::model::staff_records::{Notification, NotificationKind};
use crate::outbox::{EnrollmentResults, Message, Topic};
use crate::ports::{CustomerAdmin, EnterpriseCustomer, MAILS_PER_CALL, Mail, MailKind};

/// The share of a plan's licenses from which on its admins are told that few are left, in percent.
const FEW_LEFT_PERCENT: i64 = 75;

impl Deliveries {
    /// The mail that a message asks for; a verdict where there is none to be sent.
    pub(super) async fn compose_mail(&self, facts: &Facts, message: &Message) -> Result<Mail, Verdict> {
        if message.topic == Topic::RevocationCapMail {
            return self.revocation_cap_mail(message);
        }
        let customer = self.customer(facts, message).await?;
        let mail =
            |kind, to: Email, lms_user_id, properties| Mail { id: message.id, kind, to, lms_user_id, properties };
        match message.topic {
            Topic::Assignment | Topic::Reminder => {
                let invitation: Invitation = read(message)?;
                let kind = match message.topic {
                    Topic::Assignment => MailKind::Assignment,
                    _ => MailKind::Reminder,
                };
                let link = self.activation_link(&customer, invitation.activation_key);
                let mut properties = of_customer(&customer);
                properties.insert("greeting".to_owned(), invitation.greeting.into());
                properties.insert("closing".to_owned(), invitation.closing.into());
                properties.insert("license_activation_key".to_owned(), invitation.activation_key.to_string().into());
                properties.insert("license_activation_link".to_owned(), link.into());
                Ok(mail(kind, invitation.email, None, properties))
            }
            Topic::Activation | Topic::AutoApplied => {
                let welcome: Welcome = read(message)?;
                let has_portal = !customer.has_identity_provider || customer.has_learner_portal_search;
                let kind = match message.topic {
                    Topic::Activation => MailKind::PostActivation,
                    _ if has_portal => MailKind::AutoApplied,
                    _ => MailKind::AutoAppliedNoPortal,
                };
                let mut properties = of_customer(&customer);
                let portal = format!("{}/{}", self.settings.learner_portal, customer.slug);
                properties.insert("learner_portal_url".to_owned(), portal.into());
                Ok(mail(kind, welcome.email, welcome.lms_user_id, properties))
            }
            Topic::EnrollmentResultsMail => {
                let results: EnrollmentResults = read(message)?;
                let admins = self.manager.learners.admins(message.customer).await.map_err(Verdict::from)?;
                let Some(admin) = admins.into_iter().find(|admin| admin.lms_user_id == results.lms_user_id) else {
                    tracing::info!(job = %results.job_uuid, "whoever asked for the bulk enrollment administers nothing now");
                    return Err(Verdict::Done(Effect::Nothing));
                };
                let mut properties = of_customer(&customer);
                let file = format!("{}/bulk-enrollment-results/{}", self.admin_pages(&customer), results.job_uuid);
                properties.insert("bulk_enrollment_job_uuid".to_owned(), results.job_uuid.to_string().into());
                properties.insert("download_url".to_owned(), file.into());
                properties.insert("num_successes".to_owned(), results.successes.into());
                properties.insert("num_pending".to_owned(), results.pending.into());
                properties.insert("num_failures".to_owned(), results.failures.into());
                Ok(mail(MailKind::BulkEnrollmentResult, admin.email, Some(admin.lms_user_id), properties))
            }
            _ => Err(Verdict::Refused("its topic has no mail".to_owned())),
        }
    }

    /// Goes to customer success, who need not be told what the LMS knows of the customer.
    fn revocation_cap_mail(&self, message: &Message) -> Result<Mail, Verdict> {
        let reached: RevocationCapReached = read(message)?;
        let Some(to) = self.settings.customer_success.clone() else {
            tracing::warn!(
                customer = %message.customer,
                "a plan's revocation cap is used up, and nobody is told: mail.customer_success_email is not set"
            );
            return Err(Verdict::Done(Effect::Nothing));
        };
        let properties = json!({
            "subscription_plan_title": reached.plan_title,
            "num_revocations_applied": reached.num_revocations_applied,
            "enterprise_customer_name": reached.enterprise_customer_name,
            "date": reached.date,
        });
        let Value::Object(properties) = properties else { return Err(Verdict::Done(Effect::Nothing)) };
        Ok(Mail { id: message.id, kind: MailKind::RevocationCap, to, lms_user_id: None, properties })
    }

    /// Tells the customer's admins how the plan is used, or where it has passed a threshold, unless they have been told.
    pub(super) async fn tell_thresholds(&self, facts: &Facts, message: &Message) -> Verdict {
        let plan_use = message.plan.and_then(|plan| facts.uses.get(&plan));
        let Some((plan_use, kind)) = plan_use.and_then(|plan_use| Some((plan_use, to_tell(message, plan_use)?))) else {
            return Verdict::Done(Effect::Nothing);
        };
        match self.tell_admins(facts, message, plan_use, kind).await {
            Ok(told) => Verdict::Done(Effect::Told(told)),
            Err(verdict) => verdict,
        }
    }

    async fn tell_admins(
        &self,
        facts: &Facts,
        message: &Message,
        plan_use: &PlanUse,
        kind: NotificationKind,
    ) -> Result<Vec<Notification>, Verdict> {
        let customer = self.customer(facts, message).await?;
        let admins = self.manager.learners.admins(message.customer).await.map_err(Verdict::from)?;
        let mail_kind = match kind {
            NotificationKind::NoAllocationsRemaining => MailKind::NoAllocations,
            NotificationKind::LimitedAllocationsRemaining => MailKind::LimitedAllocations,
            NotificationKind::PeriodicInformational => MailKind::InitialUtilization,
        };
        let properties = self.of_plan_use(&customer, plan_use);
        let mail = |admin: &CustomerAdmin| Mail {
            id: one_of_many(message.id, admin.customer_user),
            kind: mail_kind,
            to: admin.email.clone(),
            lms_user_id: Some(admin.lms_user_id),
            properties: properties.clone(),
        };
        for admins in admins.chunks(MAILS_PER_CALL) {
            let goods = Goods::Mails(mail_kind, admins.iter().map(mail).collect());
            let mut verdicts = vec![None; admins.len()];
            Shipment { goods, places: (0..admins.len()).collect() }.send(&self.manager, &mut verdicts).await;
            // One address that is refused keeps nobody else from being told, and nobody from being told once only.
            let failed = verdicts
                .into_iter()
                .flatten()
                .find(|verdict| matches!(verdict, Verdict::Failed(_) | Verdict::Postponed(_)));
            if let Some(failed) = failed {
                return Err(failed);
            }
        }
        let notification = |admin: CustomerAdmin| Notification {
            customer: message.customer,
            customer_user: admin.customer_user,
            plan: plan_use.details.plan.id,
            kind,
            last_sent: self.manager.now(),
        };
        let mut told: Vec<Notification> = admins.into_iter().map(notification).collect();
        told.sort_unstable_by_key(|notification| notification.customer_user);
        told.dedup_by_key(|notification| notification.customer_user);
        Ok(told)
    }

    /// The customer of a message.
    pub(super) async fn customer(&self, facts: &Facts, message: &Message) -> Result<EnterpriseCustomer, Verdict> {
        let agreed = facts.customer(message.customer);
        self.customers.get(&self.manager, &agreed).await.map_err(Verdict::from)
    }

    /// Where a learner activates a license.
    pub(super) fn activation_link(&self, customer: &EnterpriseCustomer, key: ActivationKey) -> String {
        format!("{}/{}/licenses/{key}/activate", self.settings.learner_portal, customer.slug)
    }

    fn admin_pages(&self, customer: &EnterpriseCustomer) -> String {
        format!("{}/{}/admin", self.settings.admin_portal, customer.slug)
    }

    fn of_plan_use(&self, customer: &EnterpriseCustomer, plan_use: &PlanUse) -> Map<String, Value> {
        let PlanUse { details, counts, .. } = plan_use;
        let mut properties = of_customer(customer);
        let plan = &details.plan;
        let link = format!("{}/subscriptions/manage-learners/{}", self.admin_pages(customer), plan.id);
        properties.insert("subscription_plan_title".to_owned(), plan.title.clone().into());
        properties.insert("subscription_plan_type".to_owned(), details.plan_type.clone().into());
        properties.insert("subscription_plan_expiration_date".to_owned(), plan.expiration_date.to_rfc3339().into());
        properties.insert("num_allocated_licenses".to_owned(), counts.allocated().into());
        properties.insert("num_total_licenses".to_owned(), counts.total().into());
        properties.insert("utilization_percentage".to_owned(), percentage(counts).into());
        properties.insert("admin_portal_url".to_owned(), link.into());
        properties
    }
}

/// What every mail about a customer says.
fn of_customer(customer: &EnterpriseCustomer) -> Map<String, Value> {
    let text = |text: &Option<String>| Value::from(text.clone().unwrap_or_default());
    Map::from_iter([
        ("enterprise_customer_slug".to_owned(), customer.slug.clone().into()),
        ("enterprise_customer_name".to_owned(), customer.name.clone().into()),
        ("enterprise_sender_alias".to_owned(), text(&customer.sender_alias)),
        ("enterprise_contact_email".to_owned(), text(&customer.contact_email)),
        ("enterprise_reply_to".to_owned(), text(&customer.reply_to)),
    ])
}

/// How many of a hundred licenses are handed out, rounded down.
fn percentage(counts: &LicenseCounts) -> i64 {
    counts.allocated() * 100 / counts.total().max(1)
}

/// What there is to tell of the plan's use.
fn to_tell(message: &Message, plan_use: &PlanUse) -> Option<NotificationKind> {
    let informational = NotificationKind::PeriodicInformational;
    match message.topic {
        Topic::InitialUtilization => (!plan_use.told.contains(&informational)).then_some(informational),
        _ => passed(plan_use),
    }
}

/// The highest threshold that the plan's use has passed, unless it was told, or a higher one was.
fn passed(plan_use: &PlanUse) -> Option<NotificationKind> {
    let PlanUse { counts, told, .. } = plan_use;
    if told.contains(&NotificationKind::NoAllocationsRemaining) || counts.total() == 0 {
        return None;
    }
    if counts.unassigned == 0 {
        return Some(NotificationKind::NoAllocationsRemaining);
    }
    let few_left = percentage(counts) >= FEW_LEFT_PERCENT;
    let kind = NotificationKind::LimitedAllocationsRemaining;
    (few_left && !told.contains(&kind)).then_some(kind)
}

/// The id of the mail to one person of several that a message promises; the same every time.
fn one_of_many(message: MessageId, person: i64) -> MessageId {
    MessageId(Uuid::from_u128(message.0.as_u128() ^ u128::from(person.unsigned_abs())))
}
