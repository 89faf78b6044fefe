//! Lists and searches for the console's pages.

use chrono::{DateTime, Utc};

use super::search::SearchTerm;
use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::{AgreementId, CustomerId, LicenseId, LmsUserId, PlanId, RenewalId};
use crate::model::license::LicenseStatus;
use crate::model::plan::LicenseCounts;
use crate::outbox::WaitingMessage;
use crate::ports::CustomerScope;

/// A license in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseRow {
    /// The license.
    pub id: LicenseId,
    /// Its status.
    pub status: LicenseStatus,
    /// Its holder's address.
    pub email: Option<String>,
    /// Its holder's LMS user id.
    pub lms_user_id: Option<i64>,
    /// When it was assigned.
    pub assigned_date: Option<DateTime<Utc>>,
    /// When it was activated.
    pub activation_date: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_date: Option<DateTime<Utc>>,
    /// Its plan.
    pub plan: PlanId,
    /// The plan's title.
    pub plan_title: String,
    /// When the plan expires.
    pub plan_expires: DateTime<Utc>,
    /// Its customer.
    pub customer: CustomerId,
    /// The customer's name, or else slug.
    pub customer_name: Option<String>,
}

/// A plan in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    /// The plan.
    pub id: PlanId,
    /// Its title.
    pub title: String,
    /// When it starts.
    pub start_date: DateTime<Utc>,
    /// When it expires.
    pub expiration_date: DateTime<Utc>,
    /// Whether it can be used.
    pub is_active: bool,
    /// Whether it is for internal use only.
    pub for_internal_use_only: bool,
    /// Whether its unused licenses were deleted.
    pub is_frozen: bool,
    /// Whether they may be deleted.
    pub can_freeze: bool,
    /// The desired number of licenses.
    pub desired_num_licenses: Option<i32>,
    /// Whether a job is adding licenses.
    pub is_growing: bool,
    /// Whether a job of any kind goes on.
    pub has_job: bool,
    /// Why its job failed, while it waits to be tried again.
    pub job_problem: Option<String>,
    /// The name of its product.
    pub product: String,
    /// Its agreement.
    pub agreement: AgreementId,
    /// Its customer.
    pub customer: CustomerId,
    /// The customer's name, or else slug.
    pub customer_name: Option<String>,
    /// Whether it has a renewal.
    pub is_renewed: bool,
    /// The numbers of its licenses.
    pub counts: LicenseCounts,
}

/// An agreement in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreementRow {
    /// The agreement.
    pub id: AgreementId,
    /// The customer.
    pub customer: CustomerId,
    /// The customer's name.
    pub name: Option<String>,
    /// The customer's slug.
    pub slug: Option<String>,
    /// The number of its plans.
    pub plans: i64,
    /// The number of its plans that are active.
    pub active_plans: i64,
}

/// A renewal in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalRow {
    /// The renewal.
    pub id: RenewalId,
    /// The plan that is renewed.
    pub prior_plan: PlanId,
    /// Its title.
    pub prior_plan_title: String,
    /// The plan that follows, if there is one.
    pub renewed_plan: Option<PlanId>,
    /// Its title.
    pub renewed_plan_title: Option<String>,
    /// The agreement of both plans.
    pub agreement: AgreementId,
    /// The customer.
    pub customer: CustomerId,
    /// The customer's name, or else slug.
    pub customer_name: Option<String>,
    /// The number of licenses.
    pub number_of_licenses: i32,
    /// When it takes effect.
    pub effective_date: DateTime<Utc>,
    /// When the renewed plan expires.
    pub renewed_expiration_date: DateTime<Utc>,
    /// Whether it is processed.
    pub is_processed: bool,
    /// Whether the schedule leaves it to people.
    pub is_exempt: bool,
}

/// What a search found. Each list is cut at the search's limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Agreements by id, customer, name and slug.
    pub agreements: Vec<AgreementRow>,
    /// Plans by id, title and Salesforce id.
    pub plans: Vec<PlanRow>,
    /// Licenses by id, activation key, address, LMS user id and Salesforce id.
    pub licenses: Vec<LicenseRow>,
}

/// Which plans to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFilters {
    /// Customers that the reader may see.
    pub scope: CustomerScope,
    /// Only these.
    pub ids: Option<Vec<PlanId>>,
    /// Of this agreement.
    pub agreement: Option<AgreementId>,
    /// Whose title contains this, in any case.
    pub title: Option<String>,
    /// Active ones, or inactive ones.
    pub is_active: Option<bool>,
    /// Those that are current at this time.
    pub current_at: Option<DateTime<Utc>>,
    /// Those that expire in this period.
    pub expires: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// For internal use, or not.
    pub is_internal: Option<bool>,
    /// Frozen ones, or not.
    pub is_frozen: Option<bool>,
    /// Of this product.
    pub product: Option<i32>,
    /// Those with a renewal, or without.
    pub is_renewed: Option<bool>,
    /// Those with a job that goes on, or without.
    pub has_job: Option<bool>,
}

