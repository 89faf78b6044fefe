//! The mails of each kind; see RULES.md, "Mails".

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::context::DeliveryContext;
use super::deliveries::Deliveries;
use super::outbound::{CallPayload, OutboundCall};
use super::plan_use::PlanUse;
use super::results::{Completion, Problem, StepResult, unreadable};
use crate::model::ids::{ActivationKey, CustomerId, MessageId};
use crate::model::staff_records::{Notification, NotificationKind};
use crate::outbox::{EnrollmentResults, EventProperties, Invitation, Message, Payload, RevocationCapReached, Welcome};
use crate::ports::{CustomerAdmin, EnterpriseCustomer, MAILS_PER_CALL, Mail, MailKind};

/// The form of dates in campaigns: `Mar 8, 2027`, and `November 28, 2026, 06:27PM UTC`.
const DAY_IN_WORDS: &str = "%b %-d, %Y";
const MOMENT_IN_WORDS: &str = "%B %d, %Y, %I:%M%p UTC";

impl Deliveries {
    /// The mail of a message. If there is no mail to send, returns the result of the step.
    pub(super) async fn compose_mail(&self, context: &DeliveryContext, message: &Message) -> Result<Mail, StepResult> {
        if let Payload::RevocationCapMail(reached) = &message.payload {
            return self.revocation_cap_mail(context, message, reached).await;
        }
        if let Payload::Unreadable { .. } = message.payload {
            return Err(unreadable());
        }
        let customer = self.customer(context, message).await?;
        match &message.payload {
            Payload::Assignment(invitation) => {
                Ok(self.invitation_mail(context, message, MailKind::Assignment, &customer, invitation))
            }
            Payload::Reminder(invitation) => {
                Ok(self.invitation_mail(context, message, MailKind::Reminder, &customer, invitation))
            }
            Payload::Activation(welcome) => {
                Ok(self.welcome_mail(message.id, MailKind::PostActivation, &customer, welcome))
            }
            Payload::AutoApplied(welcome) => {
                let has_portal = !customer.has_identity_provider || customer.has_learner_portal_search;
                let kind = if has_portal { MailKind::AutoApplied } else { MailKind::AutoAppliedNoPortal };
                Ok(self.welcome_mail(message.id, kind, &customer, welcome))
            }
            Payload::EnrollmentResultsMail(results) => self.enrollment_results_mail(message, &customer, results).await,
            _ => Err(unreadable()),
        }
    }

    fn invitation_mail(
        &self,
        context: &DeliveryContext,
        message: &Message,
        kind: MailKind,
        customer: &EnterpriseCustomer,
        invitation: &Invitation,
    ) -> Mail {
        let own = json!({
            "greeting": invitation.greeting(),
            "closing": invitation.closing(),
            "TEMPLATE_GREETING": invitation.greeting(),
            "TEMPLATE_CLOSING": invitation.closing(),
            "license_activation_key": invitation.activation_key.to_string(),
            "license_activation_link": self.activation_link(customer, invitation.activation_key),
        });
        let described = invitation.properties.as_deref().or(context.described.get(&message.id));
        let attributes = described.map(EventProperties::to_map).unwrap_or_default();
        let (id, to, properties) = (message.id, invitation.email.clone(), properties(customer, own));
        Mail { id, kind, to, lms_user_id: None, properties, attributes }
    }

    fn welcome_mail(&self, id: MessageId, kind: MailKind, customer: &EnterpriseCustomer, welcome: &Welcome) -> Mail {
        let own = json!({ "learner_portal_url": format!("{}/{}", self.settings.learner_portal, customer.slug) });
        let (to, lms_user_id) = (welcome.email.clone(), welcome.lms_user_id.filter(|id| id.is_known()));
        Mail { id, kind, to, lms_user_id, properties: properties(customer, own), attributes: Map::new() }
    }

    /// The mail to the requester of a bulk enrollment, if that is still an admin.
    async fn enrollment_results_mail(
        &self,
        message: &Message,
        customer: &EnterpriseCustomer,
        results: &EnrollmentResults,
    ) -> Result<Mail, StepResult> {
        let admins = self.manager.learners.admins(message.customer).await.map_err(StepResult::from)?;
        let Some(admin) = admins.into_iter().find(|admin| admin.lms_user_id == Some(results.lms_user_id)) else {
            tracing::info!(job = %results.job_uuid, "the result of a bulk enrollment is not mailed: its requester is no longer an admin");
            return Err(StepResult::Done(Completion::Nothing));
        };
        let own = json!({
            "bulk_enrollment_job_uuid": results.job_uuid.to_string(),
            "download_url": format!("{}/bulk-enrollment-results/{}", self.admin_pages(customer), results.job_uuid),
            "num_successes": results.successes,
            "num_pending": results.pending,
            "num_failures": results.failures,
        });
        Ok(Mail {
            id: message.id,
            kind: MailKind::BulkEnrollmentResult,
            to: admin.email,
            lms_user_id: admin.lms_user_id,
            properties: properties(customer, own),
            attributes: Map::new(),
        })
    }

