//! A store on a `HashMap` for each kind of record. It implements what assigning, activating and revoking reach.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use license_manager_domain::history::Change;
use license_manager_domain::model::{PlanDetails, RenewalLink};
use license_manager_domain::outbox::Message;
use license_manager_domain::ports::{
    AgreementRepository, LicenseFilter, LicenseOrder, LicenseRepository, LimitOffset, OutboxRepository, Person,
    PlanRepository, RenewalRepository, Store, UnitOfWork, Work,
};
use license_manager_domain::{
    AgreementId, Conflict, CustomerAgreement, Email, Error, License, LicenseCounts, LicenseId, LicenseStatus,
    LmsUserId, PlanId, SubscriptionPlan,
};

/// The store. One transaction runs at a time, on a copy of the data that replaces the original at commit.
#[derive(Default)]
pub struct MapStore(Mutex<Tables>);

/// All records.
#[derive(Default, Clone)]
pub struct Tables {
    agreements: HashMap<AgreementId, CustomerAgreement>,
    plans: HashMap<PlanId, SubscriptionPlan>,
    licenses: HashMap<LicenseId, License>,
    /// Records of the program around it, which the license manager knows nothing of.
    pub invoices: Vec<String>,
    /// The waiting messages, oldest first.
    pub outbox: Vec<Message>,
    /// The table, the row, the kind of change, and who made it, oldest first.
    pub history: Vec<(&'static str, String, char, Change)>,
}

impl MapStore {
    /// Begins a transaction of the caller's own: a store for [`LicenseManager::over`], whose use cases are committed
    /// together, with the caller's records. Nothing else may write meanwhile: the commit replaces all records.
    ///
    /// [`LicenseManager::over`]: license_manager_domain::LicenseManager::over
    #[allow(dead_code)] // not every program that uses this file has its own transactions
    pub fn begin(&self) -> Self {
        Self(Mutex::new(self.tables().clone()))
    }

    /// Commits such a transaction. One that is dropped instead has changed nothing.
    #[allow(dead_code)]
    pub fn commit(&self, transaction: &Self) {
        self.tables().clone_from(&transaction.tables());
    }

    /// What is stored now.
    pub fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MapStore {
    fn run_write(&self, work: &mut Work<'_>) -> Result<(), Error> {
        let mut committed = self.tables();
        let mut tables = committed.clone();
        work(&mut Unit { tables: &mut tables, writes: true })?;
        *committed = tables;
        Ok(())
    }

    fn run_read(&self, work: &mut Work<'_>) -> Result<(), Error> {
        work(&mut Unit { tables: &mut self.tables(), writes: false })
    }

    fn ping(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// One transaction.
struct Unit<'a> {
    tables: &'a mut Tables,
    writes: bool,
}

/// The repositories that there are. The others fail with `Error::NotProvided`.
impl UnitOfWork for Unit<'_> {
    fn agreements(&mut self) -> &mut dyn AgreementRepository {
        self
    }

    fn plans(&mut self) -> &mut dyn PlanRepository {
        self
    }

    fn licenses(&mut self) -> &mut dyn LicenseRepository {
        self
    }

    fn renewals(&mut self) -> &mut dyn RenewalRepository {
        self
    }

    fn outbox(&mut self) -> &mut dyn OutboxRepository {
        self
    }
}

impl Unit<'_> {
    /// The tables, to be written or locked.
    fn written(&mut self) -> Result<&mut Tables, Error> {
        if self.writes { Ok(self.tables) } else { Err(Error::internal("this unit of work only reads")) }
    }

    /// The licenses that match, sorted by id.
    fn licenses_where(&self, matches: impl Fn(&License) -> bool) -> Vec<License> {
        let mut found: Vec<License> =
            self.tables.licenses.values().filter(|license| matches(license)).cloned().collect();
        found.sort_by_key(|license| license.id);
        found
    }
}

impl Tables {
    fn record(&mut self, table: &'static str, id: impl ToString, kind: char, change: &Change) {
        self.history.push((table, id.to_string(), kind, change.clone()));
    }

    fn details(&self, plan: &SubscriptionPlan) -> Option<PlanDetails> {
        let customer = self.agreements.get(&plan.agreement)?.customer;
        // There are no renewals, so no plan follows another.
        Some(PlanDetails::new(plan.clone(), customer, "Standard Paid"))
    }
}

fn missing(what: &str) -> Error {
    Error::internal(format!("there is no such {what} to write"))
}

impl AgreementRepository for Unit<'_> {
    fn find(&mut self, id: AgreementId) -> Result<Option<CustomerAgreement>, Error> {
        Ok(self.tables.agreements.get(&id).cloned())
    }

    fn add(&mut self, agreement: &CustomerAgreement, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        if tables.agreements.values().any(|other| other.customer == agreement.customer) {
            return Err(Conflict::AgreementOfCustomer.into());
        }
        tables.agreements.insert(agreement.id, agreement.clone());
        tables.record("customer_agreement", agreement.id, '+', change);
        Ok(())
    }
}