impl PlanFilters {
    /// Every plan of these customers.
    pub fn of(scope: CustomerScope) -> Self {
        Self {
            scope,
            ids: None,
            agreement: None,
            title: None,
            is_active: None,
            current_at: None,
            expires: None,
            is_internal: None,
            is_frozen: None,
            product: None,
            is_renewed: None,
            has_job: None,
        }
    }
}

/// What plans are sorted by. Ties are broken by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanOrder {
    /// The title, in any case.
    Title,
    /// The customer's name, or else slug.
    Customer,
    /// The start.
    Start,
    /// The expiration.
    Expiration,
}

/// Which agreements to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreementFilters {
    /// Customers that the reader may see.
    pub scope: CustomerScope,
    /// Only these.
    pub ids: Option<Vec<AgreementId>>,
    /// Whose name or slug contains this, in any case.
    pub name: Option<String>,
    /// Those with an active plan, or without.
    pub has_active_plan: Option<bool>,
}

impl AgreementFilters {
    /// Every agreement of these customers.
    pub fn of(scope: CustomerScope) -> Self {
        Self { scope, ids: None, name: None, has_active_plan: None }
    }
}

/// What agreements are sorted by. Ties are broken by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgreementOrder {
    /// The customer's name, or else slug, in any case.
    Name,
    /// When they were created.
    Created,
}

/// Which renewals to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalFilters {
    /// Customers that the reader may see.
    pub scope: CustomerScope,
    /// Only these.
    pub ids: Option<Vec<RenewalId>>,
    /// Of plans of this agreement.
    pub agreement: Option<AgreementId>,
    /// Where the customer's name or slug, or the title of the prior plan, contains this, in any case.
    pub text: Option<String>,
    /// Processed ones, or not.
    pub is_processed: Option<bool>,
    /// Those that take effect in this period, its end excluded.
    pub effective: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl RenewalFilters {
    /// Every renewal of these customers.
    pub fn of(scope: CustomerScope) -> Self {
        Self { scope, ids: None, agreement: None, text: None, is_processed: None, effective: None }
    }
}

/// What renewals are sorted by. Ties are broken by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalOrder {
    /// When they take effect.
    Effective,
    /// The title of the prior plan, in any case.
    Plan,
    /// The customer's name, or else slug.
    Customer,
}

/// What a list is sorted by, and its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sorting<O> {
    /// What it is sorted by.
    pub by: O,
    /// Whether the largest comes first.
    pub descending: bool,
}

impl<O> Sorting<O> {
    /// The smallest first.
    pub fn ascending(by: O) -> Self {
        Self { by, descending: false }
    }

    /// The largest first.
    pub fn descending(by: O) -> Self {
        Self { by, descending: true }
    }
}

/// A part of a list, after a row of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<Id> {
    /// The rows after this one; from the first one without it. Nothing comes after a row that does not exist.
    pub after: Option<Id>,
    /// The most rows to return.
    pub limit: i64,
}

impl<Id> Part<Id> {
    /// The first rows.
    pub fn first(limit: i64) -> Self {
        Self { after: None, limit }
    }
}

/// A part of a list, and the number of all rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage<T> {
    /// The number of rows that match.
    pub total: i64,
    /// This part.
    pub rows: Vec<T>,
}

/// Reads for the console. The number of statements of a method MUST NOT depend on the number of rows, and each MUST be
/// fast with a million licenses. Rows of customers outside of the scope MUST NOT be returned.
pub trait ConsoleQueries: Send + Sync {
    /// Searches everything. Up to `limit` rows of each kind.
    fn search(&self, scope: &CustomerScope, term: &SearchTerm, limit: i64) -> Result<Found, Error>;

    /// Up to `limit` licenses that have or had one of these addresses or this LMS user id, live ones first, then latest
    /// assigned first.
    fn licenses_of_person(
        &self,
        scope: &CustomerScope,
        emails: &[Email],
        lms_user_id: Option<LmsUserId>,
        limit: i64,
    ) -> Result<Vec<LicenseRow>, Error>;

    /// Up to `limit` messages about these licenses that wait or were given up, in the order of addition.
    fn messages_of_licenses(&self, licenses: &[LicenseId], limit: i64) -> Result<Vec<WaitingMessage>, Error>;

    /// A license with its plan and customer.
    fn license_row(&self, license: LicenseId) -> Result<Option<LicenseRow>, Error>;

    /// Plans with their counts.
    fn plan_rows(
        &self,
        filters: &PlanFilters,
        sorting: Sorting<PlanOrder>,
        part: Part<PlanId>,
    ) -> Result<ListPage<PlanRow>, Error>;

    /// Agreements.
    fn agreement_rows(
        &self,
        filters: &AgreementFilters,
        sorting: Sorting<AgreementOrder>,
        part: Part<AgreementId>,
    ) -> Result<ListPage<AgreementRow>, Error>;

    /// Renewals.
    fn renewal_rows(
        &self,
        filters: &RenewalFilters,
        sorting: Sorting<RenewalOrder>,
        part: Part<RenewalId>,
    ) -> Result<ListPage<RenewalRow>, Error>;
}
