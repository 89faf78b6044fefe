//! Lists and searches for the console's pages.

use chrono::{DateTime, Utc};

use super::search::SearchTerm;
use crate::error::Error;
use crate::model::email::Email;
use crate::model::ids::{AgreementId, CustomerId, LicenseId, LmsUserId, PlanId};
use crate::model::license::LicenseStatus;
use crate::model::plan::LicenseCounts;
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

/// A message that waits to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Its topic.
    pub topic: String,
    /// When it was added.
    pub created: DateTime<Utc>,
    /// How often its delivery failed.
    pub attempts: i32,
    /// When it is tried next.
    pub not_before: DateTime<Utc>,
    /// Why it failed last.
    pub last_error: Option<String>,
    /// When it was given up.
    pub given_up: Option<DateTime<Utc>>,
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
}

impl PlanFilters {
    /// Every plan of these customers.
    pub fn of(scope: CustomerScope) -> Self {
        Self {
            scope,
            agreement: None,
            title: None,
            is_active: None,
            current_at: None,
            expires: None,
            is_internal: None,
            is_frozen: None,
            product: None,
        }
    }
}

/// How plans are sorted. Ties are broken by id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PlanOrder {
    /// By title.
    Title,
    /// Latest start first.
    #[default]
    Start,
    /// Earliest expiration first.
    Expiration,
}

/// Which agreements to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreementFilters {
    /// Customers that the reader may see.
    pub scope: CustomerScope,
    /// Whose name or slug contains this, in any case.
    pub name: Option<String>,
    /// Those with an active plan, or without.
    pub has_active_plan: Option<bool>,
}

/// How agreements are sorted. Ties are broken by id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AgreementOrder {
    /// By name, or else slug.
    #[default]
    Name,
    /// Latest first.
    Created,
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// How many rows to skip.
    pub offset: i64,
    /// The most rows to return.
    pub limit: i64,
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

    /// The waiting and given up messages about a license, in the order of addition.
    fn messages_of_license(&self, license: LicenseId) -> Result<Vec<MessageRow>, Error>;

    /// A license with its plan and customer.
    fn license_row(&self, license: LicenseId) -> Result<Option<LicenseRow>, Error>;

    /// Plans with their counts.
    fn plan_rows(&self, filters: &PlanFilters, order: PlanOrder, slice: Slice) -> Result<ListPage<PlanRow>, Error>;

    /// Agreements.
    fn agreement_rows(
        &self,
        filters: &AgreementFilters,
        order: AgreementOrder,
        slice: Slice,
    ) -> Result<ListPage<AgreementRow>, Error>;
}