    /// The mail to customer success.
    async fn revocation_cap_mail(
        &self,
        context: &DeliveryContext,
        message: &Message,
        reached: &RevocationCapReached,
    ) -> Result<Mail, StepResult> {
        let Some(to) = self.settings.customer_success.clone() else {
            tracing::warn!(
                customer = %message.customer,
                "a plan's revocation cap is used up, and nobody is told: mail.customer_success_email is not set"
            );
            return Err(StepResult::Done(Completion::Nothing));
        };
        let customer = self.customer(context, message).await?.name;
        let customer = if customer.is_empty() { reached.enterprise_customer_name.clone() } else { customer };
        let date = reached.date.parse::<DateTime<Utc>>();
        let own = json!({
            "subscription_plan_title": reached.plan_title,
            "num_revocations_applied": reached.num_revocations_applied,
            "enterprise_customer_name": customer,
            "date": reached.date,
            "SUBSCRIPTION_TITLE": reached.plan_title,
            "NUM_REVOCATIONS_APPLIED": reached.num_revocations_applied,
            "ENTERPRISE_NAME": customer,
            "REVOKED_LIMIT_REACHED_DATE": date.map(|date| date.format(MOMENT_IN_WORDS).to_string()).unwrap_or_default(),
        });
        let (kind, attributes) = (MailKind::RevocationCap, Map::new());
        Ok(Mail { id: message.id, kind, to, lms_user_id: None, properties: object(own), attributes })
    }

    /// Tells the customer's admins the utilization of the plan or a threshold that it has passed, unless they were
    /// told. Returns whom it told, even if the mail to another admin failed. Admins whose mail is refused for good count
    /// as told as soon as no other mail fails; then the message is refused and keeps the reason.
    pub(super) async fn notify_thresholds(
        &self,
        context: &DeliveryContext,
        message: &Message,
    ) -> (StepResult, Vec<Notification>) {
        let plan_use = message.plan.and_then(|plan| context.uses.get(&plan));
        let Some((plan_use, kind)) =
            plan_use.and_then(|plan_use| Some((plan_use, plan_use.due_notification(message)?)))
        else {
            return (StepResult::Done(Completion::Nothing), Vec::new());
        };
        let mut told = Vec::new();
        let notified = self.notify_admins(context, message, plan_use, kind, &mut told).await;
        (notified.err().unwrap_or(StepResult::Done(Completion::Nothing)), told)
    }

    async fn notify_admins(
        &self,
        context: &DeliveryContext,
        message: &Message,
        plan_use: &PlanUse,
        kind: NotificationKind,
        told: &mut Vec<Notification>,
    ) -> Result<(), StepResult> {
        let customer = self.customer(context, message).await?;
        let admins = self.admins_to_notify(message.customer, plan_use, kind).await?;
        let mail_kind = mail_of(kind);
        let properties = self.of_plan_use(&customer, &context.customer(message.customer), plan_use);
        let mail = |admin: &CustomerAdmin| {
            let mut properties = properties.clone();
            properties.insert("email".to_owned(), admin.email.as_str().into());
            Mail {
                id: one_of_many(message.id, admin.customer_user),
                kind: mail_kind,
                to: admin.email.clone(),
                lms_user_id: admin.lms_user_id,
                properties,
                attributes: Map::new(),
            }
        };
        let notification = |admin: &CustomerAdmin| Notification {
            customer: message.customer,
            customer_user: admin.customer_user,
            plan: plan_use.details.plan.id,
            kind,
            last_sent: self.manager.now(),
        };
        let mut refused: Vec<(&CustomerAdmin, Problem)> = Vec::new();
        for admins in admins.chunks(MAILS_PER_CALL) {
            let payload = CallPayload::Mails(mail_kind, admins.iter().map(mail).collect());
            let mut results = vec![None; admins.len()];
            OutboundCall { payload, places: (0..admins.len()).collect() }.send(&self.manager, &mut results).await;
            let mut failed = None;
            for (admin, result) in admins.iter().zip(results.into_iter().flatten()) {
                match result {
                    StepResult::Done(_) | StepResult::Continues => told.push(notification(admin)),
                    StepResult::Refused(problem) => refused.push((admin, problem)),
                    // A failure is an attempt, whatever became of the mails after it.
                    result if matches!(failed, None | Some(StepResult::Untried(_))) => failed = Some(result),
                    _ => {}
                }
            }
            if let Some(failed) = failed {
                return Err(failed);
            }
        }
        told.extend(refused.iter().map(|(admin, _)| notification(admin)));
        match refused.first() {
            Some((_, problem)) => {
                let (number, text) = (refused.len(), &problem.text);
                Err(StepResult::Refused(
                    format!("the mails to {number} of {} admins were refused: {text}", admins.len()).into(),
                ))
            }
            None => Ok(()),
        }
    }