impl PlanRepository for Unit<'_> {
    fn find(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
        Ok(self.tables.plans.get(&id).and_then(|plan| self.tables.details(plan)))
    }

    fn lock(&mut self, id: PlanId) -> Result<Option<PlanDetails>, Error> {
        self.written()?;
        PlanRepository::find(self, id)
    }

    fn find_by_agreements(&mut self, agreements: &[AgreementId]) -> Result<Vec<PlanDetails>, Error> {
        let plans = self.tables.plans.values().filter(|plan| agreements.contains(&plan.agreement));
        let mut plans: Vec<PlanDetails> = plans.filter_map(|plan| self.tables.details(plan)).collect();
        plans.sort_by_key(|details| (std::cmp::Reverse(details.plan.start_date), details.plan.id));
        Ok(plans)
    }

    fn add(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        if tables.plans.values().any(|other| (other.agreement, &other.title) == (plan.agreement, &plan.title)) {
            return Err(Conflict::PlanTitle.into());
        }
        tables.plans.insert(plan.id, plan.clone());
        tables.record("subscription_plan", plan.id, '+', change);
        Ok(())
    }

    fn save(&mut self, plan: &SubscriptionPlan, change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        *tables.plans.get_mut(&plan.id).ok_or_else(|| missing("plan"))? = plan.clone();
        tables.record("subscription_plan", plan.id, '~', change);
        Ok(())
    }
}

impl LicenseRepository for Unit<'_> {
    fn list(
        &mut self,
        plan: PlanId,
        filter: &LicenseFilter,
        order: &[LicenseOrder],
        limit_offset: LimitOffset,
    ) -> Result<Vec<License>, Error> {
        if !order.is_empty() {
            return Err(Error::NotProvided("licenses.list in an order"));
        }
        let found = self.licenses_where(|license| license.plan == plan && filter.matches(license));
        let (offset, limit) = (limit_offset.offset.max(0) as usize, limit_offset.limit.max(0) as usize);
        Ok(found.into_iter().skip(offset).take(limit).collect())
    }

    fn counts(&mut self, plans: &[PlanId]) -> Result<HashMap<PlanId, LicenseCounts>, Error> {
        let mut counts = HashMap::<PlanId, LicenseCounts>::new();
        for license in self.tables.licenses.values().filter(|license| plans.contains(&license.plan)) {
            let of_plan = counts.entry(license.plan).or_default();
            *match license.status() {
                LicenseStatus::Activated => &mut of_plan.activated,
                LicenseStatus::Assigned => &mut of_plan.assigned,
                LicenseStatus::Unassigned => &mut of_plan.unassigned,
                LicenseStatus::Revoked => &mut of_plan.revoked,
            } += 1;
        }
        Ok(counts)
    }

    fn lock_person(&mut self, _: LmsUserId) -> Result<(), Error> {
        self.written().map(drop)
    }

    fn lock_all_by_person(&mut self, person: &Person) -> Result<Vec<License>, Error> {
        self.written()?;
        Ok(self.licenses_where(|license| {
            let held = license.holder_email().zip(person.email.as_ref());
            held.is_some_and(|(held, own)| own.is_same(held))
                || person.lms_user_id.is_some() && license.lms_user_id() == person.lms_user_id
        }))
    }

    fn live_emails(&mut self, plan: PlanId, emails: &[Email]) -> Result<Vec<Email>, Error> {
        let live = self.licenses_where(|license| license.plan == plan && license.is_live());
        Ok(live.iter().filter_map(License::holder_email).filter(|email| emails.contains(email)).cloned().collect())
    }

    fn lock_live_by_emails(&mut self, plan: PlanId, emails: &[Email]) -> Result<Vec<License>, Error> {
        self.written()?;
        Ok(self.licenses_where(|license| {
            let is_named = license.holder_email().is_some_and(|email| emails.contains(email));
            license.plan == plan && license.is_live() && is_named
        }))
    }

    fn lock_live_after(
        &mut self,
        plan: PlanId,
        filter: &LicenseFilter,
        after: Option<LicenseId>,
        limit: i64,
    ) -> Result<Vec<License>, Error> {
        self.written()?;
        let mut live = self.licenses_where(|license| {
            let is_next = after.is_none_or(|after| license.id > after);
            license.plan == plan && license.is_live() && filter.matches(license) && is_next
        });
        live.truncate(limit.max(0) as usize);
        Ok(live)
    }

    fn claim_unassigned(&mut self, plan: PlanId, number: i64) -> Result<Vec<License>, Error> {
        self.written()?;
        let mut free =
            self.licenses_where(|license| license.plan == plan && license.status() == LicenseStatus::Unassigned);
        free.truncate(number.max(0) as usize);
        Ok(free)
    }

    fn add_unassigned(&mut self, plan: PlanId, ids: &[LicenseId], change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        for &id in ids {
            tables.licenses.insert(id, License::unassigned(id, plan, change.at));
            tables.record("license", id, '+', change);
        }
        Ok(())
    }

    fn save(&mut self, licenses: &[License], change: &Change) -> Result<(), Error> {
        let tables = self.written()?;
        for license in licenses {
            *tables.licenses.get_mut(&license.id).ok_or_else(|| missing("license"))? = license.clone();
            tables.record("license", license.id, '~', change);
        }
        let mut holders = HashSet::new();
        let mut live = tables.licenses.values().filter(|license| license.is_live());
        match live.all(|license| holders.insert((license.plan, license.holder_email()))) {
            true => Ok(()),
            false => Err(Conflict::LiveLicense(Vec::new()).into()),
        }
    }
}

/// There are no renewals, so no plan has one.
impl RenewalRepository for Unit<'_> {
    fn find_by_agreements(&mut self, _: &[AgreementId]) -> Result<Vec<RenewalLink>, Error> {
        Ok(Vec::new())
    }
}

impl OutboxRepository for Unit<'_> {
    fn add(&mut self, messages: &[Message]) -> Result<(), Error> {
        self.written()?.outbox.extend_from_slice(messages);
        Ok(())
    }
}
