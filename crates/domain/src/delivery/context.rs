//! The data from storage that a delivery needs, read with the claim: the delivery itself uses no storage.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::owed::Owed;
use super::plan_use::PlanUse;
use super::work::{EnrollmentWork, FileWork};
use crate::error::Error;
use crate::model::agreement::CustomerAgreement;
use crate::model::ids::{AgreementId, CustomerId, MessageId, PlanId};
use crate::outbox::{ClaimedMessage, EventProperties, Payload};
use crate::ports::{AgreementFilter, CustomerScope, EnterpriseCustomer, LimitOffset, UnitOfWork};
use crate::queue::{Queue, Step};
use crate::webhooks::Webhook;

/// The data that the deliveries of a batch need.
#[derive(Default)]
pub(super) struct DeliveryContext {
    /// The customers, from their agreements.
    pub(super) customers: HashMap<CustomerId, EnterpriseCustomer>,
    /// The agreements of the customers.
    pub(super) agreements: HashMap<CustomerId, CustomerAgreement>,
    /// What the recipients' profiles learn of their licenses, by message.
    pub(super) described: HashMap<MessageId, EventProperties>,
    pub(super) uses: HashMap<PlanId, PlanUse>,
    pub(super) enrollments: HashMap<MessageId, EnrollmentWork>,
    pub(super) files: HashMap<MessageId, FileWork>,
    /// The messages that nobody is owed any more. They count as done.
    pub(super) outdated: HashSet<MessageId>,
    /// The webhook of the queue.
    pub(super) webhook: Option<Webhook>,
}

impl DeliveryContext {
    pub(super) fn read(
        unit: &mut dyn UnitOfWork,
        queue: Queue,
        messages: &[ClaimedMessage],
        now: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let mut context = Self::default();
        if messages.is_empty() {
            return Ok(context);
        }
        if let Queue::Webhook(webhook) = queue {
            context.webhook = unit.webhooks().find(webhook)?;
            return Ok(context);
        }
        // At most one: a claim takes one message of this queue.
        for claimed in messages.iter().filter(|claimed| claimed.step() == Step::File) {
            if let Some(work) = FileWork::read(unit, &claimed.message)? {
                context.files.insert(claimed.message.id, work);
            }
        }
        context.read_customers(unit, messages)?;
        // At most one: a claim takes one message of this queue.
        for claimed in messages.iter().filter(|claimed| claimed.step() == Step::Enroll) {
            if let Some(work) = EnrollmentWork::read(unit, &claimed.message, now)? {
                context.enrollments.insert(claimed.message.id, work);
            }
        }
        let owed = Owed::read(unit, &context, messages, now)?;
        let outdated = owed.outdated(messages);
        let described = owed.described(messages, &outdated);
        (context.outdated, context.described) = (outdated, described);
        context.count_auto_applied(unit, messages)?;
        Ok(context)
    }

    /// Reads the customers that messages name, and the use of the plans that mails to admins and to customer success
    /// are about.
    fn read_customers(&mut self, unit: &mut dyn UnitOfWork, messages: &[ClaimedMessage]) -> Result<(), Error> {
        let named =
            messages.iter().filter(|claimed| matches!(claimed.step(), Step::Mail | Step::Thresholds | Step::Enroll));
        let customers: BTreeSet<CustomerId> = named.map(|claimed| claimed.message.customer).collect();
        if customers.is_empty() {
            return Ok(());
        }
        let customers: Vec<CustomerId> = customers.into_iter().collect();
        let all = LimitOffset { offset: 0, limit: customers.len() as i64 };
        let filter = AgreementFilter { scope: CustomerScope::Only(customers), customer: None, agreement: None };
        let agreements = unit.agreements().list(&filter, all)?;
        for agreement in &agreements {
            let slug = agreement.customer_slug.clone().unwrap_or_default();
            let name = agreement.customer_name.clone().unwrap_or_default();
            self.customers.insert(agreement.customer, EnterpriseCustomer::new(agreement.customer, slug, name));
        }
        let is_about_use = |claimed: &&ClaimedMessage| {
            claimed.step() == Step::Thresholds || matches!(claimed.message.payload, Payload::RevocationCapMail(_))
        };
        let plans: BTreeSet<PlanId> =
            messages.iter().filter(is_about_use).filter_map(|claimed| claimed.message.plan).collect();
        if !plans.is_empty() {
            let agreements: Vec<AgreementId> = agreements.iter().map(|agreement| agreement.id).collect();
            self.uses = PlanUse::read(unit, &agreements, &plans)?;
        }
        self.agreements = agreements.into_iter().map(|agreement| (agreement.customer, agreement)).collect();
        Ok(())
    }

    /// Counts what the plans have auto-applied, only of plans about which a mail is due: counting reads all licenses of
    /// a plan, and most messages lead to no mail.
    fn count_auto_applied(&mut self, unit: &mut dyn UnitOfWork, messages: &[ClaimedMessage]) -> Result<(), Error> {
        let is_due = |claimed: &&ClaimedMessage| {
            let plan_use = claimed.message.plan.and_then(|plan| self.uses.get(&plan));
            claimed.step() == Step::Thresholds
                && !self.outdated.contains(&claimed.message.id)
                && plan_use.is_some_and(|plan_use| plan_use.due_notification(&claimed.message).is_some())
        };
        let due: BTreeSet<PlanId> = messages.iter().filter(is_due).filter_map(|claimed| claimed.message.plan).collect();
        if due.is_empty() {
            return Ok(());
        }
        let due: Vec<PlanId> = due.into_iter().collect();
        for (plan, number) in unit.due_work().auto_applied_since_turned_on(&due)? {
            if let Some(plan_use) = self.uses.get_mut(&plan) {
                plan_use.auto_applied = number;
            }
        }
        Ok(())
    }

    /// The customer, from its agreement.
    pub(super) fn customer(&self, id: CustomerId) -> EnterpriseCustomer {
        self.customers.get(&id).cloned().unwrap_or_else(|| EnterpriseCustomer::new(id, "", ""))
    }
}