    /// The customer's admins, without those who were told. At an earlier attempt, the mails to the others can have
    /// failed.
    async fn admins_to_notify(
        &self,
        customer: CustomerId,
        plan_use: &PlanUse,
        kind: NotificationKind,
    ) -> Result<Vec<CustomerAdmin>, StepResult> {
        let mut admins = self.manager.learners.admins(customer).await.map_err(StepResult::from)?;
        admins.sort_unstable_by_key(|admin| admin.customer_user);
        admins.dedup_by_key(|admin| admin.customer_user);
        let was_told = |admin: &CustomerAdmin| {
            plan_use.told.iter().any(|sent| sent.kind == kind && sent.customer_user == admin.customer_user)
        };
        admins.retain(|admin| !was_told(admin));
        Ok(admins)
    }

    /// The customer of a message.
    pub(super) async fn customer(
        &self,
        context: &DeliveryContext,
        message: &Message,
    ) -> Result<EnterpriseCustomer, StepResult> {
        let agreed = context.customer(message.customer);
        self.customers.get(&self.manager, &agreed).await.map_err(StepResult::from)
    }

    /// The activation link of a license.
    pub(super) fn activation_link(&self, customer: &EnterpriseCustomer, key: ActivationKey) -> String {
        format!("{}/{}/licenses/{key}/activate", self.settings.learner_portal, customer.slug)
    }

    fn admin_pages(&self, customer: &EnterpriseCustomer) -> String {
        format!("{}/{}/admin", self.settings.admin_portal, customer.slug)
    }

    /// The properties of a mail about a plan's utilization. Campaigns expect the customer's name and slug as `agreed`,
    /// that is from the agreement.
    fn of_plan_use(
        &self,
        customer: &EnterpriseCustomer,
        agreed: &EnterpriseCustomer,
        plan_use: &PlanUse,
    ) -> Map<String, Value> {
        let PlanUse { details, counts, auto_applied, .. } = plan_use;
        let plan = &details.plan;
        let slug = if agreed.slug.is_empty() { &customer.slug } else { &agreed.slug };
        let own = json!({
            "subscription_plan_title": plan.title,
            "subscription_plan_type": details.plan_type,
            "subscription_plan_expiration_date": plan.expiration_date.format(DAY_IN_WORDS).to_string(),
            "enterprise_customer_name": (!agreed.name.is_empty()).then_some(&agreed.name),
            "num_allocated_licenses": counts.allocated(),
            "num_licenses": counts.total(),
            "num_total_licenses": counts.total(),
            "num_auto_applied_licenses_since_turned_on": auto_applied,
            "utilization_percentage": plan_use.percentage(),
            "admin_portal_url": format!("{}/{slug}", self.settings.admin_portal),
            "manage_learners_url": format!("{}/subscriptions/manage-learners/{}", self.admin_pages(customer), plan.id),
        });
        properties(customer, own)
    }
}

/// The mail of a notification.
fn mail_of(kind: NotificationKind) -> MailKind {
    match kind {
        NotificationKind::NoAllocationsRemaining => MailKind::NoAllocations,
        NotificationKind::LimitedAllocationsRemaining => MailKind::LimitedAllocations,
        NotificationKind::PeriodicInformational => MailKind::InitialUtilization,
    }
}

/// The properties of a mail: those of every mail about a customer, and its own.
fn properties(customer: &EnterpriseCustomer, own: Value) -> Map<String, Value> {
    let mut properties = of_customer(customer);
    properties.extend(object(own));
    properties
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// The properties of every mail about a customer.
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

/// The id of the mail to one of several recipients of a message, the same for every attempt.
fn one_of_many(message: MessageId, person: i64) -> MessageId {
    MessageId(Uuid::from_u128(message.0.as_u128() ^ u128::from(person.unsigned_abs())))
}
